"""A host that begins something at the board and never ends it; its test kills it.

``python -m tests.support.board_host URI image|program|frame`` opens a session, sends a part of an image, of a program
or (UART) of a frame, prints a line, and waits for ever.
"""

import sys

from onespike.contract import frames
from onespike.contract.frames import Command, Kind
from onespike.runtime.framing import enframe
from onespike.runtime.session import Session

from .cases import LARGE, tiny_case
from .links import transport_to


def answer(transport, kind):
    """Fields of the next frame of ``kind``."""
    while (frame := transport.receive(transport.wait)) is not None:
        got, fields, _ = frames.decode(frame)
        if got is kind:
            return fields
    raise AssertionError(f"the board at {transport.uri} does not answer with {kind.name}")


def main(uri, what):
    transport, case = transport_to(uri), tiny_case(LARGE, 1)
    session = Session(transport)._number
    piece = case.pixels[0][: frames.PAYLOAD_BYTES]
    image = frames.encode(frames.Image, piece, session=session, sequence=0, image=7, offset=0, results=0)
    if what == "program":
        load = {"number": 1, "command": Command.LOAD, "argument": len(case.file)}
        transport.send(frames.encode(frames.Request, session=session, **load))
        answer(transport, Kind.REPLY)
        piece = case.file[: frames.PAYLOAD_BYTES]
        transport.send(frames.encode(frames.Program, piece, session=session, sequence=0, offset=0))
    elif what == "image":
        transport.send(image)
    if what == "frame":
        transport._port.write(enframe(image)[:500])
    else:
        transport.send(frames.encode(frames.Poll, session=session, results=0))
        while answer(transport, Kind.STATE)["expected"] != 1:
            pass
    print("begun", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
