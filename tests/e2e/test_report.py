"""The page of a run, opened in a real browser."""

import base64
import json
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from onespike.contract import arith
from onespike.errors import OutputError
from onespike.golden import run_traced
from onespike.images import patch
from onespike.runtime import Board
from onespike.runtime.emulator import GoldenDevice
from onespike.runtime.report import SHOWN, ReportContext, write_html
from onespike.runtime.spike_maps import spike_maps

from ..support.browser import look
from ..support.cases import LARGE, tiny_case

EVIL = "<script>document.title='taken'</script>"
"""A class name that must stay text."""


def context(count, labels=True, mismatches=0):
    """A run of ``count`` images on the golden device; half of its labels are right."""
    case = tiny_case(LARGE, count)
    names = [EVIL, *(f"class {n}" for n in range(1, case.program.classes))]
    program = replace(case.program, metadata={**case.program.metadata, "labels": names, "network": EVIL})
    with Board(GoldenDevice(program), program) as board:
        results = list(board.classify(case.images))
        counters = board.counters()
    truth = [(r.prediction + r.image % 2) % program.classes for r in results]
    return ReportContext(
        title="a run",
        program=program,
        images=case.images,
        labels=truth if labels else None,
        results=results,
        clock_hz=100_000_000,
        board="golden://",
        images_per_second=12.5,
        mismatches=mismatches,
        counters=counters,
    )


def text(dom):
    """What a reader sees of a document."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", dom, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def colours(picture):
    """Distinct colours of a picture made small."""
    return len(set(np.asarray(picture.resize((200, 200))).reshape(-1, 3).astype(np.uint32) @ [65536, 256, 1]))


def test_page_in_a_browser(tmp_path):
    given = context(12)
    write_html(tmp_path / "out.html", given)
    page = look(tmp_path / "out.html", tmp_path)
    assert page.console == [] and colours(page.picture) > 200
    shown = text(page.dom)
    for figure in ("50.0 %", "12.5", "12 of 12", "0 mismatches", given.program.config.name):
        assert figure in shown, f"{figure!r} is not on the page"
    rows = re.findall(r"<tr.*?</tr>", re.search(r'id="results".*?</table>', page.dom, re.DOTALL)[0], re.DOTALL)[1:]
    assert len(rows) == 12
    for row, result in zip(rows, given.results, strict=True):
        cells = [text(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)(?=<t[dh]|</tr)", row, re.DOTALL)]
        names = given.program.metadata["labels"]
        assert cells[:4] == [
            str(result.image), names[given.labels[result.image]], names[result.prediction], f"{max(result.scores):,}"
        ]  # fmt: skip
    # The script drew: each layer tells its rate of spikes, and the maps stand beside them.
    rates = re.findall(r'class="rate">([\d.]+) % fired', page.dom)
    assert len(rates) == len(given.program.layers) - 1 and page.dom.count("<canvas") > len(rates)


def test_names_from_files_stay_text(tmp_path):
    write_html(tmp_path / "out.html", context(2))
    page = look(tmp_path / "out.html", tmp_path)
    assert "<title>a run</title>" in page.dom and EVIL in text(page.dom) and EVIL not in page.dom


def test_a_complaint_of_the_page_would_be_seen(tmp_path):
    (tmp_path / "broken.html").write_text("<script>throw Error('broken on purpose')</script>")
    page = look(tmp_path / "broken.html", tmp_path)
    assert any("broken on purpose" in line for line in page.console) and colours(page.picture) == 1


def test_a_telephone_shows_it_without_scrolling_sideways(tmp_path):
    write_html(tmp_path / "out.html", context(2))
    wide = (tmp_path / "out.html").read_text()
    probe = "<script>document.title = document.documentElement.scrollWidth <= innerWidth ? 'fits' : 'too wide'</script>"
    # The page's own policy forbids other scripts: the probe looks at a copy without it.
    open_page = re.sub(r"<meta http-equiv=.Content-Security-Policy.[^>]*>", "", wide).replace(
        "</body>", probe + "</body>"
    )
    (tmp_path / "probe.html").write_text(open_page)
    page = look(tmp_path / "probe.html", tmp_path, (500, 900))
    assert "<title>fits</title>" in page.dom


@pytest.mark.parametrize(("mismatches", "sentence"), [(None, "was not compared"), (3, "scores differ")])
def test_page_says_what_was_checked(tmp_path, mismatches, sentence):
    write_html(tmp_path / "out.html", context(2, labels=False, mismatches=mismatches))
    assert sentence in text((tmp_path / "out.html").read_text())


def test_many_images_are_cut_and_it_says_so(tmp_path):
    write_html(tmp_path / "out.html", context(SHOWN + 6))
    page = (tmp_path / "out.html").read_text()
    assert f"The first {SHOWN} of {SHOWN + 6} images" in page and len(page) < 5_000_000
    assert page.count("<article") == SHOWN
    assert len(re.findall("<tr", re.search(r'id="results".*?</table>', page, re.DOTALL)[0])) == SHOWN + 7


def test_failed_images_say_why(tmp_path):
    given = context(3)
    given.results[1] = replace(given.results[1], error="the board gave 9 scores")
    write_html(tmp_path / "out.html", given)
    shown = text((tmp_path / "out.html").read_text())
    assert "failed: the board gave 9 scores" in shown and "2 of 3" in shown


def test_needs_nothing_else(tmp_path):
    write_html(tmp_path / "out.html", context(2))
    page = (tmp_path / "out.html").read_text()
    assert not re.search(r"(src|href)=.?(https?:|//|file:)", page) and "url(" not in page and "@import" not in page


@pytest.mark.parametrize("seed", [LARGE, 104])
def test_spike_maps_are_the_golden_models(seed):
    """Levels of overlapping windows, and (104) of neurons."""
    case = tiny_case(seed, 3)
    pixels = patch(case.images, case.program.metadata["patch"])
    scores, trace = run_traced(case.program, pixels)
    found, layers, packed = spike_maps(case.program, pixels)
    assert np.array_equal(found, scores) and any(layer.window for layer in layers)
    assert max(layer.top for layer in layers) == (4 if seed == LARGE else arith.TOP_LEVEL)
    bits, at = np.unpackbits(packed, axis=1, bitorder="little"), 0

    def take(*shape):
        nonlocal at
        at += int(np.prod(shape))
        return bits[:, at - int(np.prod(shape)) : at].reshape(3, *shape)

    for layer, levels, potentials in zip(layers, trace.levels, trace.potentials, strict=True):
        planes = take(layer.planes, layer.channels, layer.side, layer.side)
        assert np.array_equal(sum(planes[:, p].astype(int) << p for p in range(layer.planes)), levels)
        if layer.window:
            windows = take(4, layer.channels, layer.window, layer.window)
            for window, v in zip(range(4), potentials, strict=True):
                assert np.array_equal(windows[:, window], arith.fire(v, case.program.config.k))


def test_the_page_holds_these_maps(tmp_path):
    given = context(2)
    write_html(tmp_path / "out.html", given)
    held = re.search(r'id="maps">(.*?)</script>', (tmp_path / "out.html").read_text(), re.DOTALL)[1]
    _, _, packed = spike_maps(given.program, patch(given.images, given.program.metadata["patch"]))
    assert [base64.b64decode(bits) for bits in json.loads(held)["images"]] == [row.tobytes() for row in packed]


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write the report"):
        write_html(tmp_path / "file" / "out.html", context(1))
