"""The neuron unit: scale, carry chain, threshold; some channels with their four windows per cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import arith
from onespike.contract.config import PARAMETER_BITS, POTENTIAL_BITS, WINDOWS
from onespike.contract.isa import Carry, Layer, Windows

from ..interfaces import chain_tag, neuron_input, neuron_output, potentials
from .omega import CarryStage, table_write

_SCALE = 4
"""Cycles from accumulator to current: operands, product, offset added, shifted and saturated."""
_FIRED = [_SCALE + w * CarryStage.latency for w in range(WINDOWS)]
"""Cycle in which the potential of each window is there."""


class NeuronUnit(wiring.Component):
    """Current, potential and spike or level of neurons in four windows (paper A, Eq. 1-6; paper B's levels).

    The chain over the windows is unrolled in space: the current of window p waits until window p-1's
    carry arrives, so there is no carry memory and no bubble.

    Members
    -------
    layer : In(Layer), stable while its neurons are inside
    table_write : In(stream(table_write)), always ready
    i : In(stream(neuron_input)), windows one cycle apart, and o : Out(stream(neuron_output)), always ready
    potentials : Out(stream(potentials)), of layers that keep them, always ready

    Attributes: ``latency``. Throughput: ``neurons`` channels (four neurons each) per cycle; nothing stops it.
    """

    latency = _FIRED[-1]

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "layer": In(Layer),
                "table_write": In(stream.Signature(table_write(config), always_ready=True)),
                "i": In(stream.Signature(neuron_input(config), always_ready=True)),
                "o": Out(stream.Signature(neuron_output(config), always_ready=True)),
                "potentials": Out(stream.Signature(potentials(config), always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        valid = Signal(self.latency)
        m.d.sync += valid.eq(Cat(self.i.valid, valid[:-1]))
        m.d.comb += [
            self.o.valid.eq(valid[-1]),
            self.potentials.valid.eq(valid[_FIRED[2] - 1] & self.layer.store),
        ]

        def delay(value, cycles, name):
            """``value``, ``cycles`` cycles later."""
            for n in range(cycles):
                register = Signal(value.shape(), name=f"{name}_{n}", reset_less=True)
                m.d.sync += register.eq(value)
                value = register
            return value

        for lane in range(config.neurons):
            self._lane(m, lane, delay)

        given, out = self.i.payload, self.o.payload
        tag = Signal(data.StructLayout(chain_tag(config)))
        m.d.comb += [tag[name].eq(given[name]) for name in chain_tag(config)]
        late = data.View(tag.shape(), delay(tag.as_value(), self.latency, "tag"))
        m.d.comb += [out[name].eq(late[name]) for name in chain_tag(config)]
        return m

    def _lane(self, m, lane, delay):
        """One channel per cycle: four windows, ``CarryStage.latency`` cycles apart."""
        config, layer, given = self.config, self.layer, self.i.payload
        parameter = given.parameter[lane]
        wide = signed(PARAMETER_BITS + 7)
        scale, offset = Signal(wide, name=f"scale{lane}"), Signal(signed(PARAMETER_BITS + 16), name=f"offset{lane}")
        m.d.comb += [
            scale.eq(arith.prescale(parameter.scale, layer.shift)),
            offset.eq(arith.rounding_offset(parameter.bias, layer.shift)),
        ]
        currents = []
        for w in range(WINDOWS):
            name = f"{lane}_{w}"
            scale, offset = delay(scale, 1, f"scale{name}"), delay(offset, 1, f"offset{name}")
            acc = delay(given.acc[lane][w], 1, f"acc{name}")
            product = Signal(signed(len(acc) + len(scale)), name=f"product{name}", reset_less=True)
            later = Signal.like(offset, name=f"later{name}", reset_less=True)
            total = Signal(signed(len(product) + 1), name=f"total{name}", reset_less=True)
            current = Signal(signed(POTENTIAL_BITS), name=f"current{name}", reset_less=True)
            m.d.sync += [
                product.eq(acc * scale),
                later.eq(offset),
                total.eq(product + later),
                current.eq(arith.rescale(total, layer.shift, POTENTIAL_BITS)),
            ]
            currents.append(current)

        chained = (layer.windows != Windows.NONE) & (layer.carry != Carry.NONE)
        found, levels = [currents[0]], [self._fire(m, currents[0], f"level{lane}_0")]
        for w in range(1, WINDOWS):
            chains = chained & ~layer.pairs if w == WINDOWS // 2 else chained
            name = f"{lane}_{w}"
            m.submodules[f"carry{name}"] = stage = CarryStage(config)
            began = _FIRED[w - 1]
            m.d.comb += [
                stage.carry.eq(Mux(chains, layer.carry, Carry.NONE)),
                stage.table.eq(layer.table),
                stage.table_write.valid.eq(self.table_write.valid),
                stage.table_write.payload.eq(self.table_write.payload),
                stage.a.eq(delay(given.previous[lane][w - 1], began, f"previous{name}")),
                stage.b.eq(found[-1]),
                stage.level.eq(levels[-1]),
                # The current is there w cycles after window 0's.
                stage.u.eq(delay(currents[w], began + CarryStage.lead - _SCALE - w, f"wait{name}")),
            ]
            found.append(stage.v)
            levels.append(self._fire(m, stage.v, f"level{name}"))

        for w, (v, level) in enumerate(zip(found, levels, strict=True)):
            fired = delay(level, self.latency - _FIRED[w], f"fired{lane}_{w}")
            m.d.comb += self.o.payload.fired[lane][w].eq(fired)
            if w < WINDOWS - 1:
                kept = delay(v, _FIRED[2] - _FIRED[w], f"kept{lane}_{w}")
                m.d.comb += self.potentials.payload[lane][w].eq(kept)

    def _fire(self, m, v, name):
        """Signal of what a neuron fires at potential ``v``."""
        level = Signal(arith.LEVEL_BITS, name=name)
        m.d.comb += level.eq(arith.fired(v, self.layer.levels, self.config.k))
        return level
