"""Images in, results out: order, limits, repetition."""

import pytest

from onespike.contract import frames, soc
from onespike.contract.frames import Error, Kind

from ..support.native_board import NativeBoard
from .host import SYSTEM, Host, large, latest, only, results, small


def test_results_are_the_golden_models():
    _, host, case = small()
    host.open()
    for number, pixels in enumerate(case.pixels):
        ((fields, scores),) = results(host.image(pixels, number=1000 + number, results=number))
        assert fields["image"] == 1000 + number and fields["index"] == number
        assert scores == case.scores[number].tolist() and fields["classes"] == len(scores)
        assert fields["cycles"] == 2000 and fields["array_cycles"] == 1000 and fields["weight_waits"] == 500
        assert fields["spikes"] == sum(scores) % (1 << 32)
        assert fields["latency"] >= 2000


def test_images_of_several_fragments():
    _, host, case = large()
    host.open()
    found = []
    for number, pixels in enumerate(case.pixels):
        found += results(host.image(pixels, number=number, turns=2))
    found += results(host.heard(100))
    assert [scores for _, scores in found] == case.scores.tolist()


def test_a_window_of_fragments_at_once():
    """All fragments of the window arrive between two turns: none is lost."""
    _board, host, case = small()
    host.open()
    for number in range(soc.WINDOW):
        fields = {"sequence": number, "image": number, "offset": 0, "results": 0}
        host.send(frames.Image, case.pixels[number], **fields)
    answers = host.heard(100)
    assert [scores for _, scores in results(answers)] == case.scores[: soc.WINDOW].tolist()
    assert latest(answers)["expected"] == soc.WINDOW


def test_the_limit_leaves_the_window_open():
    _, host, case = small()
    host.open()
    assert latest(host.poll())["limit"] == soc.WINDOW
    state = latest(host.image(case.pixels[0]))
    assert (state["expected"], state["limit"]) == (1, 1 + soc.WINDOW)


def test_a_gap_is_told_once():
    _, host, case = small()
    host.open()
    host.sequence = 1
    answers = host.image(case.pixels[1]) + host.image(case.pixels[2])
    states = [fields for kind, fields, _ in answers if kind is Kind.STATE and fields["gap"]]
    assert len(states) == 1 and states[0]["expected"] == 0
    host.sequence = 0
    answers = host.image(case.pixels[0])
    assert latest(answers)["gap"] == 0 and latest(answers)["expected"] == 1
    assert results(answers)[0][1] == case.scores[0].tolist()


def test_a_fragment_again_is_ignored():
    _, host, case = small()
    host.open()
    assert len(results(host.image(case.pixels[0]))) == 1
    host.sequence = 0
    assert host.image(case.pixels[0]) == []


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 1023), (1024, 1024), (1, 1024), (0, 0), (65535, 1024), (2048, 1024), (512, 512)]
)
def test_a_wrong_size_is_refused_and_changes_nothing(offset, length):
    _, host, case = large()
    host.open()
    pixels = case.pixels[0]
    sent = {"sequence": 0, "image": 3, "offset": offset, "results": 0}
    refused = only(host.exchange(frames.Image, bytes(length), **sent), Kind.REFUSED)
    assert refused["error"] is Error.SIZE and refused["refused"] is Kind.IMAGE and refused["nonce"] == 0
    ((_, scores),) = results(host.image(pixels, turns=60))
    assert scores == case.scores[0].tolist()


def test_without_a_program_images_are_refused():
    host = Host(NativeBoard(SYSTEM))
    host.open()
    assert only(host.image(bytes(192)), Kind.REFUSED)["error"] is Error.NO_PROGRAM
    assert latest(host.poll())["expected"] == 0


def test_results_are_kept_until_the_host_has_them():
    _, host, case = small()
    host.open()
    for number in range(4):
        host.image(case.pixels[number], number=number)
    for known in (0, 2, 4):
        again = results(host.poll(known))
        assert [fields["index"] for fields, _ in again] == list(range(known, 4))
        assert [scores for _, scores in again] == case.scores[known:4].tolist()
    assert latest(host.poll(2))["results"] == 4  # an older number brings nothing back
    assert results(host.poll(2)) == []
    assert results(host.poll(9)) == []  # nor does one of results that do not exist


def test_no_image_is_begun_without_room_for_its_result():
    _, host, case = small()
    host.open()
    for number in range(frames.RESULTS):
        host.image(case.pixels[number], number=number)
    state = latest(host.poll())
    assert state["expected"] == state["limit"] == frames.RESULTS
    answers = host.image(case.pixels[8])
    assert latest(answers)["gap"] == 1 and latest(answers)["expected"] == frames.RESULTS
    assert latest(host.poll(1))["limit"] == frames.RESULTS + 1
    host.sequence = frames.RESULTS
    ((fields, scores),) = results(host.image(case.pixels[8], number=8, results=3))
    assert fields["index"] == 8 and scores == case.scores[8].tolist()


def test_the_limit_counts_fragments_of_large_images():
    """With room for one image more, its three fragments may be sent and no fourth."""
    _, host, case = large()
    host.open()
    for number in range(frames.RESULTS - 1):
        host.image(case.pixels[number % 4], number=number, turns=15)
    host.heard(100)
    state = latest(host.poll())
    assert (state["limit"] - state["expected"]) == 3
    host.fragment(frames.Image, case.pixels[0][: frames.PAYLOAD_BYTES], image=7, offset=0, results=0)
    state = latest(host.poll())
    assert (state["limit"] - state["expected"]) == 2


def test_numbers_wrap():
    """More than 2**16 fragments and results in one session."""
    case = small()[2]
    board = NativeBoard(SYSTEM, case.program, score=lambda pixels: case.program.classes * [7])
    board.library.model_latency(0)
    host = Host(board)
    host.open()
    payload = bytes(len(case.pixels[0]))
    for index in range((1 << 16) + 20):
        number = index % (1 << 16)
        host.send(frames.Image, payload, sequence=number, image=index, offset=0, results=number)
        board.step(2)
        if index % 8192 == 0 or index > (1 << 16):
            host.heard(10)
            ((fields, _),) = results(host.exchange(frames.Poll, turns=10, results=number))
            assert fields["index"] == number and fields["image"] == index


def test_scores_wait_in_the_core_while_nobody_reads():
    """A slow link: results leave one after the other, in order, none is lost."""
    board, host, case = small()
    host.open()
    for number in range(frames.RESULTS):
        host.send(frames.Image, case.pixels[number], sequence=number, image=number, offset=0, results=0)
        board.step(1)
    found = results(host.heard(200))
    assert [fields["index"] for fields, _ in found] == list(range(frames.RESULTS))
    assert [scores for _, scores in found] == case.scores[: frames.RESULTS].tolist()
