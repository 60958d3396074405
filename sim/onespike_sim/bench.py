"""``make bench``: every accumulator array in several sizes, measured on the committed network, beside rivals."""

from dataclasses import asdict
from pathlib import Path

from onespike.cli import write_report
from onespike.compiler import compile
from onespike.compiler.schedule import block_load, predict
from onespike.contract.config import ARRAYS, TAPS, WINDOWS, preset
from onespike.errors import ToolError
from onespike.golden import effective_sop, silent_beats
from onespike_hw.core import Core

from .explore import BOARD, PART, sized, synthesised, workers
from .plots import roofline
from .rivals import RIVALS
from .route import nextpnr_version, route_ecp5
from .runner import to_verilog
from .synth import PARTS, synthesise, yosys_version
from .verify import compare

SIZES = ((4, 8), (8, 8), (12, 8), (12, 16))
"""(channels per spike word, outputs) of the cores to compare; the memories fit the network."""
IMAGES = 4
"""Of an image stream: the steady state is reached with the second."""


def variants(model):
    """Configurations to measure, the board's own among them."""
    chosen = []
    for array in ARRAYS:
        for word, outputs in SIZES:
            chosen.append(sized(model, array=array, word=word, outputs=outputs))
    return chosen


def measure(model, images, config, route):
    """Dictionary of one core: cycles from simulation, cells from synthesis, clock from place and route."""
    compiled = compile(model, config)
    report = compiled.report
    pixels = model.spec.arrange(images)
    verdict = compare(compiled.program, pixels, name="bench")
    run = verdict.run
    frames = config.clock_mhz * 1e6 / run.cycles
    xc7 = synthesised(config)
    ecp5_text = to_verilog(Core(config), "core", "ecp5")[0]
    ecp5 = synthesise(ecp5_text, "core", "ecp5", modules=False)
    routed = _routed(ecp5_text) if route else None
    steady = run.layer_cycles[: len(images) - 1].mean(0)
    effective = effective_sop(compiled.program, pixels, verdict.trace)
    silent = silent_beats(compiled.program, pixels, verdict.trace).sum(0)
    return {
        "name": config.name,
        "array": config.array,
        "lanes": config.lanes,
        "outputs": config.outputs,
        "neurons": config.neurons,
        "peak_sop_per_cycle": config.peak_sop,
        "mismatched_bits": int(verdict.mismatched.sum()),
        "cycles_per_image": run.cycles,
        "predicted_cycles_per_image": report.cycles,
        "latency_cycles": run.latency,
        "utilisation": report.dense_sop / (run.cycles * config.peak_sop),
        "layers": [
            {"name": row.name, "cycles": cycles, "utilisation": row.dense_sop / (cycles * config.peak_sop)}
            for row, cycles in zip(report.layers, steady.tolist(), strict=True)
        ],
        "frames_per_second": frames,
        "frames_per_klut": 1000 * frames / xc7.lut,
        "gsop_per_second": report.dense_sop * frames / 1e9,
        "gsop_per_klut": report.dense_sop * frames / 1e6 / xc7.lut,
        "silent": float(silent[1] / silent[0]),
        "silent_windows": float(silent[2] / silent[0] / WINDOWS),
        "effective_gsop_per_second": effective * frames / 1e9,
        "simulated_cycles_per_second": run.total_cycles / run.seconds,
        "simulated_images_per_minute": 60 * run.total_cycles / run.seconds / run.cycles,
        "xc7": asdict(xc7) | {"exceeded": xc7.exceeded(PART)},
        "ecp5": asdict(ecp5),
        "ecp5_route": routed,
    }


def _routed(text):
    """``Route`` as a dictionary, or why there is none."""
    try:
        return asdict(route_ecp5(text, "core", timeout=7200))
    except ToolError as error:
        return {"fmax_mhz": None, "error": str(error)}


def _table(rows):
    head = f"{'array':<9}{'lanes x out':>12}{'SOP/cyc':>9}{'cycles/img':>11}{'util':>6}{'LUT':>7}{'LUTRAM':>8}{'FF':>7}"
    head += (
        f"{'BRAM':>6}{'DSP':>5}{'ns':>5}{'frames/s':>10}{'/kLUT':>7}{'GSOP/s':>8}{'/kLUT':>7}{'ECP5 LUT':>10}{'MHz':>6}"
    )
    lines = [head]
    for row in rows:
        cells, mhz = row["xc7"], row["ecp5_route"]["fmax_mhz"] if row["ecp5_route"] else None
        size = f"{row['lanes']} x {row['outputs']}"
        line = f"{row['array']:<9}{size:>12}{row['peak_sop_per_cycle']:>9}{row['cycles_per_image']:>11.0f}"
        line += f"{100 * row['utilisation']:>5.0f}%{cells['lut']:>7}{cells['lutram'] + cells['srl']:>8}{cells['ff']:>7}"
        line += f"{cells['bram']:>6g}{cells['dsp']:>5g}{max(cells['cell_ns'].values()):>5.1f}"
        line += f"{row['frames_per_second']:>10.0f}{row['frames_per_klut']:>7.0f}"
        line += f"{row['gsop_per_second']:>8.1f}{row['gsop_per_klut']:>7.1f}{row['ecp5']['lut']:>10}"
        line += f"{mhz:>6.1f}" if mhz else f"{'none' if row['ecp5_route'] else '-':>6}"
        lines.append(line + (" *" if cells["exceeded"] else "") + (" WRONG" if row["mismatched_bits"] else ""))
    return "\n".join(lines)


def _layers(row):
    lines = [f"{'layer of ' + row['name']:<26}{'cycles':>8}{'utilisation':>13}"]
    lines += [f"{e['name']:<26}{e['cycles']:>8.0f}{100 * e['utilisation']:>12.1f}%" for e in row["layers"]]
    return "\n".join(lines)


def _rivals():
    def cell(value, width, digits=0):
        return f"{'?':>{width}}" if value is None else f"{value:>{width},.{digits}f}"

    lines = [
        f"{'rival':<26}{'device':<18}{'MHz':>5}{'frames/s':>10}{'kLUT':>6}{'/kLUT':>7}{'GSOP/s':>9}{'/kLUT':>7}  source"
    ]
    for r in RIVALS:
        line = f"{r.system:<26}{r.device:<18}{r.clock_mhz:>5.0f}{cell(r.frames_per_second, 10)}{cell(r.kluts, 6)}"
        line += f"{cell(r.frames_per_klut, 7)}{cell(r.gsop_per_second, 9)}{cell(r.gsop_per_klut, 7, 1)}"
        lines.append(f"{line}  {r.certainty}: {r.source} ({r.note})")
    return "\n".join(lines)


def draw_roofline(model, board, row, path):
    """What bounds each layer of ``model`` on the board, from the measured cycles of ``row``."""
    compiled = compile(model, board)
    blocks = predict(compiled.program.layers, board, compiled.report.image_cycles).blocks
    block_bits = board.lanes * board.outputs * board.weight_bits
    points = [
        {
            "name": entry.name,
            "sop": entry.dense_sop,
            "cycles": measured["cycles"],
            "weight_bits": count * block_bits,
            "spike_bits": entry.beats * TAPS * board.word * WINDOWS,
        }
        for entry, measured, count in zip(compiled.report.layers, row["layers"], blocks, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    roofline(
        points,
        path,
        compute=board.peak_sop,
        weight_bits_per_cycle=block_bits / block_load(board),
        spike_bits_per_cycle=TAPS * board.word * WINDOWS,
    )


def bench(model, images, what, *, route=True, jobs=None):
    """Measure everything, print the tables; returns the result, which is also written."""
    board = preset(BOARD)
    configs = variants(model)
    versions = {"yosys": yosys_version(), "nextpnr": nextpnr_version() if route else None}
    rows = {}
    with workers(jobs) as pool:
        # The board's own first: whoever watches sees it first.
        order = sorted(configs, key=lambda c: c != board)
        waiting = {config.name: pool.submit(measure, model, images[:IMAGES], config, route) for config in order}
        for name, result in waiting.items():
            rows[name] = result.result()
            print(f"measured {name}: {rows[name]['cycles_per_image']:.0f} cycles per image", flush=True)
            write_report("bench-rows", rows)  # a run that is cut off leaves what it had
    table = [rows[config.name] for config in configs]
    picture = Path("build/reports/roofline.svg")
    draw_roofline(model, board, rows[BOARD], picture)
    result = {
        "board": BOARD,
        "part": PART,
        "limits": PARTS[PART],
        "clock_mhz": board.clock_mhz,
        "images": IMAGES,
        "pixels": what,
        **versions,
        "rows": table,
        "rivals": [asdict(r) for r in RIVALS],
    }
    print(f"\n{_table(table)}\n* more than the {PART} has")
    print(
        f"LUT to ns: xc7 by Yosys {result['yosys']}, no place and route; ns: cells on the longest path inside a unit,"
        f"\nwithout routing; frames/s and GSOP/s at {board.clock_mhz} MHz; MHz: "
        + (f"LFE5U-85F speed 6 by nextpnr {result['nextpnr']}, out of context\n" if route else "not routed\n")
    )
    print(f"{_layers(rows[BOARD])}\n\n{_rivals()}\n")
    print(f"wrote {picture} and {write_report('bench', result)}")
    return result
