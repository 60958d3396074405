"""Address generator against a plain enumeration of pixels, from the coordinate rules alone."""

import itertools

import cocotb

from onespike.contract.isa import Padding, Windows
from onespike_hw.interfaces import block_command, spike_read

from ..streams import Sink, Source, config, rng, start
from .layers import layer, packed, source, window_frame


def expected_read(desc, src, base, i, j, dy, dx, w):
    """(address, inside) of window ``w`` at scan position (i, j), tap (dy, dx)."""
    y, x = src["stride"] * i + dy, src["stride"] * j + dx
    bottom, right = src["offset"] * (w // 2), src["offset"] * (w % 2)
    absolute_y, absolute_x = y + bottom, x + right
    if desc["padding"] is Padding.WINDOW:
        inside = 0 <= y < src["window"] and 0 <= x < src["window"]
    else:
        inside = 0 <= absolute_y < src["side"] and 0 <= absolute_x < src["side"]
    return base + absolute_y * src["side"] + absolute_x, inside


@cocotb.test()
async def all_windows(dut):
    """Every window mode, padding, stride, kernel and several sides; tiles, shortcuts, stalls."""
    cfg, random = config(), rng("windows")
    dut.layer.value = 0
    await start(dut)
    feed = Source(dut, "i", block_command(cfg), stall=0.2)
    sink = Sink(dut, "o", spike_read(cfg), stall=0.2)
    checked = 0
    for windows, padding, stride, side in itertools.product(Windows, Padding, (1, 2), (4, 8, 12)):
        frame = window_frame(windows, side)
        main = source(side * stride, stride, frame, 3, 1, 1, 40)
        skip = source(side, 1, frame, 1, 1, 1, 400)
        desc = layer(side, windows, main, skip, padding=padding)
        dut.layer.value = packed(desc)
        positions = list(itertools.product(range(frame[0]), repeat=2))
        tiles = [positions[n : n + cfg.tile] for n in range(0, len(positions), cfg.tile)]
        commands, expected = [], []
        for number, tile in enumerate(tiles):
            blocks = [(main, dy, dx, 40, 0) for dy, dx in itertools.product((-1, 0, 1), repeat=2)]
            blocks = random.sample(blocks, 3) + [(skip, 0, 0, 400, 1)] * random.randint(0, 1)
            for n, (src, dy, dx, base, shortcut) in enumerate(blocks):
                end = int(n == len(blocks) - 1)
                flags = {"first": int(n == 0), "double": random.randint(0, 1), "bank": number % 2}
                commands.append(
                    {
                        "address": base + dy * src["side"] + dx,
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
                    reads = [expected_read(desc, src, base, i, j, dy, dx, w) for w in range(4)]
                    expected.append((reads, {"position": p, "last": last, "end": last & end, **flags}))
        sink.values.clear()
        await feed.send(commands)
        await sink.wait(len(expected))
        for got, (reads, tag) in zip(sink.values, expected, strict=True):
            assert {name: got[name] for name in tag} == tag, (windows, padding, stride, side)
            for w, (address, inside) in enumerate(reads):
                assert got["inside"][w] == inside, (windows, padding, stride, side, w)
                assert not inside or got["address"][w] == address, (windows, padding, stride, side, w)
                checked += inside
    assert checked > 10_000
