"""``onespike infer`` and ``onespike board``: what a user sees, on the golden model and on a scripted board."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import onespike.data.sample as sample
from onespike import cli, commands_board
from onespike.compiler import compile
from onespike.contract.config import preset
from onespike.contract.program import fingerprint
from onespike.data import Dataset
from onespike.golden import run
from onespike.random_networks import draw
from onespike.runtime.emulator import GoldenDevice
from onespike.runtime.inference import Inference
from onespike.runtime.pixels import prepare
from onespike.runtime.progress import Progress

from .fake_board import FakeBoard
from .served import udp

TINY = preset("tiny")


@pytest.fixture
def program(tmp_path, monkeypatch, no_data):
    """A small program ``small.1spk`` and its model ``small.npz`` in an empty working folder, no data anywhere."""
    monkeypatch.chdir(tmp_path)
    model = draw(3, TINY)[0]
    model.save("small.npz")
    compiled = compile(model, TINY).program
    compiled.save("small.1spk")
    return compiled


def main(*argv):
    return cli.main(list(argv))


def report():
    with open("build/reports/infer.json") as file:
        return json.load(file)


def test_infer_without_data_says_so_and_runs(program, capsys):
    assert main("infer", "--board", "golden://small.1spk", "--count", "5", "--check") == 0
    out, err = capsys.readouterr()
    assert "NO DATA" in err and "ACCURACY CANNOT" in err
    assert "5 images (procedural) on golden://small.1spk: top-1 not known" in out
    assert f"0 of {5 * program.classes} scores differ from the golden model" in out and "infer.json" in out
    done = report()
    assert done["images"] == 5 and done["mismatched_scores"] == 0 and done["top1"] is None and not done["confusion"]


def labelled(program, monkeypatch, count=30):
    """A data set of as many images, half of them labelled as the golden model says."""
    images = np.random.default_rng(5).integers(0, 256, (count, *program.metadata["image"])).astype(np.uint8)
    labels = run(program, prepare(program, images)).argmax(1)
    labels[::2] = (labels[::2] + 1) % program.classes
    monkeypatch.setattr(sample, "load", lambda name, root: Dataset(name, images, labels, images, labels, "exact"))
    return images, labels


def test_infer_json(program, monkeypatch, capsys):
    _, labels = labelled(program, monkeypatch)
    assert main("infer", "--board", "golden://", "--program", "small.1spk", "--count", "20", "--json", "--check") == 0
    done = json.loads(capsys.readouterr().out)
    assert done == report()
    assert done["top1"] == 50 and done["pixels"] == "cifar10 test, exact pixels" and done["core"] == "tiny"
    matrix = np.array(done["confusion"])
    assert matrix.sum() == 20 and matrix.trace() == 10 and [r["label"] for r in done["results"]] == labels[:20].tolist()
    assert all(len(r["scores"]) == program.classes for r in done["results"])


def test_confusion_matrix_as_text(program, monkeypatch, capsys):
    labelled(program, monkeypatch)
    assert main("infer", "--board", "golden://small.1spk", "--count", "30") == 0
    lines = capsys.readouterr().out.splitlines()
    counts = [int(word) for line in lines[1 : 1 + program.classes] for word in line.split()[1:] if word != "."]
    assert sum(counts) == 30 and "top-1 50.00 %" in lines[program.classes + 2]


def test_infer_compiles_a_model(program, capsys):
    command = ("infer", "--board", "golden://small.1spk", "--model", "small.npz", "--count", "2", "--check")
    assert main(*command) == 0
    assert "2 images" in capsys.readouterr().out


def test_infer_writes_a_page(program, capsys):
    assert main("infer", "--board", "golden://small.1spk", "--count", "3", "--report", "page.html", "--json") == 0
    out, err = capsys.readouterr()
    assert "<html" in Path("page.html").read_text() and json.loads(out)["images"] == 3 and "wrote page.html" in err


def test_images_of_another_shape(program, monkeypatch, capsys):
    images = np.zeros((4, 1, 7, 7), np.uint8)
    labels = np.zeros(4, np.int64)
    monkeypatch.setattr(sample, "load", lambda name, root: Dataset(name, images, labels, images, labels, "exact"))
    assert main("infer", "--board", "golden://small.1spk") == 2
    assert "has images (1, 7, 7), the network takes" in capsys.readouterr().err


def served(program):
    """A board for ``program`` that gives other scores than the golden model."""
    board = FakeBoard(program.image_channels * program.image_side**2, loaded=0)
    board.fingerprint, board.classes = fingerprint(TINY), program.classes
    return board


def test_mismatch_is_a_failure(program, capsys):
    with udp(served(program)) as (uri, _):
        assert main("infer", "--board", uri, "--program", "small.1spk", "--count", "9", "--check") == 1
    err = capsys.readouterr().err
    assert f"board and golden model differ in {9 * program.classes} scores" in err
    assert report()["mismatched_scores"] == 9 * program.classes


def test_record_and_replay(program, capsys):
    with udp(served(program)) as (uri, _):
        command = ("--program", "small.1spk", "--count", "9", "--json")
        assert main("infer", "--board", uri, *command, "--record", "session.rec") == 0
    first = json.loads(capsys.readouterr().out)
    assert main("infer", "--board", "replay://session.rec", *command) == 0
    second = json.loads(capsys.readouterr().out)
    for run_ in (first, second):
        del run_["board"], run_["images_per_second"]
    assert first == second


def test_result_with_an_error(program, capsys):
    board = served(program)
    board.classes += 1
    with udp(board) as (uri, _):
        assert main("infer", "--board", uri, "--program", "small.1spk", "--count", "4") == 2
    out, err = capsys.readouterr()
    assert "4 images have no right result; the first: the board gave" in out and "onespike: 4 images have no" in err


def test_board_actions(program, capsys):
    with udp(served(program)) as (uri, _):
        assert main("board", "info", "--board", uri) == 0
        assert main("board", "load", "small.1spk", "--board", uri) == 0
        assert main("board", "info", "--board", uri) == 0
        assert main("board", "counters", "--board", uri) == 0
        assert main("board", "reset", "--board", uri) == 0
        assert main("board", "selftest", "--board", uri, "--program", "small.1spk") == 2
    out, err = capsys.readouterr()
    check = f"{program.encode()[-1]:08x}"
    assert f"{fingerprint(TINY):08x} (tiny)" in out and "NO_PROGRAM" in out and "100 MHz" in out
    assert f"loaded small.1spk: {check}" in out and f"{check}, images of" in out and "READY" in out
    assert "WATCHDOG_RESETS" in out and "the board has no program now" in out
    assert "refuses SELFTEST (UNKNOWN)" in err


def test_selftest(program, monkeypatch, capsys):
    assert main("board", "selftest", "--board", "golden://small.1spk") == 0
    assert "self-test passed" in capsys.readouterr().out
    monkeypatch.setattr(GoldenDevice, "request", lambda self, command, argument: (0b10010,))
    assert main("board", "selftest", "--board", "golden://small.1spk") == 2
    assert "the self-test failed: RAM, IMAGE; reset the board" in capsys.readouterr().err


def test_monitor_until_interrupted(program, monkeypatch, capsys):
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(commands_board.time, "sleep", nap)
    board = served(program)
    with udp(board) as (uri, _):
        assert main("board", "monitor", "--board", uri) == 0
    lines = capsys.readouterr().out.splitlines()
    assert naps == [commands_board.PERIOD] * 3 and len(lines) == 5 and "rx_damaged" in lines[0]
    assert board.session is None  # closed: the board is free again


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["infer", "--board", "usb://"], "its kind is unknown"),
        (["infer", "--board", "golden://absent.1spk"], "cannot read the program image absent.1spk"),
        (["infer", "--board", "golden://", "--model", "absent.npz"], "no trained model at absent.npz"),
        (["infer", "--board", "golden://", "--record", "x.rec"], "no link to record"),
        (["board", "info", "--board", "serial:///dev/absent"], "cannot open /dev/absent"),
        (["board", "load", "small.npz", "--board", "golden://"], "small.npz"),
        (["infer", "--board", "golden://small.1spk", "--count", "1", "--report", "small.npz/x.html"], "cannot write"),
        (["infer", "--board", "golden://small.1spk", "--count", "1", "--report", "."], "cannot write the report ."),
        (["infer", "--board", "golden://bare.1spk"], "does not say what images it takes"),
    ],
)
def test_errors_are_one_sentence(program, capsys, arguments, reason):
    replace(program, metadata={}).save("bare.1spk")
    assert main(*arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("onespike: ") and reason in error


def test_figures_that_cannot_be_written(program, capsys):
    Path("build").touch()
    assert main("infer", "--board", "golden://small.1spk", "--count", "1") == 2
    assert "onespike: cannot write build/reports/infer.json (Not a directory)" in capsys.readouterr().err


def test_page_in_the_place_of_a_folder_leaves_nothing_behind(program, capsys):
    Path("folder").mkdir()
    assert main("infer", "--board", "golden://small.1spk", "--count", "1", "--report", "folder") == 2
    assert "cannot write the report folder (Is a directory)" in capsys.readouterr().err
    assert not list(Path().glob("*.tmp"))


@pytest.mark.parametrize("buffered", ["", "1"])
def test_output_that_nobody_reads(program, buffered):
    """Status 141 as of a program that the signal ends, and not a word, whether the output was buffered or not."""
    here, there = os.pipe()
    os.close(here)
    command = [sys.executable, "-m", "onespike", "board", "counters", "--board", "golden://small.1spk"]
    environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
    done = subprocess.run(command, stdout=there, stderr=subprocess.PIPE, env=environment, text=True)
    os.close(there)
    assert done.returncode == 141 and done.stderr == ""


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_count_is_a_number(count, capsys):
    with pytest.raises(SystemExit):
        main("infer", "--board", "golden://", "--count", count)
    assert "is no number of at least 1" in capsys.readouterr().err


# Figures.


def test_progress(monkeypatch):
    line = io.StringIO()
    monkeypatch.setattr("sys.stderr", line)
    shown, hidden = Progress(3, True), Progress(3, False)
    for _ in range(3):
        shown.step()
        hidden.step()
    shown.end()
    hidden.end()
    assert "[##############################] 3/3  " in line.getvalue() and line.getvalue().endswith("images/s \n")
    assert shown.rate > 0 and Progress(3, True).rate == 0


def test_image_with_an_error_counts_as_wrong(program, monkeypatch):
    labelled(program, monkeypatch)
    images = sample.sample("cifar10", None, 4, program.metadata["image"], program.classes)
    results = list(
        GoldenDevice(program).run(image.transpose(1, 2, 0).tobytes() for image in prepare(program, images[0]))
    )
    results[1] = type(results[1])(1, np.zeros(0, np.int64), -1, 0, 0, 0, 0, 0, error="lost")
    done = Inference("x://", program, images, results, 1.0, 1, {})
    done.compare()
    assert done.mismatches == program.classes and done.confusion().sum() == 3 and done.top1 == 25
    assert [r.error for r in done.failed] == ["lost"]
