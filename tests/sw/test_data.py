"""Data sets in every form they come in, found in the stated order, damaged ones refused."""

import gzip
import hashlib
import io
import os
import pickle
import subprocess
import sys
import tarfile
import zlib

import numpy as np
import pytest

import onespike.data as data
from onespike.data import formats
from onespike.errors import DataError

COUNT = 6
BIN, PY = "cifar-10-batches-bin", "cifar-10-batches-py"
IDX_SHAPES = {stem: (COUNT, *shape[1:]) for stem, shape in data.IDX_SHAPES.items()}


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Empty cache, no shared folder, no variable, no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ONESPIKE_DATA", raising=False)
    monkeypatch.setattr(data, "shared_folder", lambda: tmp_path / "nothing")
    monkeypatch.setattr(data, "CIFAR_URL", "http://127.0.0.1:9/cifar-10-binary.tar.gz")
    monkeypatch.setattr(data, "IDX_URLS", dict.fromkeys(data.IDX_URLS, "http://127.0.0.1:9/"))


@pytest.fixture
def batches(monkeypatch, rng):
    """Batch name -> (pixels, labels) of a small set that counts as the official one."""
    made = {name: (rng.integers(0, 256, (COUNT, 3072), np.uint8), rng.permutation(COUNT)) for name in data.CIFAR_CRCS}
    crcs = {name: (zlib.crc32(p), zlib.crc32(c.astype(np.uint8))) for name, (p, c) in made.items()}
    monkeypatch.setattr(data, "CIFAR_CRCS", {**crcs, "test_batch": (None, crcs["test_batch"][1])})
    monkeypatch.setattr(data, "CIFAR_RECORDS", COUNT)
    return made


def binary(pixels, labels):
    return np.concatenate([labels[:, None].astype(np.uint8), pixels], axis=1).tobytes()


def byte_string(pickler, value):
    raw = value if isinstance(value, bytes) else value.encode("ascii")
    pickler.write(pickle.BINSTRING + len(raw).to_bytes(4, "little") + raw)


class Python2Pickler(pickle._Pickler):
    """All strings are byte strings, as Python 2 wrote them into the official files."""

    dispatch = {**pickle._Pickler.dispatch, bytes: byte_string, str: byte_string}


def python(pixels, labels):
    file = io.BytesIO()
    content = {"batch_label": "a batch", "labels": labels.tolist(), "data": pixels, "filenames": ["a.png"]}
    Python2Pickler(file, protocol=2).dump(content)
    # NumPy's module had this name then.
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


ENCODINGS = {BIN: (".bin", binary), PY: ("", python)}


def write(folder, layout, batches):
    suffix, encode = ENCODINGS[layout]
    (folder / layout).mkdir(parents=True)
    for name, batch in batches.items():
        (folder / layout / (name + suffix)).write_bytes(encode(*batch))
    return folder / layout


def same(found, batches):
    pixels, labels = (np.concatenate(part) for part in zip(*batches.values(), strict=True))
    assert found.train_images.shape == (5 * COUNT, 3, 32, 32) and found.test_images.shape == (COUNT, 3, 32, 32)
    assert found.train_images.dtype == np.uint8 and found.train_labels.dtype == found.test_labels.dtype == np.int64
    return np.array_equal(np.concatenate([found.train_images, found.test_images]).reshape(-1, 3072), pixels) and (
        np.array_equal(np.concatenate([found.train_labels, found.test_labels]), labels)
    )


@pytest.mark.parametrize("layout", [BIN, PY])
def test_cifar_folders(layout, batches, tmp_path):
    folder = write(tmp_path, layout, batches)
    for root in (tmp_path, folder):
        found = data.load("cifar10", root)
        assert same(found, batches) and found.test_pixels == "unverified"


@pytest.mark.parametrize(("layout", "name"), [(BIN, "cifar-10-binary.tar.gz"), (PY, "cifar-10-python.tar.gz")])
def test_cifar_archives(layout, name, batches, tmp_path, monkeypatch):
    path = tmp_path / name
    with tarfile.open(path, "w:gz") as tar:
        tar.add(write(tmp_path / "source", layout, batches), layout)
    with pytest.raises(DataError, match=rf"{name} does not have the official md5 .* fetch it again"):
        data.load("cifar10", tmp_path)
    monkeypatch.setitem(data.CIFAR_ARCHIVES, name, (layout, hashlib.md5(path.read_bytes()).hexdigest()))
    found = data.load("cifar10", tmp_path)
    assert same(found, batches) and found.test_pixels == "exact"


def test_pixels_are_told_apart_by_checksum(batches, tmp_path, monkeypatch):
    write(tmp_path, PY, batches)
    monkeypatch.setattr(data, "PYTHON_TEST_MD5", hashlib.md5(python(*batches["test_batch"])).hexdigest())
    assert data.load("cifar10", tmp_path).test_pixels == "exact"
    monkeypatch.setattr(data, "JPEG_TEST_CRC", zlib.crc32(batches["test_batch"][0]))
    assert data.load("cifar10", tmp_path).test_pixels == "JPEG-75"


def test_search_order(batches, tmp_path, monkeypatch):
    def put(folder, pixel):
        pixels, labels = batches["test_batch"]
        write(folder, BIN, {**batches, "test_batch": (np.full_like(pixels, pixel), labels)})

    places = [tmp_path / "given", tmp_path / "variable", tmp_path / "cache" / "onespike"]
    for pixel, folder in enumerate(places):
        put(folder, pixel)
    empty = tmp_path / "empty"
    empty.mkdir()

    def first(root=None):
        return data.load("cifar10", root).test_images.max()

    assert first() == 2 and first(empty) == 2
    monkeypatch.setenv("ONESPIKE_DATA", str(places[1]))
    assert first() == 1 and first(empty) == 1 and first(places[0]) == 0
    monkeypatch.setenv("ONESPIKE_DATA", str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"data folder .*absent does not exist; name the folder"):
        data.load("cifar10")


def test_shared_folder_is_unpacked_into_the_cache_once(batches, tmp_path, monkeypatch):
    write(tmp_path / "packed", BIN, batches)
    script = tmp_path / "shared" / "cifar10" / "unpack.py"
    script.parent.mkdir(parents=True)
    monkeypatch.setattr(data, "shared_folder", lambda: tmp_path / "shared")
    copy = f"import shutil, sys; shutil.copytree({str(tmp_path / 'packed')!r}, sys.argv[1], dirs_exist_ok=True)\n"
    for failure, reason in (("raise SystemExit('no room')", "no room"), ("raise SystemExit(3)", "status 3")):
        script.write_text(copy + failure)
        with pytest.raises(DataError, match=rf"unpack.py failed \({reason}\); put"):
            data.load("cifar10")
        assert list((tmp_path / "cache" / "onespike").iterdir()) == []
    script.write_text("")
    with pytest.raises(DataError, match=r"cannot unpack CIFAR-10 into .*cache"):
        data.load("cifar10")
    script.write_text(copy)
    assert same(data.load("cifar10"), batches)
    assert [path.name for path in (tmp_path / "cache" / "onespike").iterdir()] == [BIN]
    script.write_text("raise SystemExit('run twice')")
    assert same(data.load("cifar10"), batches)


def test_nothing_anywhere_says_what_to_put_where(tmp_path):
    for name, file in (("cifar10", "cifar-10-binary.tar.gz"), ("mnist", "train-images-idx3-ubyte.gz")):
        with pytest.raises(DataError, match=rf"cannot fetch .*{file} .* put {file} into .*cache"):
            data.load(name)
    with pytest.raises(DataError, match="unknown data set 'svhn'; known are"):
        data.load("svhn")


def test_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot fetch .* put .* into .*cache"):
        data.load("cifar10")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw[:-1], r"has 18437 bytes, not 18438: it is cut"),
        (lambda raw: raw + raw[:3073], r"has 21511 bytes, not 18438"),
        (lambda raw: b"", r"has 0 bytes"),
        (lambda raw: b"\x0a" + raw[1:], r"holds labels outside 0..9"),
        (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), r"is not the official batch \(wrong crc32\)"),
        (lambda raw: bytes([raw[0] ^ 1]) + raw[1:], r"is not the official batch \(wrong crc32\)"),
    ],
)
def test_damaged_batches(change, reason, batches, tmp_path):
    file = write(tmp_path, BIN, batches) / "data_batch_2.bin"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(DataError, match=rf"{BIN}/data_batch_2.bin {reason}.*fetch"):
        data.load("cifar10", tmp_path)


def test_missing_and_unreadable_batches(batches, tmp_path):
    file = write(tmp_path, BIN, batches) / "data_batch_2.bin"
    file.unlink()
    with pytest.raises(DataError, match=rf"{BIN}/data_batch_2.bin is missing; unpack the whole archive again"):
        data.load("cifar10", tmp_path)
    file.mkdir()
    with pytest.raises(DataError, match=r"cannot read .*data_batch_2.bin"):
        data.load("cifar10", tmp_path)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_cannot_run_code(tmp_path):
    trace = tmp_path / "ran"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(DataError, match="mkdir has no place in a CIFAR-10 file"):
            formats.cifar_python(pickle.dumps(Malicious(str(trace)), protocol), "x", COUNT)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Malicious(str(trace))))
    assert trace.exists()  # what the refused file would have done


def test_damaged_pickles(batches):
    pixels, labels = batches["test_batch"]
    good = python(pixels, labels)
    found, classes = formats.cifar_python(good, "x", COUNT)
    assert np.array_equal(found, pixels) and np.array_equal(classes, labels)
    for bad, reason in (
        (b"", "is not a CIFAR-10 python batch"),
        (good[:-9], "is not a CIFAR-10 python batch"),
        (pickle.dumps({"labels": [1]}, 2), r"KeyError\(b'data'\)"),
        (python(pixels[:, 1:], labels), "holds pixels uint8"),
        (python(pixels, labels[1:]), r"labels \(5,\)"),
        (python(pixels.astype(np.int16), labels), "holds pixels int16"),
        (python(pixels, labels - 1), "labels outside"),
        (python(pixels, labels + 0.5), "labels outside"),
    ):
        with pytest.raises(DataError, match=rf"^x .*{reason}.*fetch it again"):
            formats.cifar_python(bad, "x", COUNT)


def idx_bytes(array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return b"\x00\x00\x08" + bytes([array.ndim]) + sizes + array.tobytes()


@pytest.fixture
def digits(monkeypatch, rng):
    """Set name -> four small arrays in the order of ``IDX_SHAPES``, which count as the official ones."""
    made = {name: [rng.integers(0, 10, s, np.uint8) for s in IDX_SHAPES.values()] for name in ("mnist", "fashion")}
    monkeypatch.setattr(data, "IDX_SHAPES", IDX_SHAPES)
    sums = {name: [(hashlib.md5(pack(a)).hexdigest(), zlib.crc32(a)) for a in part] for name, part in made.items()}
    monkeypatch.setattr(data, "IDX_CHECKSUMS", sums)
    return made


def pack(array):
    return gzip.compress(idx_bytes(array), mtime=0)


def write_idx(folder, arrays, zipped=True):
    folder.mkdir(parents=True, exist_ok=True)
    for stem, array in zip(IDX_SHAPES, arrays, strict=True):
        (folder / (f"{stem}.gz" if zipped else stem)).write_bytes(pack(array) if zipped else idx_bytes(array))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["mnist", "fashion"])
def test_idx_sets(name, zipped, digits, tmp_path):
    write_idx(tmp_path / name, digits[name], zipped)
    for root in (tmp_path, tmp_path / name):
        found = data.load(name, root)
        for part, array in zip((found.train_images[:, 0], found.train_labels), digits[name][:2], strict=True):
            assert np.array_equal(part, array)
        assert found.test_images.shape == (COUNT, 1, 28, 28) and np.array_equal(found.test_labels, digits[name][3])
        assert found.train_labels.dtype == np.int64 and found.test_pixels == "exact"


def test_idx_set_in_the_shared_folder(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "shared_folder", lambda: tmp_path / "shared")
    write_idx(tmp_path / "shared" / "fashion", digits["fashion"])
    assert np.array_equal(data.load("fashion").test_labels, digits["fashion"][3])


def test_one_idx_set_is_not_taken_for_the_other(digits, tmp_path):
    write_idx(tmp_path, digits["mnist"], zipped=False)
    assert np.array_equal(data.load("mnist", tmp_path).test_labels, digits["mnist"][3])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte is not the official file of fashion"):
        data.load("fashion", tmp_path)


def test_idx_labels_out_of_range(digits, tmp_path):
    images, labels, *test = digits["mnist"]
    write_idx(tmp_path, [images, labels + 1 + (9 - labels.max()), *test])
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte.gz holds labels outside 0..9"):
        data.load("mnist", tmp_path)


def test_damaged_idx(rng):
    good = idx_bytes(rng.integers(0, 256, (2, 3), np.uint8))
    assert formats.idx(good, "x", (2, 3)).shape == formats.idx(gzip.compress(good), "x", (2, 3)).shape == (2, 3)
    zipped = gzip.compress(good)
    for bad, reason in (
        (good[:-1], r"has 5 bytes of shape \(2, 3\), not 6 of \(2, 3\)"),
        (good + b"\x00", "has 7 bytes"),
        (good[:6], "has 0 bytes"),
        (idx_bytes(np.zeros((3, 2), np.uint8)), r"has 6 bytes of shape \(3, 2\)"),
        (b"\x00\x00\x0d" + good[3:], "begins with 00000d02, not 00000802"),
        (idx_bytes(np.zeros(6, np.uint8)), "begins with 00000801, not 00000802"),
        (b"", "begins with nothing"),
        (zipped[:-9], "is damaged"),
        (zipped[:12] + b"\xff\xff\xff" + zipped[15:], "is damaged"),
        (zipped[:-8] + bytes(8), "is damaged"),
    ):
        with pytest.raises(DataError, match=rf"^x {reason}.*fetch it again"):
            formats.idx(bad, "x", (2, 3))


def test_require(digits):
    images, labels, *test = digits["mnist"]
    labels[:] = [0, 1, 2, 3, 4, 9]
    found = data.Dataset("mnist", images[:, None], labels, test[0][:, None], test[1] % 9, "exact")
    found.require([1, 28, 28], 10)
    with pytest.raises(DataError, match=r"mnist has images \(1, 28, 28\), the network takes \(3, 32, 32\)"):
        found.require([3, 32, 32], 10)
    with pytest.raises(DataError, match="mnist has labels up to 9, the network 9 classes; use its data set"):
        found.require([1, 28, 28], 9)


def test_loading_needs_no_torch():
    code = "import sys, onespike.data; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
