"""The link engine: everything between the wires and the core that the CPU does not do itself."""

from amaranth.hdl import C, Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from onespike.contract.soc import SESSION_SHIFT, TEXT_DEPTH, Link, Text

from .boot import FLASH, FlashBoot
from .cobs import CobsDecoder
from .feed import FeedEngine
from .interfaces import datagram_in, datagram_out, peer
from .packets import PacketMemory
from .receive import FrameReceiver
from .send import Sender
from .slots import SlotPool
from .uart import UartReceiver, UartTransmitter

_CPU = ("cpu_address", "cpu_write", "cpu_select", "cpu_data_in", "cpu_request", "cpu_data_out", "cpu_ack")
_SLOTS = ("rx_next", "rx_next_pop", "rx_free", "rx_free_write", "rx_use", "rx_use_write",
          "rx_frames", "rx_damaged", "rx_dropped")  # fmt: skip
_FEED = ("feed", "feed_write", "feeds_done", "core_reset", "pixels", "program")
_SEND = ("send", "send_write", "sending")


def patience(config):
    """Clock cycles that a datagram may be blocked: a CPU that waits for its end must outlive that."""
    return min(1 << 20, config.watchdog_cycles // 4)


class LinkEngine(wiring.Component):
    """Receives frames into slots of the packet memory, feeds their payloads to the core, sends frames.

    With ``config.flash_address``, what the flash holds there comes first (``FlashBoot``): until it is played the UART's
    frames and text come from nowhere. Its output stays idle until somebody has sent a byte after that and the answer
    to what was played is out, if there is one: nobody sees it.

    Members
    -------
    uart_rx : In(1), asynchronous; uart_tx : Out(1)
    udp_rx : In(stream(datagram_in)); udp_tx : Out(stream(datagram_out))
    cpu_* : the CPU's port into the packet memory, as of ``PacketMemory``
    pixels : Out(stream(8)); program : Out(stream(32))
    core_reset : In(1), as of ``FeedEngine``
    flash_* : as of ``boot.FLASH``; bites : In, resets by the watchdog; only with ``config.flash_address``
    registers of ``contract.soc.REGISTERS`` in lower case: what is read as Out; what is written as In, valid while
        its ``NAME_write`` is high; ``NAME_pop``: In(1), pulse: the oldest was read, take it
    """

    def __init__(self, config):
        self.config = config
        self._packets, self._slots, self._feed = PacketMemory(), SlotPool(), FeedEngine()
        self._send = Sender(patience(config))
        super().__init__(
            {
                "uart_rx": In(1, init=1),
                "uart_tx": Out(1, init=1),
                "udp_rx": In(stream.Signature(datagram_in)),
                "udp_tx": Out(stream.Signature(datagram_out)),
                "text_enable": In(1),
                "text_enable_write": In(1),
                "text": Out(Text),
                "text_pop": In(1),
                "send_address": In(peer["address"].shape),
                "send_address_write": In(1),
                "send_port": In(peer["port"].shape),
                "send_port_write": In(1),
                **(FLASH | {"bites": In(8 - SESSION_SHIFT)} if config.flash_address is not None else {}),
                **{name: self._packets.signature.members[name] for name in _CPU},
                **{name: self._slots.signature.members[name] for name in _SLOTS},
                **{name: self._feed.signature.members[name] for name in _FEED},
                **{name: self._send.signature.members[name] for name in _SEND},
            }
        )

    def _join(self, m, unit, names):
        """Connect the ports of a unit that are the engine's own."""
        for name in names:
            ours, theirs = getattr(self, name), getattr(unit, name)
            member = self.signature.members[name]
            if member.is_signature:
                wiring.connect(m, wiring.flipped(ours), theirs)
            elif member.flow is In:
                m.d.comb += theirs.eq(ours)
            else:
                m.d.comb += ours.eq(theirs)

    def _play(self, m, slots, line, receiver, cobs, frames, transmitter):
        """Put the record of the flash before what comes over the UART's ``line``; keep its output to ourselves."""
        m.submodules.boot = boot = FlashBoot(self.config.flash_address)
        m.d.comb += [
            boot.start.eq(self.rx_use_write & self.rx_use.all()),
            boot.back.eq(slots.uart_back),
            frames.wait.eq(boot.playing & ~slots.available),
            frames.session.eq(Cat(C(1, SESSION_SHIFT), self.bites)),
            receiver.line.eq(line | boot.playing),
            # Never both: without bytes of the line, the decoder has nothing.
            frames.i.valid.eq(boot.o.valid | cobs.o.valid),
            frames.i.payload.eq(Mux(boot.playing, boot.o.payload, cobs.o.payload)),
            boot.o.ready.eq(frames.i.ready),
            cobs.o.ready.eq(frames.i.ready),
        ]
        for name, member in FLASH.items():
            pin, port = getattr(self, name), getattr(boot, name)
            m.d.comb += port.eq(pin) if member.flow is In else pin.eq(port)
        heard, speaks = Signal(), Signal()  # since reset
        with m.If(receiver.o.valid):
            m.d.sync += heard.eq(1)
        with m.If(heard & ~self.sending):
            m.d.sync += speaks.eq(1)
        m.d.comb += self.uart_tx.eq(transmitter.line | ~speaks)

    def elaborate(self, platform):
        m = Module()
        m.submodules.packets = packets = self._packets
        m.submodules.slots = slots = self._slots
        m.submodules.feed = feed = self._feed
        m.submodules.send = send = self._send
        for unit, names in ((packets, _CPU), (slots, _SLOTS), (feed, _FEED), (send, _SEND)):
            self._join(m, unit, names)

        # In: UART.
        uart_line = Signal(init=1)
        m.submodules.uart_receiver = uart_receiver = UartReceiver(self.config.divisor)
        m.submodules.cobs = cobs = CobsDecoder()
        m.submodules.uart_frames = uart_frames = FrameReceiver(Link.UART)
        m.submodules.line = FFSynchronizer(self.uart_rx, uart_line, init=1)
        wiring.connect(m, uart_receiver.o, cobs.i)
        wiring.connect(m, uart_frames.write, packets.uart)
        wiring.connect(m, uart_frames.o, slots.uart)

        # In: UDP.
        m.submodules.udp_frames = udp_frames = FrameReceiver(Link.UDP)
        given = self.udp_rx.payload
        m.d.comb += [
            udp_frames.i.valid.eq(self.udp_rx.valid),
            udp_frames.i.payload.byte.eq(given.data),
            udp_frames.i.payload.present.eq(1),
            udp_frames.i.payload.end.eq(given.last),
            udp_frames.i.payload.error.eq(given.error),
            udp_frames.peer.address.eq(given.address),
            udp_frames.peer.port.eq(given.port),
            udp_frames.wait.eq(uart_frames.take),
            self.udp_rx.ready.eq(udp_frames.i.ready),
        ]
        wiring.connect(m, udp_frames.write, packets.udp)
        wiring.connect(m, udp_frames.o, slots.udp)
        for frames, link in ((uart_frames, "uart"), (udp_frames, "udp")):
            m.d.comb += [
                frames.available.eq(slots.available),
                frames.free.eq(slots.free),
                frames.allowed.eq(getattr(slots, f"{link}_allowed")),
                getattr(slots, f"{link}_take").eq(frames.take),
                getattr(slots, f"{link}_slot").eq(frames.slot),
            ]

        # In: text. Switched off, the queue is empty.
        enabled = Signal()
        with m.If(self.text_enable_write):
            m.d.sync += enabled.eq(self.text_enable)
        text = fifo.SyncFIFO(width=8, depth=TEXT_DEPTH)
        m.submodules.text = ResetInserter(~enabled)(text)
        came = uart_receiver.o
        m.d.comb += [
            text.w_en.eq(came.valid & came.ready & ~came.payload.error),
            text.w_data.eq(came.payload.byte),
            text.r_en.eq(self.text_pop),
            self.text.byte.eq(text.r_data),
            self.text.valid.eq(text.r_rdy),
        ]

        # To the core.
        wiring.connect(m, feed.read, packets.feed)
        wiring.connect(m, feed.release, slots.release)

        # Out.
        with m.If(self.send_address_write):
            m.d.sync += send.peer.address.eq(self.send_address)
        with m.If(self.send_port_write):
            m.d.sync += send.peer.port.eq(self.send_port)
        m.submodules.uart_transmitter = uart_transmitter = UartTransmitter(self.config.divisor)
        wiring.connect(m, send.read, packets.send)
        wiring.connect(m, send.uart, uart_transmitter.i)
        wiring.connect(m, send.udp, wiring.flipped(self.udp_tx))
        m.d.comb += send.uart_busy.eq(uart_transmitter.busy)
        if self.config.flash_address is not None:
            self._play(m, slots, uart_line, uart_receiver, cobs, uart_frames, uart_transmitter)
        else:
            wiring.connect(m, cobs.o, uart_frames.i)
            m.d.comb += [uart_receiver.line.eq(uart_line), self.uart_tx.eq(uart_transmitter.line)]
        return m
