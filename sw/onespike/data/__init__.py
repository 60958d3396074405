"""Data sets: CIFAR-10, MNIST, Fashion-MNIST, from wherever they are, or one sentence that says what is missing.

Searched in this order: the folder given, ``ONESPIKE_DATA``, the user's cache folder, ``../shared/data``
beside the project (whose packed CIFAR-10 is unpacked into the cache), and the official archive on the
network. Nothing of a data set is ever written into the project.
"""

import os
import subprocess
import sys
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from .download import download, md5
from .formats import cifar_binary, cifar_python, idx

CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_ARCHIVES = {
    "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
}
CIFAR_LAYOUTS = {
    "cifar-10-batches-bin": ([f"data_batch_{n}.bin" for n in range(1, 6)], "test_batch.bin", cifar_binary),
    "cifar-10-batches-py": ([f"data_batch_{n}" for n in range(1, 6)], "test_batch", cifar_python),
}
JPEG_TEST_CRC = 0xFCCD7F9C
"""crc32 of the pixels of the test batch whose images went through one JPEG generation of quality 75."""
IDX_URLS = {
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "fashion": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
}
IDX_FILES = {
    "train-images-idx3-ubyte": ("f68b3c2dcbeaaa9fbdd348bbdeb94873", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    "train-labels-idx1-ubyte": ("d53e105ee54ea40749a09fcbcd1e9432", "25c81989df183df01b3e8a0aad5dffbe"),
    "t10k-images-idx3-ubyte": ("9fb629c4189551a2d022fa330f9573f3", "bef4ecab320f06d8554ea6380940ec79"),
    "t10k-labels-idx1-ubyte": ("ec29112dd5afa0611ce80d1b7f02629c", "bb300cfdad3c16e7a12a480ee83cd310"),
}
"""name -> official md5 of the gzipped file for (MNIST, Fashion-MNIST)"""


@dataclass(frozen=True)
class Dataset:
    """``train_images``, ``test_images`` uint8 (n, C, H, W); labels int64; ``test_pixels`` says where the
    test pixels come from: "exact", "JPEG-75" or "unverified"."""

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    test_pixels: str

    def require(self, image, classes):
        """Raise ``DataError`` unless images have shape ``image`` and labels stay below ``classes``."""
        if self.test_images.shape[1:] != tuple(image):
            raise DataError(
                f"{self.name} has images {self.test_images.shape[1:]}, the network takes {tuple(image)}; use its data set"
            )
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
    """The data set ``cifar10``, ``mnist`` or ``fashion``; ``root`` is searched first where it is given.

    Raises ``DataError`` with one sentence that says what is wrong or missing.
    """
    if name == "cifar10":
        return _cifar(root)
    if name in IDX_URLS:
        return _idx_set(name, root)
    raise DataError(f"unknown data set {name!r}; known are cifar10, mnist and fashion")


def _folders(root):
    given = root or os.environ.get("ONESPIKE_DATA")
    if given:
        if not Path(given).is_dir():
            raise DataError(f"the data folder {given} does not exist; name the folder that holds the data set")
        return [Path(given), cache_folder()]
    return [cache_folder()]


def _cifar(root):
    for folder in _folders(root):
        if (found := _cifar_in(folder)) is not None:
            return found
    cache = cache_folder()
    unpacker = shared_folder() / "cifar10" / "unpack.py"
    if unpacker.exists():
        cache.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([sys.executable, str(unpacker), str(cache)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise DataError(
                f"{unpacker.name} failed ({done.stderr.strip().splitlines()[-1]}); unpack CIFAR-10 into {cache}"
            )
    else:
        download(CIFAR_URL, cache / "cifar-10-binary.tar.gz", CIFAR_ARCHIVES["cifar-10-binary.tar.gz"])
    found = _cifar_in(cache)
    if found is None:
        raise DataError(f"no CIFAR-10 in {cache} after unpacking; put cifar-10-batches-bin there")
    return found


def _cifar_in(folder):
    for layout in CIFAR_LAYOUTS:
        for place in (folder / layout, folder if folder.name == layout else None):
            if place is not None and place.is_dir():
                return _read_cifar(layout, lambda name, place=place: (place / name).read_bytes(), exact=False)
    for archive, official in CIFAR_ARCHIVES.items():
        path = folder / archive
        if path.exists():
            if md5(path) != official:
                raise DataError(f"{path} does not have the official md5 {official}: it is damaged; fetch it again")
            layout = "cifar-10-batches-bin" if "binary" in archive else "cifar-10-batches-py"
            with tarfile.open(path) as tar:
                return _read_cifar(layout, lambda name, tar=tar, layout=layout: _member(tar, f"{layout}/{name}"), True)
    return None


def _member(tar, name):
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()


def _read_cifar(layout, read, exact):
    train_names, test_name, parse = CIFAR_LAYOUTS[layout]
    parts = {}
    for name in (*train_names, test_name):
        try:
            parts[name] = parse(read(name), name)
        except (OSError, KeyError):
            raise DataError(f"{layout}/{name} is missing; unpack the whole archive again") from None
    counts = {len(labels) for _, labels in parts.values()}
    if len(counts) != 1:
        raise DataError(
            f"the batches of {layout} have different lengths {sorted(counts)}: one is cut; unpack them again"
        )
    test_images, test_labels = parts.pop(test_name)
    pixels = "exact" if exact else "unverified"
    if zlib.crc32(test_images.tobytes()) == JPEG_TEST_CRC:
        pixels = "JPEG-75"
    images, labels = zip(*parts.values(), strict=True)
    return Dataset("cifar10", np.concatenate(images), np.concatenate(labels), test_images, test_labels, pixels)


def _idx_set(name, root):
    arrays = {}
    for stem, checksums in IDX_FILES.items():
        official = checksums[list(IDX_URLS).index(name)]
        arrays[stem] = _idx_file(name, stem, official, root)
    images = [arrays[stem][:, None] for stem in IDX_FILES if "images" in stem]
    labels = [arrays[stem].astype(np.int64) for stem in IDX_FILES if "labels" in stem]
    for pixels, classes in zip(images, labels, strict=True):
        if len(pixels) != len(classes) or classes.max(initial=0) > 9:
            raise DataError(
                f"{name}: {len(pixels)} images and {len(classes)} labels up to {classes.max()}; fetch it again"
            )
    return Dataset(name, images[0], labels[0], images[1], labels[1], "exact")


def _idx_file(name, stem, official, root):
    folders = [place for folder in _folders(root) for place in (folder / name, folder)]
    for folder in (*folders, shared_folder() / name):
        for file in (folder / f"{stem}.gz", folder / stem):
            if file.exists():
                if file.suffix == ".gz" and md5(file) != official:
                    raise DataError(f"{file} does not have the official md5 {official}: it is damaged; fetch it again")
                return idx(file.read_bytes(), file.name)
    path = download(f"{IDX_URLS[name]}{stem}.gz", cache_folder() / name / f"{stem}.gz", official)
    return idx(path.read_bytes(), path.name)
