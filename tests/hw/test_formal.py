"""The proofs of the gateware's units; and that they fail where a unit is wrong."""

import importlib
import importlib.metadata
import inspect
import json
import types

import pytest

from onespike.errors import ToolError
from onespike_sim.formal import solve
from onespike_sim.formal.__main__ import check, main
from onespike_sim.formal.proofs import BITS, PROOFS, WORDS

# Name -> (proof, module of the unit, unit, right text, wrong text, cycles within which a run must show it).
MUTATIONS = {
    "a zero behind a full block": ("cobs", "link.cobs", "CobsDecoder", "gap.eq(byte != FULL)", "gap.eq(1)", 6, WORDS),
    "a stop bit too short": ("uart", "link.uart", "UartTransmitter", "left.eq(10)", "left.eq(9)", 45, BITS),
    "taken after it was given up": (
        "datagrams", "link.datagrams", "DatagramOutlet",
        "((~here | self.o.ready) & ~self.given_up)", "(~here | self.o.ready)", 12, WORDS,
    ),
    "a queued slot is free": (
        "slots", "link.slots", "SlotPool", "taken & here.owned & ~here.received", "taken & here.owned", 8, WORDS,
    ),
    "writes without a slot": (
        "receive", "link.receive", "FrameReceiver",
        "m.d.comb += self.write.valid.eq(owned & ~forbidden)\n", "m.d.comb += self.write.valid.eq(1)\n", 22, BITS,
    ),
    "the last byte is missing": (
        "feed", "link.feed", "FeedEngine", "bytes_sent >= feed.length", "bytes_sent + 1 >= feed.length", 12, WORDS,
    ),
    "a bank that is not drained": (
        "sequencer", "control.sequencer", "Sequencer", " & (~tile_end | (banks != 0))", "", 60, BITS,
    ),
    "beyond begins a pixel late": (
        "windows", "engine.windows", "WindowAddresses",
        "beyond.eq(absolute >= half)", "beyond.eq(absolute > half)", 16, BITS,
    ),
    "one more in flight": (
        "admission", "engine.drain", "Drain",
        "on_way <= config.in_flight - config.slots", "on_way <= config.in_flight", 70, BITS,
    ),
    "both blocks in one bank": (
        "da", "engine.da", "DaArray", 'Cat(step ^ step >> 1, write["bank"])', "Cat(step ^ step >> 1, 0)", 50, BITS,
    ),
    "results of both banks in one": (
        "accumulators", "engine.accumulators", "Accumulators",
        "place.eq(Cat(p.position, p.bank))", "place.eq(p.position)", 8, WORDS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROOFS)
def test_proof(name):
    """Proven, and what is assumed leaves room for what a unit does."""
    rows = check([PROOFS[name]], print)
    assert [row["mode"] for row in rows] == ["prove", "cover"]
    assert [row["why"] for row in rows if not row["passed"]] == []


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_asserts_and_reaches_something(name):
    proof = PROOFS[name]
    for _, _, _, makers in proof.checks:
        text = solve.design(makers[0]())
        assert 'parameter \\FLAVOR "assert"' in text and 'parameter \\FLAVOR "cover"' in text


def mutant(module, right, wrong):
    """``module`` of the gateware with one place of its text changed."""
    original = importlib.import_module(f"onespike_hw.{module}")
    text = inspect.getsource(original)
    assert text.count(right) == 1, f"{module} has no single place {right!r}; write the mutation anew"
    changed = types.ModuleType(original.__name__)
    changed.__package__ = original.__package__
    exec(compile(text.replace(right, wrong), original.__file__, "exec"), vars(changed))
    return changed


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_caught(name, monkeypatch):
    """A run from reset, not only an induction, shows the fault; its trace is named."""
    proof, module, unit, right, wrong, cycles, engine = MUTATIONS[name]
    maker = PROOFS[proof].example or PROOFS[proof].harness
    harness = importlib.import_module(PROOFS[proof].harness.__module__)
    monkeypatch.setattr(harness, unit, getattr(mutant(module, right, wrong), unit))
    verdict = solve.solve(f"{proof}-mutant", solve.design(maker()), "bmc", cycles, engine)
    assert not verdict.passed and verdict.why.startswith("at ")
    assert (solve.ROOT / verdict.trace).is_file()


def test_command(tmp_path, monkeypatch, capsys):
    """The table, the report and the status of a proof that passes and of one that does not."""
    monkeypatch.chdir(tmp_path)
    assert main(["cobs"]) == 0
    assert "2 of 2 checks passed" in capsys.readouterr().out
    rows = json.loads((tmp_path / "build/reports/formal.json").read_text())["checks"]
    assert [(row["name"], row["mode"], row["passed"]) for row in rows] == [
        ("cobs", "prove", True),
        ("cobs", "cover", True),
    ]
    _, module, unit, right, wrong, *_ = MUTATIONS["a zero behind a full block"]
    harness = importlib.import_module(PROOFS["cobs"].harness.__module__)
    monkeypatch.setattr(harness, unit, getattr(mutant(module, right, wrong), unit))
    assert main(["cobs"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("onespike: cobs: prove failed at ") and told.rstrip().endswith(".vcd")


def test_an_unreachable_cover_is_no_pass():
    """Depth 2 is too short for anything to come out."""
    proof = PROOFS["scores"]
    verdict = solve.solve("scores-short", solve.design(proof.harness()), "cover", 2, WORDS)
    assert not verdict.passed and "scores.py" in verdict.why


def test_a_missing_tool_is_told(monkeypatch, capsys):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(ToolError, match="'pip install pyosys' provides it"):
        solve.versions()
    assert main(["cobs"]) == 2
    assert "is not installed" in capsys.readouterr().err


def test_an_unknown_proof_is_told(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["nope"])
    assert stopped.value.code == 2
    assert "no proof 'nope'; choose of uart, cobs" in capsys.readouterr().err
