"""The firmware for the board, and the same sources under sanitizers and the fuzzer."""

import importlib.util
import os
import re
import shutil
import struct
import subprocess

import pytest

from onespike.contract.emit import emit, firmware_header
from onespike.contract.soc import SocConfig, contract_id
from onespike.errors import OnespikeError

from ..support.native_board import ROOT, build

CORPUS = ROOT / "tests" / "firmware" / "corpus"
SEED = 20240501
FUZZ_SECONDS = 8


@pytest.fixture(scope="module")
def finish():
    spec = importlib.util.spec_from_file_location("finish", ROOT / "firmware" / "finish.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_firmware_fits_and_its_checksum_is_right(finish):
    image = build("firmware.bin").read_bytes()
    assert len(image) == SocConfig.rom_bytes
    words = struct.unpack(f"<{len(image) // 4}I", image)
    assert finish.rotated_sum(words) == 0
    assert finish.rotated_sum([*words[:5], words[5] ^ 4, *words[6:]]) != 0


def test_a_missing_compiler_is_one_sentence(tmp_path):
    for tool in ("make", "sh", "mkdir"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    environment = {**os.environ, "PATH": str(tmp_path)}
    make = [str(tmp_path / "make"), "-C", str(ROOT / "firmware"), "--no-print-directory"]
    done = subprocess.run([*make, "compiler"], env=environment, capture_output=True, text=True)
    assert done.returncode and "riscv64-unknown-elf-gcc is missing" in done.stderr
    done = subprocess.run([*make, "clang"], env=environment, capture_output=True, text=True)
    assert done.returncode and "clang is missing" in done.stderr


def test_the_header_is_of_this_contract(tmp_path):
    header = firmware_header()
    assert (ROOT / "firmware" / "contract.h").read_text() == header == firmware_header()
    assert int(re.search(r"#define CONTRACT_ID (\w+)", header)[1], 16) == contract_id()
    emit(tmp_path)
    emit(tmp_path, check=True)
    (tmp_path / "firmware" / "contract.h").write_text(header + "\n")
    with pytest.raises(OnespikeError, match=r"contract\.h is out of date"):
        emit(tmp_path, check=True)


def test_random_inputs_under_sanitizers():
    print(f"seed {SEED}")
    done = subprocess.run([build("native_test"), str(SEED), "500"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["frames", "text"])
def test_fuzzing(target, tmp_path):
    """The corpus, and a while of new inputs; ``make fuzz-firmware`` goes on for longer."""
    command = [
        build(f"fuzz_{target}"),
        f"-max_total_time={FUZZ_SECONDS}",
        f"-seed={SEED}",
        f"-artifact_prefix={tmp_path}/",
    ]
    print(f"seed {SEED}")
    done = subprocess.run(
        [*command, "-max_len=4096", str(tmp_path), str(CORPUS / target)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
