"""A row of an experiment: a TOML file that says how its network and recipe differ from a base.

title = "N windows, leak"       what the table says
group = "paper-a-carry"         the table it belongs to
base = "small-cifar10"          a network by name, or a TOML file beside the row
seeds = [1, 2, 3]
[network]                       of the description: steps, groups, encoding, weight_bits, ...
[layers]                        of every layer that can have it, see ``variant``
[recipe]                        of ``onespike.train.Recipe``
"""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from ..errors import ExperimentError, ModelError
from ..network import NETWORKS, NetworkSpec
from ..train import Recipe

ROWS = Path(__file__).parent / "rows"


@dataclass(frozen=True)
class Row:
    """One row: its ``name`` (of the file), what the table says of it, its network and a recipe for every seed."""

    name: str
    title: str
    group: str
    spec: NetworkSpec
    recipes: tuple[Recipe, ...]


def variant(plain, layers, network=None):
    """The description ``plain`` (``NetworkSpec.to_dict``) with settings changed.

    ``layers``: ``windows`` none, n, d, or steps (every layer's windows are time steps, so each carries);
    ``carry`` of the layers that have one; ``table``, ``theta`` of those with carry omega; ``padding`` of layers with
    windows; ``condense`` of dilated ones; ``levels`` of all; ``first_bits`` the weights of the first layer, ``weight_bits`` those
    of all others; ``width``, a factor of all channels. ``network``: settings of the description itself.
    """
    plain = {**plain, **(network or {}), "layers": [dict(layer) for layer in plain["layers"]]}
    layers = dict(layers)
    width, windows = layers.pop("width", 1), layers.pop("windows", None)
    if "first_bits" in layers:
        plain["layers"][0]["weight_bits"] = layers.pop("first_bits")
    for index, layer in enumerate(plain["layers"]):
        layer["channels"] = round(layer["channels"] * width)
        if windows == "steps":
            layer |= {"windows": "n", "padding": "window", "carry": "reset", "condense": "or"}
        elif windows is not None and layer["windows"] != "none":
            layer["windows"] = windows
            if windows == "none":
                layer |= {"carry": "none", "condense": "or"}
        if "carry" in layers and layer["carry"] != "none":
            layer["carry"] = layers["carry"]
        given = {
            "padding": layer["windows"] != "none",
            "condense": layer["windows"] == "d",
            "table": layer["carry"] == "omega",
            "theta": layer["carry"] == "omega",
            "levels": True,
            "weight_bits": index > 0,
        }
        layer |= {name: layers[name] for name, holds in given.items() if holds and name in layers}
        if layer["carry"] != "omega":
            layer |= {"table": "sine", "theta": 0.5}
    if unknown := set(layers) - {"carry", "padding", "condense", "table", "theta", "levels", "weight_bits"}:
        raise ExperimentError(
            f"[layers] has an unknown setting {min(unknown)!r}; see onespike.experiments.rows.variant"
        )
    return NetworkSpec.from_dict(plain)


def load_row(path):
    """Read a row. Raises ``ExperimentError`` that names file and setting, ``NetworkError`` on an impossible network."""
    path = Path(path)
    if not path.suffix and not path.exists():
        path = ROWS / f"{path}.toml"
    try:
        plain = tomllib.loads(path.read_text())
        base, seeds = plain.pop("base"), plain.pop("seeds")
        title, group = plain.pop("title"), plain.pop("group")
    except FileNotFoundError:
        raise ExperimentError(f"no experiment {path}; name a row of {ROWS} or a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(f"{path.name} is not valid TOML: {error}") from None
    except KeyError as error:
        raise ExperimentError(f"{path.name}: setting {error} is missing; see onespike.experiments.rows") from None
    network, layers, recipe = (plain.pop(name, {}) for name in ("network", "layers", "recipe"))
    if plain:
        raise ExperimentError(f"{path.name}: unknown setting {min(plain)!r}; see onespike.experiments.rows")
    if unknown := set(recipe) - {f.name for f in fields(Recipe)} | {"network", "seed"} & set(recipe):
        raise ExperimentError(
            f"{path.name}: [recipe] has an unknown setting {min(unknown)!r}; see onespike.train.Recipe"
        )
    beside = path.parent / f"{base}.toml"
    named = NetworkSpec.load(beside if beside.exists() else NETWORKS / f"{base}.toml")
    try:
        spec = variant({**named.to_dict(), "name": path.stem}, layers, network)
    except ExperimentError as error:
        raise ExperimentError(f"{path.name}: {error}") from None
    if not isinstance(seeds, list) or not seeds or not all(isinstance(seed, int) for seed in seeds):
        raise ExperimentError(f"{path.name}: seeds must be a list of whole numbers, not {seeds!r}")
    try:
        recipes = tuple(Recipe(**recipe, network=path.stem, seed=seed) for seed in seeds)
    except (ModelError, TypeError) as error:
        raise ExperimentError(f"{path.name}: [recipe] {error}") from None
    return Row(path.stem, title, group, spec, recipes)
