"""``make bench-link``: what the links carry, and how long a boot from flash takes, in clock cycles of the virtual board.

The board's time stands still while the host thinks, so the figures are the board's and the protocol's, not this machine's.
"""

import tempfile
from dataclasses import asdict, dataclass
from itertools import count

from amaranth.hdl import Shape

from onespike.cli import model_path, positive, write_report
from onespike.compiler import compile
from onespike.contract import boot, frames
from onespike.contract.boards import system
from onespike.contract.regs import Status
from onespike.images import procedural
from onespike.network import REFERENCE
from onespike.quantised import QuantisedModel
from onespike.runtime.framing import ENCODED_BYTES
from onespike.runtime.pixels import to_bytes
from onespike.runtime.serial import BITS
from onespike.runtime.session import Session
from onespike_hw.link.boot import BIT_CYCLES

from .runner import SimulationError
from .virtual.run import VirtualBoard
from .virtual.stepped import STEP, SteppedTransport

ETHERNET_BITS = 100_000_000
"""Bits a second of the Ethernet port."""
DATAGRAM_BYTES = 1472
"""Most payload of a datagram in one Ethernet frame."""
AROUND_BYTES = 8 + 14 + 20 + 8 + 4 + 12
"""What surrounds a datagram on the wire: preamble, Ethernet, IPv4 and UDP headers, check sequence, gap."""
ZEROS = 2
"""Zero bytes around a frame on the UART."""
WARM_UP = 8
"""Images before the measured ones."""
ASK = 20_000
"""Cycles between questions whether the board is ready: each holds it up a little."""
WAIT = 5e-3
"""Seconds of the board's time in which it answers."""


@dataclass(frozen=True)
class Rate:
    """What one link carried.

    ``cycles_per_image`` in a steady stream, ``images_per_second`` at the system clock; ``limit`` images a second of
    the bare line (see ``line_limit``) and ``ratio`` to it; ``load_bytes_per_second`` of the program image.
    """

    link: str
    cycles_per_image: float
    images_per_second: float
    limit: float
    ratio: float
    load_bytes_per_second: float


def line_limit(config, link, image_bytes):
    """Images a second of ``image_bytes`` that the line would carry with nothing of ours around them.

    Over UDP datagrams as long as can be, one after the other; over the UART bytes without a pause.
    """
    if link == "udp":
        datagrams = ETHERNET_BITS / 8 / (DATAGRAM_BYTES + AROUND_BYTES)
        return datagrams * DATAGRAM_BYTES / image_bytes
    return config.clock_hz / config.divisor / BITS / image_bytes


def carried(config, link, image_bytes):
    """Images a second of ``image_bytes`` that the line carries in our frames, if the board never makes it wait."""
    fragments = -(-image_bytes // frames.PAYLOAD_BYTES)
    frame = Shape.cast(frames.Image).width // 8 + frames.CHECK_BYTES
    if link == "udp":
        return ETHERNET_BITS / 8 / (image_bytes + fragments * (frame + AROUND_BYTES))
    frame += ENCODED_BYTES - frames.FRAME_BYTES + ZEROS
    return config.clock_hz / config.divisor / BITS / (image_bytes + fragments * frame)


def measure(config, link, program, pixels):
    """The ``Rate`` of images ``pixels`` (bytes of each, more than ``WARM_UP``) over ``link`` of system ``config``."""
    with VirtualBoard(config, link, step=True) as virtual:
        session = Session(SteppedTransport(virtual, config.clock_hz, WAIT, count(1)))
        begin = virtual.cycle
        session.load(program)
        loading = virtual.cycle - begin
        done = [virtual.cycle for _ in session.run(iter(pixels))]
    cycles = (done[-1] - done[WARM_UP - 1]) / (len(done) - WARM_UP)
    rate, limit = config.clock_hz / cycles, line_limit(config, link, len(pixels[0]))
    load = 4 * len(program.encode()) * config.clock_hz / loading
    return Rate(link, cycles, rate, limit, rate / limit, load)


def boot_cycles(config, program):
    """Cycles from reset until ``program`` (``Program``) has come from the flash of system ``config`` and is ready.

    Uncertain by ``ASK``. Raises ``SimulationError`` if it is not ready in twice the time that its bits take.
    """
    record = boot.encode(program.encode())
    bits = BIT_CYCLES * 8 * len(record)
    with tempfile.NamedTemporaryFile() as file:
        file.write(record)
        file.flush()
        with VirtualBoard(config, "udp", step=True, flash=file.name) as virtual:
            # A host that opens before the record does would keep the session.
            virtual.step(bits)
            transport = SteppedTransport(virtual, config.clock_hz, WAIT, count(1))
            while virtual.cycle < 2 * bits + config.lease_cycles:
                transport.send(frames.encode(frames.Open, version=frames.PROTOCOL, nonce=1))
                frame = transport.receive(ASK / config.clock_hz)
                if frame is not None and frames.decode(frame)[0] is frames.Kind.OPENED:
                    ready = frames.decode(frame)[1]["status"] == Status.READY.value
                    transport.close()
                    if ready:
                        return virtual.cycle
                    raise SimulationError("the board has no program after its boot; see 'onespike board selftest'")
    raise SimulationError(f"the board did not take its boot record in {2 * bits} cycles")


def run(args):
    """Measure both links and the boot from flash, and print a table."""
    config, model = system(args.system), QuantisedModel.load(model_path(args.model))
    compiled = compile(model, config.hardware)
    images = model.spec.arrange(procedural(WARM_UP + args.images, model.spec.image))
    pixels = [to_bytes(image) for image in images]
    core = config.clock_hz / compiled.report.cycles
    baud = config.clock_hz // config.divisor
    print(
        f"{len(pixels)} images of {len(pixels[0])} bytes in frames of {frames.PAYLOAD_BYTES}, clock {config.clock_hz} Hz"
    )
    print(f"UART {baud} baud, Ethernet {ETHERNET_BITS // 10**6} Mbit/s; the core alone takes {core:.0f} images/s\n")
    print(f"{'link':<6}{'cycles/image':>14}{'images/s':>10}{'line':>10}{'of it':>9}{'program, bytes/s':>18}")
    rates = []
    for link in ("udp", "uart"):
        rate = measure(config, link, compiled.program, pixels)
        rates.append(rate)
        print(
            f"{link:<6}{rate.cycles_per_image:>14.0f}{rate.images_per_second:>10.1f}{rate.limit:>10.1f}"
            f"{100 * rate.ratio:>8.1f}%{rate.load_bytes_per_second:>18.0f}",
            flush=True,
        )
    booted = boot_cycles(config, compiled.program)
    print(f"\nboot from flash: {booted} cycles from reset, {1e3 * booted / config.clock_hz:.0f} ms")
    result = {
        "boot_cycles": booted,
        "system": config.name,
        "images": args.images,
        "image_bytes": len(pixels[0]),
        "baud": baud,
        "core_images_per_second": core,
        "links": [asdict(rate) for rate in rates],
    }
    print(f"wrote {write_report('link', result)}")


def add_parser(commands):
    """Add the command to an argument parser's ``commands``."""
    parser = commands.add_parser("bench-link", help="what the links carry, in cycles of the virtual board")
    parser.add_argument("model", nargs="?", default=REFERENCE, help="a name or an .npz file")
    parser.add_argument("--system", default="virtual")
    parser.add_argument(
        "--images", type=positive, default=64, help=f"images measured; the host looks every {STEP} cycles"
    )
    parser.set_defaults(run=run)
