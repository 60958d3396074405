"""Data sets: CIFAR-10, MNIST, Fashion-MNIST, from wherever they are, or one sentence that says what is missing.

``stripes`` is made by formula and always there.

Searched in this order: the folder given, ``ONESPIKE_DATA``, the user's cache folder, ``../shared/data``
beside the project (whose packed CIFAR-10 is unpacked into the cache), and the official archive on the
network. Nothing of a data set is ever written into the project.
"""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from . import stripes
from .download import download, md5
from .formats import CIFAR_SHAPE, checked_labels, cifar_binary, cifar_python, idx

CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_LAYOUTS = {"cifar-10-batches-bin": (".bin", cifar_binary), "cifar-10-batches-py": ("", cifar_python)}
CIFAR_ARCHIVES = {
    "cifar-10-binary.tar.gz": ("cifar-10-batches-bin", "c32a1d4ab5d03f1284b67883e8d87530"),
    "cifar-10-python.tar.gz": ("cifar-10-batches-py", "c58f30108f718f92721af3b95e74349a"),
}
"""name -> (the layout in it, official md5)"""
CIFAR_RECORDS = 10_000
"""images of each of the six batches"""
CIFAR_CRCS = {
    "data_batch_1": (0x4342FEC4, 0x8EE293B3),
    "data_batch_2": (0x0C5E15E1, 0x1BE266ED),
    "data_batch_3": (0x8ADC2A6C, 0x6CAE721A),
    "data_batch_4": (0xD6D459C5, 0x12C0B39C),
    "data_batch_5": (0xD2CB8C11, 0xA424037D),
    "test_batch": (None, 0xBADA58C9),
}
"""batch -> crc32 of (its pixels, its labels as bytes); the same for both layouts. Test pixels exist in more
than one form: see ``JPEG_TEST_CRC`` and ``PYTHON_TEST_MD5``."""
JPEG_TEST_CRC = 0xFCCD7F9C
"""crc32 of the test pixels after one JPEG generation of quality 75, as ``../shared/data`` has them"""
PYTHON_TEST_MD5 = "40351d587109b95175f43aff81a1287e"
"""md5 of the file ``test_batch`` of the official python archive (as torchvision checks it): exact test pixels"""
IDX_URLS = {
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "fashion": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
}
IDX_SHAPES = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}
IDX_CHECKSUMS = {
    "mnist": (
        ("f68b3c2dcbeaaa9fbdd348bbdeb94873", 0xF3639B56),
        ("d53e105ee54ea40749a09fcbcd1e9432", 0xBA07E8EF),
        ("9fb629c4189551a2d022fa330f9573f3", 0xE4CA5F57),
        ("ec29112dd5afa0611ce80d1b7f02629c", 0xEE8604D9),
    ),
    "fashion": (
        ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 0xAE65DCCD),
        ("25c81989df183df01b3e8a0aad5dffbe", 0x2ED6E46A),
        ("bef4ecab320f06d8554ea6380940ec79", 0x12728439),
        ("bb300cfdad3c16e7a12a480ee83cd310", 0x242BC73F),
    ),
}
"""(official md5 of the gzipped file, crc32 of its values), in the order of ``IDX_SHAPES``. The names of both
sets are the same, so only the values tell them apart."""


@dataclass(frozen=True)
class Dataset:
    """Images uint8 (n, C, H, W), labels int64 (n,) of 0..9.

    ``test_pixels`` is "exact" (the official ones, by checksum), "JPEG-75" (re-encoded, by checksum), "formula" or
    "unverified" (no official checksum is known for the form they came in).
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    test_pixels: str

    def require(self, image, classes):
        """Raise ``DataError`` unless images have shape ``image`` and labels stay below ``classes``."""
        shape = self.test_images.shape[1:]
        if shape != tuple(image):
            raise DataError(f"{self.name} has images {shape}, the network takes {tuple(image)}; use its data set")
        top = int(max(self.train_labels.max(initial=0), self.test_labels.max(initial=0)))
        if top >= classes:
            raise DataError(f"{self.name} has labels up to {top}, the network {classes} classes; use its data set")


def cache_folder():
    """Where downloads and unpacked archives go."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onespike"


def shared_folder():
    """The data folder beside the project, where there is one."""
    return Path(__file__).resolve().parents[4] / "shared" / "data"


def load(name, root=None):
    """The data set ``cifar10``, ``mnist``, ``fashion`` or ``stripes``; ``root`` is searched first where it is given.

    Raises ``DataError`` with one sentence that says what is wrong or missing.
    """
    if name == "stripes":
        return Dataset(name, *stripes.draw(), test_pixels="formula")
    if name != "cifar10" and name not in IDX_URLS:
        raise DataError(f"unknown data set {name!r}; known are cifar10, mnist, fashion and stripes")
    try:
        return _cifar(root) if name == "cifar10" else _idx_set(name, root)
    except OSError as error:
        raise DataError(
            f"cannot read {error.filename or name} ({error.strerror or error}); make it readable or delete it"
        ) from None


def _folders(root):
    given = [Path(place) for place in (root, os.environ.get("ONESPIKE_DATA")) if place]
    for folder in given:
        if not folder.is_dir():
            raise DataError(f"the data folder {folder} does not exist; name the folder that holds the data set")
    return [*given, cache_folder()]


def _cifar(root):
    for folder in _folders(root):
        if (found := _cifar_in(folder)) is not None:
            return found
    cache = cache_folder()
    unpacker = shared_folder() / "cifar10" / "unpack.py"
    if unpacker.exists():
        _unpack(unpacker, cache)
    else:
        archive = Path(CIFAR_URL).name
        download(CIFAR_URL, cache / archive, CIFAR_ARCHIVES[archive][1])
    found = _cifar_in(cache)
    if found is None:
        raise DataError(f"no CIFAR-10 in {cache} after unpacking; put cifar-10-batches-bin there")
    return found


def _unpack(unpacker, cache):
    """Run the shared folder's unpacker into the cache; its folder appears there whole or not at all."""
    print(f"unpacking CIFAR-10 into {cache}, once, about a minute ...", file=sys.stderr, flush=True)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="unpacking-", dir=cache) as work:
            command = [sys.executable, str(unpacker), work]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
                raise DataError(f"{unpacker} failed ({reason}); put cifar-10-binary.tar.gz into {cache}")
            layout = "cifar-10-batches-bin"
            # Where another process was faster, its folder is as good.
            if not (cache / layout).is_dir():
                os.rename(Path(work) / layout, cache / layout)
    except OSError as error:
        raise DataError(f"cannot unpack CIFAR-10 into {cache} ({error}); make that folder writable") from None


def _cifar_in(folder):
    """The data set in ``folder``, ``None`` where there is none; an archive's md5 says more than its files do."""
    for archive, (layout, official) in CIFAR_ARCHIVES.items():
        path = folder / archive
        if path.exists():
            if md5(path) != official:
                raise DataError(
                    f"{path} does not have the official md5 {official}: it is damaged; delete it or fetch it again"
                )
            return _read_cifar(layout, path, _members(path).__getitem__, official=True)
    for layout in CIFAR_LAYOUTS:
        for place in (folder / layout, folder):
            if place.name == layout and place.is_dir():
                return _read_cifar(layout, place, lambda name, place=place: (place / name).read_bytes(), official=False)
    return None


def _members(path):
    """File name -> bytes of all files in a .tar.gz, read in one pass: every step back would unzip it anew."""
    contents = {}
    with tarfile.open(path, "r|gz") as tar:
        for member in tar:
            if (file := tar.extractfile(member)) is not None:
                contents[Path(member.name).name] = file.read()
    return contents


def _read_cifar(layout, place, read, official):
    suffix, parse = CIFAR_LAYOUTS[layout]
    count = CIFAR_RECORDS
    images = np.empty((len(CIFAR_CRCS) * count, *CIFAR_SHAPE), np.uint8)
    labels = np.empty(len(images), np.uint8)
    exact = official
    for index, (batch, (pixel_crc, label_crc)) in enumerate(CIFAR_CRCS.items()):
        name = f"{place}/{batch}{suffix}"
        try:
            raw = read(batch + suffix)
        except (FileNotFoundError, KeyError):
            raise DataError(f"{name} is missing; unpack the whole archive again or delete {place}") from None
        rows = slice(index * count, (index + 1) * count)
        pixels, labels[rows] = parse(raw, name, count)
        images[rows].reshape(count, -1)[...] = pixels
        wrong = pixel_crc not in (None, zlib.crc32(images[rows].data)) or label_crc != zlib.crc32(labels[rows].data)
        if wrong and not official:
            raise DataError(f"{name} is not the official batch (wrong crc32): it is damaged; fetch the archive again")
        if batch == "test_batch" and parse is cifar_python:
            exact = exact or hashlib.md5(raw).hexdigest() == PYTHON_TEST_MD5
    split = len(images) - count
    jpeg = zlib.crc32(images[split:].data) == JPEG_TEST_CRC
    form = "JPEG-75" if jpeg else "exact" if exact else "unverified"
    classes = labels.astype(np.int64)
    return Dataset("cifar10", images[:split], classes[:split], images[split:], classes[split:], form)


def _idx_set(name, root):
    arrays = []
    for (stem, shape), (official, crc) in zip(IDX_SHAPES.items(), IDX_CHECKSUMS[name], strict=True):
        path = _idx_path(name, stem, official, _folders(root))
        values = idx(path.read_bytes(), path, shape)
        images = len(shape) == 3
        arrays.append(values[:, None] if images else checked_labels(values, path).astype(np.int64))
        if zlib.crc32(values.data) != crc:
            raise DataError(
                f"{path} is not the official file of {name} (wrong crc32); put that one into a folder {name}"
            )
    return Dataset(name, *arrays, test_pixels="exact")


def _idx_path(name, stem, official, folders):
    """Where the file is, gzipped or plain; downloaded where it is nowhere."""
    for folder in [*folders, shared_folder()]:
        for path in (folder / name / f"{stem}.gz", folder / name / stem, folder / f"{stem}.gz", folder / stem):
            if path.exists():
                return path
    return download(f"{IDX_URLS[name]}{stem}.gz", cache_folder() / name / f"{stem}.gz", official)
