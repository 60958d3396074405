"""NIR files, and the package ``nir`` where it is."""

from pathlib import Path

from ..errors import ExchangeError, OutputError


def package():
    """The module ``nir``; raises ``ExchangeError`` where it is not installed."""
    try:
        import nir
    except ImportError:
        raise ExchangeError("the package nir is missing; pip install 'onespike[exchange]'") from None
    return nir


def read_nir(path):
    """The graph in ``path``; raises ``ExchangeError`` with the reason."""
    nir = package()
    try:
        return nir.read(path)
    except FileNotFoundError:
        raise ExchangeError(f"no NIR file at {path}; name another one") from None
    # h5py and nir complain of a damaged file, of a single node or of an unknown one in whatever way they come to it.
    except (OSError, ValueError, KeyError, TypeError, AssertionError, AttributeError) as error:
        raise ExchangeError(f"{Path(path).name} is not a NIR graph ({error}); export it again") from error


def write_nir(path, graph):
    """Write ``graph`` under a temporary name, then rename it; raises ``OutputError`` where that fails."""
    path = Path(path)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        package().write(temporary, graph)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path} ({error}); name a file in a folder that can be written") from None
