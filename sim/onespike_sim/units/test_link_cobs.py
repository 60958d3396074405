"""COBS decoder against the ``cobs`` package: thousands of frames, every block boundary, damage, garbage."""

import cocotb
from cobs import cobs

from onespike_hw.link.interfaces import frame_part, text_byte

from ..streams import Sink, Source, rng, start
from .link import damaged

EDGES = (1, 2, 253, 254, 255, 256, 507, 508, 509, 762, 1040)


def parts(wire):
    """What the decoder tells of ``wire``, a list per frame: its bytes, and whether it ended well."""
    result = []
    for coded in wire.split(b"\0")[:-1]:
        if coded:
            try:
                result.append((cobs.decode(coded), True))
            except cobs.DecodeError:
                result.append((None, False))
    return result


async def check(dut, wire, stall=0.0, errors=()):
    """Decode ``wire``, in which the bytes at ``errors`` have no stop bit; the frames that they are in end badly."""
    source, sink = Source(dut, "i", text_byte, stall), Sink(dut, "o", frame_part, stall)
    await source.send({"byte": byte, "error": int(n in errors)} for n, byte in enumerate(wire))
    frames, frame = [], bytearray()
    for value in sink.values:
        assert value["present"] != value["end"]
        if value["present"]:
            frame.append(value["byte"])
        else:
            frames.append((bytes(frame), not value["error"]))
            frame.clear()
    expected = parts(wire)
    assert len(frames) == len(expected)
    for number, ((got, good), (data, right)) in enumerate(zip(frames, expected, strict=True)):
        assert good == right and (not right or got == data), number


def random_frame(random):
    """A frame of any length and content up to a block and a half, one in five at a block boundary."""
    length = random.choice(EDGES[:7]) if random.random() < 0.2 else random.randrange(1, 40)
    choices = random.choice((range(256), range(1, 256), (0,), (0, 1, 255), (255,)))
    return bytes(random.choice(choices) for _ in range(length))


@cocotb.test()
async def good_frames(dut):
    """Frames at the boundaries, then 2,000 random ones."""
    random = rng("cobs")
    await start(dut)
    edges = [bytes([fill]) * length for length in EDGES for fill in (0, 1, 255)]
    edges += [bytes(length) + b"\1" * 254 + bytes(length) for length in (0, 1, 253, 254)]
    frames = edges + [random_frame(random) for _ in range(2000)]
    wire = b"".join(b"\0" * random.choice((0, 1, 3)) + cobs.encode(frame) + b"\0" for frame in frames)
    assert [data for data, _ in parts(wire)] == frames
    await check(dut, wire)
    await check(dut, wire[: len(wire) // 10], stall=0.3)


@cocotb.test()
async def garbage_and_damage(dut):
    """Whatever came before, the frame after the next zero byte is decoded."""
    random = rng("cobs damage")
    await start(dut)
    wire = b""
    for _ in range(500):
        wire += random.choice(
            (random.randbytes(random.randrange(30)), damaged(random, cobs.encode(random_frame(random))))
        )
        wire += b"\0" + cobs.encode(random_frame(random)) + b"\0"
    await check(dut, wire)
    assert any(right for _, right in parts(wire)) and not all(right for _, right in parts(wire))


@cocotb.test()
async def missing_stop_bits(dut):
    """A frame with such a byte ends badly, also when the byte is the zero that ends it; between frames it is one."""
    await start(dut)
    frame = cobs.encode(b"four")
    for place in range(len(frame) + 1):
        source, sink = Source(dut, "i", text_byte), Sink(dut, "o", frame_part)
        wire = frame + b"\0"
        await source.send({"byte": byte, "error": int(n == place)} for n, byte in enumerate(wire))
        await source.send({"byte": byte, "error": 0} for byte in wire)
        assert [value["error"] for value in sink.values if value["end"]] == [1, 0], place
