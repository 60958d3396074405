"""The boot record: what a board's flash holds so that the board loads a program after a reset, without a host.

A record is the contract's number (``soc.contract_id``), then frames of the link (``frames``), each as its length in
``soc.BOOT_LENGTH_BYTES`` bytes and itself, CRC included. A length that no frame has, 0 or beyond ``LONGEST``, ends it. All
numbers are little-endian. So an erased flash (all ones), anything else that may lie there, and a record of another
version play nothing, and a record that was cut short ends where it was cut.

The board's link engine plays the frames to the firmware as a host on the UART would send them: ``Open``,
``Request(LOAD)``, the ``Program`` fragments, ``Poll``, ``Close``. It starts each when the frame before has left its
slot, so no frame waits for an answer, and the fragments stay within the window. The ``Poll`` stands there because of
this: when its slot is free, the firmware has turned once more since the core has the whole program, and has seen that.
``Close`` would drop a program that it takes for half-loaded.

The session's number depends on how often the watchdog has bitten (``soc.SESSION_SHIFT``). The record has that of no
bite; the engine checks the CRC with it and then writes the right one at ``SESSION_AT`` of every frame but the first,
which is the ``Open``. A damaged frame is dropped, and with it the load; so is a program that is damaged, or another core's.
"""

import numpy as np

from ..errors import LimitError, ProgramError
from . import frames, isa, soc

CONTRACT_BYTES = 4
"""Bytes of the contract's number."""
LONGEST = frames.FRAME_BYTES
"""Bytes of the longest frame."""
SESSION_AT = 1
"""Place of the session's number in a frame."""


def session_number(watchdog_resets):
    """Number of the first session after so many resets by the watchdog."""
    return ((watchdog_resets << soc.SESSION_SHIFT) + 1) % (1 << 8)


def encode(program):
    """The record (bytes) that loads a program image, 32-bit words as of ``Program.encode``.

    Raises ``ProgramError`` where they are no more than a header, ``LimitError`` where the firmware would not take so many.
    """
    words = np.asarray(program, np.uint32)
    image, step, session = words.astype("<u4").tobytes(), frames.PAYLOAD_BYTES, session_number(0)
    if len(words) <= isa.HEADER_WORDS:
        raise ProgramError(
            f"the program image has {len(words)} words, its header alone has {isa.HEADER_WORDS}; compile it again"
        )
    if len(image) > soc.PROGRAM_BYTES:
        raise LimitError(
            f"the program image has {len(image)} bytes, a board takes {soc.PROGRAM_BYTES} at most; compile a smaller network"
        )
    return join(
        [
            frames.encode(frames.Open, version=frames.PROTOCOL, nonce=0),
            frames.encode(
                frames.Request, session=session, number=0, command=frames.Command.LOAD, argument=len(image)
            ),
            *(
                frames.encode(frames.Program, image[at : at + step], session=session, sequence=at // step, offset=at)
                for at in range(0, len(image), step)
            ),
            frames.encode(frames.Poll, session=session, results=0),
            frames.encode(frames.Close, session=session),
        ]
    )


def join(played):
    """The record (bytes) of frames, CRC included."""
    parts = [len(frame).to_bytes(soc.BOOT_LENGTH_BYTES, "little") + frame for frame in (*played, b"")]
    return soc.contract_id().to_bytes(CONTRACT_BYTES, "little") + b"".join(parts)


def decode(content):
    """The frames that a board plays whose flash holds ``content`` (bytes) at the record's address, as they stand there.

    What is behind ``content`` is erased, so the last frame of a record that was cut may be filled up with ones.
    """

    def take(count):
        nonlocal at
        at += count
        return content[at - count : at].ljust(count, b"\xff")

    at, result = 0, []
    if int.from_bytes(take(CONTRACT_BYTES), "little") == soc.contract_id():
        while 0 < (length := int.from_bytes(take(soc.BOOT_LENGTH_BYTES), "little")) <= LONGEST:
            result.append(take(length))
    return result
