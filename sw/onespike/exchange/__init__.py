"""Exchange of plain networks: NIR graphs, networks trained in snnTorch, and their way into integers.

Plain is what other frameworks know too: convolutions, one comparison a neuron, one time step, pooling of the
last map, a linear classifier. Windows, carries and levels are this project's own and are refused.
"""

from .modules import from_modules
from .nir_export import nir_export
from .nir_file import read_nir, write_nir
from .nir_import import nir_import
from .quantise import quantise_plain

__all__ = ["from_modules", "nir_export", "nir_import", "quantise_plain", "read_nir", "write_nir"]
