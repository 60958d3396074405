"""URIs of boards: from text to a device."""

import contextlib
from urllib.parse import parse_qsl, urlsplit

from ..contract import frames
from ..contract.program import Program
from ..errors import BoardError
from .emulator import GoldenDevice
from .replay import RecordingTransport, ReplayTransport
from .session import Session
from .udp import UdpTransport
from .virtual import VirtualTransport

PARAMETERS = {"baud": int, "wait": float, "timeout": float, "system": str, "link": str}
"""Parameters that may stand behind the ``?`` of a URI."""
LEAST = {"baud": 1, "wait": 1e-3, "timeout": 1e-3}
"""Least value of a parameter; none may reach 1e9. A shorter wait would only make patience endless."""
EXAMPLES = "serial:///dev/ttyUSB1, udp://192.168.1.50, virtual://, golden:// and replay://FILE"


def device_at(uri, wait=None, timeout=None, record=None):
    """The ``Device`` at ``uri`` (see ``Board.open``); ``wait`` and ``timeout`` seconds come before those of the URI.

    Raises ``BoardError`` where the URI is malformed or a parameter does not belong to its kind.
    """
    kind, place, given = _taken_apart(uri, wait, timeout)
    if kind == "golden":
        _allow(uri, given, ())
        if record is not None:
            raise BoardError(f"{uri} has no link to record; record a real or a virtual board")
        return GoldenDevice(Program.load(place) if place else None, uri)
    transport = transport_at(uri, wait, timeout)
    try:
        if record is not None:
            transport = RecordingTransport(transport, record)
        return Session(transport)
    except BaseException:
        transport.close()
        raise


def transport_at(uri, wait=None, timeout=None):
    """The ``Transport`` to ``uri``, of any kind but ``golden``; as ``device_at``."""
    kind, place, given = _taken_apart(uri, wait, timeout)
    if kind not in TRANSPORTS:
        raise BoardError(f"no board at {uri!r}: its kind is unknown; write for example {EXAMPLES}")
    make, allowed = TRANSPORTS[kind]
    _allow(uri, given, allowed)
    return make(uri, place, given)


def _taken_apart(uri, wait, timeout):
    """(kind, place, parameters) of a URI."""
    try:
        if not uri.isprintable():
            raise ValueError("a character that cannot be printed")
        parts = urlsplit(uri, allow_fragments=False)  # a "#" is a part of a path
    except ValueError as error:
        raise BoardError(f"{uri!r} is malformed ({error}); write for example {EXAMPLES}") from None
    given = _parameters(uri, parts.query)
    given |= {name: value for name, value in (("wait", wait), ("timeout", timeout)) if value is not None}
    _check(uri, given)
    return parts.scheme, parts.netloc + parts.path, given


def _serial(uri, place, given):
    if not place:
        raise BoardError(f"{uri} names no serial port; write for example serial:///dev/ttyUSB1")
    try:
        from .serial import SerialTransport
    except ImportError as error:
        raise BoardError(
            f"package {error.name} is missing, which {uri} needs; install it: pip install pyserial cobs"
        ) from None
    return SerialTransport(place, **given)


def _udp(uri, place, given):
    host, _, port = place.partition(":")
    with contextlib.suppress(ValueError):
        number = int(port) if port else frames.UDP_PORT
        if host and 0 < number < 1 << 16:
            return UdpTransport(host, number, **given)
    raise BoardError(f"{uri} names no host and port; write for example udp://192.168.1.50 or udp://127.0.0.1:1535")


def _virtual(uri, place, given):
    if place:
        raise BoardError(f"{uri} names a place, but a virtual board has none; write virtual://")
    return VirtualTransport(transport_at, **given)


def _replay(uri, place, given):
    return ReplayTransport(place)


TRANSPORTS = {
    "serial": (_serial, ("baud", "wait", "timeout")),
    "udp": (_udp, ("wait", "timeout")),
    "virtual": (_virtual, ("system", "link", "wait", "timeout")),
    "replay": (_replay, ()),
}
"""kind -> (transport from URI, place and parameters; parameters it knows)"""


def _parameters(uri, query):
    given = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in PARAMETERS:
            raise BoardError(f"{uri}: unknown parameter {name!r}; known are {', '.join(PARAMETERS)}")
        try:
            given[name] = PARAMETERS[name](text)
        except ValueError:
            raise BoardError(f"{uri}: {name} is no number: {text!r}; write for example {name}=1") from None
    return given


def _check(uri, given):
    for name, least in LEAST.items():
        if name in given and not least <= given[name] < 1e9:
            raise BoardError(
                f"{uri}: {name} must be at least {least:g}, not {given[name]}; leave it out for the usual one"
            )


def _allow(uri, given, allowed):
    for name in given:
        if name not in allowed:
            raise BoardError(f"{uri}: {name} means nothing to this kind of board; leave it out")
