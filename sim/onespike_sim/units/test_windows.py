"""Address generator against a plain enumeration of pixels, from the coordinate rules alone."""

import itertools

import cocotb

from onespike.contract.isa import Padding, Windows
from onespike_hw.interfaces import block_command, spike_read

from ..streams import Sink, Source, config, rng, start
from .layers import layer, packed, source, window_frame
from .timing import span

# Windows of the layer, and whether the array scans the quadrants of a dilated layer instead (gather).
MODES = [(Windows.NONE, False), (Windows.N, False), (Windows.D, False), (Windows.D, True)]


def windows_of(windows, gather, side):
    """(side, corners) of the four scanned windows in output pixels: quadrants, or 3/4 of the map in each corner."""
    size = 3 * side // 4 if windows is Windows.D and not gather else side // 2
    far = side - size
    return size, [(0, 0), (0, far), (far, 0), (far, far)]


def expected_reads(case, stride, base, i, j, dy, dx):
    """(address, inside) of the four windows at scan position (i, j), tap (dy, dx); absolute input pixels."""
    windows, gather, padding, side = case
    size, corners = windows_of(windows, gather, side)
    reads = []
    for top, left in corners:
        y, x = stride * (top + i) + dy, stride * (left + j) + dx
        if padding is Padding.WINDOW:
            rows, columns = (range(stride * corner, stride * (corner + size)) for corner in (top, left))
        else:
            rows = columns = range(stride * side)
        reads.append((base + y * stride * side + x, int(y in rows and x in columns)))
    return reads


def plan(case, main, skip, taps, tile_size, random):
    """Commands of all tiles of a layer with ``taps`` per tile, and the reads that must follow."""
    windows, gather, _, side = case
    positions = list(itertools.product(range(windows_of(windows, gather, side)[0]), repeat=2))
    tiles = [positions[n : n + tile_size] for n in range(0, len(positions), tile_size)]
    commands, expected = [], []
    for number, tile in enumerate(tiles):
        blocks = [(main, dy, dx, 0) for dy, dx in taps]
        # The tile's last block may belong to either source.
        blocks += [(skip, 0, 0, 1)] * random.randint(0, 1)
        random.shuffle(blocks)
        for n, (src, dy, dx, shortcut) in enumerate(blocks):
            plane, group = random.randrange(src["planes"]), random.randrange(src["groups"])
            # First word of the plane's and group's map: the rule of the spike map in memory.
            first_word = src["top"] - (src["planes"] - 1 - plane) * src["plane_step"] + group * src["group_step"]
            end = int(n == len(blocks) - 1)
            flags = {"first": int(n == 0), "double": random.randint(0, 1), "bank": number % 2}
            commands.append(
                {
                    "address": first_word + dy * src["side"] + dx,
                    "dy": dy,
                    "dx": dx,
                    "shortcut": shortcut,
                    "count": len(tile),
                    "restart": int(number == 0),
                    "end": end,
                    **flags,
                }
            )
            for p, (i, j) in enumerate(tile):
                last = int(p == len(tile) - 1)
                reads = expected_reads(case, src["stride"], first_word, i, j, dy, dx)
                expected.append((reads, {"position": p, "last": last, "end": last & end, **flags}))
    return commands, expected


def draw(case, stride, kernel, cfg, random):
    """A layer of the case with random places in memory: (descriptor, commands, expected reads)."""
    windows, gather, padding, side = case
    frame = window_frame(Windows.NONE if gather else windows, side)

    def place(stride, kernel):
        words = (stride * side) ** 2
        groups = min(2, cfg.spike_words // words)
        planes = min(3, cfg.spike_words // (words * groups))
        base = random.choice([0, cfg.spike_words - words * groups * planes])
        return source(stride * side, stride, frame, kernel, groups, planes, base)

    main, skip = place(stride, kernel), place(random.choice((1, 2)) if side <= 16 else 1, 1)
    taps = list(itertools.product((-1, 0, 1), repeat=2)) if kernel == 3 else [(0, 0)]
    if side > 8:
        taps = random.sample(taps, min(3, len(taps)))
    desc = layer(side, windows, main, skip, scan_side=frame[0], padding=padding, gather=int(gather))
    return desc, *plan(case, main, skip, taps, cfg.tile, random)


def check(values, expected, what):
    """Compare all reads; returns how many lay inside and outside."""
    inside_count, outside_count = 0, 0
    for got, (reads, tag) in zip(values, expected, strict=True):
        assert {name: got[name] for name in tag} == tag, what
        for w, (address, inside) in enumerate(reads):
            assert got["inside"][w] == inside, (what, w, tag)
            assert not inside or got["address"][w] == address, (what, w, tag)
            inside_count, outside_count = inside_count + inside, outside_count + 1 - inside
    return inside_count, outside_count


@cocotb.test()
async def all_windows(dut):
    """Every window mode, padding, stride, kernel and side, in tiles, with shortcuts and stalls."""
    cfg, random = config(), rng("windows")
    dut.layer.value = 0
    await start(dut)
    feed = Source(dut, "i", block_command(cfg), stall=0.2)
    sink = Sink(dut, "o", spike_read(cfg), stall=0.2)
    layers, inside, outside = 0, 0, 0
    for mode, padding, stride, kernel, side in itertools.product(MODES, Padding, (1, 2), (1, 3), (2, 4, 8, 12, 16, 32)):
        windows, gather = mode
        if padding is Padding.WINDOW and (windows is Windows.NONE or gather):
            continue
        if (windows is Windows.D and side % 4) or (gather and (side // 2) ** 2 > cfg.tile) or stride * side > 32:
            continue
        case = (windows, gather, padding, side)
        desc, commands, expected = draw(case, stride, kernel, cfg, random)
        dut.layer.value = packed(desc)
        sink.values.clear()
        await feed.send(commands)
        await sink.wait(len(expected))
        counts = check(sink.values, expected, (*case, stride, kernel))
        layers, inside, outside = layers + 1, inside + counts[0], outside + counts[1]
    dut._log.info("%d layers, %d reads inside, %d outside", layers, inside, outside)
    assert layers >= 80 and inside > 50_000 and outside > 3_000


@cocotb.test()
async def no_pause_between_blocks(dut):
    """A position every cycle, through blocks and tiles of all lengths, one position included."""
    cfg, random = config(), rng("windows pace")
    dut.layer.value = 0
    await start(dut)
    feed, sink = Source(dut, "i", block_command(cfg)), Sink(dut, "o", spike_read(cfg))
    for side in (2, 4, 12):
        case = (Windows.N, False, Padding.MAP, side)
        desc, commands, expected = draw(case, 1, 3, cfg, random)
        dut.layer.value = packed(desc)
        sink.values.clear()
        sending = cocotb.start_soon(feed.send(commands))
        assert await span(dut, sink, len(expected)) == len(expected) - 1, side
        await sending
        check(sink.values, expected, case)
