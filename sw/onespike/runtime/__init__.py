"""The host's side of a board: ``Board.open(URI)``, real, virtual, recorded or the golden model."""

from .board import Board
from .device import Device, Identity, Result

__all__ = ["Board", "Device", "Identity", "Result"]
