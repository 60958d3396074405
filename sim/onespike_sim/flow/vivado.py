"""Xilinx 7 series by Vivado, in batch: generated here, run where Vivado is on the PATH."""

import re
import shutil
import subprocess

from onespike.errors import LimitError, ToolError

from ..runner import write_if_changed
from ..synth import Counts
from .design import TOP
from .report import Build, Timing

OLDEST = (2018, 3)
"""Releases before that do not know all commands of the script."""
RUN = f"vivado -mode batch -nojournal -log {TOP}.log -source {TOP}.tcl"
README = f"""# {{title}} for Vivado

Everything that Vivado needs is in this folder. With Vivado {OLDEST[0]}.{OLDEST[1]} or later on the PATH:

    {RUN}

writes `{TOP}.bit` (about half an hour) and the reports `{TOP}_timing.rpt` and `{TOP}_utilization_hierarchical_place.rpt`. The
clock is met if the timing report says so for all constraints. Load it with

    openFPGALoader -b {{loader}} {TOP}.bit

or put it at `{{folder}}/{TOP}.bit` of the project it came from, for `make program` there.

The folder was generated, not run: no line of it has met a Vivado yet.
"""


def missing():
    """Why this tool chain cannot be used here, or None."""
    if not shutil.which("vivado"):
        return "Vivado is not on the PATH (AMD's site has it; the free edition builds for Artix-7; source its settings64.sh)"
    try:
        version()
    except ToolError as error:
        return str(error)
    return None


def project(design, folder):
    """Write the project into ``folder``."""
    files = {name: text for name, text in design.files.items() if not name.startswith("build_") and "debug" not in name}
    board = design.board
    files["README.md"] = README.format(title=board.title, loader=board.loader, folder=folder.parent)
    for name, text in files.items():
        write_if_changed(folder / name, text)


def version():
    """Release of the Vivado on the PATH, as text; raises ``ToolError`` if it is too old or tells none."""
    try:
        run = subprocess.run(["vivado", "-version"], capture_output=True, text=True)
    except OSError as error:
        raise ToolError(f"the vivado on the PATH cannot be started ({error.strerror}); install it anew") from None
    found = re.search(r"vivado v(\d+)\.(\d+)", run.stdout, re.IGNORECASE)
    if not found:
        raise ToolError("'vivado -version' tells no release; source the settings64.sh of Vivado")
    if tuple(map(int, found.groups())) < OLDEST:
        raise ToolError(f"Vivado {found[1]}.{found[2]} is too old; install {OLDEST[0]}.{OLDEST[1]} or later")
    return f"{found[1]}.{found[2]}"


def build(design, folder):
    """Run the project in ``folder/project-vivado``; the ``Build`` with its bitstream.

    Raises ``ToolError`` where Vivado fails or its reports cannot be read, ``LimitError`` where a hold time is missed.
    """
    where, release = folder / "project-vivado", version()
    project(design, where)
    bitstream = where / f"{TOP}.bit"
    bitstream.unlink(missing_ok=True)
    print(f"Vivado {release} (about half an hour); its log is {where / f'{TOP}.log'} ...", flush=True)
    run = subprocess.run(RUN.split(), cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if run.returncode or not bitstream.exists():
        raise ToolError(f"Vivado failed (status {run.returncode}): {_first_error(where / f'{TOP}.log')}")
    modules = read_modules((where / f"{TOP}_utilization_hierarchical_place.rpt").read_text())
    timing = read_timing((where / f"{TOP}_timing.rpt").read_text(), design.board.system.clock_hz / 1e6)
    return Build(design.board, design.toolchain, modules, {"Vivado": release}, timing, bitstream)


def _first_error(log):
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    errors = [line for line in lines if line.startswith("ERROR")]
    return f"{errors[0] if errors else 'no error told'}; see {log}"


def read_modules(text):
    """Path of an instance -> ``Counts`` of ``report_utilization -hierarchical``; raises ``ToolError`` if it is none."""
    lines = [line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    titles = next(([cell.strip() for cell in line] for line in lines if line[0].strip() == "Instance"), None)
    found, path = {}, []
    for line in lines if titles else ():
        name = line[0].strip()
        if len(line) != len(titles) or name == "Instance" or name.startswith("("):
            continue
        path[(len(line[0]) - len(line[0].lstrip()) - 1) // 2 :] = [name]
        cells = {title: int(cell) for title, cell in zip(titles[2:], line[2:], strict=True)}
        dsp = next(value for title, value in cells.items() if title.startswith("DSP"))
        found[".".join(path[1:]) or path[0]] = Counts(
            lut=cells["Total LUTs"],
            lutram=cells["LUTRAMs"],
            srl=cells["SRLs"],
            ff=cells["FFs"],
            bram=cells["RAMB36"] + cells["RAMB18"] / 2,
            dsp=dsp,
        )
    if TOP not in found:
        raise ToolError(f"Vivado's report of utilization names no module {TOP!r}; is this release another format?")
    return found


def read_timing(text, asked_mhz):
    """The ``Timing`` of ``report_timing_summary``: the path that is nearest to missing its requirement, or misses it most.

    Raises ``ToolError`` if it holds no paths, ``LimitError`` where a hold time is missed.
    """
    summary = re.search(r"^ +WNS\(ns\).*?\n[- ]+\n([-.\d ]+)$", text, re.MULTILINE)
    path = re.compile(
        r"^Slack \(\w+\) : +(-?[\d.]+)ns.*?Source: +(\S+).*?Destination: +(\S+).*?Path Type: +(?:Setup|Recovery).*?Requirement: +([\d.]+)ns"
        r".*?Data Path Delay: +[\d.]+ns +\(logic ([\d.]+)ns.*?route ([\d.]+)ns",
        re.MULTILINE | re.DOTALL,
    )
    paths = [found for block in re.split(r"^(?=Slack )", text, flags=re.MULTILINE) if (found := path.match(block))]
    if not summary or not paths:
        raise ToolError("Vivado's report of timing holds no summary or no paths; is this release another format?")
    numbers = [float(number) for number in summary[1].split()]
    # Slack, sum, endpoints that fail, endpoints: of setup, then hold, then pulse width.
    for what, missed in (("a hold time", numbers[4:5]), ("a pulse width", numbers[8:9])):
        if missed and missed[0] < 0:
            raise LimitError(f"{what} is missed by {-missed[0]:g} ns; see {TOP}_timing.rpt of the project")
    slack, source, sink, requirement, logic, route = min(paths, key=lambda found: float(found[1]) / float(found[4])).groups()
    if numbers[0] < min(0, float(slack)):
        raise LimitError(f"a path that is not listed misses by {-numbers[0]:g} ns; see {TOP}_timing.rpt of the project")
    met = asked_mhz * float(requirement) / (float(requirement) - float(slack))
    return Timing(asked_mhz, met, [_own_name(source), _own_name(sink)], float(logic), float(route))


def _own_name(pin):
    """Name of the design's signal at a pin of a cell."""
    return re.sub(r"_reg(?=\[|$)", "", pin.rpartition("/")[0]).replace("/", ".")
