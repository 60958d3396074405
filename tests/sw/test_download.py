"""Downloads from a server of this machine that breaks off, ignores ranges or sends something else."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from onespike.data.download import download
from onespike.errors import DataError

BODY = bytes(range(256)) * 600
MD5 = hashlib.md5(BODY).hexdigest()
HALF = len(BODY) // 2


class Server(BaseHTTPRequestHandler):
    """Serves ``BODY``; ``ranges``: resuming works; ``breaks``: so many answers end half way."""

    ranges = True
    length = True
    breaks = 0

    def do_GET(self):
        asked = self.headers.get("Range")
        self.seen.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.ranges else 0
        if start >= len(BODY):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if self.length:
            self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        end = len(BODY)
        if self.breaks:
            type(self).breaks -= 1
            end //= 2
        self.wfile.write(BODY[start:end])

    def log_message(self, *args):
        """Keep the tests' output clean."""


@pytest.fixture
def server():
    handler = type("Handler", (Server,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield handler, f"http://127.0.0.1:{http.server_port}/file"
        http.shutdown()


@pytest.mark.parametrize("ranges", [True, False])
def test_continues_after_a_break(server, tmp_path, ranges):
    handler, url = server
    handler.ranges, handler.breaks = ranges, 1
    path = tmp_path / "new" / "file"
    with pytest.raises(DataError, match=rf"broke after {HALF} of {len(BODY)} bytes\); run again to continue, or put"):
        download(url, path, MD5)
    assert not path.exists() and path.with_name("file.part").read_bytes() == BODY[:HALF]
    assert download(url, path, MD5).read_bytes() == BODY
    assert handler.seen == [None, f"bytes={HALF}-"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("part", "requests"),
    [
        (BODY, [f"bytes={len(BODY)}-"]),  # whole, only the last step was missing
        (b"\xff" + BODY[1:HALF], [f"bytes={HALF}-", None]),  # corrupt: fetched anew
        (bytes(len(BODY) + 1), [f"bytes={len(BODY) + 1}-", None]),  # longer than the file
    ],
)
def test_starts_from_what_is_there(server, tmp_path, part, requests):
    handler, url = server
    (tmp_path / "file.part").write_bytes(part)
    assert download(url, tmp_path / "file", MD5).read_bytes() == BODY
    assert handler.seen == requests and list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_wrong_checksum_leaves_nothing_behind(server, tmp_path, capsys):
    handler, url = server
    with pytest.raises(DataError, match=rf"{url} does not have the official md5 0+; put file from another place into"):
        download(url, tmp_path / "file", "0" * 32)
    assert list(tmp_path.iterdir()) == [] and handler.seen == [None, None]
    assert capsys.readouterr().err.count("wrong checksum, fetching it anew") == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_progress(server, tmp_path, capsys, monkeypatch, terminal):
    _, url = server
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    download(url, tmp_path / "file", MD5)
    shown = capsys.readouterr().err
    assert shown.endswith(f"file: [{'#' * 30}] 100 % of 0.2 MB\n")
    assert shown.count("\n") == 1 and ("\rfile: [####" in shown) == terminal


def test_length_unknown(server, tmp_path, capsys):
    handler, url = server
    handler.length = False
    assert download(url, tmp_path / "file", MD5).read_bytes() == BODY
    assert capsys.readouterr().err == ""
