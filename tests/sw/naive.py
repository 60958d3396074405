"""A network in plain Python, pixel by pixel, from the coordinate rules: slow, and shares no code."""

from onespike.contract.isa import Carry, Condense, Padding, Windows


def floor_div(a, b):
    return a // b


def clamp(x):
    return max(-2048, min(2047, x))


def scores(model, pixels):
    """Scores of one patched image (C, H, W) as a list."""
    spec, maps = model.spec, [[[[int(v) for v in row] for row in plane] for plane in pixels]]
    previous = None
    for index, (layer, (entry, _, side, out, source)) in enumerate(zip(model.layers, spec.geometry(), strict=True)):
        skip = None if source is None else maps[source + 1]
        size, offset = (3 * out // 4, out // 4) if entry.windows is Windows.D else (out // 2, out // 2)
        inside = entry.padding is Padding.WINDOW and entry.windows is not Windows.NONE
        result = [[[0] * out for _ in range(out)] for _ in range(entry.channels)]
        cover = [[0] * out for _ in range(out)]
        kept = []
        for w in range(4):
            oy, ox = offset * (w // 2), offset * (w % 2)
            window = {}
            for c in range(entry.channels):
                for i in range(size):
                    for j in range(size):
                        acc = convolve(maps[index], layer.weight[c], entry.stride, i, j, oy, ox, size, side, inside)
                        if skip is not None:
                            step = len(skip[0]) // out
                            acc += sum(
                                int(layer.shortcut[c][k][0][0]) * skip[k][(i + oy) * step][(j + ox) * step]
                                for k in range(len(skip))
                            )
                        rounding = 2 ** (layer.shift - 1) if layer.shift else 0
                        u = clamp(floor_div(acc * int(layer.scale[c]) + rounding, 2**layer.shift) + int(layer.bias[c]))
                        chained = w and not (2 in (spec.steps, spec.groups) and w == 2)
                        if chained and entry.windows is not Windows.NONE and entry.carry is not Carry.NONE:
                            a = previous[w - 1].get((c, i, j), 0) if previous else 0
                            u = clamp(u + carry(layer, entry, spec.k, a, kept[w - 1][c, i, j]))
                        window[c, i, j] = u
                        result[c][i + oy][j + ox] += fired(u, entry, spec.k)
            for i in range(size):
                for j in range(size):
                    cover[i + oy][j + ox] += 1
            kept.append(window)
        for c in range(entry.channels):
            for y in range(out):
                for x in range(out):
                    count = result[c][y][x]
                    if entry.condense is Condense.MSP:
                        result[c][y][x] = 4 * count // cover[y][x]
                    elif entry.levels == 1:
                        result[c][y][x] = int(count > 0)
        maps.append(result)
        previous = kept
    totals = [sum(map(sum, plane)) for plane in maps[-1]]
    return [
        sum(int(w) * t for w, t in zip(row, totals, strict=True)) + int(b)
        for row, b in zip(model.weight, model.bias, strict=True)
    ]


def convolve(levels, weight, stride, i, j, oy, ox, size, side, inside):
    reach = len(weight[0]) // 2
    total = 0
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            y, x = stride * i + dy, stride * j + dx
            if inside and not (0 <= y < stride * size and 0 <= x < stride * size):
                continue
            y, x = y + stride * oy, x + stride * ox
            if 0 <= y < side and 0 <= x < side:
                total += sum(int(weight[c][dy + reach][dx + reach]) * levels[c][y][x] for c in range(len(levels)))
    return total


def fired(v, entry, k):
    return sum(v > n * 2**k for n in range(1, entry.levels + 1))


def carry(layer, entry, k, a, b):
    kind = entry.carry
    if kind is Carry.OMEGA:
        size = len(layer.table)
        return int(layer.table[(a + b) % size]) + int(layer.table[(a - b) % size])
    if kind is Carry.MEAN:
        b = floor_div(a + b, 2)
    elif kind is Carry.RELU:
        b = max(a + b, 0)
    elif kind is Carry.SUM:
        b = a + b
    elif kind is Carry.RESET:
        b = b - fired(b, entry, k) * 2**k
    return floor_div(b, 4) + floor_div(b, 8) + floor_div(b, 32)
