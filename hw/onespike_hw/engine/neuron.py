"""The neuron unit: scale, carry chain, threshold; one channel with its four windows per cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import arith
from onespike.contract.config import PARAMETER_BITS, POTENTIAL_BITS, WINDOWS
from onespike.contract.isa import Carry, Layer, Windows

from ..interfaces import chain_tag, neuron_input, neuron_output
from .omega import CarryStage, table_write


class NeuronUnit(wiring.Component):
    """Current, potential and spike of a neuron in four windows (paper A, Eq. 1-6; no reset at T = 1).

    The chain over the windows is unrolled in space: window p waits in registers until window p-1's
    carry arrives, so there is no carry memory and no bubble.

    Members
    -------
    layer : In(Layer), stable while its neurons are inside
    table_write : In(stream(table_write)), always ready
    i : In(stream(neuron_input)); o : Out(stream(neuron_output))

    Attributes: ``latency``. Throughput: one channel (four neurons) per cycle; a blocked output holds
    the whole unit.
    """

    scale_latency = 4
    latency = scale_latency + (WINDOWS - 1) * CarryStage.latency

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "layer": In(Layer),
                "table_write": In(stream.Signature(table_write(config), always_ready=True)),
                "i": In(stream.Signature(neuron_input(config))),
                "o": Out(stream.Signature(neuron_output(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, layer = self.config, self.layer
        enable = Signal()
        valid = Signal(self.latency)
        m.d.comb += [
            enable.eq(~valid[-1] | self.o.ready),
            self.i.ready.eq(enable),
            self.o.valid.eq(valid[-1]),
        ]
        with m.If(enable):
            m.d.sync += valid.eq(Cat(self.i.valid, valid[:-1]))

        def delay(value, cycles, name):
            """``value``, ``cycles`` enabled cycles later."""
            for n in range(cycles):
                register = Signal(value.shape(), name=f"{name}_{n}")
                with m.If(enable):
                    m.d.sync += register.eq(value)
                value = register
            return value

        # Scale: operands, product, rounded product, current. Registers on both sides of the product map into
        # a DSP48E1; its adder, the shifter and the saturation are too long for one cycle together.
        given = self.i.payload
        bias = delay(given.parameter.bias, self.scale_latency - 1, "bias")
        currents = []
        for w in range(WINDOWS):
            acc = delay(given.acc[w], 1, f"acc{w}")
            scale = delay(given.parameter.scale, 1, f"scale{w}")
            product = Signal(signed(config.acc_bits + PARAMETER_BITS), name=f"product{w}")
            # One bit more than the product: rounding may carry.
            rounded = Signal(signed(len(product) + 1), name=f"rounded{w}")
            current = Signal(signed(POTENTIAL_BITS), name=f"current{w}")
            with m.If(enable):
                m.d.sync += [
                    product.eq(acc * scale),
                    rounded.eq(arith.round_shift(product, layer.shift)),
                    current.eq(arith.saturate(rounded + bias, POTENTIAL_BITS)),
                ]
            currents.append(current)

        # Chain.
        chained = (layer.windows != Windows.NONE) & (layer.carry != Carry.NONE)
        potentials = [currents[0]]
        for w in range(1, WINDOWS):
            age = (w - 1) * CarryStage.latency
            m.submodules[f"carry{w}"] = stage = CarryStage(config)
            previous = delay(given.previous[w - 1], self.scale_latency + age, f"previous{w}")
            m.d.comb += [
                stage.carry.eq(Mux(chained, layer.carry, Carry.NONE)),
                stage.table.eq(layer.table),
                stage.enable.eq(enable),
                stage.table_write.valid.eq(self.table_write.valid),
                stage.table_write.payload.eq(self.table_write.payload),
                stage.a.eq(previous),
                stage.b.eq(potentials[-1]),
                stage.u.eq(delay(currents[w], age, f"wait{w}")),
            ]
            potentials = [delay(v, CarryStage.latency, f"passed{w}_{n}") for n, v in enumerate(potentials)]
            potentials.append(stage.v)

        out = self.o.payload
        m.d.comb += out.spikes.eq(Cat(arith.fire(v, config.k) for v in potentials))
        m.d.comb += [out.potentials[n].eq(potentials[n]) for n in range(WINDOWS - 1)]
        tag = Signal(data.StructLayout(chain_tag(config)))
        m.d.comb += [tag[name].eq(given[name]) for name in chain_tag(config)]
        late = data.View(tag.shape(), delay(tag.as_value(), self.latency, "tag"))
        m.d.comb += [out[name].eq(late[name]) for name in chain_tag(config)]
        return m
