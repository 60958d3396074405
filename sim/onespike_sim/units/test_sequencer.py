"""Sequencer against plain loops: every block, in order, with its weights; layer after layer, image after image."""

from collections import deque
from dataclasses import dataclass, field

import cocotb
from amaranth.hdl import Shape
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract import isa
from onespike.contract.config import TAPS
from onespike.contract.isa import Op
from onespike_hw.control.sequencer import layer_write
from onespike_hw.interfaces import block_command

from ..streams import Sink, Source, config, cycles, rng, start
from .layers import layer, packed, source

BANKS = 2
"""Result banks: tiles whose sums may wait for the neurons."""
PULSES = ("word_done", "scores_done", "release")


@dataclass
class Block:
    """A weight block as it should come, and what must have happened before it is issued."""

    command: dict
    weight: int
    wanted: int  # the last of the words it reads that the layer before writes; -1 where there is none
    group: int  # output group
    turn: int = 0  # number of its layer since the program began, over all images
    bank: int = 0


def groups_of(cfg, fields):
    """Output groups of a layer."""
    return -(-fields["channels"] // cfg.outputs)


def loops(cfg, fields):
    """The blocks of a layer, straight from the loop order."""
    sources = ((fields["shortcut"], 1, 0), (fields["main"], 0, fields["shortcut_blocks"]))
    positions = fields["positions"]
    size = cfg.tile if fields["op"] is Op.SPIKE else positions
    result = []
    for group in range(groups_of(cfg, fields)):
        for begin in range(0, positions, size):
            tile = []
            for plane in reversed(range(max(fields["main"]["planes"], fields["shortcut"]["planes"]))):
                opens = True
                for src, shortcut, skipped in sources:
                    if plane >= src["planes"]:
                        continue
                    wide = src["kernel"] == 3
                    lowest = src["top"] - (src["planes"] - 1) * src["plane_step"]
                    jobs = [(g, dy) for g in range(0, src["groups"], 1 if wide else TAPS) for dy in (-1, 0, 1)]
                    jobs = jobs if wide else [job for job in jobs if job[1] == 0]
                    for number, (channel_group, dy) in enumerate(jobs):
                        last = channel_group if wide else min(channel_group + TAPS, src["groups"]) - 1
                        command = {
                            "address": lowest + plane * src["plane_step"] + channel_group * src["group_step"],
                            "dy": dy,
                            "shortcut": shortcut,
                            "count": min(size, positions - begin),
                            "restart": int(begin == 0),
                            "first": int(not tile),
                            "double": int(opens and bool(tile)),
                            "end": 0,
                        }
                        weight = fields["weights"] + group * fields["group_blocks"] + skipped + number
                        tile.append(Block(command, weight, last if src["fresh"] else -1, group))
                        opens = False
            tile[-1].command["end"] = 1
            result += tile
    return result


def program_blocks(cfg, layers, images):
    """The blocks of all images; the bank changes with every tile."""
    result, bank = [], 0
    for image in range(images):
        for index, fields in enumerate(layers):
            for block in loops(cfg, fields):
                block.turn, block.bank = image * len(layers) + index, bank
                bank ^= block.command["end"]
                result.append(block)
    return result


def finished(cfg, fields, group):
    """Words of a layer whose channels all lie in output groups up to ``group``."""
    ends = [min((word + 1) * cfg.word, fields["channels"]) for word in range(fields["words"])]
    return sum(end <= (group + 1) * cfg.outputs for end in ends)


def random_source(random, groups, fresh=0):
    """A source of ``groups`` channel groups; its geometry matters for its steps only."""
    side, kernel = 2 * random.randrange(1, 9), random.choice([1, 3])
    made = source(side, 1, side // 2, kernel, groups, random.choice([1, 1, 2, 3, 8]), random.randrange(100))
    return made | {"fresh": fresh}


def block_count(src):
    """Weight blocks of a source per output group."""
    return src["groups"] * 3 if src["kernel"] == 3 else -(-src["groups"] // TAPS)


def random_layer(random, cfg, before, last):
    """A descriptor that reads what ``before`` writes (None: the image)."""
    words = before["words"] if before else 0
    fresh = int(before is not None and random.random() < 0.8)
    main = random_source(random, words if fresh else random.randrange(1, 6), fresh)
    fields = {"main": main, "shortcut_blocks": 0}
    if random.random() < 0.4:
        fresh = int(before is not None and random.random() < 0.3)
        shortcut = random_source(random, words if fresh else random.randrange(1, 5), fresh)
        fields |= {"shortcut": shortcut, "shortcut_blocks": block_count(shortcut)}
    channels = random.choice([random.randrange(1, 45), 1, cfg.outputs, cfg.outputs + 1, 2 * cfg.word, 3 * cfg.word + 1])
    gap = random.randrange(3)  # blocks between the groups' weights, so that the field counts
    return layer(
        **fields,
        op=Op.SCORE if last else Op.SPIKE,
        positions=random.choice([1, cfg.tile - 1, cfg.tile, cfg.tile + 1, 2 * cfg.tile, 3 * cfg.tile + 5]),
        channels=channels,
        words=-(-channels // cfg.word),
        weights=random.randrange(40),
        group_blocks=fields["shortcut_blocks"] + block_count(main) + gap,
    )


async def load(dut, cfg, layers):
    """Write the descriptors of a program."""
    write = Source(dut, "layer_write", layer_write(cfg), 0.2)
    words = [word for fields in layers for word in isa.to_words(packed(fields), isa.LAYER_WORDS)]
    await write.send([{"address": n, "word": word} for n, word in enumerate(words)])
    dut.layers.value = len(layers)


@dataclass
class Neurons:
    """Plays what follows the array, at random times, and checks every pulse in every cycle.

    A tile is drained when it has ended and its layer is the neurons'; then its bank is released, and the words
    that it completes follow one by one. Behind a layer's last word there may be neurons without channels.
    """

    dut: object
    cfg: object
    layers: list
    images: int
    random: object
    pace: int
    blocks: list = field(init=False)
    tiles: deque = field(default_factory=deque)  # (turn, group, last of the layer), ended and not drained
    shown: int = 0  # blocks that have been offered
    begun: int = 0  # layers that the array turned to
    adopted: int = 0  # layers that the neurons turned to
    ended: int = 0  # layers that the neurons finished
    taken: int = 0  # images
    tile_ends: int = 0
    releases: int = 0
    given: int = 0  # words of the neurons' layer
    owed: int = 0  # words that are about to be completed
    scores: bool = False  # the scores are on their way out
    tail: int = 0  # cycles until no neuron is on its way, once all words are done

    def __post_init__(self):
        self.blocks = program_blocks(self.cfg, self.layers, self.images)

    def fields(self, turn):
        return self.layers[turn % len(self.layers)]

    def drive(self):
        """Choose this cycle's inputs."""
        dut, random = self.dut, self.random
        now = dict.fromkeys(PULSES, 0)
        working = self.adopted > self.ended
        turn = self.adopted - 1
        if working and self.tiles and self.tiles[0][0] == turn and random.random() < 1 / self.pace:
            _, group, last = self.tiles.popleft()
            now["release"] = 1
            if self.fields(turn)["op"] is Op.SCORE:
                self.scores = last
            elif last or self.tiles_left(turn, group) == 0:
                self.owed = finished(self.cfg, self.fields(turn), group) - self.given
                self.tail = random.choice([0, 1, 30])
        elif self.owed and random.random() < 1 / self.pace:
            now["word_done"] = 1
            self.owed -= 1
        elif self.scores and random.random() < 1 / self.pace:
            now["scores_done"] = 1
            self.scores = False
        whole = working and self.given + now["word_done"] == self.fields(turn)["words"]
        empty = self.tail == 0 if whole else random.randrange(2)
        self.tail -= whole and self.tail > 0
        for name, value in now.items():
            getattr(dut, name).value = value
        dut.empty.value = int(empty)
        return now, bool(empty)

    def tiles_left(self, turn, group):
        """Tiles of an output group that have not ended yet, or wait."""
        waiting = sum(tile[:2] == (turn, group) for tile in self.tiles)
        coming = sum(b.command["end"] and (b.turn, b.group) == (turn, group) for b in self.blocks[self.shown :])
        return waiting + coming

    def check(self, now, empty, image, fresh_block):
        """What the unit shows in this cycle."""
        dut = self.dut
        begins, chain_begins = int(dut.begins.value), int(dut.chain_begins.value)
        if begins:
            assert self.adopted >= self.begun, "the array is more than one layer ahead of the neurons"
            self.begun += 1
            assert self.taken > (self.begun - 1) // len(self.layers), "a layer of an image that was not taken"
        if int(dut.image_taken.value):
            assert image, "an image was taken that was not there"
            assert self.begun == self.taken * len(self.layers), "an image was taken before its turn"
            self.taken += 1
        if chain_begins:
            assert self.adopted == self.ended and self.adopted < self.begun
            self.adopted += 1
            self.given = 0
        working = self.adopted > self.ended
        if self.begun:
            turn = self.begun - 1
            assert int(dut.index.value) == turn % len(self.layers)
            assert int(dut.layer.value) == packed(self.fields(turn))
        ends = False
        if working:
            turn = self.adopted - 1
            assert int(dut.chain_index.value) == turn % len(self.layers)
            assert int(dut.chain_layer.value) == packed(self.fields(turn))
            whole = self.given + now["word_done"] == self.fields(turn)["words"]
            ends = bool(now["scores_done"]) if self.fields(turn)["op"] is Op.SCORE else whole and empty
        assert int(dut.chain_ends.value) == ends, "a layer ends with its last word and when no neuron is on its way"
        assert int(dut.done.value) == (ends and self.adopted % len(self.layers) == 0)
        if fresh_block:
            block = self.blocks[self.shown]
            self.shown += 1
            assert block.turn == self.begun - 1
            writing = self.ended < block.turn
            given = self.given if self.adopted == block.turn else 0
            assert not writing or given > block.wanted, "a block reads a spike word that is not written yet"
            self.tile_ends += block.command["end"]
            assert self.tile_ends <= BANKS + self.releases, "a tile ends while no result bank is free"
        self.given += now["word_done"]
        self.releases += now["release"]
        self.ended += ends

    async def run(self):
        """Until the last image is done."""
        dut, random = self.dut, self.random
        valid = ready = image = arrived = taken_blocks = 0
        while self.ended < self.images * len(self.layers):
            if not image and arrived < self.images and random.random() < 1 / (8 * self.pace):
                image, arrived = 1, arrived + 1
            dut.image.value = image
            now, empty = self.drive()
            await ReadOnly()
            before, valid = valid and not ready, int(dut.blocks__valid.value)
            ready = int(dut.blocks__ready.value)
            was_taken = self.taken
            self.check(now, empty, image, valid and not before)
            if self.taken > was_taken:
                image = 0
            if valid and ready:
                block = self.blocks[taken_blocks]
                taken_blocks += 1
                if block.command["end"]:
                    following = self.blocks[taken_blocks : taken_blocks + 1]
                    self.tiles.append((block.turn, block.group, not following or following[0].turn != block.turn))
            await RisingEdge(dut.clk)
        for name in (*PULSES, "image"):
            getattr(dut, name).value = 0


async def prepare(dut, stall):
    """Clock, reset, quiet inputs: (configuration, sinks of commands and of weights)."""
    cfg = config()
    for name in (*PULSES, "image", "layers"):
        getattr(dut, name).value = 0
    dut.empty.value = 1
    commands = Sink(dut, "blocks", block_command(cfg), stall)
    weights = Sink(dut, "weights", Shape.cast(range(cfg.blocks)), stall)
    await start(dut, 100_000)
    return cfg, commands, weights


async def run_programs(dut, name, stall, pace, programs):
    """Random programs, one after the other."""
    random = rng(name)
    cfg, commands, weights = await prepare(dut, stall)
    bank = 0
    for _ in range(programs):
        layers = []
        for index in reversed(range(random.choice([1, 2, 3, 4]))):
            layers.append(random_layer(random, cfg, layers[-1] if layers else None, index == 0))
        await load(dut, cfg, layers)
        commands.values.clear()
        weights.values.clear()
        neurons = Neurons(dut, cfg, layers, random.choice([1, 2, 3]), random, pace)
        await neurons.run()
        await cycles(dut, 40)
        assert commands.values == [b.command | {"bank": b.bank ^ bank} for b in neurons.blocks]
        assert weights.values == [b.weight for b in neurons.blocks]
        bank ^= sum(b.command["end"] for b in neurons.blocks) & 1


@cocotb.test()
async def programs(dut):
    """Random programs with stalls: all blocks and weights in order, no pulse and no block before its time."""
    await run_programs(dut, "sequencer", 0.3, 4, 8)


@cocotb.test()
async def slow_neurons(dut):
    """Neurons that take long: the array is ahead of them, and the words that it waits for come late."""
    await run_programs(dut, "sequencer slow", 0.0, 60, 4)


@cocotb.test()
async def nothing_waits_in_vain(dut):
    """After each word and each release exactly the blocks follow that it allows, one per cycle."""
    random = rng("sequencer waits")
    cfg, commands, _ = await prepare(dut, 0.0)
    words = 5
    first = layer(channels=words * cfg.word, words=words, positions=1, group_blocks=1)
    fields = {"channels": 2 * cfg.outputs, "words": -(-2 * cfg.outputs // cfg.word)}
    for kernel in (1, 3):
        main = source(8, 1, 4, kernel, words, 2, 0) | {"fresh": 1}
        older = source(8, 1, 4, 1, words, 1, 0)
        second = layer(**fields, main=main, shortcut=older, positions=2 * cfg.tile, shortcut_blocks=2, group_blocks=20)
        layers = [first, second, layer(op=Op.SCORE)]
        blocks = [block for block in program_blocks(cfg, layers, 1) if block.turn < 2]
        releases = given = 0

        def allowed(blocks, releases, given):
            count, ends = 0, 0
            for block in blocks:
                ends += block.command["end"]
                if block.wanted >= given or ends > BANKS + releases:
                    break
                count += 1
            return count

        await load(dut, cfg, layers)
        commands.values.clear()
        dut.image.value, dut.empty.value = 1, 0
        await RisingEdge(dut.image_taken)
        await RisingEdge(dut.clk)
        dut.image.value = 0
        await cycles(dut, 10)
        assert len(commands.values) == allowed(blocks, 0, 0)
        while allowed(blocks, releases, given) < len(blocks):
            before = allowed(blocks, releases, given)
            taken = sum(block.command["end"] for block in blocks[:before]) - releases
            both = [("word_done", given < words), ("release", taken > 0)]
            name = random.choice([name for name, possible in both if possible])
            getattr(dut, name).value = 1
            await cycles(dut, 1)
            getattr(dut, name).value = 0
            releases, given = releases + (name == "release"), given + (name == "word_done")
            now = allowed(blocks, releases, given)
            # A layer begins when the one before is through: some cycles more.
            begins = now > before and blocks[now - 1].turn == 1 and blocks[before].turn == 0
            await cycles(dut, now - before + (10 if begins else 2))
            assert len(commands.values) == now
        await cycles(dut, 40)
        assert len(commands.values) == len(blocks)
        await reset(dut)


async def reset(dut):
    """Forget the layers that are under way."""
    dut.rst.value = 1
    await cycles(dut, 2)
    dut.rst.value = 0
