"""``FakeBoard`` behind a real socket or a real serial port; also as a process of its own, for ``virtual://``."""

import os
import pty
import select
import socket
import sys
import threading
import tty
from contextlib import contextmanager

from onespike.runtime.framing import Deframer, enframe

from .fake_board import FakeBoard


@contextmanager
def udp(board):
    """(URI, socket) of ``board`` behind UDP on the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, _stopping() as stop:
        server.bind(("127.0.0.1", 0))

        def serve():
            while server in select.select([server, stop], [], [])[0]:
                frame, peer = server.recvfrom(65536)
                board.send(frame)
                while board.queue:
                    server.sendto(board.queue.popleft(), peer)

        with _running(serve, stop):
            yield f"udp://127.0.0.1:{server.getsockname()[1]}", server


@contextmanager
def serial(board):
    """(URI, file of the board's end) of ``board`` behind a pseudo terminal."""
    here, there = pty.openpty()
    tty.setraw(there)
    try:
        with _stopping() as stop:
            deframer = Deframer()

            def serve():
                while here in select.select([here, stop], [], [])[0]:
                    for frame in deframer.feed(os.read(here, 4096)):
                        board.send(frame)
                    while board.queue:
                        os.write(here, enframe(board.queue.popleft()))

            with _running(serve, stop):
                yield f"serial://{os.ttyname(there)}", here
    finally:
        os.close(here)
        os.close(there)


@contextmanager
def _stopping():
    """A file that becomes readable when the test ends."""
    here, there = socket.socketpair()
    with here, there:
        yield here
        there.close()


@contextmanager
def _running(serve, stop):
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.shutdown(socket.SHUT_RDWR)
        thread.join()


if __name__ == "__main__":
    with udp(FakeBoard(100)) as (uri, _):
        print("building ...")
        print(uri, flush=True)
        sys.stdin.read()
