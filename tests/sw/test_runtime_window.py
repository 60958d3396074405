"""Go-back-N by itself: numbers that wrap, news that is old, fragments that come again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onespike.contract import frames
from onespike.runtime.window import NUMBERS, SendWindow, fragments, unwrap


@given(st.integers(0, 10**7), st.integers(-NUMBERS // 2, NUMBERS // 2 - 1))
def test_unwrap(near, away):
    assert unwrap((near + away) % NUMBERS, near) == near + away


@pytest.mark.parametrize("size", [1, 1023, 1024, 1025, 4096])
def test_fragments_are_the_content(size, rng):
    content = rng.bytes(size)
    parts = fragments(frames.Image, content, image=7)
    assert b"".join(part.payload for part in parts) == content
    assert [part.fields["offset"] for part in parts] == list(range(0, size, frames.PAYLOAD_BYTES))
    assert all(len(part.payload) == frames.PAYLOAD_BYTES for part in parts[:-1]) and parts[0].fields["image"] == 7


def filled(limit=5, count=20):
    window = SendWindow(limit)
    window.add(fragments(frames.Image, bytes(count * frames.PAYLOAD_BYTES)))
    return window


def sent(window):
    numbers = []
    while window.sendable:
        sequence, fragment = window.take()
        assert fragment.fields["offset"] == sequence * frames.PAYLOAD_BYTES
        numbers.append(sequence)
    return numbers


def test_no_more_than_the_limit():
    window = filled()
    assert sent(window) == [0, 1, 2, 3, 4]
    assert window.update(2, 7) and sent(window) == [5, 6]
    assert not window.stuck
    assert window.update(7, 7) and sent(window) == [] and window.stuck and not window.hungry
    assert window.update(7, 40) and len(sent(window)) == 13 and window.hungry and not window.stuck


def test_old_news_is_none():
    window = filled()
    sent(window)
    window.update(3, 8)
    assert not window.update(2, 7) and (window.base, window.limit) == (3, 8)
    assert not window.update(9, 14) and window.base == 3  # never sent


def test_news_that_comes_after_going_back():
    """All had arrived; the fragments that were to be sent again need not be."""
    window = filled()
    sent(window)
    window.rewind()
    window.take()
    assert window.update(5, 10) and (window.base, window.next) == (5, 5)
    assert sent(window) == [5, 6, 7, 8, 9]


def test_going_back_once_for_a_gap():
    window = filled()
    sent(window)
    window.gap(0)
    assert sent(window) == [0, 1, 2, 3, 4]
    window.gap(0)
    assert sent(window) == []
    window.update(1, 6)
    window.gap(1)
    assert sent(window) == [1, 2, 3, 4, 5]


def test_gap_before_what_is_known():
    window = filled()
    sent(window)
    window.update(3, 5)
    window.gap(2)
    assert sent(window) == []


def test_limit_is_taken_back():
    window = filled()
    sent(window)
    assert not window.update(0, 0)
    window.gap(0)
    assert sent(window) == []
    assert window.update(0, 5) and sent(window) == [0, 1, 2, 3, 4]


def test_wrapping():
    window = SendWindow(5)
    for base in range(NUMBERS + 20):
        window.add(fragments(frames.Image, b"x"))
        assert window.take()[0] == base
        assert window.update((base + 1) % NUMBERS, (base + 6) % NUMBERS)
    assert window.base == NUMBERS + 20 and window.limit == NUMBERS + 25
