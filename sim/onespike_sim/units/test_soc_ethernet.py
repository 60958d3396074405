"""The Ethernet port with a PHY: real frames in and out."""

import socket
import struct

import cocotb
from cocotb.clock import Clock
from cocotbext.eth import GmiiFrame, MiiPhy

from onespike.contract import frames
from onespike.contract.boards import system
from onespike_hw.link.interfaces import datagram_in, datagram_out

from ..streams import Sink, Source, cycles, rng
from .internet import ICMP, REPLY, REQUEST, UDP, arp, echo, fcs, ipv4, mac, packet, udp

CONFIG = system("virtual")
BOARD, BOARD_IP = mac(CONFIG.mac), CONFIG.ip
HOST, HOST_IP, HOST_PORT = mac("02:11:22:33:44:55"), "192.168.1.77", 40_123
PERIOD_NS = 10
LIMIT = 100_000
"""Cycles of 100 MHz; a frame of full length takes 12,000."""
GARBAGE = 200
"""Frames."""


class Network:
    """The wire: a host's frames to the board, and the board's."""

    def __init__(self, dut):
        cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns", impl="gpi").start())
        self.dut = dut
        self.phy = MiiPhy(
            dut.tx_data, None, dut.tx_en, dut.tx_clk, dut.rx_data, None, dut.rx_dv, dut.rx_clk, speed=100e6
        )
        self.received = Sink(dut, "rx", datagram_in)
        self.sender = Source(dut, "tx", datagram_out)

    async def start(self):
        """Reset; both MII clocks run meanwhile."""
        self.dut.rst.value = 1
        await cycles(self.dut, 32)
        self.dut.rst.value = 0
        await cycles(self.dut, 32)

    async def say(self, frame, spoil=0):
        """Send a frame, padded to the least length, its checksum changed by ``spoil``; returns when it is over."""
        whole = bytearray(frame.ljust(60, b"\0"))
        check = fcs(bytes(whole))
        whole += bytes([check[0] ^ spoil]) + check[1:]
        await self.phy.rx.send(GmiiFrame.from_raw_payload(whole))
        await self.phy.rx.wait()
        await cycles(self.dut, 500)

    async def hear(self):
        """The next frame of the board, without its checksum, which is right."""
        for _ in range(LIMIT):
            if not self.phy.tx.empty():
                frame = bytes(self.phy.tx.recv_nowait().get_payload(strip_fcs=False))
                assert len(frame) >= 64 and fcs(frame[:-4]) == frame[-4:]
                return frame[:-4]
            await cycles(self.dut, 1)
        raise AssertionError(f"the board said nothing for {LIMIT} cycles")

    def datagrams(self):
        """What came in since the last call: (payload, address, port, error) each."""
        found, payload = [], []
        for value in self.received.values:
            payload.append(value["data"])
            if value["last"]:
                found.append((bytes(payload), value["address"], value["port"], value["error"]))
                payload = []
        assert not payload, "a datagram without an end"
        self.received.values.clear()
        return found

    def to_send(self, payload, address=HOST_IP, port=HOST_PORT):
        """The stream's values for a datagram."""
        number = int.from_bytes(socket.inet_aton(address))
        return [
            {"data": byte, "last": n == len(payload) - 1, "length": len(payload), "address": number, "port": port}
            for n, byte in enumerate(payload)
        ]


def number(address):
    """An IPv4 address as text, as the gateware has it."""
    return int.from_bytes(socket.inet_aton(address))


async def network(dut):
    wire = Network(dut)
    await wire.start()
    return wire


def datagram(payload, *, board=BOARD_IP, port=frames.UDP_PORT):
    """A frame of the host with ``payload`` for the board."""
    return ipv4(UDP, HOST, HOST_IP, BOARD, board, udp(HOST_PORT, port, payload))


def asks_for_host(frame):
    """Whether it is the board's question for the host's MAC address; what stands in that place means nothing."""
    question = arp(REQUEST, BOARD, BOARD_IP, bytes(6), HOST_IP)
    return (frame[:32], frame[38:42]) == (question[:32], question[38:])


@cocotb.test()
async def answers_arp_and_echo(dut):
    """Who has the board's address is answered; so is a ping, with what was in it."""
    wire = await network(dut)
    await wire.say(arp(REQUEST, HOST, HOST_IP, bytes(6), BOARD_IP))
    frame = await wire.hear()
    assert frame[:42] == arp(REPLY, BOARD, BOARD_IP, HOST, HOST_IP, to=HOST)
    await wire.say(arp(REQUEST, HOST, HOST_IP, bytes(6), "192.168.1.51"))
    content = bytes(rng("ping").randbytes(56))
    await wire.say(ipv4(ICMP, HOST, HOST_IP, BOARD, BOARD_IP, echo(8, 3, content)))
    frame = await wire.hear()
    # To answer it has to ask first where the host is; the request for the other address was not answered.
    assert asks_for_host(frame)
    await wire.say(arp(REPLY, HOST, HOST_IP, BOARD, BOARD_IP, to=BOARD))
    to, source, protocol, source_ip, target_ip, message = packet(await wire.hear())
    assert (to, source, protocol, source_ip, target_ip) == (HOST, BOARD, ICMP, BOARD_IP, HOST_IP)
    assert message == echo(0, 3, content)
    assert wire.datagrams() == []


@cocotb.test()
async def datagrams_come_in_whole(dut):
    """Short, padded ones and the longest frame, back to back; address and port are the sender's."""
    wire = await network(dut)
    random = rng("in")
    payloads = [random.randbytes(size) for size in (1, 4, 17, 18, 19, 64, frames.FRAME_BYTES, 1_472, 3)]
    assert frames.FRAME_BYTES == 1_040
    for payload in payloads:
        await wire.say(datagram(payload))
    assert wire.datagrams() == [(payload, number(HOST_IP), HOST_PORT, 0) for payload in payloads]


@cocotb.test()
async def what_is_not_meant_for_the_board_is_dropped(dut):
    """Another port, another IP address, another protocol, a broken IP header."""
    wire = await network(dut)
    content = b"not for you, not for you, not for you"
    await wire.say(datagram(content, port=frames.UDP_PORT + 1))
    await wire.say(datagram(content, board="192.168.1.51"))
    await wire.say(ipv4(6, HOST, HOST_IP, BOARD, BOARD_IP, udp(HOST_PORT, frames.UDP_PORT, content)))
    broken = bytearray(datagram(content))
    broken[24] ^= 1
    await wire.say(bytes(broken))
    await wire.say(struct.pack(">6s6sH", BOARD, HOST, 0x86DD) + content)
    assert wire.datagrams() == []
    await wire.say(datagram(b"for you"))
    assert [payload for payload, *_ in wire.datagrams()] == [b"for you"]


@cocotb.test()
async def a_damaged_frame_is_told(dut):
    """A wrong checksum gives ``error`` with the last byte of a datagram that fills its frame; the next one is right."""
    wire = await network(dut)
    payload = rng("damaged").randbytes(100)
    await wire.say(datagram(payload), spoil=4)
    ((_, _, _, error),) = wire.datagrams()
    assert error == 1
    await wire.say(datagram(payload))
    assert wire.datagrams() == [(payload, number(HOST_IP), HOST_PORT, 0)]


@cocotb.test()
async def datagrams_go_out(dut):
    """The host is asked for once; then datagrams up to the longest frame, from and to the right ports."""
    wire = await network(dut)
    random = rng("out")
    payloads = [random.randbytes(size) for size in (8, 40, frames.FRAME_BYTES)]
    for index, payload in enumerate(payloads):
        sending = cocotb.start_soon(wire.sender.send(wire.to_send(payload)))
        if index == 0:
            assert asks_for_host(await wire.hear())
            await wire.say(arp(REPLY, HOST, HOST_IP, BOARD, BOARD_IP, to=BOARD))
        to, source, protocol, source_ip, target_ip, content = packet(await wire.hear())
        assert (to, source, protocol, source_ip, target_ip) == (HOST, BOARD, UDP, BOARD_IP, HOST_IP)
        assert content[6:8] == b"\0\0" and content[:6] + bytes(2) + content[8:] == udp(
            frames.UDP_PORT, HOST_PORT, payload
        )
        await sending


@cocotb.test()
async def no_ping_blocks_the_way(dut):
    """Pings longer than the buffer, and such that tell a smaller length than they bring: datagrams still come in."""
    wire = await network(dut)
    random = rng("pings")
    for size in (127, 128, 129, 1_000):
        message = echo(8, 1, random.randbytes(size))
        lying = ipv4(ICMP, HOST, HOST_IP, BOARD, BOARD_IP, message[:28]) + message[28:]
        for frame in (ipv4(ICMP, HOST, HOST_IP, BOARD, BOARD_IP, message), lying):
            await wire.say(frame)
            # The board may ask at any time where the host is.
            await wire.say(arp(REPLY, HOST, HOST_IP, BOARD, BOARD_IP, to=BOARD))
            await wire.say(datagram(b"still there"))
            assert [payload for payload, *_ in wire.datagrams()] == [b"still there"]


@cocotb.test()
async def garbage_blocks_nothing_for_good(dut):
    """After frames with some bytes changed, cut or drawn out, datagrams come in again.

    A ping from somebody who is not there may hold up what comes in until it is given up.
    """
    wire = await network(dut)
    random = rng("garbage")
    content = random.randbytes(60)
    whole = (
        arp(REQUEST, HOST, HOST_IP, bytes(6), BOARD_IP),
        ipv4(ICMP, HOST, HOST_IP, BOARD, BOARD_IP, echo(8, 1, content)),
        datagram(content),
    )
    for _ in range(GARBAGE):
        frame = bytearray(random.choice(whole).ljust(60, b"\0"))
        for _ in range(random.randrange(4)):
            frame[random.randrange(12, 48)] = random.getrandbits(8)
        size = random.choice([len(frame), random.randrange(20, len(frame)), random.randrange(len(frame), 200)])
        frame = bytes(frame[:size].ljust(size, b"\1"))
        await wire.phy.rx.send(GmiiFrame.from_raw_payload(frame + fcs(frame)))
    await wire.phy.rx.wait()
    for _ in range(LIMIT // 1_000):
        wire.received.values.clear()
        await wire.say(datagram(b"still there"))
        if bytes(value["data"] for value in wire.received.values) == b"still there":
            return
    raise AssertionError("nothing comes in any more")


@cocotb.test()
async def an_absent_peer_is_given_up(dut):
    """A datagram to nobody is dropped after some questions where the peer is; the next one goes out."""
    wire = await network(dut)
    await wire.sender.send(wire.to_send(b"to nobody", "192.168.1.99"))
    sending = cocotb.start_soon(wire.sender.send(wire.to_send(b"to the host")))
    asked = set()
    while not asks_for_host(frame := await wire.hear()):
        asked.add(frame[38:42])
    assert asked == {socket.inet_aton("192.168.1.99")}
    await wire.say(arp(REPLY, HOST, HOST_IP, BOARD, BOARD_IP, to=BOARD))
    *_, content = packet(await wire.hear())
    assert content[8:] == b"to the host"
    await sending


@cocotb.test()
async def a_runt_does_no_lasting_harm(dut):
    """A frame that ends inside its headers may cost the one after it, no more."""
    wire = await network(dut)
    whole = datagram(b"cut off")
    for size in (8, 20, 38):
        await wire.phy.rx.send(GmiiFrame.from_raw_payload(whole[:size]))
        for text in (b"first", b"second"):
            await wire.say(datagram(text))
        assert [payload for payload, *_, error in wire.datagrams() if not error][-1:] == [b"second"]
