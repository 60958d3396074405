"""The golden model as a device: right by definition, needs no board."""

from itertools import islice

import numpy as np

from ..contract import frames, soc
from ..contract.frames import Command
from ..contract.program import fingerprint
from ..contract.regs import Status
from ..errors import BoardError
from ..golden import decide, fired_spikes, run_traced
from .device import Device, Identity, Result
from .pixels import from_bytes, selftest_check


class GoldenDevice(Device):
    """Runs programs in the golden model; ``program`` may be loaded later.

    Attribute ``program`` is what it runs. Its core is whatever that was compiled for; ``fingerprint`` is 0 without.
    It has no clock: cycles are 0, ``clock_hz`` is the core's.
    """

    def __init__(self, program=None, uri="golden://"):
        self.uri = uri
        self.program = program
        self._counters = dict.fromkeys(frames.COUNTERS, 0)

    @property
    def identity(self):
        program = self.program
        if program is None:
            return Identity(0, soc.contract_id(), 0, 0, 0, Status.NO_PROGRAM)
        return Identity(
            fingerprint(program.config),
            soc.contract_id(),
            program.config.clock_mhz * 1_000_000,
            int(program.encode()[-1]),
            program.image_channels * program.image_side**2,
            Status.READY,
        )

    def load(self, program):
        self.program = program

    def run(self, images):
        source, number, program = iter(images), 0, self.program
        while batch := list(islice(source, frames.RESULTS)):
            if self._loaded() is not program:
                raise BoardError(f"another operation took {self.uri} from this one; do one after the other")
            pixels = np.stack([from_bytes(program, content) for content in batch])
            scores, trace = run_traced(program, pixels)
            spikes = fired_spikes(program, trace)
            for row, prediction, count in zip(scores, decide(scores), spikes, strict=True):
                self._counters["IMAGES"] += 1
                self._counters["SPIKES"] = int(count)
                yield Result(number, row, int(prediction), 0, 0, 0, 0, int(count))
                number += 1

    def request(self, command, argument=0):
        if command is Command.COUNTERS:
            return tuple(self._counters[name] for name in frames.COUNTERS)
        if command is Command.SELFTEST:
            if self.program is None:
                return (1 << frames.SelfTest.NO_PROGRAM.value,)
            return (int(selftest_check(self.program) != argument) << frames.SelfTest.IMAGE.value,)
        raise BoardError(f"the golden model knows no {command.name}; use a board, real or virtual")

    def reset(self):
        self.program = None

    def close(self):
        pass

    def _loaded(self):
        if self.program is None:
            raise BoardError("the golden model has no program; load one first")
        return self.program
