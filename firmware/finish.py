"""The ROM's image from the linked program: padded, with its checksum; and what it takes of ROM and RAM."""

import argparse
import re
import struct
import subprocess
import sys
from pathlib import Path

STACK_BYTES = 640
"""Least left for the stack: what `-fstack-usage` adds up to along the deepest chain of calls, and some."""


def rotated_sum(words):
    """The sum that the boot self-test forms: rotated left by a bit before every word."""
    total = 0
    for word in words:
        total = ((total << 1 | total >> 31) + word) & 0xFFFFFFFF
    return total


def rom_image(text, size):
    """``text`` padded to ``size`` bytes; the last word makes the sum of all zero."""
    words = [*struct.unpack(f"<{size // 4 - 1}I", text.ljust(size - 4, b"\0"))]
    total = rotated_sum(words)
    words.append(-((total << 1 | total >> 31) & 0xFFFFFFFF) & 0xFFFFFFFF)
    return struct.pack(f"<{size // 4}I", *words)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("header", "elf", "objcopy", "size", "out"):
        parser.add_argument(name)
    args = parser.parse_args()
    defines = dict(re.findall(r"#define (\w+) (\w+)", Path(args.header).read_text()))
    rom, ram = int(defines["ROM_BYTES"]), int(defines["RAM_BYTES"])
    out = Path(args.out)
    text = out.with_suffix(".text")
    subprocess.run([args.objcopy, "-O", "binary", "-j", ".text", args.elf, str(text)], check=True)
    code = text.read_bytes()
    text.unlink()
    table = subprocess.run([args.size, "-A", args.elf], check=True, capture_output=True, text=True).stdout
    variables = int(re.search(r"^\.bss\s+(\d+)", table, re.M)[1])
    print(
        f"firmware: {len(code) + 4} of {rom} bytes of ROM, {variables} of {ram} bytes of RAM "
        f"({ram - variables} for the stack)"
    )
    if ram - variables < STACK_BYTES:
        sys.exit(
            f"firmware: {ram - variables} bytes are left for the stack, it needs {STACK_BYTES}; shrink the variables"
        )
    temporary = out.with_suffix(".tmp")
    temporary.write_bytes(rom_image(code, rom))
    temporary.replace(out)


if __name__ == "__main__":
    main()
