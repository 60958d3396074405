"""Yosys' command line as sby calls it, ``-ql LOG SCRIPT``, by the native library; a program of its own, run by path.

The packaged Yosys takes a minute to start for the first time.
"""

import os
import sys

from pyosys import libyosys

if __name__ == "__main__":
    options, log, script = sys.argv[1:]
    assert options == "-ql", options
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, sys.stdout.fileno())
    libyosys.Design().run_pass(f"script {script}")
