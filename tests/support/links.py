"""Ways to a virtual board, with waits that suit a simulation on a busy machine."""

from onespike.runtime import Board
from onespike.runtime.serial import SerialTransport
from onespike.runtime.udp import UdpTransport

WAIT, TIMEOUT = 1.0, 90.0
"""Seconds in which the tiny virtual board answers, and until a driver gives up."""


def transport_to(uri):
    """The driver's transport to what a virtual board printed as ``uri``."""
    kind, _, place = uri.partition("://")
    if kind == "serial":
        return SerialTransport(place, wait=WAIT, timeout=TIMEOUT)
    host, _, port = place.rpartition(":")
    return UdpTransport(host, int(port), wait=WAIT, timeout=TIMEOUT)


def open_board(uri, program=None, timeout=TIMEOUT):
    """The shipped driver at ``uri``."""
    return Board.open(uri, program=program, wait=WAIT, timeout=timeout)
