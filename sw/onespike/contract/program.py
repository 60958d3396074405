"""The program image: one file that makes a core a network.

Layout, all in 32-bit little-endian words: ``Header``, sections (``Section`` and its words), CRC-32
over everything before. ``Program.decode`` refuses whatever is not exactly that.
"""

import json
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from amaranth.hdl import Shape

from ..errors import ProgramError
from . import isa, regs
from .config import BANKS, GROUP, PIXEL_BITS, POTENTIAL_BITS, PRESETS, SCORE_BITS, TAPS, WINDOWS, HwConfig

MAGIC = int.from_bytes(b"1SPK", "little")
VERSION = 2


def group_step(area):
    """Words from one channel group of a map to the next: ``area`` and up to three unused ones.

    1 modulo ``BANKS``, so that the words of neighbouring groups at one place lie in different banks.
    """
    return area + (1 - area) % BANKS


def fingerprint(config):
    """CRC-32 over everything that program and core must agree on: records, modes, registers, sizes."""
    contract = {
        "version": VERSION,
        "records": {
            r.__name__: [[n, f.offset, Shape.cast(f.shape).width] for n, f in r.as_shape()] for r in isa.RECORDS
        },
        "enums": {e.__name__: {m.name: m.value for m in e} for e in (*isa.ENUMS, regs.Status)},
        "registers": {name: [offset, access] for name, (offset, access, _) in regs.REGISTERS.items()},
        "widths": [PIXEL_BITS, POTENTIAL_BITS, SCORE_BITS, WINDOWS, TAPS, GROUP, BANKS],
        "config": config.to_dict(),
    }
    return zlib.crc32(json.dumps(contract, sort_keys=True, separators=(",", ":")).encode())


@dataclass
class Program:
    """A compiled network for one core configuration.

    ``layers``: dictionaries of ``isa.Layer`` fields; ``weights`` int64 (blocks, outputs, lanes);
    ``scale`` and ``bias`` int64 (channels,); ``tables`` int64 (tables, 16 TH); ``image_side`` in pixel
    positions; ``metadata`` names for the host: network, layers, labels, image shape, patch, model card.
    """

    config: HwConfig
    layers: list[dict]
    weights: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    tables: np.ndarray
    image_channels: int
    image_side: int
    image_base: int
    classes: int
    metadata: dict = field(default_factory=dict)

    def encode(self):
        """The image as uint32 words."""
        config = self.config
        text = json.dumps({"config": config.name, **self.metadata}, sort_keys=True).encode()
        text += b" " * (-len(text) % 4)
        layers = [word for layer in self.layers for word in isa.to_words(isa.pack(isa.Layer, **layer), isa.LAYER_WORDS)]
        pairs = zip(self.scale, self.bias, strict=True)
        parameters = [isa.pack(isa.Parameter, scale=int(s), bias=int(b)) for s, b in pairs]
        body = [
            _section(isa.Target.METADATA, np.frombuffer(text, "<u4")),
            _section(isa.Target.LAYERS, layers),
            _section(isa.Target.WEIGHTS, _pack_weights(self.weights, config)),
            _section(isa.Target.PARAMETERS, parameters),
            _section(isa.Target.TABLES, self.tables.reshape(-1) & 0xFFFFFFFF),
        ]
        words = isa.HEADER_WORDS + sum(len(part) for part in body) + 1
        header = isa.pack(
            isa.Header,
            magic=MAGIC,
            version=VERSION,
            fingerprint=fingerprint(config),
            words=words,
            layers=len(self.layers),
            image_channels=self.image_channels,
            image_base=self.image_base,
            image_half=self.image_side // 2,
            image_plane_step=-(-self.image_channels // config.word) * group_step((self.image_side // 2) ** 2),
            image_group_step=group_step((self.image_side // 2) ** 2),
            reserved=0,
            reserved_too=0,
        )
        image = np.concatenate([np.array(isa.to_words(header, isa.HEADER_WORDS), np.uint32), *body])
        return np.append(image, np.uint32(zlib.crc32(image.astype("<u4").tobytes())))

    def save(self, path):
        """Write the image under a temporary name, then rename it."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(self.encode().astype("<u4").tobytes())
        os.replace(temporary, path)

    @classmethod
    def load(cls, path, config=None):
        """Read a file; raises ``ProgramError`` with the reason (see ``decode``)."""
        path = Path(path)
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ProgramError(f"cannot read the program image {path}: {error.strerror}; compile one first") from None
        if len(raw) % 4:
            raise ProgramError(
                f"{path.name} is truncated: {len(raw)} bytes are no whole words; compile or copy it again"
            )
        try:
            return cls.decode(np.frombuffer(raw, "<u4"), config)
        except ProgramError as error:
            raise ProgramError(f"{path.name}: {error}") from None

    @classmethod
    def decode(cls, words, config=None):
        """Check and take apart an image (uint32 words) for ``config``, or for the preset it names.

        Raises ``ProgramError`` on a wrong magic, version, length, checksum, fingerprint or section.
        """
        words = np.asarray(words, np.uint32)
        if len(words) < isa.HEADER_WORDS + 1:
            raise ProgramError(
                f"the program image is truncated: {len(words)} words, a header alone has {isa.HEADER_WORDS}; compile it again"
            )
        header = isa.unpack(isa.Header, isa.from_words(words[: isa.HEADER_WORDS]))
        if header["magic"] != MAGIC:
            raise ProgramError(
                "this is not a program image (wrong first word); name a file that 'onespike compile' wrote"
            )
        if header["version"] != VERSION:
            raise ProgramError(
                f"the program image has format version {header['version']}, this version reads {VERSION}; compile it again"
            )
        if header["words"] != len(words):
            raise ProgramError(
                f"the program image has {len(words)} words, its header says {header['words']}; it was cut or padded, compile it again"
            )
        if zlib.crc32(words[:-1].astype("<u4").tobytes()) != words[-1]:
            raise ProgramError("the checksum of the program image is wrong: it was damaged; compile or copy it again")
        sections = cls._sections(words)
        try:
            metadata = json.loads(sections[isa.Target.METADATA].astype("<u4").tobytes())
            name = metadata.pop("config")
        except (ValueError, KeyError, AttributeError):
            raise ProgramError("the program image's metadata is not readable; compile it again") from None
        config = config or PRESETS.get(name)
        if config is None or header["fingerprint"] != fingerprint(config):
            mine = f"{fingerprint(config):08x} ({config.name})" if config else "unknown"
            theirs = f"{header['fingerprint']:08x} ({name})"
            raise ProgramError(
                f"the program image was compiled for core {theirs}, this core is {mine}; compile it for this core"
            )
        try:
            return cls._assemble(config, header, sections, metadata)
        except ValueError as error:
            raise ProgramError(f"a section of the program image is malformed ({error}); compile it again") from None

    @staticmethod
    def _sections(words):
        """Target -> words of every section; each target exactly once."""
        sections, position = {}, isa.HEADER_WORDS
        while position < len(words) - 1:
            try:
                head = isa.unpack(isa.Section, isa.from_words(words[position : position + isa.SECTION_WORDS]))
            except ValueError as error:
                raise ProgramError(
                    f"the program image has a section for no known target ({error}); compile it again"
                ) from None
            position += isa.SECTION_WORDS
            if position + head["count"] > len(words) - 1:
                raise ProgramError(
                    f"section {head['target'].name} runs past the end of the program image; compile it again"
                )
            sections[head["target"]] = words[position : position + head["count"]]
            position += head["count"]
        if missing := set(isa.Target) - set(sections):
            raise ProgramError(f"the program image lacks section {min(m.name for m in missing)}; compile it again")
        return sections

    @classmethod
    def _assemble(cls, config, header, sections, metadata):
        raw = sections[isa.Target.LAYERS].reshape(-1, isa.LAYER_WORDS)
        if len(raw) != header["layers"] or not 0 < len(raw) <= config.layers:
            raise ValueError(
                f"{len(raw)} descriptors, the header says {header['layers']}, the core holds {config.layers}"
            )
        parameters = [isa.unpack(isa.Parameter, int(word)) for word in sections[isa.Target.PARAMETERS]]
        layers = [isa.unpack(isa.Layer, isa.from_words(row)) for row in raw]
        return cls(
            config=config,
            layers=layers,
            weights=_unpack_weights(sections[isa.Target.WEIGHTS], config),
            scale=np.array([p["scale"] for p in parameters], np.int64),
            bias=np.array([p["bias"] for p in parameters], np.int64),
            tables=sections[isa.Target.TABLES].astype(np.int32).astype(np.int64).reshape(-1, config.table_words),
            image_channels=header["image_channels"],
            image_side=2 * header["image_half"],
            image_base=header["image_base"],
            classes=layers[-1]["channels"],
            metadata=metadata,
        )


def _section(target, words):
    head = isa.to_words(isa.pack(isa.Section, target=target, start=0, count=len(words)), isa.SECTION_WORDS)
    return np.concatenate([np.array(head, np.uint32), np.asarray(words).astype(np.uint32)])


def _pack_weights(weights, config):
    """Program words of blocks (n, outputs, lanes): word i of a block holds input i of every group."""
    words = weights.reshape(-1, config.outputs * config.groups, GROUP).transpose(0, 2, 1)
    words = words.reshape(-1, config.outputs * config.groups)
    bits = (words[:, :, None] >> np.arange(config.weight_bits) & 1).astype(np.uint8).reshape(len(words), -1)
    padded = np.zeros((len(words), config.weight_program_words * 32), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u4").reshape(-1)


def _unpack_weights(words, config):
    raw = words.astype("<u4").view(np.uint8).reshape(-1, config.weight_program_words * 4)
    bits = np.unpackbits(raw, axis=1, bitorder="little")[:, : config.weight_word_bits]
    pairs = config.outputs * config.groups
    values = bits.reshape(len(raw), pairs, config.weight_bits).astype(np.int64) @ (1 << np.arange(config.weight_bits))
    values = np.where(values >> (config.weight_bits - 1), values - (1 << config.weight_bits), values)
    return values.reshape(-1, GROUP, pairs).transpose(0, 2, 1).reshape(-1, config.outputs, config.lanes)
