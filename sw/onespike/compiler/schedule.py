"""When everything happens: the core's schedule predicted event by event, without simulating a cycle.

The array takes weight blocks in order; each waits for its weights, for spike words that the layer before
still writes and, at a tile's end, for a result bank. The neurons take tiles in order. Nothing else holds
anything up, so one pass over the blocks gives the times (in cycles) of both.
"""

from dataclasses import dataclass
from itertools import pairwise

from ..contract.config import ADMITTED, GROUP, TAPS, WINDOWS
from ..contract.isa import LAYER_WORDS, Op, Windows, output_planes

# Cycles between registers of the core, from its sources.
_LAYER_TO_BLOCK = 2  # a layer begins -> its first block is sent
_BLOCK_TO_WEIGHTS = 2  # a block is sent -> its first weights arrive
_LOADED_TO_USED = 1  # last weights taken -> the bank may be read
_ASKED_AHEAD = 2  # the next block may be sent before the last weights of one have arrived
_TILE_TO_DRAIN = 12  # a tile's last spikes -> the drain may begin; with array "tree" a few less
_RELEASE = 1  # a tile was drained -> its bank is free
_DRAIN_TO_WORD = 25  # a position has left the drain -> its last spike word is written
_ADOPT = 3  # the neurons end a layer -> the drain may begin the next one
_SCORES = 8  # a group of classes leaves the drain -> its last score, less one cycle per class
_ENCODED = 12  # last pixel -> its bit planes are written


@dataclass(frozen=True)
class Schedule:
    """``layer_cycles`` from the array's turn to a layer to its turn to the next; ``cycles`` per image where one
    follows the other, ``latency`` of a single image; ``beats`` per layer: cycles in which the array
    takes spikes; ``blocks`` of weights that the array loads."""

    layer_cycles: tuple
    cycles: float
    latency: int
    beats: tuple
    blocks: tuple


def block_load(config):
    """Cycles in which the array takes a block's weights: as they are, or to write subset sums."""
    return GROUP if config.array == "tree" else 1 << GROUP


def seams(layer, source):
    """For each column of the array's windows, the extra beats of a position: left windows, right windows.

    The three words of a kernel row share a bank where the row wraps round a quadrant of an awkward side.
    """
    half, stride = source["half"], source["stride"]
    awkward = source["kernel"] == 3 and half > 2 and half % 4 in (1, 2)
    extra = []
    for column in range(layer["scan_side"]):
        both = []
        for offset in (0, source["offset"] if layer["scan"] else 0):
            wraps = [not 0 <= stride * column + tap + offset < half for tap in (-1, 0, 1)]
            both.append(int(awkward and len(set(wraps)) > 1))
        extra.append(both)
    return extra


def tiles(layer, config):
    """First position and number of positions of each tile."""
    positions = layer["positions"]
    if layer["op"] is Op.SCORE:
        return [(0, positions)]
    return [(start, min(config.tile, positions - start)) for start in range(0, positions, config.tile)]


def _tile_blocks(layer, config):
    """For each tile its blocks: (beats, spike word of the layer before that it waits for, or -1)."""
    sources = []
    for name in ("shortcut", "main"):
        source = layer[name]
        extra = seams(layer, source)
        rows, step = (3, 1) if source["kernel"] == 3 else (1, TAPS)
        waits = []
        for group in range(0, source["groups"], step):
            last = min(group + step, source["groups"]) - 1
            waits += [last if source["fresh"] else -1] * rows
        sources.append((source["planes"], extra, waits))
    result = []
    for start, count in tiles(layer, config):
        columns = [position % layer["scan_side"] for position in range(start, start + count)]
        blocks = []
        for plane in reversed(range(max(planes for planes, *_ in sources))):
            for planes, extra, waits in sources:
                if plane < planes:
                    left, right = (count + sum(extra[c][far] for c in columns) for far in range(2))
                    beats = 2 * (left + right) if layer["scan"] else left
                    blocks += [(beats, wait) for wait in waits]
        result.append(blocks)
    return result


def _position_cycles(layer, group, config):
    """Cycles of the neurons at one position of output group ``group``: its slots, or its words' writing."""
    if layer["op"] is Op.SCORE:
        return config.slots
    done = [min(layer["words"], n * config.outputs // config.word) for n in (group, group + 1)]
    if (group + 1) * config.outputs >= layer["channels"]:
        done[1] = layer["words"]
    windows = WINDOWS if layer["windows"] is Windows.D else 1
    return max(config.slots, (done[1] - done[0]) * output_planes(layer) * windows)


def _walked(layer, count):
    """Positions of the neurons in a tile of ``count``: dilated windows picked from quadrants are larger."""
    if layer["op"] is Op.SCORE:
        return 1
    gathered = layer["windows"] is Windows.D and not layer["scan"]
    return (3 * layer["half"] // 2) ** 2 if gathered else count


def predict(layers, config, image_cycles, images=4):
    """``Schedule`` of a program's ``layers`` (dictionaries of ``isa.Layer``) on ``config``.

    ``image_cycles`` an image needs to arrive; so many ``images`` follow one another, the last two but one
    give the steady state.
    """
    load = block_load(config)
    work = [(layer, _tile_blocks(layer, config)) for layer in layers]
    loaded, ends = 0, [0, 0]  # the last block's weights; the last two blocks
    sent = 0
    drained, released = 0, [0, 0]
    chain_end, words = 0, []
    arrived = image_cycles + _ENCODED
    take = adopted = -LAYER_WORDS
    begins, scores = [], []
    beats, blocks_taken = ([0] * len(layers) for _ in range(2))
    for image in range(images):
        for index, (layer, tile_blocks) in enumerate(work):
            ready = max(take + LAYER_WORDS + 2, adopted, loaded, arrived if index == 0 else 0)
            take = ready
            begins.append(take)
            adopted = max(take + 2, chain_end + 1)
            may_drain = max(take + 2, chain_end + _ADOPT)
            sent = max(sent, take + _LAYER_TO_BLOCK - 1)
            done = []  # when each of this layer's spike words is complete
            groups = -(-layer["channels"] // config.outputs)
            for group in range(groups):
                cost = _position_cycles(layer, group, config)
                for (_, count), blocks in zip(tiles(layer, config), tile_blocks, strict=True):
                    for number, (positions, wait) in enumerate(blocks):
                        free = max(sent + 1, loaded - _ASKED_AHEAD)
                        if wait >= 0:
                            free = max(free, min(adopted, words[wait]))
                        if number == len(blocks) - 1:
                            free = max(free, released[-2] + _RELEASE)
                        sent = free
                        loading = max(loaded, ends[-2] - 1, sent + _BLOCK_TO_WEIGHTS)
                        loaded = loading + load
                        ends.append(max(ends[-1], loaded + _LOADED_TO_USED, loading + ADMITTED + 2) + positions)
                        if image == 0:
                            beats[index] += positions
                            blocks_taken[index] += 1
                    walked = _walked(layer, count)
                    start = max(ends[-1] + _TILE_TO_DRAIN, may_drain)
                    # Slots go round while nothing is sent: a tile begins with the first.
                    wait = max(0, start - drained)
                    drained += -(-wait // config.slots) * config.slots + walked * cost
                    released.append(drained)
                whole = (group + 1) * config.outputs // config.word if group < groups - 1 else layer["words"]
                done += [drained + _DRAIN_TO_WORD] * (min(whole, layer["words"]) - len(done))
            if layer["op"] is Op.SCORE:
                chain_end = drained + _SCORES + config.outputs
                scores.append(chain_end)
            else:
                chain_end = done[-1]
            words = done
            if index == 0:
                arrived = max(arrived, chain_end + 1 + image_cycles + _ENCODED)
    count = len(layers)
    last = begins[(images - 2) * count : (images - 1) * count + 1]
    steps = tuple(b - a for a, b in pairwise(last))
    cycles = scores[-1] - scores[-2]
    return Schedule(steps, float(cycles), scores[0], tuple(beats), tuple(blocks_taken))
