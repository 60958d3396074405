"""The firmware on this computer, with a model of the board and the golden model for a core: no simulation, no wires.

``tests/firmware/native`` holds the model of registers, packet memory, links and loader; it counts what the firmware must
not do as faults. Time passes by turns of the firmware's main loop, so every run is the same.
"""

import _ctypes
import ctypes
import fcntl
import shutil
import subprocess
import tempfile
import weakref
import zlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cobs import cobs

from onespike.contract import frames, soc
from onespike.contract.frames import Command, Kind
from onespike.contract.program import MAGIC, VERSION, Program, fingerprint
from onespike.errors import ToolError
from onespike.golden import run

ROOT = Path(__file__).parents[2]
OUT = ROOT / "build" / "firmware"
UART, UDP = "uart", "udp"
_LINKS = {UART: soc.Link.UART.value, UDP: soc.Link.UDP.value}
_SCORER = ctypes.CFUNCTYPE(
    ctypes.c_uint,
    ctypes.POINTER(ctypes.c_uint8),
    ctypes.c_uint,
    ctypes.POINTER(ctypes.c_int32),
    ctypes.POINTER(ctypes.c_uint32),
)


def build(target):
    """Path of ``target`` (``native.so``, ``native_test``, ``fuzz_frames``, ...), made by the firmware's Makefile.

    Raises ``ToolError`` with the reason where that fails.
    """
    OUT.mkdir(parents=True, exist_ok=True)
    with open(OUT / "native.lock", "w") as lock:  # tests run side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = ["make", "--no-print-directory", "-C", str(ROOT / "firmware"), f"../build/firmware/{target}"]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ToolError(f"the firmware's {target} cannot be built: {done.stderr.strip() or done.stdout.strip()}")
    return OUT / target


def _load_library():
    """A copy of the library for one board: its variables are the firmware's memory."""
    source = build("native.so")
    with tempfile.TemporaryDirectory() as folder:
        library = ctypes.CDLL(shutil.copy(source, Path(folder) / "native.so"))
    library.model_time.restype = ctypes.c_uint64
    library.model_wait.argtypes = [ctypes.c_uint64]
    library.model_leds.restype = library.model_rx_use.restype = ctypes.c_uint32
    library.model_fault.restype = ctypes.c_char_p
    library.model_deliver.restype = ctypes.c_bool
    library.model_deliver.argtypes = [ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint32, ctypes.c_uint]
    library.model_program.restype = ctypes.POINTER(ctypes.c_uint32)
    library.model_reset.argtypes = [*6 * [ctypes.c_uint32], _SCORER]
    return library


@dataclass(frozen=True)
class Sent:
    """What the board sent: ``data`` (a frame with its CRC, or text) over ``link`` to ``address`` and ``port``."""

    data: bytes
    link: str
    address: int
    port: int
    text: bool


class NativeBoard:
    """A board of ``config`` (``contract.soc.SocConfig``), booted; with ``program`` (``Program``) it is loaded.

    A turn of the firmware's main loop takes 500 clock cycles, in which the core takes up to 500 bytes; a byte sent
    takes 8 cycles, an image ``latency`` cycles after its last byte. ``score(pixels)`` gives the scores of an image of
    the loaded program, pixels uint8 (C, H, W); the golden model if it is ``None``.

    Attributes: ``config``; ``core``, its ``HwConfig``; ``fingerprint``.
    """

    def __init__(self, config, program=None, score=None, contract=None):
        self.config, self.core = config, config.hardware
        self.fingerprint = fingerprint(self.core)
        self._score = score or self._golden
        self._library = _load_library()
        weakref.finalize(self, _ctypes.dlclose, self._library._handle)
        self._scorer = _SCORER(self._answer)
        self._error = None
        self._program_words, self._program = None, None
        self._sent = deque()
        self._library.model_keep_faults()
        identity = soc.contract_id() if contract is None else contract
        self._library.model_reset(
            identity, config.clock_hz, config.lease_cycles, MAGIC, VERSION, self.fingerprint, self._scorer
        )
        self._check()
        if program is not None:
            self._load(program)

    # The links.

    def deliver(self, frame, link=UART, address=0, port=0):
        """A frame with its CRC arrives over ``link`` ("uart" or "udp"; UDP with IPv4 ``address`` and ``port``).

        A damaged frame is counted and dropped, one for which no slot is free is dropped; False in both cases.
        """
        body, check = frame[: -frames.CHECK_BYTES], frame[-frames.CHECK_BYTES :]
        if link == UART:
            self.type(b"\0" + cobs.encode(frame) + b"\0")
        right = len(body) >= 4 and len(frame) <= frames.FRAME_BYTES
        if not right or zlib.crc32(body).to_bytes(frames.CHECK_BYTES, "little") != check:
            self._library.model_damaged()
            return False
        return self._library.model_deliver(body, len(body), _LINKS[link], address, port)

    def type(self, text):
        """Bytes arrive over the UART as text; 127 at most before the next ``step``."""
        self._library.model_text(bytes(text), len(text))

    def step(self, turns=1):
        """Run turns of the firmware's main loop. Raises ``AssertionError`` where it did what it must not."""
        for _ in range(turns):
            self._library.model_turns(1)
            self._collect()
        self._check()

    def sent(self):
        """What the board sent since the last call: ``Sent`` in order."""
        result = list(self._sent)
        self._sent.clear()
        return result

    # Around it.

    @property
    def time(self):
        """Clock cycles since power-up."""
        return self._library.model_time()

    def wait(self, cycles):
        """Let time pass in which the firmware does nothing."""
        self._library.model_wait(cycles)

    def reboot(self):
        """The watchdog bites: CPU and links start anew, the core goes on."""
        self._library.model_boot()
        self._check()

    @property
    def leds(self):
        """A bit per LED."""
        return self._library.model_leds()

    @property
    def library(self):
        """The functions of ``tests/firmware/native/model.h``."""
        return self._library

    def _load(self, program):
        image = program.encode().astype("<u4").tobytes()
        session = self._exchange(frames.Open, version=frames.PROTOCOL, nonce=0)["session"]
        load = {"number": 0, "command": Command.LOAD, "argument": len(image)}
        self._exchange(frames.Request, session=session, **load)
        for sequence, offset in enumerate(range(0, len(image), frames.PAYLOAD_BYTES)):
            part = image[offset : offset + frames.PAYLOAD_BYTES]
            self._exchange(frames.Program, part, session=session, sequence=sequence, offset=offset)
        self.step(10)
        self._exchange(frames.Close, session=session)
        self.sent()

    def _exchange(self, record, payload=b"", **fields):
        """Fields of the first answer to a frame, none if nothing comes within ten turns."""
        self.sent()
        self.deliver(frames.encode(record, payload, **fields))
        self.step(10)
        answers = [frames.decode(sent.data)[:2] for sent in self.sent()]
        if refused := [fields for kind, fields in answers if kind is Kind.REFUSED]:
            raise AssertionError(f"the board refuses a frame: {refused[0]}")
        return answers[0][1] if answers else {}

    def _collect(self):
        data = ctypes.create_string_buffer(4 * soc.PACKET_WORDS)
        text, link, address, port = ctypes.c_uint(), ctypes.c_uint(), ctypes.c_uint32(), ctypes.c_uint()
        places = [ctypes.byref(place) for place in (text, link, address, port)]
        while count := self._library.model_sent(data, *places):
            body = data.raw[:count]
            if not text.value:
                body += zlib.crc32(body).to_bytes(frames.CHECK_BYTES, "little")
            name = UDP if link.value == soc.Link.UDP.value else UART
            self._sent.append(Sent(body, name, address.value, port.value, bool(text.value)))

    def _check(self):
        if self._error is not None:
            raise self._error
        fault = self._library.model_fault()
        if fault is not None:
            raise AssertionError(f"the firmware does what it must not: {fault.decode()}")

    # The core.

    def _answer(self, pixels, count, scores, spikes):
        """Called by the model for an image; an exception must not cross it."""
        try:
            program = self._loaded()
            shape = (program.image_side, program.image_side, program.image_channels)
            image = np.ctypeslib.as_array(pixels, (count,)).reshape(shape).transpose(2, 0, 1)
            values = [int(score) for score in self._score(np.ascontiguousarray(image))]
        except Exception as error:
            self._error = error
            return 0
        np.ctypeslib.as_array(scores, (len(values),))[:] = values
        spikes[0] = sum(values) % (1 << 32)
        return len(values)

    def _loaded(self):
        """The ``Program`` of the words that the core took."""
        count = ctypes.c_uint()
        words = self._library.model_program(ctypes.byref(count))
        words = np.ctypeslib.as_array(words, (count.value,)).tobytes()
        if words != self._program_words:
            self._program_words = words
            self._program = Program.decode(np.frombuffer(words, "<u4"), self.core)
        return self._program

    def _golden(self, pixels):
        return run(self._loaded(), pixels[None])[0]
