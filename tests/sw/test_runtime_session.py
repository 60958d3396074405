"""The driver's session against a scripted board: every fault, every image answered once and right."""

import zlib
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onespike.contract import frames, soc
from onespike.contract.frames import Command, Error, Kind
from onespike.contract.regs import Status
from onespike.errors import BoardError, BusyError, ContractError, LinkError, OutputError, ProgramError
from onespike.runtime.session import REOPENINGS, Session

from . import fake_board
from .fake_board import FakeBoard, scores

CHECK = zlib.crc32(BODY := b"1SPK" + bytes(range(256)) * 9)
PROGRAM = BODY + CHECK.to_bytes(4, "little")


def pictures(count, size=2500):
    return [np.random.default_rng(i).integers(0, 256, size, np.uint8).tobytes() for i in range(count)]


def check(results, images):
    """Every image has its result, once, in order."""
    results = list(results)
    assert [r.image for r in results] == list(range(len(images)))
    for result, image in zip(results, images, strict=True):
        assert result.error is None and np.array_equal(result.scores, scores(image))
        assert result.prediction == scores(image).argmax()


@pytest.mark.parametrize("size", [1, 1024, 1025, 3072, 7000])
@pytest.mark.parametrize("count", [0, 1, 3, 20])
def test_classify(size, count):
    board = FakeBoard(size)
    images = pictures(count, size)
    check(Session(board).run(images), images)
    fragments = [fields for kind, fields, _ in board.log if kind is Kind.IMAGE]
    assert len(fragments) == count * -(-size // frames.PAYLOAD_BYTES)


def test_measurements_are_passed_on():
    (result,) = Session(FakeBoard(100)).run(pictures(1, 100))
    measured = result.latency_cycles, result.cycles, result.array_cycles, result.weight_waits, result.spikes
    assert measured == (7, 6, 5, 4, 3)


def loaded_run(board):
    """Load and classify; the whole conversation that faults are put into."""
    images = pictures(12)
    session = Session(board)
    session.load_image(PROGRAM)
    check(session.run(images), images)
    assert session.request(Command.COUNTERS) == tuple(range(len(frames.COUNTERS)))
    session.close()


def honest_length(way):
    board = FakeBoard(2500, loaded=0)
    loaded_run(board)
    return board.sent if way == "mangle_in" else board.received


def at(chosen, replacement):
    return lambda number, frame: replacement(frame) if number == chosen else [frame]


def damage(frame):
    return [frame[:-1] + bytes([frame[-1] ^ 4])]


@pytest.mark.parametrize("way", ["mangle_in", "mangle_out"])
@pytest.mark.parametrize(
    "fault",
    [lambda f: [], lambda f: [f, f], lambda f: [f, f, f], damage],
    ids=["lost", "doubled", "tripled", "damaged"],
)
def test_every_single_frame_hurt(way, fault):
    """The conversation is right whichever of its frames is hurt."""
    for chosen in range(honest_length(way) - 1):  # the last one is the goodbye
        board = FakeBoard(2500, loaded=0)
        setattr(board, way, at(chosen, fault))
        loaded_run(board)
        assert board.sessions == 2  # before the program and after it


@pytest.mark.parametrize("way", ["mangle_in", "mangle_out"])
@pytest.mark.parametrize("by", [1, 2, 6])
def test_every_single_frame_late(way, by):
    """A frame comes after up to six later ones."""
    for chosen in range(honest_length(way) - 1):
        board = FakeBoard(2500, loaded=0)
        held = []

        def late(number, frame, chosen=chosen, held=held):
            if number == chosen:
                held.append(frame)
                return []
            return [frame, held.pop()] if held and number == chosen + by else [frame]

        setattr(board, way, late)
        loaded_run(board)
        assert board.sessions <= 4  # an Open that comes late is one session more, and the next one another


@pytest.mark.parametrize("keep_program", [True, False])
def test_reset_before_every_frame(keep_program):
    """The session is opened again, the program loaded again, no image lost or counted twice."""
    for chosen in range(honest_length("mangle_in") - 1):
        board = FakeBoard(2500, loaded=0)

        def pressed(number, frame, board=board, chosen=chosen):
            if number == chosen:
                board.reset(keep_program)
            return [frame]

        board.mangle_in = pressed
        loaded_run(board)


@pytest.mark.parametrize("way", ["mangle_in", "mangle_out"])
def test_gaps_need_no_wait(way):
    """A fragment or a result lost among others is missed when the next one comes."""
    board, kind = FakeBoard(2500), Kind.IMAGE if way == "mangle_in" else Kind.RESULT
    seen = []

    def lose(number, frame):
        if frame[0] == kind.value:
            seen.append(frame)
            return [] if len(seen) == 5 else [frame]
        return [frame]

    setattr(board, way, lose)
    images = pictures(12)
    check(Session(board).run(images), images)
    assert board.silences == 0


HURTS = st.dictionaries(st.integers(0, 90), st.sampled_from([lambda f: [], lambda f: [f, f], damage]), max_size=15)


@given(HURTS, HURTS, st.none() | st.integers(5, 60))
@settings(max_examples=150, deadline=None)
def test_many_frames_hurt(inward, outward, reset):
    """Any frames lost, doubled and damaged together, both ways, and a reset among them."""
    board = FakeBoard(2500, loaded=0)

    def mangle_in(number, frame):
        if number == reset:
            board.reset(keep_program=False)
        return inward.get(number, lambda f: [f])(frame)

    board.mangle_in = mangle_in
    board.mangle_out = lambda number, frame: outward.get(number, lambda f: [f])(frame)
    images = pictures(10)
    session = Session(board)
    session.load_image(PROGRAM)
    check(session.run(images), images)
    assert reset or board.sessions == 2


@pytest.mark.parametrize("count", range(1, 12))
def test_board_that_is_not_ready_for_images_yet(count):
    """What an old session left takes a while: the board first takes back the fragments that it allowed."""
    board = FakeBoard(2500)
    session = Session(board)
    accept, board.window = board._fragment, 0

    def refuse(*frame):
        board.gap = True
        board._state()

    def mangle(number, frame):
        if number == count:
            board.window, board._fragment = soc.WINDOW, accept
        return [frame]

    board.mangle_in, board._fragment = mangle, refuse
    images = pictures(5)
    check(session.run(images), images)


def test_results_out_of_order_are_put_in_order():
    board, held = FakeBoard(100), []

    def swap(number, frame):
        if frame[0] != Kind.RESULT.value:
            return [frame]
        held.append(frame)
        return [held.pop(), held.pop()] if len(held) == 2 else []

    board.mangle_out = swap
    images = pictures(20, 100)
    check(Session(board).run(images), images)


def test_numbers_wrap():
    """More fragments and results than 16 bits count."""
    board, count = FakeBoard(1), (1 << 16) + 50
    honest = board._state
    board._state = lambda: honest() if board.gap or board.expected % 4 == 0 else None  # in half of the time
    lost = {65_530, 65_536, 65_540, 131_072 // 2 + 20}
    board.mangle_in = lambda number, frame: [] if number in lost else [frame]
    session = Session(board)
    expected = [scores(bytes([i])) for i in range(256)]
    done = 0
    for result in session.run(bytes([i % 256]) for i in range(count)):
        assert result.image == done and np.array_equal(result.scores, expected[done % 256])
        done += 1
        board.frames.clear()
    assert done == count and board.sessions == 1


def test_all_answered_before_their_fragments_are_acknowledged():
    """An old state sends the driver back behind its limit; then all results come. There are more images to send."""
    board, told = FakeBoard(100), []
    old = frames.encode(frames.State, session=1, status=2, gap=0, expected=0, limit=0, results=0)

    def mangle(number, frame):
        if Kind.POLL not in board.kinds():
            return [frame] if frame[0] == Kind.OPENED.value else []
        if frame[0] == Kind.STATE.value and not told:
            told.append(frame)
            return [old]
        return [frame]

    board.mangle_out = mangle
    images = pictures(20, 100)
    check(Session(board).run(images), images)
    assert told and board.sessions == 1


def test_images_are_drawn_only_as_results_are_taken():
    board, drawn = FakeBoard(2500), []

    def source():
        for number, image in enumerate(pictures(40)):
            drawn.append(number)
            yield image

    for taken, _ in enumerate(Session(board).run(source())):
        assert len(drawn) <= taken + frames.RESULTS + 1


def test_board_that_wants_results_acknowledged_gets_a_poll():
    """A full board allows no fragment that could tell it: the driver asks instead."""
    board = FakeBoard(100)
    images = pictures(30, 100)
    # No state says that an image of these eight was accepted until all are there.
    honest = board._state
    board._state = lambda: honest() if board.begun % 8 == 0 else None
    board.window = frames.RESULTS
    check(Session(board).run(images), images)
    assert Kind.POLL in board.kinds() and board.silences <= 1  # the last images are fewer than eight


def test_image_fragments_acknowledge():
    board = FakeBoard(2500)
    images = pictures(12)
    check(Session(board).run(images), images)
    assert Kind.POLL not in board.kinds()
    assert max(fields["results"] for kind, fields, _ in board.log if kind is Kind.IMAGE) >= 8


# Programs.


def test_program_is_loaded_once():
    board = FakeBoard(loaded=0)
    session = Session(board)
    assert session.identity.status is Status.NO_PROGRAM and session.identity.program == 0
    session.load_image(PROGRAM)
    assert board.loaded == CHECK == session.identity.program and session.identity.status is Status.READY
    assert board.program is None  # a new session was opened, whose identity is the board's own
    before = board.kinds().count(Kind.PROGRAM)
    session.load_image(PROGRAM)
    Session(board).load_image(PROGRAM)
    assert board.kinds().count(Kind.PROGRAM) == before == 3


@pytest.mark.parametrize("status", [s for s in Status if s.name.startswith("BAD")])
def test_refused_program(status):
    board = FakeBoard(loaded=0)
    session = Session(board)
    board.status_after_load = status
    with pytest.raises(ProgramError, match=r"refuses the program: .*; compile it again"):
        session.load_image(PROGRAM)
    board.status_after_load = Status.READY
    session.load_image(PROGRAM)
    assert board.loaded == CHECK


OTHER_BODY = b"1SPK" + bytes(100)
OTHER = OTHER_BODY + zlib.crc32(OTHER_BODY).to_bytes(4, "little")


def test_program_before_a_refused_one_is_loaded_again():
    board = FakeBoard(100, loaded=0)
    session = Session(board)
    session.load_image(PROGRAM)
    board.status_after_load = Status.BAD_CHECKSUM
    with pytest.raises(ProgramError):
        session.load_image(OTHER)
    board.status_after_load = Status.READY
    check(session.run(pictures(3, 100)), pictures(3, 100))
    assert board.loaded == CHECK


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, LinkError])
def test_images_after_an_interrupted_load_never_run_on_its_program(interrupt):
    """Whichever frame of the loading was the last one: the program is the one before, or none was ever loaded."""
    for chosen in range(9):
        board = FakeBoard(100, loaded=0)
        session = Session(board)
        session.load_image(PROGRAM)
        begun = board.sent

        def interrupted(number, frame, last=begun + chosen):
            if number == last:
                raise interrupt
            return [frame]

        board.mangle_in = interrupted
        try:
            session.load_image(OTHER)
        except interrupt:
            board.mangle_in = lambda number, frame: [frame]
            check(session.run(pictures(3, 100)), pictures(3, 100))
            assert board.loaded == CHECK
    assert board.loaded != CHECK  # the last one was not interrupted


def test_program_of_no_possible_length():
    session = Session(FakeBoard(loaded=0))
    with pytest.raises(ProgramError, match="10 bytes are no possible length"):
        session.load_image(bytes(10))


def test_reset_drops_the_program():
    board = FakeBoard()
    session = Session(board)
    session.reset()
    assert board.loaded == 0 and session.identity.program == 0 and session.identity.status is Status.NO_PROGRAM


def test_result_with_another_number_of_classes():
    board = FakeBoard(100, loaded=0)
    session = Session(board)
    session.load_image(PROGRAM, classes=10)
    board.classes = 9
    (result,) = session.run(pictures(1, 100))
    assert "9 scores, the program has 10 classes" in result.error and result.prediction == -1


# What ends in an error.


def test_silence_is_bounded():
    board = FakeBoard()
    board.deaf = True
    with pytest.raises(LinkError, match="no answer from the board at fake:// for 4 s; check power"):
        Session(board)
    assert board.kinds() == [Kind.OPEN] * 40


def test_silence_in_the_middle_is_bounded():
    board = FakeBoard()
    images = iter(pictures(50, 3072))
    run = Session(board).run(images)
    assert len(list(islice(run, 5))) == 5
    board.deaf = True
    with pytest.raises(LinkError, match="no answer"):
        list(run)
    assert board.kinds().count(Kind.OPEN) == 1 + 20  # half of the patience is for a new session


def test_board_that_only_answers_polls_is_bounded():
    board = FakeBoard()
    board.hung = True
    with pytest.raises(LinkError, match="gets nowhere"):
        list(Session(board).run(pictures(3, 3072)))
    assert board.kinds().count(Kind.OPEN) <= 3


def test_flood_of_useless_frames_is_bounded():
    board = FakeBoard()
    session = Session(board)
    stale = frames.encode(frames.Reply, session=77, number=0, error=Error.NONE, words=0)
    board.deaf = True
    receive = board.receive
    board.receive = lambda timeout: receive(timeout) or stale
    with pytest.raises(LinkError):
        session.request(Command.COUNTERS)


def test_board_that_loses_every_session_is_bounded():
    board = FakeBoard()
    session = Session(board)

    def pressed(number, frame):
        if frame[0] == Kind.IMAGE.value:
            board.reset()
        return [frame]

    board.mangle_in = pressed
    with pytest.raises(LinkError, match=f"lost the session {REOPENINGS + 1} times in a row"):
        list(session.run(pictures(2, 3072)))


def test_losses_of_operations_before_are_forgotten():
    board = FakeBoard()
    session = Session(board)
    for _ in range(2 * REOPENINGS):
        board.reset()
        session.request(Command.COUNTERS)
    assert board.sessions == 2 * REOPENINGS + 1


def test_board_that_loses_some_sessions_goes_on():
    """Only losses without a result between them are counted."""
    board = FakeBoard(100)

    def pressed(number, frame):
        if number % 12 == 11:
            board.reset()
        return [frame]

    board.mangle_in = pressed
    images = pictures(200, 100)
    check(Session(board).run(images), images)
    assert board.sessions > 2 * REOPENINGS


def test_result_of_another_session_with_this_number():
    """A board that was reset counts its sessions from 1 again: the image's number tells whose a result is."""
    board = FakeBoard(100)
    images = pictures(3, 100)
    session = Session(board)
    wrong = frames.encode(
        frames.Result, bytes(40), session=1, index=0, image=0, classes=10,
        latency=0, cycles=0, array_cycles=0, weight_waits=0, spikes=0,
    )  # fmt: skip
    board.mangle_in = lambda number, frame: (frame[0] == Kind.IMAGE.value and board.queue.append(wrong)) or [frame]
    check(session.run(images), images)


def test_image_of_wrong_size_is_bounded():
    with pytest.raises(LinkError, match="refused a fragment of kind IMAGE"):
        list(Session(FakeBoard(2000)).run(pictures(1, 3000)))


def test_busy():
    board = FakeBoard()
    board.refuse = Error.BUSY
    with pytest.raises(BusyError, match="another host uses the board at fake://"):
        Session(board)


def test_busy_until_the_other_host_is_silent():
    board = FakeBoard(100)
    board.refuse = Error.BUSY

    def freed(number, frame):
        board.refuse = Error.BUSY if number < 3 else None
        return [frame]

    board.mangle_in = freed
    check(Session(board).run(pictures(2, 100)), pictures(2, 100))


def test_another_version():
    board = FakeBoard()
    board.refuse = Error.VERSION
    with pytest.raises(ContractError, match="does not speak version 1"):
        Session(board)


def test_clock_of_no_rate(monkeypatch):
    monkeypatch.setattr(fake_board, "CLOCK_HZ", 0)
    with pytest.raises(BoardError, match="0 Hz"):
        Session(FakeBoard())


def test_another_contract():
    board = FakeBoard()
    board.contract = 0xBAD
    with pytest.raises(ContractError, match=r"contract 00000bad, this driver with [0-9a-f]{8}"):
        Session(board)
    assert board.session is None  # it is free for others


def test_unknown_request():
    with pytest.raises(BoardError, match="refuses LEDS"):
        Session(FakeBoard()).request(Command.LEDS, 1)


def test_request_waits_while_the_board_works():
    board = FakeBoard()
    board.working = 3
    session = Session(board)
    session.load_image(PROGRAM)
    assert board.loaded == CHECK


# Operations that meet.


def test_counters_while_images_are_on_their_way():
    board = FakeBoard(100)
    images = pictures(20, 100)
    session = Session(board)
    results = []
    for result in session.run(images):
        results.append(result)
        assert len(session.request(Command.COUNTERS)) == len(frames.COUNTERS)
    check(results, images)


def test_reset_during_a_request_among_images():
    board = FakeBoard(100)
    images = pictures(20, 100)
    session = Session(board)
    results = []
    for result in session.run(images):
        results.append(result)
        if len(results) == 7:
            board.reset()
            session.request(Command.COUNTERS)
    check(results, images)


def test_run_that_was_left_does_not_spoil_the_next():
    board = FakeBoard(2500)
    session = Session(board)
    images = pictures(30)
    for _ in session.run(images):
        break
    check(session.run(images[10:]), images[10:])


def test_second_run_takes_the_board_from_the_first():
    session = Session(FakeBoard(2500))
    images = pictures(30)
    first = session.run(images)
    next(first)
    check(session.run(images), images)
    with pytest.raises(BoardError, match="another operation took"):
        list(first)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, RuntimeError])
def test_interrupt_leaves_the_board_usable(interrupt):
    board = FakeBoard(2500)
    session = Session(board)

    def source():
        yield from pictures(5)
        raise interrupt

    with pytest.raises(interrupt):
        list(session.run(source()))
    session.close()
    assert board.kinds()[-1] is Kind.CLOSE and board.session is None and board.closed
    board.closed = False
    check(Session(board).run(pictures(5)), pictures(5))


@pytest.mark.parametrize("size", [100, 2500])
def test_a_closed_session_says_so(size):
    board = FakeBoard(size)
    session = Session(board)
    results = session.run(pictures(30, size))
    next(results)
    session.close()
    for operation in (lambda: list(results), lambda: session.request(Command.COUNTERS), session.reset):
        with pytest.raises(BoardError, match="fake:// was closed; open it again"):
            operation()
    session.close()


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, OutputError])
def test_a_goodbye_that_fails_leaves_the_transport_closed(interrupt):
    board = FakeBoard(100)
    session = Session(board)

    def fail(frame):
        raise interrupt

    board.send = fail
    with pytest.raises(interrupt):
        session.close()
    assert board.closed


@pytest.mark.parametrize(("size", "first"), [(100, 5), (2500, 5)])
def test_the_window_is_filled_before_anything_is_waited_for(size, first):
    board = FakeBoard(size)
    run = Session(board).run(pictures(20, size))
    at_first = []
    receive = board.receive
    board.receive = lambda timeout: at_first.append(board.kinds().count(Kind.IMAGE)) or receive(timeout)
    next(run)
    assert at_first[0] == first
