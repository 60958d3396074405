"""Address generator against a plain enumeration of pixels, from the coordinate rules alone."""

import itertools
from collections import Counter
from typing import NamedTuple

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.compiler.schedule import seams
from onespike.contract.config import BANKS, TAPS, WINDOWS
from onespike.contract.isa import Op, Padding, Windows
from onespike_hw.engine.windows import WindowAddresses
from onespike_hw.interfaces import block_command, spike_read

from ..streams import Sink, Source, config, cycles, rng, start
from .layers import layer, packed, source, window_frame
from .timing import span

ALL_TAPS = (1 << TAPS) - 1


class Case(NamedTuple):
    """What decides which pixels a layer's windows see; ``side`` of the output map."""

    windows: Windows
    scan: int
    padding: Padding
    side: int
    op: Op = Op.SPIKE

    @property
    def size(self):
        """Side of the array's windows in output pixels: quadrants, or 3/4 of the map in each corner."""
        return window_frame(self.windows, self.side)[0] if self.scan else self.side // 2

    def corner(self, window):
        """(row, column) of the window's first output pixel."""
        far = self.side - self.size
        return far * (window // 2), far * (window % 2)


MODES = [
    (Windows.NONE, 0, Padding.MAP), (Windows.N, 0, Padding.MAP), (Windows.N, 0, Padding.WINDOW),
    (Windows.D, 0, Padding.MAP), (Windows.D, 1, Padding.MAP), (Windows.D, 1, Padding.WINDOW),
]  # fmt: skip


class Position(NamedTuple):
    """What must be read for one position, in one beat or two."""

    layer: tuple
    """Whose it is: (case, stride, kernel)."""
    pixels: list
    """By window and tap (quadrant, address), or None for zeros."""
    beats: int
    known: int
    """Taps whose words exist."""
    tag: dict
    opening: dict
    """Tag of the first beat only."""
    closing: dict
    """Tag of the last beat only."""


def taps(src, dy):
    """(row, column, channel word) of each tap, from the pixel and the channel word of the block."""
    return [(dy, tap - 1, 0) if src["kernel"] == 3 else (0, 0, tap) for tap in range(TAPS)]


def pixel(case, src, window, place, dy, dx):
    """(quadrant, word in the quadrant) that the window sees there, or None."""
    side, stride = case.side * src["stride"], src["stride"]
    corner = [stride * c for c in case.corner(window)]
    y, x = (c + stride * p + d for c, p, d in zip(corner, place, (dy, dx), strict=True))
    for at, begin in zip((y, x), corner, strict=True):
        if at not in (range(begin, begin + stride * case.size) if case.padding is Padding.WINDOW else range(side)):
            return None
    half = side // 2
    return 2 * (y // half) + x // half, y % half * half + x % half


def block(case, src, seam, tile, first_word, group, dy, flags, end):
    """The positions of one weight block.

    ``seam``: extra beats by column and by window's column; ``flags``: first, double and bank of its command.
    """
    for walked, (n, place) in itertools.product(range(WINDOWS if case.scan else 1), enumerate(tile)):
        pixels = []
        for window in range(WINDOWS):
            seen = []
            for row, column, word in taps(src, dy):
                silent = case.scan and window != walked
                at = None if silent else pixel(case, src, window, place, row, column)
                seen.append(at and (at[0], first_word + word * src["group_step"] + at[1]))
            pixels.append(seen)
        opens = walked == 0 and (n == 0 or case.op is Op.SPIKE)
        last = int(walked == (WINDOWS - 1 if case.scan else 0) and n == len(tile) - 1)
        yield Position(
            (case, src["stride"], src["kernel"]),
            pixels,
            1 + seam[place[1]][walked % 2],
            sum((group + word < src["groups"]) << tap for tap, (_, _, word) in enumerate(taps(src, dy))),
            {"position": n if case.op is Op.SPIKE else 0, "bank": flags["bank"], "final": end},
            {name: flags[name] if opens else 0 for name in ("first", "double")},
            {"last": last, "end": last & end},
        )


def plan(case, desc, rows, tile_size, random):
    """Commands of all tiles of a layer with kernel rows ``rows`` per tile, and the positions that must follow."""
    main, skip = desc["main"], desc["shortcut"]
    # How many beats a position may take is what the compiler promises.
    extra = [seams(desc, main), seams(desc, skip)]
    places = list(itertools.product(range(case.size), repeat=2))
    step = len(places) if case.op is Op.SCORE else tile_size
    tiles = [places[n : n + step] for n in range(0, len(places), step)]
    commands, expected = [], []
    for number, tile in enumerate(tiles):
        blocks = [(main, dy, 0) for dy in rows]
        # The tile's last block may belong to either source.
        blocks += [(skip, random.choice((-1, 0, 1)) if skip["kernel"] == 3 else 0, 1)] * random.randint(0, 1)
        random.shuffle(blocks)
        for n, (src, dy, shortcut) in enumerate(blocks):
            plane = random.randrange(src["planes"])
            group = random.randrange(0, src["groups"], 1 if src["kernel"] == 3 else TAPS)
            # First word of the plane's and group's map: the rule of the spike map in memory.
            first_word = src["top"] - (src["planes"] - 1 - plane) * src["plane_step"] + group * src["group_step"]
            flags = {"first": int(n == 0), "double": random.randint(0, 1), "bank": number % 2}
            end = int(n == len(blocks) - 1)
            commands.append(
                {
                    "address": first_word,
                    "dy": dy,
                    "shortcut": shortcut,
                    "count": len(tile),
                    "restart": int(number == 0),
                    "end": end,
                    **flags,
                }
            )
            expected += block(case, src, extra[shortcut], tile, first_word, group, dy, flags, end)
    return commands, expected


def draw(case, stride, kernel, cfg, random):
    """A layer of the case with random places in memory: (descriptor, commands, positions)."""

    def place(stride, kernel):
        one = source(stride * case.side, stride, case.size, kernel, 1, 1, 0)["group_step"]
        fits = cfg.spike_words // one
        groups = min(random.randint(1, 5), fits)
        planes = min(random.randint(1, 3), fits // groups)
        base = random.choice([0, cfg.spike_words - one * groups * planes])
        return source(stride * case.side, stride, case.size, kernel, groups, planes, base)

    main = place(stride, kernel)
    skip = place(random.choice((1, 2)) if case.side <= 16 else 1, random.choice((1, 1, 3)))
    rows = (-1, 0, 1) if kernel == 3 else (0,)
    if case.side > 8:
        rows = random.sample(rows, 1)
    desc = layer(case.side, case.windows, main, skip, scan=case.scan, padding=case.padding, op=case.op, channels=1)
    return desc, *plan(case, desc, rows, cfg.tile, random)


def check_beat(got, position):
    """One read of the taps it wants; returns how many pixels lay inside and outside."""
    wanted = [tap for tap in range(TAPS) if got["tap"] >> tap & 1]
    addresses = {got["address"][tap] for tap in wanted}
    assert len({address % BANKS for address in addresses}) == len(addresses), ("two words of a bank", position)
    counts = Counter()
    for tap, window in itertools.product(range(TAPS), range(WINDOWS)):
        y, x = divmod(window, 2)
        inside = got["inside_y"] >> y & got["inside_x"][tap] >> x & 1
        if tap not in wanted:
            assert not inside, ("spikes of a word that is not wanted", tap, position)
        elif position.known >> tap & 1:
            read = 2 * (y ^ got["swap_y"]) + (x ^ got["swap_x"] >> tap & 1), got["address"][tap]
            assert (read if inside else None) == position.pixels[window][tap], (window, tap, position)
            counts["inside" if inside else "outside"] += 1
    return counts


def check(values, expected):
    """Every position with its beats, and nothing else; returns how many pixels lay inside and outside."""
    counts, values = Counter(), iter(values)
    for position in expected:
        reads = list(itertools.islice(values, position.beats))
        assert len(reads) == position.beats and sum(got["tap"] for got in reads) == ALL_TAPS, position
        for n, got in enumerate(reads):
            tag = dict(position.tag)
            tag |= position.opening if n == 0 else dict.fromkeys(position.opening, 0)
            tag |= position.closing if n == len(reads) - 1 else dict.fromkeys(position.closing, 0)
            assert {name: got[name] for name in tag} == tag, position
            counts += check_beat(got, position)
        counts[f"{len(reads)} beats"] += 1
    assert next(values, None) is None, "reads that nobody asked for"
    return counts


def all_layers(cfg, random):
    """A layer of every mode, stride and kernel for every side whose map fits the memory, in random order."""
    drawn = []
    for (windows, scan, padding), stride, kernel, side in itertools.product(MODES, (1, 2), (1, 3), range(2, 33, 2)):
        if windows is Windows.D and (side % 4 or (not scan and (side // 2) ** 2 > cfg.tile)):
            continue
        if (stride * side // 2) ** 2 + BANKS <= cfg.spike_words:
            case = Case(windows, scan, padding, side)
            drawn.append(draw(case, stride, kernel, cfg, random))
    for kernel, side in itertools.product((1, 3), range(2, 33, 2)):
        case = Case(Windows.NONE, 0, Padding.MAP, side, Op.SCORE)
        drawn.append(draw(case, 1, kernel, cfg, random))
    random.shuffle(drawn)
    return drawn


class Array:
    """Lets blocks in as the array does: two at a time, a pulse of ``admit`` for each, late with ``stall``."""

    def __init__(self, dut, stall=0.0):
        self.dut, self.stall, self.random = dut, stall, rng("windows array")
        self.open = True
        cocotb.start_soon(self._run())

    async def _run(self):
        free = 2
        while True:
            lets = self.open and free > 0 and self.random.random() >= self.stall
            self.dut.admit.value = int(lets)
            await ReadOnly()
            free += int(self.dut.i__valid.value) & int(self.dut.i__ready.value)
            await RisingEdge(self.dut.clk)
            free -= lets


async def send(dut, feed, layers):
    """The commands of each layer; a layer's descriptor goes with the last of its commands."""
    for desc, commands, _ in layers:
        dut.layer.value = packed(desc)
        await feed.send(commands)
    dut.layer.value = 0


@cocotb.test()
async def all_windows(dut):
    """Every window mode, padding, stride, kernel and side, in tiles, with shortcuts; blocks come and are let in at random times."""
    cfg, random = config(), rng("windows")
    dut.layer.value = 0
    await start(dut)
    feed, sink = Source(dut, "i", block_command(cfg), stall=0.2), Sink(dut, "o", spike_read(cfg))
    Array(dut, stall=0.5)
    counts = Counter()
    for drawn in all_layers(cfg, random):
        await send(dut, feed, [drawn])
        expected = drawn[-1]
        await sink.wait(sum(position.beats for position in expected))
        await cycles(dut, random.choice((0, 0, 10)))
        counts += check(sink.values, expected) + Counter(layers=1)
        sink.values.clear()
    dut._log.info(str(counts))
    assert counts["layers"] > 250 and counts["inside"] > 200_000 and counts["outside"] > 20_000
    assert counts["2 beats"] > 1000


@cocotb.test()
async def no_pause_between_blocks(dut):
    """A beat every cycle, through blocks, tiles and layers of all lengths, one position included."""
    cfg, random = config(), rng("windows pace")
    dut.layer.value = 0
    await start(dut)
    feed, sink = Source(dut, "i", block_command(cfg)), Sink(dut, "o", spike_read(cfg))
    Array(dut)
    cases = [Case(*mode, side) for mode, side in itertools.product(MODES, (4, 12)) if mode[1] or side == 4]
    cases += [Case(Windows.N, 0, Padding.MAP, side) for side in (2, 6, 10)]
    cases += [Case(Windows.NONE, 0, Padding.MAP, side, Op.SCORE) for side in (2, 8)]
    random.shuffle(cases)
    layers = [draw(case, random.choice((1, 2)), random.choice((1, 3, 3)), cfg, random) for case in cases * 3]
    expected = [position for _, _, positions in layers for position in positions]
    count = sum(position.beats for position in expected)
    sending = cocotb.start_soon(send(dut, feed, layers))
    assert await span(dut, sink, count) == count - 1
    await sending
    await cycles(dut, 10)
    assert check(sink.values, expected)["2 beats"] > 20


@cocotb.test()
async def let_in(dut):
    """No block begins before its weights are announced; its first read comes ``latency`` cycles after it."""
    cfg, random = config(), rng("windows let in")
    dut.layer.value = 0
    await start(dut)
    feed, sink, array = Source(dut, "i", block_command(cfg)), Sink(dut, "o", spike_read(cfg)), Array(dut)
    array.open = False
    desc, commands, expected = draw(Case(Windows.N, 0, Padding.MAP, 8), 1, 3, cfg, random)
    dut.layer.value = packed(desc)
    sending = cocotb.start_soon(feed.send(commands))
    await cycles(dut, 20)
    assert not sink.values and int(dut.waits.value) and not int(dut.i__ready.value)
    array.open = True
    while not int(dut.i__ready.value):
        await RisingEdge(dut.clk)
        await ReadOnly()
    for _ in range(WindowAddresses.latency):
        assert not int(dut.o__valid.value)
        await RisingEdge(dut.clk)
        await ReadOnly()
    assert int(dut.o__valid.value)
    await RisingEdge(dut.clk)
    await sending
    await sink.wait(len(expected))
    assert not int(dut.waits.value)
    check(sink.values, expected)
