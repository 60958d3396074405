"""Who may import what, and where formats may be spelt out: read from the sources themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import onespike
import onespike_hw

SOFTWARE, GATEWARE = (Path(package.__file__).parent for package in (onespike, onespike_hw))


def imports(path):
    """Absolute names of everything a file imports from outside its package."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


READY_CORES = {"cpu.py": {"pythondata_cpu_vexriscv"}, "udp_core.py": {"liteeth", "litex", "migen"}}
"""Files that bring in a core that others wrote -> packages that it comes from."""


def test_gateware_knows_only_the_contract():
    files = list(GATEWARE.rglob("*.py"))
    assert len(files) > 15
    for path in files:
        for name in imports(path):
            known = name.startswith(("amaranth", "onespike.contract")) or name in sys.stdlib_module_names
            known |= name == "onespike.errors" or name.split(".")[0] in READY_CORES.get(path.name, ())
            assert known, f"{path} imports {name}"


def test_software_never_imports_gateware():
    for path in SOFTWARE.rglob("*.py"):
        assert not any(name.startswith(("onespike_hw", "onespike_sim")) for name in imports(path)), path


@pytest.mark.parametrize(
    "package", ["contract", "golden", "compiler", "data", "random_networks", "quantised", "runtime"]
)
def test_needs_no_torch(package):
    code = f"import sys, onespike.{package}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_binary_formats_are_spelt_out_in_the_contract_alone():
    for folder in (SOFTWARE, GATEWARE):
        for path in folder.rglob("*.py"):
            if path.parent.name != "contract":
                assert "struct.pack" not in path.read_text(), path
