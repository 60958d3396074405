"""Drawings of measured figures; the same figures give the same file, byte for byte."""

import matplotlib
from matplotlib.figure import Figure

_STYLE = {
    "svg.hashsalt": "onespike",
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_ROOF, _LAYER = "#555555", "#1f6fb4"


def attainable(point, *, compute, weight_bits_per_cycle, spike_bits_per_cycle):
    """SOP per cycle that the lowest roof lets a layer reach; ``point`` and roofs as for ``roofline``."""
    return min(
        compute,
        point["sop"] / point["weight_bits"] * weight_bits_per_cycle,
        point["sop"] / point["spike_bits"] * spike_bits_per_cycle,
    )


def roofline(points, path, *, compute, weight_bits_per_cycle, spike_bits_per_cycle):
    """Draw what bounds each layer into the SVG file ``path``.

    ``points``: one dictionary per layer with ``name``, useful ``sop``, ``cycles``, and ``weight_bits`` and
    ``spike_bits`` fetched, all of the same stretch of time and above 0. Roofs: ``compute`` in SOP per cycle, the
    two bandwidths in bits per cycle. A layer is reused weights on the left and reused spikes on the right; the
    numbers are those of the list, whose per cents are of the lowest roof.

    Raises ``ValueError``: there is no layer, or one holds an amount that is not above 0.
    """
    roofs = {"weight_bits_per_cycle": weight_bits_per_cycle, "spike_bits_per_cycle": spike_bits_per_cycle}
    if not points:
        raise ValueError("a roofline needs at least one layer")
    for point in points:
        for key in ("sop", "cycles", "weight_bits", "spike_bits"):
            if not point[key] > 0:
                raise ValueError(f"layer {point['name']!r}: {key} is {point[key]}, not above 0")
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 4.2), layout="constrained")
        left, right, key = figure.subplots(1, 3, gridspec_kw={"width_ratios": (3, 3, 1.7)})
        _panel(left, points, "weight", compute, weight_bits_per_cycle)
        _panel(right, points, "spike", compute, spike_bits_per_cycle)
        right.sharey(left)
        left.set_ylabel("SOP per cycle")
        right.tick_params(labelleft=False)
        key.set_axis_off()
        lines = []
        for number, point in enumerate(points, 1):
            share = point["sop"] / point["cycles"] / attainable(point, compute=compute, **roofs)
            lines.append(f"{number}  {point['name']}  {100 * share:.0f} %")
        key.text(0, 1, "\n".join(("layer, share of its roof", *lines)), va="top", linespacing=1.5)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _panel(axes, points, kind, compute, bits_per_cycle):
    """One plane: SOP per fetched bit of ``kind`` against SOP per cycle, under the two roofs that it shows."""
    places = [(point["sop"] / point[f"{kind}_bits"], point["sop"] / point["cycles"]) for point in points]
    ridge = compute / bits_per_cycle
    low, high = min(ridge, *(x for x, _ in places)) / 2, max(ridge, *(x for x, _ in places)) * 2
    bottom = min(compute, *(y for _, y in places)) / 2
    axes.plot((low, ridge, high), (low * bits_per_cycle, compute, compute), color=_ROOF, linewidth=1.5)
    axes.text(high, compute * 1.04, f"array: {compute:g} SOP/cycle", ha="right", va="bottom", color=_ROOF)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(bottom, compute * 1.6))
    axes.set_xlabel(f"SOP per {kind} bit fetched ({bits_per_cycle:g} bits per cycle)")
    axes.grid(which="both", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    done = []
    for number, place in enumerate(places, 1):
        # A number that would cover one before it moves down until it does not.
        spot = axes.transData.transform(place)
        lift = 0
        while any(abs(spot[0] - x) < 14 and abs(spot[1] - 11 * lift - y) < 10 for x, y in done):
            lift += 1
        done.append((spot[0], spot[1] - 11 * lift))
        axes.plot(*place, "o", color=_LAYER, markersize=5)
        axes.annotate(str(number), place, xytext=(5, -3 - 9 * lift), textcoords="offset points", fontsize=8)
