"""``python -m onespike_sim virtual-board``: the board in simulation, for ``--board URI``."""

import os
import sys

from onespike.cli import positive
from onespike.contract.boards import SYSTEMS, system
from onespike.runtime.virtual import SILENCE, WAIT

from .run import LINKS, arguments


def run(args):
    """Build the board, then become it: signals and standard input go straight to the simulation."""
    print(f"building the virtual board {args.system} if it is not there ...", file=sys.stderr, flush=True)
    # A simulation is slow: a driver that is given this URI has the patience it needs.
    query = f"?wait={WAIT:g}&timeout={SILENCE:g}"
    words = arguments(system(args.system), args.link, args.cycles, args.trace, query=query, flash=args.flash)
    sys.stdout.flush()
    os.execv(words[0], words)


def add_parser(commands):
    """Add the command to an argument parser's ``commands``."""
    parser = commands.add_parser(
        "virtual-board",
        help="the whole board in simulation",
        description="Prints the URI of the board and runs until it is ended (SIGINT, SIGTERM, end of a pipe on standard "
        "input). SIGUSR1 presses its reset button, SIGUSR2 hangs its CPU or lets it go on.",
    )
    parser.add_argument("--system", choices=sorted(SYSTEMS), default="virtual", help="default: virtual")
    parser.add_argument("--link", choices=LINKS, default="uart", help="how it is reached (default: uart)")
    parser.add_argument("--flash", metavar="FILE", help="what its flash holds, of 'onespike boot-image' (default: erased)")
    parser.add_argument("--trace", metavar="OUT.FST", help="write a waveform; builds another, slower board")
    parser.add_argument("--cycles", type=positive, metavar="N", help="end after N clock cycles")
    parser.set_defaults(run=run)
