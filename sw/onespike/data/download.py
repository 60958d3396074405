"""Fetches an archive: resumed after a break, checked, and never half there under its own name."""

import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request

from ..errors import DataError

CHUNK = 1 << 16


def md5(path):
    """md5 of a file, hexadecimal."""
    digest = hashlib.md5()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def download(url, path, checksum):
    """Fetch ``url`` into ``path`` through ``path.part``, which a later call continues.

    Raises ``DataError`` where the network fails or, after one clean second try, the md5 is wrong.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    for attempt in range(2):
        try:
            _fetch(url, part)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise DataError(
                f"cannot fetch {url} ({reason}); run again to continue, or put {path.name} into {path.parent}"
            ) from None
        if md5(part) == checksum:
            os.replace(part, path)
            return path
        part.unlink()
        print(f"{path.name}: wrong checksum, fetching it anew" if attempt == 0 else "", file=sys.stderr)
    raise DataError(
        f"{url} does not have the official md5 {checksum}; fetch {path.name} from another place into {path.parent}"
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
            have = 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        with open(part, "ab" if have else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                _progress(part.name, have, total)
    if total and have < total:
        raise ConnectionError(f"the connection broke after {have} of {total} bytes")


def _progress(name, have, total):
    share = f"{100 * have // total:>3} %" if total else ""
    end = "\n" if have >= total else "\r"
    if sys.stderr.isatty() or end == "\n":
        print(f"{name}: {have / 1e6:.1f} MB {share}", end=end, file=sys.stderr, flush=True)
