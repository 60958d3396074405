"""The virtual board, CPU and firmware included, through the shipped driver: what works when nothing goes wrong."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import serial

from onespike import cli
from onespike.contract.boards import SYSTEMS
from onespike.contract.regs import Status
from onespike_sim.bench_link import WARM_UP, measure
from onespike_sim.runner import SimulationError
from onespike_sim.virtual.run import VirtualBoard, arguments

from ..support.cases import LARGE, SMALL, tiny_case
from ..support.links import open_board
from ..support.mlperf_client import MlperfClient

TINY = SYSTEMS["virtual-tiny"]


def kernel_network():
    """A virtual board on the kernel's own network where this user may make one, else on a socket; says which."""
    try:
        board = VirtualBoard(TINY, "tap")
        print("the kernel's own network: a TAP device")
    except SimulationError as error:
        print(f"the kernel's own network: a socket stands in for it ({error})")
        board = VirtualBoard(TINY, "udp")
    return board


def check(board, case):
    """Every image of ``case`` answered once, in order, bit for bit."""
    results = list(board.classify(case.images))
    assert [r.error for r in results] == [None] * len(case.images)
    assert [r.image for r in results] == list(range(len(case.images)))
    assert np.array_equal([r.scores for r in results], case.scores)
    return results


@pytest.mark.parametrize("link", ["uart", "udp", "kernel"])
def test_classifies(link):
    """Over every link the scores are the golden model's, and programs can be changed."""
    with (
        kernel_network() if link == "kernel" else VirtualBoard(TINY, link) as virtual,
        open_board(virtual.uri) as board,
    ):
        for seed in (LARGE, SMALL):
            case = tiny_case(seed, 10)
            board.load(case.program)
            results = check(board, case)
            assert board.identity.status is Status.READY
            assert all(r.cycles > 0 and r.latency_cycles > 0 and r.spikes > 0 for r in results)
        assert board.counters()["IMAGES"] == 20
        assert board.selftest() == []
        if TINY.ip in virtual.uri:
            assert shutil.which("ping"), "ping is missing; install it (Debian: iputils-ping)"
            answered = subprocess.run(["ping", "-c", "1", "-W", "20", TINY.ip], capture_output=True, text=True)
            assert "1 received" in answered.stdout, answered.stdout


def test_two_boards_do_not_disturb_each_other():
    first, second = tiny_case(LARGE, 3), tiny_case(SMALL, 3)
    with VirtualBoard(TINY, "udp") as one, VirtualBoard(TINY, "udp") as two:
        with open_board(one.uri, first.program) as a, open_board(two.uri, second.program) as b:
            pairs = zip(a.classify(first.images), b.classify(second.images), strict=True)
            scores = [(x.scores, y.scores) for x, y in pairs]
    assert np.array_equal([x for x, _ in scores], first.scores)
    assert np.array_equal([y for _, y in scores], second.scores)


def test_command_on_the_full_core(no_data, capsys):
    """What a user types, on the board's own core with the committed network: every score is compared."""
    assert cli.main(["infer", "--board", "virtual://?link=udp", "--count", "3", "--check", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["images"] == 3 and report["mismatched_scores"] == 0


@pytest.mark.parametrize("link", ["uart", "udp"])
def test_the_line_is_the_limit(link):
    """In a steady stream nearly all of the line carries pixels; counted in the board's cycles, not in seconds."""
    case = tiny_case(LARGE, WARM_UP + 3)
    assert measure(TINY, link, case.program, case.pixels).ratio > 0.95


def test_mlperf_session():
    """The public runner's way through its protocol, on the same pseudo terminal that the driver used before."""
    case = tiny_case(SMALL, 2)
    with VirtualBoard(TINY) as virtual:
        with open_board(virtual.uri, case.program) as board:
            check(board, case)
        with serial.Serial(virtual.uri.removeprefix("serial://"), timeout=5, exclusive=True) as port:
            client = MlperfClient(port)
            assert "onespike" in client.name()
            profile, model = client.profile()
            assert profile and model
            before = client.timestamp()
            for image, scores in zip(case.images, case.scores, strict=True):
                raster = image.transpose(1, 2, 0).tobytes()
                assert "m-load-done" in client.load(raster)
                assert client.printed() == raster
                inference = client.infer(3, 1)
                assert inference.scores == list(scores) and inference.microseconds > 0
            assert client.timestamp() > before
            assert any(line.startswith(("e-", "m-error")) for line in client.command("infer 0 0"))
        with open_board(virtual.uri, case.program) as board:
            check(board, case)


@pytest.mark.parametrize("module", ["onespike", "onespike_sim"])
def test_command_ends_with_its_parent(module):
    """The command prints its URI alone on the first line, and the figures when standard input ends."""
    command = [sys.executable, "-m", module, "virtual-board", "--system", "virtual-tiny"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert re.fullmatch(r"serial:///dev/pts/\d+\?wait=3&timeout=120\n", process.stdout.readline())
    out, _ = process.communicate()
    assert process.returncode == 0 and re.match(r"\d+ cycles in [\d.]+ s, \d+ cycles/s; ", out)


def test_ends_after_the_cycles_asked_for():
    done = subprocess.run(arguments(TINY, "udp", cycles=12345), capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines()[1].startswith("12345 cycles ")


def test_a_board_that_ends_while_it_is_stepped():
    with VirtualBoard(TINY, "udp", step=True) as virtual:
        virtual.step(100)
        virtual._process.kill()
        with pytest.raises(SimulationError, match="ended after cycle 100"):
            virtual.step(100)


def test_waveforms_on_request(tmp_path):
    """An FST file: its header block says how many signals it holds, and the last cycle's time."""
    trace = tmp_path / "out.fst"
    done = subprocess.run(arguments(TINY, "udp", cycles=500, trace=trace), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    header = trace.read_bytes()[:73]
    kind, length, begin, end = header[0], *(int.from_bytes(header[at : at + 8], "big") for at in (1, 9, 17))
    signals = int.from_bytes(header[57:65], "big")
    assert (kind, length, begin) == (0, 329, 0) and end >= 500 and signals > 1000


def test_tap_without_rights_is_one_sentence():
    command = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", *arguments(TINY, "tap")]
    if os.getuid():
        command = arguments(TINY, "tap")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "use --link udp" in done.stderr
