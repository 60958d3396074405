"""Data sets in every form they come in, damaged ones refused, downloads that break."""

import gzip
import hashlib
import os
import pickle
import struct
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import onespike.data as data
from onespike.data import formats
from onespike.data.download import download
from onespike.errors import DataError

COUNT = 6


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Empty cache, no shared folder, no variable, no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ONESPIKE_DATA", raising=False)
    monkeypatch.setattr(data, "shared_folder", lambda: tmp_path / "nothing")
    monkeypatch.setattr(data, "CIFAR_URL", "http://127.0.0.1:9/cifar-10-binary.tar.gz")
    monkeypatch.setattr(data, "IDX_URLS", dict.fromkeys(data.IDX_URLS, "http://127.0.0.1:9/"))


def batch(rng):
    return rng.integers(0, 256, (COUNT, 3072), dtype=np.uint8), rng.integers(0, 10, COUNT)


def binary(pixels, labels):
    return np.concatenate([labels[:, None].astype(np.uint8), pixels], axis=1).tobytes()


def python(pixels, labels):
    return pickle.dumps({b"data": pixels, b"labels": labels.tolist()}, protocol=2)


def write(folder, layout, encode, rng):
    """Six batches in ``folder``/``layout``; returns them in order, the test batch last."""
    train, test, _ = data.CIFAR_LAYOUTS[layout]
    (folder / layout).mkdir(parents=True)
    batches = []
    for name in (*train, test):
        batches.append(batch(rng))
        (folder / layout / name).write_bytes(encode(*batches[-1]))
    return batches


@pytest.mark.parametrize(("layout", "encode"), [("cifar-10-batches-bin", binary), ("cifar-10-batches-py", python)])
def test_cifar_folders(layout, encode, rng, tmp_path):
    batches = write(tmp_path, layout, encode, rng)
    for root in (tmp_path, tmp_path / layout):
        found = data.load("cifar10", root)
        assert np.array_equal(found.train_images.reshape(-1, 3072), np.concatenate([p for p, _ in batches[:5]]))
        assert np.array_equal(found.train_labels, np.concatenate([c for _, c in batches[:5]]))
        assert np.array_equal(found.test_images.reshape(-1, 3072), batches[5][0])
        assert found.test_pixels == "unverified"


@pytest.mark.parametrize("kind", ["binary", "python"])
def test_cifar_archives(kind, rng, tmp_path, monkeypatch):
    layout, encode = ("cifar-10-batches-bin", binary) if kind == "binary" else ("cifar-10-batches-py", python)
    batches = write(tmp_path / "source", layout, encode, rng)
    name = f"cifar-10-{kind}.tar.gz"
    with tarfile.open(tmp_path / name, "w:gz") as tar:
        tar.add(tmp_path / "source" / layout, layout)
    with pytest.raises(DataError, match="official md5"):
        data.load("cifar10", tmp_path)
    digest = hashlib.md5((tmp_path / name).read_bytes()).hexdigest()
    monkeypatch.setitem(data.CIFAR_ARCHIVES, name, digest)
    found = data.load("cifar10", tmp_path)
    assert np.array_equal(found.test_labels, batches[5][1]) and found.test_pixels == "exact"


def test_search_order(rng, tmp_path, monkeypatch):
    here, there = (write(tmp_path / n, "cifar-10-batches-bin", binary, rng)[5][1] for n in ("a", "cache/onespike"))
    assert np.array_equal(data.load("cifar10").test_labels, there)
    monkeypatch.setenv("ONESPIKE_DATA", str(tmp_path / "a"))
    assert np.array_equal(data.load("cifar10").test_labels, here)
    assert np.array_equal(data.load("cifar10", tmp_path / "cache" / "onespike").test_labels, there)


def test_shared_folder_is_unpacked_into_the_cache(rng, tmp_path, monkeypatch):
    batches = write(tmp_path / "packed", "cifar-10-batches-bin", binary, rng)
    script = tmp_path / "shared" / "cifar10" / "unpack.py"
    script.parent.mkdir(parents=True)
    script.write_text(
        f"import shutil, sys\nshutil.copytree({str(tmp_path / 'packed')!r}, sys.argv[1], dirs_exist_ok=True)\n"
    )
    monkeypatch.setattr(data, "shared_folder", lambda: tmp_path / "shared")
    assert np.array_equal(data.load("cifar10").test_labels, batches[5][1])
    script.write_text("raise SystemExit('no room')")
    assert np.array_equal(data.load("cifar10").test_labels, batches[5][1])


def test_nothing_anywhere_says_what_to_put_where(tmp_path):
    for name in ("cifar10", "mnist"):
        with pytest.raises(DataError, match=r"put .* into .*cache"):
            data.load(name)
    with pytest.raises(DataError, match="unknown data set 'svhn'"):
        data.load("svhn")
    with pytest.raises(DataError, match="does not exist"):
        data.load("cifar10", tmp_path / "absent")


def test_damaged_batches(rng, tmp_path):
    write(tmp_path, "cifar-10-batches-bin", binary, rng)
    folder = tmp_path / "cifar-10-batches-bin"
    good = (folder / "data_batch_2.bin").read_bytes()
    for raw, reason in (
        (good[:-1], "is cut"),
        (b"\x0a" + good[1:], "labels outside"),
        (good[:3073], "different lengths"),
    ):
        (folder / "data_batch_2.bin").write_bytes(raw)
        with pytest.raises(DataError, match=reason):
            data.load("cifar10", tmp_path)
    (folder / "data_batch_2.bin").unlink()
    with pytest.raises(DataError, match=r"data_batch_2.bin is missing"):
        data.load("cifar10", tmp_path)


class Malicious:
    def __reduce__(self):
        return os.system, ("exit 1",)


def test_pickles_hold_arrays_and_nothing_else(rng):
    pixels, labels = batch(rng)
    images, _ = formats.cifar_python(python(pixels, labels), "x")
    assert np.array_equal(images.reshape(COUNT, -1), pixels)
    for bad in (
        pickle.dumps(Malicious()),
        b"",
        b"not a pickle",
        pickle.dumps({b"data": pixels}),
        python(pixels[:, 1:], labels),
    ):
        with pytest.raises(DataError, match="x"):
            formats.cifar_python(bad, "x")


def idx_bytes(array):
    return b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def test_idx(rng, tmp_path, monkeypatch):
    arrays = {}
    for stem in data.IDX_FILES:
        shape = (COUNT, 28, 28) if "images" in stem else (COUNT,)
        arrays[stem] = rng.integers(0, 10, shape, dtype=np.uint8)
        packed = gzip.compress(idx_bytes(arrays[stem]))
        (tmp_path / f"{stem}.gz").write_bytes(packed)
        monkeypatch.setitem(data.IDX_FILES, stem, (hashlib.md5(packed).hexdigest(),) * 2)
    found = data.load("mnist", tmp_path)
    assert np.array_equal(found.test_images[:, 0], arrays["t10k-images-idx3-ubyte"])
    assert found.train_images.shape == (COUNT, 1, 28, 28)
    monkeypatch.setitem(data.IDX_FILES, "t10k-images-idx3-ubyte", ("0" * 32,) * 2)
    with pytest.raises(DataError, match="official md5"):
        data.load("fashion", tmp_path)


def test_damaged_idx(rng):
    good = idx_bytes(rng.integers(0, 255, (2, 3), dtype=np.uint8))
    assert formats.idx(good, "x").shape == (2, 3)
    for bad, reason in (
        (good[:-1], "is cut"),
        (b"\x01" + good[1:], "not an idx"),
        (gzip.compress(good)[:-9], "damaged"),
        (b"", "not an idx"),
    ):
        with pytest.raises(DataError, match=reason):
            formats.idx(bad, "x")


class Server(BaseHTTPRequestHandler):
    """Serves ``body``; the first answer breaks off half way, ``ranges`` decides about resuming."""

    body = bytes(range(256)) * 600
    ranges = True
    breaks = 1
    seen = []

    def do_GET(self):
        self.seen.append(self.headers.get("Range"))
        start = int(self.headers["Range"][6:-1]) if self.headers.get("Range") and self.ranges else 0
        if start >= len(self.body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.body) - start))
        self.end_headers()
        end = len(self.body)
        if type(self).breaks:
            type(self).breaks -= 1
            end //= 2
        self.wfile.write(self.body[start:end])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    handler = type("Handler", (Server,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield handler, f"http://127.0.0.1:{http.server_port}/file"
        http.shutdown()


@pytest.mark.parametrize("ranges", [True, False])
def test_download_continues_after_a_break(server, tmp_path, ranges):
    handler, url = server
    handler.ranges = ranges
    path = tmp_path / "new" / "file"
    digest = hashlib.md5(handler.body).hexdigest()
    with pytest.raises(DataError, match="run again to continue"):
        download(url, path, digest)
    assert not path.exists() and (tmp_path / "new" / "file.part").stat().st_size == len(handler.body) // 2
    assert download(url, path, digest).read_bytes() == handler.body
    assert handler.seen == [None, f"bytes={len(handler.body) // 2}-"]
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_download_with_a_wrong_checksum(server, tmp_path):
    handler, url = server
    handler.breaks = 0
    path = tmp_path / "file"
    with pytest.raises(DataError, match="official md5"):
        download(url, path, "0" * 32)
    assert list(tmp_path.iterdir()) == []
    # A stale part that is longer than the file is thrown away and fetched anew.
    (tmp_path / "file.part").write_bytes(bytes(len(handler.body) + 1))
    digest = hashlib.md5(handler.body).hexdigest()
    assert download(url, path, digest).read_bytes() == handler.body


def test_progress_is_shown(server, tmp_path, capsys):
    handler, url = server
    handler.breaks = 0
    download(url, tmp_path / "file", hashlib.md5(handler.body).hexdigest())
    assert "100 %" in capsys.readouterr().err
