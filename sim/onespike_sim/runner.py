"""From an Amaranth component to a running Verilator simulation.

Everything is written under ``build/sim/NAME``. Verilator comes from its Python package; what that needs
to build here is set in this file and nowhere else.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import sysconfig
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")

from amaranth.back import verilog
from cocotb_tools.runner import VerilatorControlFile, get_runner

from onespike.errors import OnespikeError, OutputError
from onespike_hw.core import verilog_ports
from onespike_hw.vendor import Target

ROOT = Path("build/sim").absolute()
SEED = 1


class SimulationError(OnespikeError):
    """A simulation could not be built, did not finish, or failed a test."""


def seed():
    """The run's seed: ``ONESPIKE_SEED``, or the fixed default."""
    return int(os.environ.get("ONESPIKE_SEED", SEED))


def to_verilog(component, name, family=None):
    """(Verilog text of ``component`` as module ``name``, its port names); streams become I__PAYLOAD etc.

    ``family`` names the vendor whose primitives may be used (``onespike_hw.vendor``).
    """
    ports = {name: (value, None) for name, (_, value) in verilog_ports(component).items()}
    text = verilog.convert(
        component, name=name, platform=Target(family), ports=ports, emit_src=False, strip_internal_attrs=True
    )
    return text, ["clk", "rst", *ports]


def write_if_changed(path, text):
    """Write ``text`` unless the file holds it already, so that nothing is rebuilt for nothing."""
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            # Renamed into place: another process may be reading it for its own build.
            temporary = path.with_name(f"{path.name}.{os.getpid()}")
            temporary.write_text(text)
            os.replace(temporary, path)


@contextmanager
def told(path):
    """Make an ``OutputError`` of an error of the operating system."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path} ({error.strerror}); work in a folder that can be written") from None


@contextmanager
def locked(folder):
    """Make ``folder`` and keep it to this process; not to be nested for the same folder."""
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "lock", "w")  # noqa: SIM115 - closed below
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def tool_environment():
    """PATH with the packaged Verilator; its build expects clang's name for precompiled headers.

    With ccache at hand, Verilator's own sources, the same in every simulation, are compiled once and not each time.
    """
    before = {key: os.environ.get(key) for key in ("PATH", "MAKEFLAGS", "VERILATOR_ROOT", "OBJCACHE", "CCACHE_DIR")}
    package = Path(sysconfig.get_paths()["purelib"]) / "verilator"
    os.environ["PATH"] = f"{package / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O2"
    os.environ.pop("VERILATOR_ROOT", None)
    if shutil.which("ccache"):
        os.environ["OBJCACHE"] = "ccache"
        os.environ.setdefault("CCACHE_DIR", str(ROOT.parent / "ccache"))
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value


def build(name, sources, top, ports, parameters=None, args=()):
    """Build the simulation ``build/sim/NAME`` once per content; returns its runner and folder.

    Only the ports of ``top`` are visible to Python: that is ten times as fast as the default.
    """
    folder = ROOT / name
    control = folder / "ports.vlt"
    lines = ["`verilator_config", *(f'public_flat_rw -module "{top}" -var "{port}"' for port in ports)]
    runner = get_runner("verilator")
    with locked(folder), tool_environment():
        write_if_changed(control, "\n".join(lines) + "\n")
        content = repr((args, parameters)) + "".join(Path(path).read_text() for path in (*sources, control))
        digest = hashlib.sha256(content.encode()).hexdigest()
        stamp = folder / "stamp"
        if not stamp.exists() or stamp.read_text() != digest:
            stamp.unlink(missing_ok=True)
        try:
            runner.build(
                sources=[VerilatorControlFile(control), *sources],
                hdl_toplevel=top,
                build_dir=folder / "build",
                always=not stamp.exists(),
                parameters=parameters or {},
                build_args=["--no-public-flat-rw", "-O3", "-Wno-fatal", "-Wno-lint", *args],
                timescale=("1ns", "1ns"),
                log_file=folder / "build.log",
            )
        except (RuntimeError, SystemExit) as error:
            raise SimulationError(f"Verilator could not build {name!r} ({error}); see {folder / 'build.log'}") from None
        stamp.write_text(digest)
    return runner, folder


def run(runner, folder, top, test_module, test_dir, plusargs=(), environment=None, replay=None):
    """Run a cocotb module in ``test_dir``, which the caller has locked; returns the number of tests.

    Raises ``SimulationError`` unless at least one test ran and all passed; ``replay`` tells how to see
    a failure again where the run's seed is not all it takes.
    """
    replay = replay or f"ONESPIKE_SEED={seed()} replays it"
    stopped = None
    results, log = test_dir / "results.xml", test_dir / "log.txt"
    results.unlink(missing_ok=True)
    with tool_environment():
        try:
            runner.test(
                test_module=test_module,
                hdl_toplevel=top,
                build_dir=folder / "build",
                test_dir=test_dir,
                results_xml=str(results),
                seed=seed(),
                plusargs=list(plusargs),
                extra_env={"COCOTB_LOG_LEVEL": "INFO", "ONESPIKE_SEED": str(seed()), **(environment or {})},
                log_file=log,
            )
        except (RuntimeError, SystemExit) as error:
            stopped = error  # under pytest also after a failed test, which the results name
    ran, failed = _results(results)
    if failed:
        what = f"failed {'; '.join(failed)}"
    elif stopped is not None and ran:
        what = f"stopped early ({stopped})"
    else:
        what = None if ran else "ran no test"
    if what:
        raise SimulationError(f"{test_dir.name} {what} ({replay}, see {log})")
    return ran


def _results(path):
    """(Number of tests that ran, name and reason of each that failed) of a results file, if it is whole."""
    try:
        cases = [case for case in ElementTree.parse(path).iter("testcase") if case.find("skipped") is None]
    except (FileNotFoundError, ElementTree.ParseError):
        return 0, []
    failed = []
    for case in cases:
        for problem in (*case.iter("failure"), *case.iter("error")):
            reason = (problem.get("message") or problem.get("type") or "no reason given").splitlines()[0]
            failed.append(f"{case.get('name')}: {reason}")
    return len(cases), failed


def simulate(component, test_module, name, environment=None, family=None, cells=""):
    """Build ``component`` as module ``top`` and run the cocotb module on it; returns the number of tests.

    ``family`` as in ``to_verilog``; ``cells``: Verilog text of the primitives that it uses.
    """
    text, ports = to_verilog(component, "top", family)
    source = ROOT / name / "top.v"
    write_if_changed(source, text + cells)
    runner, folder = build(name, [source], "top", ports)
    test_dir = folder / "runs" / test_module.rsplit(".", 1)[-1]
    with locked(test_dir):
        return run(runner, folder, "top", test_module, test_dir, environment=environment)
