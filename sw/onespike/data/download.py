"""Fetches an archive: resumed after a break, checked, and never half there under its own name."""

import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request

from ..errors import DataError

CHUNK = 1 << 16
BAR = 30
"""characters of the progress bar"""


def md5(path):
    """md5 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def download(url, path, checksum):
    """Fetch ``url`` into ``path`` through ``path.part``, which a later call continues.

    Raises ``DataError`` where the network fails or, after one clean second try, the md5 is wrong.
    """
    part = path.with_name(path.name + ".part")
    for again in (True, False):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _fetch(url, part)
            if md5(part) == checksum:
                os.replace(part, path)
                return path
            part.unlink()
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise DataError(
                f"cannot fetch {url} ({reason}); run again to continue, or put {path.name} into {path.parent}"
            ) from None
        if again:
            print(f"{path.name}: wrong checksum, fetching it anew", file=sys.stderr)
    raise DataError(
        f"{url} does not have the official md5 {checksum}; put {path.name} from another place into {path.parent}"
    )


def _fetch(url, part):
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        return  # nothing is missing; the checksum decides
    with answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            have = 0  # the server sends the whole file again
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with open(part, "ab" if have else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                _progress(part.stem, have, total)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if total and have < total:
        raise ConnectionError(f"the connection broke after {have} of {total} bytes")


def _progress(name, have, total):
    """One line on a terminal, drawn again and again; in a log only the line of the end."""
    if total is None:
        text = f"{have / 1e6:.1f} MB"
    else:
        done = BAR * have // total
        text = f"[{'#' * done}{'.' * (BAR - done)}] {100 * have // total:>3} % of {total / 1e6:.1f} MB"
    if sys.stderr.isatty():
        print(f"\r{name}: {text}", end="", file=sys.stderr, flush=True)
    elif have == total:
        print(f"{name}: {text}", file=sys.stderr)
