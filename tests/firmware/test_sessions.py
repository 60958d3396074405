"""Sessions: who holds the board, and what a new one finds."""

import zlib

import pytest

from onespike.contract import frames, soc
from onespike.contract.frames import Command, Error, Kind
from onespike.contract.regs import Status

from ..support.native_board import NativeBoard
from .host import FAR, SETTLED, SYSTEM, Host, large, latest, only, results, small


def test_opened_says_what_the_board_is():
    board, host, case = small()
    opened = host.open(nonce=0xDEADBEEF)
    assert opened["nonce"] == 0xDEADBEEF and opened["window"] == soc.WINDOW
    assert opened["contract"] == soc.contract_id() and opened["fingerprint"] == board.fingerprint
    assert opened["status"] == Status.READY.value and opened["clock_hz"] == SYSTEM.clock_hz
    assert opened["program"] == int.from_bytes(case.file[-4:], "little")
    assert opened["image_bytes"] == len(case.pixels[0])


def test_a_board_without_a_program_says_so():
    host = Host(NativeBoard(SYSTEM))
    opened = host.open()
    assert opened["status"] == Status.NO_PROGRAM.value and opened["program"] == opened["image_bytes"] == 0


def test_another_version_is_refused():
    host = Host(NativeBoard(SYSTEM))
    answers = host.exchange(frames.Open, version=frames.PROTOCOL + 1, nonce=7)
    assert only(answers, Kind.REFUSED) | {"session": 0} == {
        "kind": Kind.REFUSED, "session": 0, "refused": Kind.OPEN, "error": Error.VERSION, "nonce": 7
    }  # fmt: skip


def test_the_same_nonce_is_the_same_session():
    _board, host, case = small()
    first = host.open(nonce=5)
    host.image(case.pixels[0])
    sequence = host.sequence
    assert host.open(nonce=5)["session"] == first["session"]
    assert latest(host.poll())["expected"] == sequence
    assert host.open(nonce=6)["session"] != first["session"]
    assert latest(host.poll())["expected"] == 0


def test_another_peer_waits_for_the_lease():
    board, host, _ = small()
    host.open()
    other = Host(board, **FAR)
    refused = only(other.exchange(frames.Open, version=frames.PROTOCOL, nonce=9), Kind.REFUSED)
    assert refused["error"] is Error.BUSY and refused["nonce"] == 9
    board.wait(SYSTEM.lease_cycles)
    board.step()
    other.open(nonce=9)
    assert only(host.poll(), Kind.REFUSED)["error"] is Error.NO_SESSION


def test_silence_ends_a_session_and_text_works_again():
    """A host that vanished without ``Close`` keeps nobody out, whoever comes and however."""
    board, host, case = small()
    host.open()
    host.image(case.pixels[0])
    board.type(b"name%")
    board.step(SETTLED)
    assert not any(sent.text for sent in board.sent())
    board.wait(SYSTEM.lease_cycles)
    board.step()
    board.type(b"name%")
    board.step(SETTLED)
    assert b"".join(sent.data for sent in board.sent() if sent.text).endswith(b"m-ready\r\n")
    assert only(host.poll(), Kind.REFUSED)["error"] is Error.NO_SESSION
    host.open(nonce=2)
    assert [scores for _, scores in results(host.image(case.pixels[1]))] == [case.scores[1].tolist()]


def test_a_host_that_speaks_keeps_the_session():
    board, host, _ = small()
    host.open()
    for _ in range(3):
        board.wait(SYSTEM.lease_cycles * 3 // 4)
        host.poll()
    refused = only(Host(board, **FAR).exchange(frames.Open, version=frames.PROTOCOL, nonce=9), Kind.REFUSED)
    assert refused["error"] is Error.BUSY


def test_silence_counts_even_when_the_clock_wraps():
    board, host, _ = small()
    host.open()
    for _ in range(8):  # beyond 2**32 cycles since the last frame
        board.wait(1 << 29)
        board.step()
    Host(board, **FAR).open()


def test_a_peer_takes_its_own_session_over_at_once():
    board, _, _ = small()
    host = Host(board, **FAR)
    host.open(nonce=1)
    host.open(nonce=2)
    other = Host(board, **{**FAR, "port": FAR["port"] + 1})
    refused = only(other.exchange(frames.Open, version=frames.PROTOCOL, nonce=3), Kind.REFUSED)
    assert refused["error"] is Error.BUSY


def test_close_frees_the_board():
    board, host, _ = small()
    host.open()
    assert host.exchange(frames.Close) == []
    assert only(host.poll(), Kind.REFUSED)["error"] is Error.NO_SESSION
    Host(board, **FAR).open()


@pytest.mark.parametrize("record", [frames.Image, frames.Program, frames.Poll, frames.Request])
def test_frames_without_a_session_are_refused(record):
    host = Host(NativeBoard(SYSTEM))
    fields = {name: 3 for name, _ in record.as_shape() if name not in ("kind", "reserved", "session", "command")}
    if record is frames.Request:
        fields["command"] = Command.COUNTERS
    refused = only(host.exchange(record, b"\0" * 8, **fields), Kind.REFUSED)
    assert refused["error"] is Error.NO_SESSION
    assert refused["nonce"] == (3 if record in (frames.Image, frames.Program) else 0)


def test_a_session_of_another_peer_is_none():
    board, host, case = small()
    host.open()
    other = Host(board, **FAR)
    other.session = host.session
    assert only(other.image(case.pixels[0]), Kind.REFUSED)["error"] is Error.NO_SESSION
    assert latest(host.poll())["expected"] == 0


@pytest.mark.parametrize("fragments", [1, 2])
def test_an_image_cut_short_harms_no_later_one(fragments):
    """A new session in mid image: zeros complete it, nobody gets its scores, and the next image is right."""
    _board, host, case = large()
    host.open(nonce=1)
    host.image(case.pixels[0][: fragments * frames.PAYLOAD_BYTES], number=77, turns=5)
    for nonce in (2, 3):
        host.open(nonce=nonce)
    answers = host.image(case.pixels[1], number=5, turns=100)
    ((fields, scores),) = results(answers)
    assert fields["image"] == 5 and fields["index"] == 0
    assert scores == case.scores[1].tolist()


def test_whole_images_of_the_old_session_are_dropped_too():
    _board, host, case = small()
    host.open(nonce=1)
    for pixels in case.pixels[:4]:
        host.image(pixels, turns=0)
    host.send(frames.Open, version=frames.PROTOCOL, nonce=2)
    opened = only(host.heard(100), Kind.OPENED)
    host.session, host.sequence = opened["session"], 0
    ((fields, scores),) = results(host.image(case.pixels[5], number=1, turns=100))
    assert fields["index"] == 0 and scores == case.scores[5].tolist()


def test_a_new_session_keeps_the_program_but_no_half_one():
    _board, host, case = small()
    host.open(nonce=1)
    assert host.open(nonce=2)["status"] == Status.READY.value
    host.program(case.file[: frames.PAYLOAD_BYTES], total=len(case.file))
    assert latest(host.poll())["status"] == Status.LOADING.value
    assert host.open(nonce=3)["status"] == Status.NO_PROGRAM.value
    assert host.program(case.file)["status"] == Status.READY.value


def test_a_watchdog_reset_ends_the_session():
    board, host, case = large()
    host.open()
    old = host.session
    host.image(case.pixels[0][: frames.PAYLOAD_BYTES])
    board.reboot()
    assert only(host.poll(), Kind.REFUSED)["error"] is Error.NO_SESSION
    opened = host.open()
    assert opened["session"] != old and opened["status"] == Status.NO_PROGRAM.value
    assert board.leds >> 3 & 1


def test_leds_tell_program_session_and_error():
    board, host, _case = small()
    assert board.leds & 0b1110 == 0b0010
    host.open()
    assert board.leds & 0b1110 == 0b0110
    host.request(Command.LEDS, 0b1001)
    assert board.leds == 0b1001
    host.open(nonce=2)
    assert board.leds & 0b1110 == 0b0110


def test_another_contract_stops_the_firmware():
    board = NativeBoard(SYSTEM, contract=soc.contract_id() ^ 1)
    host = Host(board)
    assert host.exchange(frames.Open, version=frames.PROTOCOL, nonce=1) == []
    seen = set()
    for _ in range(4):
        board.wait(1 << 23)
        board.step()
        seen.add(board.leds)
    assert seen == {0, 15}


def test_frames_that_are_none_are_ignored():
    board, host, _ = small()
    host.open()
    for kind in (0, 7, 100, *(kind.value for kind in frames.BOARD), 255):
        body = bytes([kind, host.session, 0, 0, *20 * [0]])
        assert board.deliver(body + zlib.crc32(body).to_bytes(4, "little"))
        board.step()
    body = bytes([Kind.IMAGE.value, host.session, 0, 0])  # cut
    assert board.deliver(body + zlib.crc32(body).to_bytes(4, "little"))
    assert host.heard() == []
    assert not board.deliver(frames.encode(frames.Poll, session=host.session, results=0)[:-1] + b"\0")
    assert host.heard() == []
