"""A board, whatever it is: open it by a URI, load programs, classify images."""

import contextlib

from ..compiler import compile
from ..contract import boards, frames
from ..contract.config import PRESETS, preset
from ..contract.frames import Command, SelfTest
from ..contract.program import Program, fingerprint
from ..errors import BoardError, ContractError, OnespikeError
from ..network import DEFAULT, NETWORKS
from ..quantised import QuantisedModel
from .emulator import GoldenDevice
from .pixels import prepare, selftest_check, to_bytes
from .uri import device_at


class Board:
    """A ``Device`` with images, programs and counters by name. Leaves the device to others when its block ends.

    Attributes: ``device``; ``program`` the ``Program`` that ``classify`` runs, ``None`` until one was loaded.
    """

    def __init__(self, device, program=None):
        self.device = device
        self.program = program

    @classmethod
    def open(cls, uri, *, program=None, wait=None, timeout=None, record=None):
        """Open the board at ``uri``:

        - ``serial:///dev/ttyUSB1?baud=1000000`` a UART;
        - ``udp://192.168.1.50`` or ``udp://HOST:PORT``, Ethernet;
        - ``virtual://`` a simulated board, or ``virtual://?system=virtual-tiny&link=udp``;
        - ``golden://PROGRAM.1spk`` or ``golden://`` the golden model;
        - ``replay://FILE`` a recording.

        ``program`` (``Program`` or a file's path) is loaded unless the board has it. ``wait`` seconds in which the
        board answers and ``timeout`` seconds without progress until an error are the link's own unless they are given,
        here or in the URI. ``record`` names a file to write a recording of the link to.
        Raises ``BoardError`` (see its kinds in ``errors``) where that does not work.
        """
        device = device_at(uri, wait, timeout, record)
        board = cls(device, device.program if isinstance(device, GoldenDevice) else None)
        try:
            if program is not None:
                board.load(program)
        except BaseException:
            board._leave()
            raise
        return board

    @property
    def uri(self):
        return self.device.uri

    @property
    def identity(self):
        """The device's ``Identity``."""
        return self.device.identity

    @property
    def core(self):
        """Name of the device's core configuration, ``None`` for one that this version does not know."""
        mine = self.identity.fingerprint
        if mine == 0:  # the golden model without a program can be any core
            return boards.SYSTEMS["arty"].core
        return next((config.name for config in PRESETS.values() if fingerprint(config) == mine), None)

    def load(self, program):
        """Load a ``Program``, or the program image in a file; nothing is sent where the board has it already.

        Raises ``ProgramError`` where it is damaged or was compiled for another core.
        """
        program = program if isinstance(program, Program) else Program.load(program)
        self.device.load(program)
        self.program = program

    def classify(self, images):
        """Yields a ``Result`` per image, in order, each once; see ``Device.run``.

        ``images`` uint8 (n, C, H, W) as the program's description says, or patched already. Where no program was
        loaded, the committed model ``onespike.network.DEFAULT`` is compiled for the board's core and loaded. Raises ``DataError`` before
        anything is sent where shape or type are wrong.
        """
        program = self._require_program()
        pixels = prepare(program, images)
        return self.device.run(to_bytes(image) for image in pixels)

    def counters(self):
        """Name -> value of ``frames.COUNTERS``, and ``UPTIME`` in clock cycles."""
        values = dict(zip(frames.COUNTERS, self._words(len(frames.COUNTERS), Command.COUNTERS), strict=True))
        return {"UPTIME": values.pop("UPTIME_HIGH") << 32 | values.pop("UPTIME_LOW"), **values}

    def selftest(self):
        """The tests that failed, a list of ``frames.SelfTest``; an image by formula runs through the program."""
        (mask,) = self._words(1, Command.SELFTEST, selftest_check(self._require_program()))
        return [test for test in SelfTest if mask >> test.value & 1]

    def reset(self):
        """Drop the board's program."""
        self.program = None
        self.device.reset()

    def close(self):
        """Leave the device to others."""
        self.device.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.close()
        else:
            self._leave()

    def _leave(self):
        """Close after an error, which says more than another one would."""
        with contextlib.suppress(OnespikeError):
            self.close()

    def _words(self, count, command, argument=0):
        """The reply's words, so many."""
        words = self.device.request(command, argument)
        if len(words) != count:
            raise BoardError(
                f"the board at {self.uri} answers {command.name} with {len(words)} words, not {count}; update its gateware"
            )
        return words

    def _require_program(self):
        if self.program is None:
            self.load(self.compile())
        return self.program

    def compile(self, model=NETWORKS / f"{DEFAULT}.npz"):
        """The ``Program`` of a trained model's file for this board's core.

        Raises ``ContractError`` where the core is none that this version knows, and what the compiler raises.
        """
        if self.core is None:
            raise ContractError(
                f"the board at {self.uri} has core {self.identity.fingerprint:08x}, which this version does not know; "
                "load a program that was compiled for it"
            )
        return compile(QuantisedModel.load(model), preset(self.core)).program
