"""The report of ``energy.measure`` as text."""

TOTALS = {
    "papers": "as the papers count: float32, no memory",
    "arithmetic": "integers, no memory",
    "with_memory": "integers, with memory",
}
PARTS = {"synapses": "adds", "neurons": "neurons", "weights": "weights", "words": "spikes", "accumulators": "accum.",
         "parameters": "carry"}  # fmt: skip
"""Column of each part of ``Work.picojoules``."""


def table(result):
    """Counts and nanojoules by layer, the totals beside the ANN's, and NeuroBench's metrics."""
    lines = [
        f"{result['network']} on {result['config']}, a mean image of {result['images']}; nJ by Horowitz' 45 nm figures",
        "",
        f"{'layer':<14}{'k SOP':>9}{'with spike':>12}{'acc bits':>10}"
        + "".join(f"{name:>9}" for name in PARTS.values())
        + f"{'all':>9}",
    ]
    lines += [_row(layer) for layer in result["layers"]]
    lines += [_sum_row("spiking", result["layers"]), _sum_row("8-bit ANN", result["ann"]), ""]
    lines.append(f"{'uJ an image':<42}{'spiking':>10}{'ANN':>10}{'ratio':>8}")
    for key, what in TOTALS.items():
        total = result["microjoules"][key]
        lines.append(f"{what:<42}{total['spiking']:>10.3f}{total['ann']:>10.3f}{total['ratio']:>7.2f}x")
    return "\n".join([*lines, "", *_neurobench(result["neurobench"])])


def _row(layer):
    dense, share = layer["dense"], 100 * layer["effective"] / max(1, layer["dense"])
    what = f"{layer['name']:<14}{dense / 1e3:>9.1f}{share:>11.1f}%{layer['adder_bits']:>10}"
    return what + _nanojoules(layer["picojoules"])


def _sum_row(name, layers):
    dense = sum(layer["dense"] for layer in layers)
    share = 100 * sum(layer["effective"] for layer in layers) / dense
    parts = {part: sum(layer["picojoules"][part] for layer in layers) for part in PARTS}
    return f"{name:<14}{dense / 1e3:>9.1f}{share:>11.1f}%{'':>10}" + _nanojoules(parts)


def _nanojoules(parts):
    return "".join(f"{parts[part] / 1e3:>9.1f}" for part in PARTS) + f"{sum(parts.values()) / 1e3:>9.1f}"


def _neurobench(metrics):
    lines = ["NeuroBench"]
    for name, value in metrics.items():
        parts = value if isinstance(value, dict) else {"": value}
        for part, number in parts.items():
            lines.append(f"  {f'{name} {part}':<36}" + (f"{number:>14.4f}" if number < 1 else f"{number:>14,.0f}"))
    return lines
