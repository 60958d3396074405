"""The official file formats: CIFAR-10 (binary and python), MNIST idx. Bytes in, checked arrays out."""

import gzip
import io
import math
import pickle
import zlib

import numpy as np

from ..errors import DataError

CIFAR_SHAPE = (3, 32, 32)
CLASSES = 10
"""of every data set here: labels are 0..9"""


def cifar_binary(raw, name, records):
    """(pixels uint8 (records, 3072), labels (records,)) of a ``.bin`` file's bytes; ``name`` is for messages."""
    record = 1 + math.prod(CIFAR_SHAPE)
    if len(raw) != records * record:
        raise DataError(f"{name} has {len(raw)} bytes, not {records * record}: it is cut or damaged; fetch it again")
    rows = np.frombuffer(raw, np.uint8).reshape(records, record)
    return rows[:, 1:], checked_labels(rows[:, 0], name)


class _Restricted(pickle.Unpickler):
    """Only what a CIFAR-10 batch holds: one NumPy array beside lists, numbers and byte strings."""

    ALLOWED = {("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype")}

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a CIFAR-10 file")
        return super().find_class(module, name)


def cifar_python(raw, name, records):
    """The same of a pickled batch; nothing but plain values and arrays can come out of the file."""
    try:
        batch = _Restricted(io.BytesIO(raw), encoding="bytes").load()
        pixels, labels = np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(f"{name} is not a CIFAR-10 python batch ({error!r}); fetch it again") from None
    shape = (records, math.prod(CIFAR_SHAPE))
    if pixels.dtype != np.uint8 or pixels.shape != shape or labels.shape != shape[:1]:
        raise DataError(
            f"{name} holds pixels {pixels.dtype} {pixels.shape} and labels {labels.shape}, not uint8 {shape}"
            f" and {shape[:1]}: it is cut or damaged; fetch it again"
        )
    return pixels, checked_labels(labels, name)


def checked_labels(labels, name):
    """``labels`` themselves; ``DataError`` unless all are integers of 0..9."""
    if labels.dtype.kind not in "iu" or labels.min(initial=0) < 0 or labels.max(initial=0) >= CLASSES:
        raise DataError(f"{name} holds labels outside 0..{CLASSES - 1}: it is damaged; fetch it again")
    return labels


def idx(raw, name, shape):
    """uint8 array (``shape``) of an idx file's bytes, gzipped or plain; ``name`` is for messages."""
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{name} is damaged ({error}); fetch it again") from None
    head = 4 + 4 * len(shape)
    magic = b"\x00\x00\x08" + bytes([len(shape)])
    if raw[:4] != magic:
        raise DataError(
            f"{name} begins with {raw[:4].hex() or 'nothing'}, not {magic.hex()} as an idx file of bytes with"
            f" {len(shape)} dimensions does; fetch it again"
        )
    found = tuple(int.from_bytes(raw[at : at + 4], "big") for at in range(4, head, 4))
    if found != shape or len(raw) - head != math.prod(shape):
        raise DataError(
            f"{name} has {max(len(raw) - head, 0)} bytes of shape {found}, not {math.prod(shape)} of {shape}:"
            " it is cut or damaged; fetch it again"
        )
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape).copy()
