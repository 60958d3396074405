"""A run on a board as one HTML page that needs no network and no other file."""

import base64
import contextlib
import errno
import hashlib
import io
import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from PIL import Image

from ..contract import frames, program, soc
from ..errors import OutputError
from ..images import patch
from .spike_maps import WINDOW_NAMES, spike_maps

SHOWN = 24
"""Images with picture, scores and spike maps at most; the others have a row of the table."""
SHOWN_BYTES = 3_000_000
"""Of pictures and spike maps in the page; fewer images are shown where they would take more."""
ROWS = 5000
"""Rows of the table of all images at most."""
FOLDER = Path(__file__).parent


@dataclass
class ReportContext:
    """What a run was and what came of it.

    ``program``: the ``Program`` that ran; ``images`` uint8 (n, C, H, W), unpatched; ``labels`` class numbers
    (n,) or None; ``results``: objects with ``image`` (row of ``images``), ``scores`` (classes,) integers,
    ``prediction``, ``latency_cycles``, ``cycles``, ``spikes`` and ``error`` (a sentence, then the rest
    means nothing; or None); ``clock_hz`` and ``board`` (URI); ``images_per_second`` as the host measured it;
    ``mismatches``: scores that differ from the golden model's, None where nobody compared; ``counters`` of the board.
    """

    title: str
    program: program.Program
    images: np.ndarray
    labels: Sequence[int] | np.ndarray | None
    results: Sequence[Any]
    clock_hz: int
    board: str
    images_per_second: float
    mismatches: int | None
    counters: dict[str, int]


def write_html(path, context):
    """Write the page under a temporary name, then rename it.

    Raises ``DataError`` where the images do not fit the program, ``OutputError`` where the file cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise _unwritable(path, os.strerror(errno.EISDIR))
    page = Template((FOLDER / "report_template.html").read_text(encoding="utf-8")).substitute(_parts(context))
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(page, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise _unwritable(path, error.strerror) from None


def _unwritable(path, reason):
    return OutputError(f"cannot write the report {path} ({reason}); name a file in a folder that can be written")


def _parts(context):
    """Placeholder of the template -> HTML."""
    script = (FOLDER / "report_maps.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    shown = _Shown(context)
    good = [result for result in context.results if result.error is None]
    return {
        "title": escape(context.title),
        "subtitle": f"Network {escape(_network(context))} on core {escape(context.program.config.name)}, "
        f"board {escape(context.board)}, {_count(len(context.results))} images",
        "figures": _figures(context, good),
        "check": _check(context),
        "shown_note": shown.note(),
        "thumbnails": "\n".join(shown.thumbnails()),
        "articles": "\n".join(shown.articles()),
        "layer_choices": "\n".join(shown.layer_choices()),
        "maps_note": shown.maps_note(),
        "confusion": _confusion(context, good),
        "table_note": _table_note(context),
        "rows": "\n".join(_row(context, result) for result in context.results[:ROWS]),
        "counters": _pairs({name: _count(value) for name, value in context.counters.items()}),
        "names": _pairs(_names(context)),
        "footer": f"Written by onespike {version('onespike')} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. "
        "This page holds everything it shows and asks the network for nothing.",
        "maps": shown.maps(),
        "script_hash": f"sha256-{digest}",
        "script": script,
    }


class _Shown:
    """The images that are shown with picture, scores and spike maps: the first ones of the run."""

    def __init__(self, context):
        self.context = context
        results = context.results[:SHOWN]
        images = context.images[[result.image for result in results]]
        pixels = patch(images, max(1, images.shape[2] // context.program.image_side))
        self.golden, self.layers, packed = spike_maps(context.program, pixels)
        self.packed = [_base64(row.tobytes()) for row in packed]
        self.pictures = [_base64(_png(image)) for image in images]
        sizes = np.cumsum([len(bits) + 2 * len(png) for bits, png in zip(self.packed, self.pictures, strict=True)])
        self.results = results[: int((sizes <= SHOWN_BYTES).sum())]

    def note(self):
        total, shown = len(self.context.results), len(self.results)
        if shown == total:
            return "Choose an image, then a layer."
        return (
            f"The first {shown} of {_count(total)} images; the others are in the table below "
            f"(this page shows at most {SHOWN} and stays small)."
        )

    def maps_note(self):
        checked = self.context.mismatches
        note = (
            "Whole map: what the layer hands on, all windows merged. Window maps: what each of the four windows fired. "
            "The maps are the golden model's: a board sends scores, no spikes. "
        )
        if checked == 0:
            return note + "All scores of this run were compared and equal the golden model's, bit for bit."
        if checked is None:
            return (
                note + "The run was not compared with the golden model as a whole; each image shown says if it agrees."
            )
        return note + "The board's scores differ from the golden model's: its spikes may differ too."

    def thumbnails(self):
        for index, (result, png) in enumerate(zip(self.results, self.pictures, strict=False)):
            mark = {"right": "\N{CHECK MARK}", "wrong": "\N{MULTIPLICATION X}"}
            verdict = _verdict(self.context, result)
            sign = f'<span class="mark {verdict}" aria-hidden="true">{mark[verdict]}</span>' if verdict in mark else ""
            yield (
                f'<label><input type="radio" name="image" value="{index}"{" checked" * (index == 0)}>'
                f'<span class="tile"><img src="data:image/png;base64,{png}" width="48" height="48" '
                f'alt="{_alt(self.context, result)}">{sign}</span></label>'
            )

    def layer_choices(self):
        for index, layer in enumerate(self.layers):
            yield (
                f'<label><input type="radio" name="layer" value="{index}"{" checked" * (index == 0)}><span class="tile">'
                f'<canvas width="88" height="88" aria-hidden="true"></canvas>{escape(layer.name)}'
                '<span class="rate"></span></span></label>'
            )

    def articles(self):
        for result, png, golden in zip(self.results, self.pictures, self.golden, strict=False):
            yield _article(self.context, result, png, golden)

    def maps(self):
        """JSON for the script; no ``<`` in it, so nothing in it ends the element that holds it."""
        maps = {
            "windows": WINDOW_NAMES,
            "layers": [asdict(layer) for layer in self.layers],
            "images": self.packed[: len(self.results)],
        }
        return json.dumps(maps).replace("<", "\\u003c")


def _article(context, result, png, golden):
    """One image: picture, label, prediction, scores, figures."""
    head = (
        f'<article data-image="{result.image}"><div class="shown">'
        f'<img src="data:image/png;base64,{png}" width="112" height="112" alt="{_alt(context, result)}"><div>'
        f"<h3>Image {result.image}</h3>"
    )
    if context.labels is not None:
        head += f'<p><span class="soft">label</span> {_class(context, context.labels[result.image])}</p>'
    if result.error is not None:
        return f'{head}<p class="bad">failed: {escape(result.error)}</p></div></div></article>'
    verdict = _verdict(context, result)
    badge = {"right": ("good", "right"), "wrong": ("bad", "wrong")}.get(verdict)
    head += f'<p><span class="soft">prediction</span> <b>{_class(context, result.prediction)}</b></p>'
    if badge:
        head += f'<p><span class="badge {badge[0]}">{badge[1]}</span></p>'
    same = np.array_equal(np.asarray(result.scores), golden)
    facts = {
        "latency": f"{_count(result.latency_cycles)} cycles, {_microseconds(context, result)} &micro;s",
        "since the result before": f"{_count(result.cycles)} cycles",
        "spikes": _count(result.spikes),
        "golden model": '<span class="good">all scores equal</span>'
        if same
        else '<span class="bad">scores differ</span>',
    }
    items = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    return f'{head}</div></div>{_bars(context, result)}<dl class="facts">{items}</dl></article>'


def _bars(context, result):
    """Scores as bars from a common zero."""
    scores = [int(score) for score in result.scores]
    low, high = min(0, *scores), max(0, *scores)
    span = (high - low) or 1
    rows = []
    for number, score in enumerate(scores):
        left, width = 100 * (min(score, 0) - low) / span, 100 * abs(score) / span
        top = ' class="top"' if number == result.prediction else ""
        rows.append(
            f'<tr{top}><th scope="row">{_class(context, number)}</th><td class="bar"><div aria-hidden="true">'
            f'<i style="left:{left:.1f}%;width:{width:.1f}%"></i></div></td><td>{_count(score)}</td></tr>'
        )
    return f'<table class="bars"><caption class="soft">Class scores</caption>{"".join(rows)}</table>'


def _figures(context, good):
    """The cards on top."""
    cards = []
    if context.labels is not None:
        right = sum(_verdict(context, result) == "right" for result in context.results)
        share = f"{100 * right / len(context.results):.1f} %" if context.results else "-"
        cards.append(("Top-1", share, f"{_count(right)} of {_count(len(context.results))} images right"))
    else:
        cards.append(("Top-1", "no labels", "images without labels: nothing to be right about"))
    cards.append(("Images a second", f"{context.images_per_second:,.1f}", "as the host measured it, link included"))
    if good:
        latency = statistics.median(result.latency_cycles for result in good)
        cycles = statistics.median(result.cycles for result in good)
        spikes = statistics.mean(result.spikes for result in good)
        clock = f"{context.clock_hz / 1e6:g} MHz"
        cards += [
            (
                "Latency",
                f"{1e6 * latency / context.clock_hz:,.0f} &micro;s",
                f"{_count(latency)} cycles at {clock}, median",
            ),
            (
                "Result to result",
                f"{_count(cycles)} cycles",
                "median, by the core's counter; over a slow link it is the link's pace",
            ),
            ("Spikes", _count(spikes), "an image fires, mean"),
        ]
    failed = len(context.results) - len(good)
    cards.append(("Answered", f"{_count(len(good))} of {_count(len(context.results))}", f"{_count(failed)} failed"))
    return "\n".join(
        f'<div class="figure"><span class="name">{name}</span><b>{value}</b><span>{note}</span></div>'
        for name, value, note in cards
    )


def _check(context):
    """What was compared with the golden model."""
    if context.mismatches is None:
        kind, strong = "", "Not checked."
        text = "The scores of this run were not compared with the golden model (--check does that)."
    elif context.mismatches == 0:
        kind, strong = "good", "0 mismatches."
        text = "Every score of every answered image equals the golden model's, bit for bit."
    else:
        kind, strong = "bad", f"{_count(context.mismatches)} mismatches."
        text = "So many scores differ from the golden model's: board and model do not compute the same."
    return f'<section class="check {kind}" aria-label="Check"><p><strong>{strong}</strong> {text}</p></section>'


def _confusion(context, good):
    """Rows: labels; columns: predictions."""
    head = '<section aria-labelledby="confusion-head"><h2 id="confusion-head">Confusion matrix</h2>'
    if context.labels is None:
        return f'{head}<p class="soft">The images have no labels, so there is none.</p></section>'
    classes = context.program.classes
    matrix = np.zeros((classes, classes), np.int64)
    for result in good:
        matrix[context.labels[result.image], result.prediction] += 1
    columns = "".join(f'<th scope="col">{_class(context, number)}</th>' for number in range(classes))
    rows = []
    for label, counts in enumerate(matrix):
        cells = []
        for prediction, count in enumerate(counts):
            hue = "right" if prediction == label else "wrong"
            share = 0.5 * count / max(1, counts.sum())
            style = f' style="--hue:var(--{hue});--share:{share:.2f}"' if count else ' class="zero"'
            cells.append(f"<td{style}>{count}</td>")
        rows.append(f'<tr><th scope="row">{_class(context, label)}</th>{"".join(cells)}</tr>')
    return (
        f'{head}<p class="soft">A row per label, a column per prediction; the deeper the colour, '
        "the larger the share of the row.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-labelledby="confusion-head"><table class="data matrix" id="confusion">'
        f'<thead><tr><th class="corner" scope="row">label</th>{columns}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        "</div></section>"
    )


def _table_note(context):
    total = len(context.results)
    if total <= ROWS:
        return f"{_count(total)} images, in the order of the run."
    return f"The first {_count(ROWS)} of {_count(total)} images, in the order of the run; the table is cut here."


def _row(context, result):
    label = "-" if context.labels is None else _class(context, context.labels[result.image])
    if result.error is not None:
        cells = f'<td>{result.image}<td class="text">{label}<td class="text">-<td>-<td>-<td>-<td>-<td>-'
        return f'<tr>{cells}<td class="text bad">failed: {escape(result.error)}</tr>'
    verdict = _verdict(context, result)
    colour = {"right": " good", "wrong": " bad"}.get(verdict, "")
    return (
        f'<tr><td>{result.image}<td class="text">{label}<td class="text">{_class(context, result.prediction)}'
        f"<td>{_count(result.scores[result.prediction])}<td>{_count(result.latency_cycles)}"
        f"<td>{_microseconds(context, result)}<td>{_count(result.cycles)}<td>{_count(result.spikes)}"
        f'<td class="text{colour}">{verdict or "-"}</tr>'
    )


def _names(context):
    """Name -> HTML of what stood at both ends."""
    image = context.program
    return {
        "onespike": escape(version("onespike")),
        "board": escape(context.board),
        "clock": f"{context.clock_hz / 1e6:g} MHz",
        "link protocol": str(frames.PROTOCOL),
        "system contract": f"{soc.contract_id():08x}",
        "network": escape(_network(context)),
        "program format": str(program.VERSION),
        "program checksum": f"{int(image.encode()[-1]):08x}",
        "core": escape(image.config.name),
        "core fingerprint": f"{program.fingerprint(image.config):08x}",
        "layers": str(len(image.layers)),
        "classes": str(image.classes),
        "NumPy": escape(np.__version__),
    }


def _verdict(context, result):
    """ "right", "wrong", "failed", or "" without a label."""
    if result.error is not None:
        return "failed"
    if context.labels is None:
        return ""
    return "right" if result.prediction == context.labels[result.image] else "wrong"


def _alt(context, result):
    """Alternative text of an image, escaped."""
    label = "" if context.labels is None else f", label {_class(context, context.labels[result.image])}"
    answer = "failed" if result.error is not None else f"prediction {_class(context, result.prediction)}"
    return f"Image {result.image}{label}, {answer}"


def _class(context, number):
    """Name of a class, escaped; its number where the program has no name for it."""
    labels = context.program.metadata.get("labels") or []
    return escape(str(labels[number])) if number < len(labels) else str(int(number))


def _network(context):
    return str(context.program.metadata.get("network", "without a name"))


def _microseconds(context, result):
    return f"{1e6 * result.latency_cycles / context.clock_hz:,.1f}"


def _count(value):
    return f"{round(value):,}"


def _pairs(pairs):
    items = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in pairs.items())
    return f'<dl class="pairs">{items}</dl>'


def _png(image):
    """PNG of an image uint8 (C, H, W): three channels are colours, any other number is shown as its grey mean."""
    raster = image.transpose(1, 2, 0) if len(image) == 3 else image.mean(0).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(raster)).save(file, "PNG")
    return file.getvalue()


def _base64(data):
    return base64.b64encode(data).decode()
