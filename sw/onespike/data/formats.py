"""The official file formats: CIFAR-10 (binary and python), MNIST idx. Bytes in, checked arrays out."""

import gzip
import io
import pickle

import numpy as np

from ..errors import DataError

CIFAR_SHAPE = (3, 32, 32)
CIFAR_CLASSES = 10


def cifar_binary(raw, name):
    """(images uint8 (n, 3, 32, 32), labels int64 (n,)) of a ``.bin`` file's bytes."""
    record = 1 + int(np.prod(CIFAR_SHAPE))
    if not raw or len(raw) % record:
        raise DataError(f"{name} has {len(raw)} bytes, not a multiple of {record}: it is cut; fetch it again")
    rows = np.frombuffer(raw, np.uint8).reshape(-1, record)
    return _checked(rows[:, 1:], rows[:, 0], name)


class _Restricted(pickle.Unpickler):
    """Only what a CIFAR batch holds: NumPy arrays, bytes, lists, strings."""

    ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a CIFAR-10 file")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def cifar_python(raw, name):
    """The same of a pickled batch; nothing but arrays can come out of the file."""
    try:
        batch = _Restricted(io.BytesIO(raw), encoding="bytes").load()
        pixels, labels = np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise DataError(f"{name} is not a CIFAR-10 python batch ({error}); fetch it again") from None
    return _checked(pixels, labels, name)


def _checked(pixels, labels, name):
    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), int(np.prod(CIFAR_SHAPE))):
        raise DataError(f"{name} holds pixels {pixels.dtype} {pixels.shape} for {len(labels)} labels; fetch it again")
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= CIFAR_CLASSES:
        raise DataError(f"{name} holds labels outside 0..{CIFAR_CLASSES - 1}: it is damaged; fetch it again")
    return pixels.reshape(-1, *CIFAR_SHAPE).copy(), labels.astype(np.int64)


def idx(raw, name):
    """uint8 array of an idx file's bytes, gzipped or plain."""
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError) as error:
            raise DataError(f"{name} is damaged ({error}); fetch it again") from None
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08" or not 1 <= raw[3] <= 3:
        raise DataError(f"{name} is not an idx file of bytes (wrong first word); fetch it again")
    head = 4 + 4 * raw[3]
    shape = tuple(int.from_bytes(raw[n : n + 4], "big") for n in range(4, head, 4))
    if len(raw) - head != int(np.prod(shape)):
        raise DataError(f"{name} has {len(raw) - head} bytes for shape {shape}: it is cut; fetch it again")
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape).copy()
