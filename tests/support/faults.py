"""Links that lose, double, damage and reorder what goes over them, by a seed."""

from collections import deque

from onespike.runtime.transport import Transport

DAMAGES = ("drop", "double", "flip", "insert")


class DamagingPort:
    """Stands between a driver and its serial port (``serial.Serial``): damages a byte of every hundredth frame or so.

    ``rate`` share of frames that are damaged, each way; ``mean`` bytes of a frame from the board; ``rng`` a NumPy
    generator. ``damages`` counts them.
    """

    def __init__(self, port, rng, rate, mean):
        self._port, self._rng, self._rate = port, rng, rate
        self._gap = mean / rate
        self._left = self._draw()
        self.damages = 0

    def write(self, encoded):
        """Send a frame between its zeros."""
        data = bytearray(encoded)
        if self._rng.random() < self._rate:
            self._damage(data, int(self._rng.integers(len(data))))
        self._port.write(bytes(data))

    def read(self, size):
        """Bytes that have come, perhaps fewer or more than came."""
        data, at = bytearray(self._port.read(size)), 0
        while at + self._left < len(data):
            at += self._left
            self._damage(data, at)
            at += 1
            self._left = self._draw()
        self._left -= len(data) - at
        return bytes(data)

    def _draw(self):
        return int(self._rng.geometric(1 / self._gap))

    def _damage(self, data, at):
        self.damages += 1
        damage = self._rng.choice(DAMAGES)
        if damage == "drop":
            del data[at]
        elif damage == "double":
            data.insert(at, data[at])
        elif damage == "flip":
            data[at] ^= 1 << int(self._rng.integers(8))
        else:
            data.insert(at, int(self._rng.integers(256)))

    @property
    def in_waiting(self):
        return self._port.in_waiting

    @property
    def timeout(self):
        return self._port.timeout

    @timeout.setter
    def timeout(self, seconds):
        self._port.timeout = seconds

    def close(self):
        self._port.close()


class LossyTransport(Transport):
    """A transport over ``inner`` that loses, doubles and reorders a ``rate`` of frames each way, by ``rng``.

    ``faults`` counts them.
    """

    def __init__(self, inner, rng, rate):
        self.inner, self._rng, self._rate = inner, rng, rate
        self.uri, self.wait, self.timeout = inner.uri, inner.wait, inner.timeout
        self._held = None  # a frame to send after the next one
        self._received = deque()
        self.faults = 0

    @property
    def damaged(self):
        """Frames that the link dropped because they were damaged."""
        return self.inner.damaged

    def send(self, frame):
        for part in self._spoil(frame):
            self.inner.send(part)

    def receive(self, timeout):
        if not self._received:
            frame = self.inner.receive(timeout)
            if frame is None:
                return None
            chosen = self._rng.random() / self._rate
            self.faults += chosen < 1
            if chosen < 1 / 3:
                return self.receive(timeout)
            self._received.append(frame)
            if chosen < 2 / 3:
                self._received.append(frame)
            elif chosen < 1 and (after := self.inner.receive(timeout)) is not None:
                self._received.appendleft(after)
        return self._received.popleft()

    def nonce(self):
        return self.inner.nonce()

    def close(self):
        self.inner.close()

    def _spoil(self, frame):
        """What really goes out in the place of ``frame``."""
        if self._held is not None:
            held, self._held = self._held, None
            return [frame, held]
        chosen = self._rng.random() / self._rate
        self.faults += chosen < 1
        if chosen < 1 / 3:
            return []
        if chosen < 2 / 3:
            return [frame, frame]
        if chosen < 1:
            self._held = frame
            return []
        return [frame]
