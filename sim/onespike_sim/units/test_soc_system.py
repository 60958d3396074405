"""The whole system with a tiny core: what the CPU sees, what the watchdog does, frames to the core and back."""

from dataclasses import replace

import cocotb
import numpy as np
from cobs import cobs
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer
from cocotbext.eth import GmiiFrame, MiiPhy

from onespike.compiler import compile
from onespike.contract import boards, frames, regs, soc
from onespike.contract.arith import TOP_LEVEL
from onespike.contract.isa import Condense, Windows
from onespike.contract.program import fingerprint
from onespike.golden import fired_spikes, run_traced
from onespike.random_networks import draw

from ..streams import cycles, rng
from . import soc_firmware as firmware
from .internet import REPLY, UDP, arp, fcs, ipv4, mac, packet, udp

CONFIG = replace(
    boards.system("virtual-tiny"), name="test", watchdog_cycles=20_000, lease_cycles=12_345, flash_address=None
)
PERIOD_NS = 10
LIMIT = 300_000
"""Cycles that the board may take for an answer."""
HOST, HOST_IP, HOST_PORT = mac("02:11:22:33:44:55"), "192.168.1.77", 40_123
NETWORKS = (11, 99, 43)
"""Seeds of small networks: windows of every kind, both ways to condense, levels, more classes than scores can wait."""


class Board:
    """The pins: buttons, LEDs, UART."""

    def __init__(self, dut):
        self.dut, self.told, self.sent = dut, [], []

    async def start(self, choice):
        """Clock, reset, and the firmware that the buttons choose."""
        dut = self.dut
        dut.buttons.value = choice
        dut.hang.value = 0
        dut.uart_rx.value = 1
        cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns", impl="gpi").start())
        dut.rst.value = 1
        await cycles(dut, 32)
        dut.rst.value = 0
        cocotb.start_soon(self._watch())
        cocotb.start_soon(self._listen())

    async def _watch(self):
        """Digits on the LEDs to ``told``."""
        digits, turn = [], 0
        while True:
            await RisingEdge(self.dut.clk)
            leds = int(self.dut.leds.value)
            if leds >> 3 != turn:
                turn = leds >> 3
                digits.append(leds & 7)
            if len(digits) == firmware.DIGITS:
                self.told.append(sum(digit << 3 * n for n, digit in enumerate(digits)) & 0xFFFF_FFFF)
                digits = []

    async def _listen(self):
        """Bytes of the UART to ``sent``."""
        bit = CONFIG.divisor * PERIOD_NS
        while True:
            await FallingEdge(self.dut.uart_tx)
            await Timer(bit + bit // 2, unit="ns")
            byte = 0
            for n in range(8):
                byte |= int(self.dut.uart_tx.value) << n
                await Timer(bit, unit="ns")
            assert int(self.dut.uart_tx.value) == 1, "no stop bit"
            self.sent.append(byte)

    async def words(self, count):
        """The next ``count`` words that the firmware tells."""
        await self.until(lambda: len(self.told) >= count)
        words, self.told = self.told[:count], self.told[count:]
        return words

    async def until(self, condition):
        """Wait for ``condition()``."""
        for _ in range(LIMIT):
            if condition():
                return
            await RisingEdge(self.dut.clk)
        raise AssertionError(f"nothing came for {LIMIT} cycles")

    async def say(self, frame):
        """A frame over the UART."""
        for byte in b"\0" + cobs.encode(frame) + b"\0":
            for bit in (0, *(byte >> n & 1 for n in range(8)), 1):
                self.dut.uart_rx.value = bit
                await Timer(CONFIG.divisor * PERIOD_NS, unit="ns")


async def board(dut, choice):
    pins = Board(dut)
    await pins.start(choice)
    return pins


@cocotb.test()
async def every_region_answers(dut):
    """Reads and writes of whole words, halves and bytes; nothing where there is nothing; a jump to there traps."""
    pins = await board(dut, firmware.REGIONS)
    pattern = firmware.PATTERN
    assert await pins.words(1) == [pattern]
    for _ in ("RAM", "packets"):
        assert await pins.words(3) == [pattern & 0xFF00_FFFF, pattern & 0xFFFF_0000, pattern >> 24]
    contract = [soc.contract_id(), CONFIG.clock_hz, CONFIG.lease_cycles, firmware.REGIONS, 0, 0, 0, 0, 0]
    assert await pins.words(len(contract)) == contract
    assert await pins.words(2) == [fingerprint(CONFIG.hardware), regs.Status.NO_PROGRAM.value]
    assert await pins.words(len(firmware.NOWHERE)) == [0] * len(firmware.NOWHERE)
    product, before, after, high = await pins.words(4)
    assert product == pow(pattern, 16, 1 << 32)
    assert 0 < before < after < before + LIMIT and high == 0
    assert await pins.words(1) == [firmware.TRAPPED]


@cocotb.test()
async def the_watchdog_bites(dut):
    """Unfed it resets CPU and links, which take frames again; time and number of resets go on, a reset clears them."""
    pins = await board(dut, firmware.STARVE)
    last = 0
    for resets in range(3):
        counted, time = await pins.words(2)
        assert counted == resets
        assert time > last + (CONFIG.watchdog_cycles if resets else 0)
        last = time
    frame = frames.encode(frames.Poll, session=1, results=2)
    await pins.say(frame)
    await pins.until(lambda: pins.sent[1:].count(0) == 1)
    assert cobs.decode(bytes(pins.sent).strip(b"\0")) == frame
    dut.rst.value = 1
    await cycles(dut, 2)
    dut.rst.value = 0
    counted, time = await pins.words(2)
    assert counted == 0 and time < last


@cocotb.test()
async def a_cpu_that_hangs_is_reset(dut):
    """Without an answer on its bus it feeds nothing; when it gets one again it starts anew."""
    pins = await board(dut, firmware.SERVE)
    await cycles(dut, CONFIG.watchdog_cycles * 2)
    dut.hang.value = 1
    await cycles(dut, CONFIG.watchdog_cycles * 3 // 2)
    dut.buttons.value = firmware.STARVE
    await cycles(dut, 10)
    dut.hang.value = 0
    resets, _ = await pins.words(2)
    assert resets == 1


def fragments(record, payload, **values):
    """Frames that carry ``payload``."""
    parts = range(0, len(payload), frames.PAYLOAD_BYTES)
    return [
        frames.encode(
            record, payload[at : at + frames.PAYLOAD_BYTES], session=0, sequence=n & 0xFFFF, offset=at, **values
        )
        for n, at in enumerate(parts)
    ]


@cocotb.test()
async def networks_run(dut):
    """Programs and images in frames; scores and the number of spikes are the golden model's; the core's reset drops
    what was under way.
    """
    pins = await board(dut, firmware.SERVE)
    status = regs.Status
    drawn = [draw(seed, CONFIG.hardware) for seed in NETWORKS]
    layers = [layer for model, _ in drawn for layer in model.spec.layers]
    assert {layer.windows for layer in layers} == set(Windows)
    assert {layer.condense for layer in layers if layer.windows is Windows.D} == set(Condense)
    assert {layer.levels for layer in layers} == {1, TOP_LEVEL}
    assert max(model.spec.classes for model, _ in drawn) > soc.SCORE_DEPTH
    for model, images in drawn:
        program = compile(model, CONFIG.hardware).program
        pixels = model.spec.arrange(images)
        scores, trace = run_traced(program, pixels)
        parts = fragments(frames.Program, program.encode().astype("<u4").tobytes())
        for n, part in enumerate(parts):
            await pins.say(part)
            (now,) = await pins.words(1)
            assert now == (status.READY if n == len(parts) - 1 else status.LOADING).value
        for image in range(len(images)):
            content = np.ascontiguousarray(pixels[image].transpose(1, 2, 0)).tobytes()
            for part in fragments(frames.Image, content, image=image, results=0):
                await pins.say(part)
                assert await pins.words(1) == [status.READY.value]
            told = await pins.words(program.classes + 3)
            assert told[: program.classes] == [score & 0xFFFF_FFFF for score in scores[image].tolist()]
            none, spikes, count = told[program.classes :]
            assert (none, count) == (0, image + 1)
            assert spikes == fired_spikes(program, trace)[image] > 0
        # A part of an image, then the reset.
        await pins.say(fragments(frames.Image, content[: len(content) // 2], image=0, results=0)[0])
        assert await pins.words(1) == [status.READY.value]
        await pins.say(frames.encode(frames.Request, session=0, number=0, command=frames.Command.RESET, argument=0))
        assert await pins.words(1) == [status.NO_PROGRAM.value]


@cocotb.test()
async def a_datagram_goes_round(dut):
    """The longest frame by UDP into the packet memory and back to its sender, byte for byte; a damaged one stays away."""
    pins = await board(dut, firmware.SERVE)
    phy = MiiPhy(
        dut.mii_tx_data, None, dut.mii_tx_en, dut.mii_tx_clk, dut.mii_rx_data, None, dut.mii_rx_dv, dut.mii_rx_clk
    )
    board_mac, record = mac(CONFIG.mac), frames.size(frames.Poll)
    body = rng("datagram").randbytes(frames.FRAME_BYTES - frames.CHECK_BYTES - record)
    frame = frames.encode(frames.Poll, body, session=3, results=4)
    assert len(frame) == frames.FRAME_BYTES

    async def say(whole):
        await phy.rx.send(GmiiFrame.from_raw_payload(whole))

    async def hear():
        await pins.until(lambda: not phy.tx.empty())
        return bytes(phy.tx.recv_nowait().get_payload())

    content = ipv4(UDP, HOST, HOST_IP, board_mac, CONFIG.ip, udp(HOST_PORT, frames.UDP_PORT, frame))
    spoilt = bytearray(content)
    spoilt[-1] ^= 1
    assert int(dut.mii_rst_n.value) == 0
    await pins.until(lambda: int(dut.mii_rst_n.value))
    for whole in (spoilt + fcs(content), spoilt + fcs(spoilt), content + fcs(content)):
        await say(whole)
    await hear()  # the question where the host is
    answer = arp(REPLY, HOST, HOST_IP, board_mac, CONFIG.ip, to=board_mac).ljust(60, b"\0")
    await say(answer + fcs(answer))
    to, source, protocol, source_ip, target_ip, datagram = packet(await hear())
    assert (to, source, protocol, source_ip, target_ip) == (HOST, board_mac, UDP, CONFIG.ip, HOST_IP)
    assert datagram[:6] == udp(frames.UDP_PORT, HOST_PORT, frame)[:6]
    assert datagram[8:] == frame
    await cycles(dut, 20_000)
    assert phy.tx.empty()
