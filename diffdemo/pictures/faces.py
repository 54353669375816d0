"""A procedural distribution of 16x16 pixel-art faces: every seed names one face for ever.

A face is a row of *choices*: one variant per layer of the atlas (-1 where the layer is absent) and
one colour per palette, so all its attributes are known. Drawing lays the layers over the background
in atlas order, each as a tinted mask and then a fixed overlay:

    im <- im (1 - a) + a colour,   im <- im (1 - b) + b overlay.

Seeds below 1,000,000 are never trained on: 0..9,999 are the line-up, and evaluation starts at
900,000. Training starts at 1,000,000.

References:
    "Pixel Art" by DiceBear, CC0 1.0 (npm package @dicebear/pixel-art 9.4.3); see assets/README.md.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from diffdemo.errors import DiffdemoError
from diffdemo.pictures.colour_names import COLOURS

ASSETS = Path(__file__).parent.parent / "assets"
SIDE = 16
LINE_UP = 10_000
EVALUATION_SEED = 900_000
TRAINING_SEED = 1_000_000
ABSENT = -1
_WORDS = 32  # random words of a seed; each choice has its own, so a new choice changes no old one
_CHUNK = 4096  # faces drawn at a time

# The 14 attributes, each with the column of the choice that decides it (see `Atlas.columns`).
ATTRIBUTES = {
    "background": "colour:background",
    "skin": "colour:skin",
    "hair style": "hair",
    "hair colour": "colour:hair",
    "clothing": "clothing",
    "clothing colour": "colour:clothing",
    "eyes": "eyes",
    "eye colour": "colour:eyes",
    "mouth": "mouth",
    "mouth colour": "colour:mouth",
    "glasses": "glasses",
    "beard": "beard",
    "hat": "hat",
    "accessories": "accessories",
}

# What the variants of a layer are called, by the letters their names in the atlas begin with.
_SHAPES = {
    "hair": {"long": "long hair", "short": "short hair"},
    "clothing": {"variant": "clothes"},
    "eyes": {"variant": "eyes"},
    "mouth": {"happy": "happy mouth", "sad": "sad mouth"},
    "glasses": {"dark": "dark glasses", "light": "clear glasses"},
    "beard": {"variant": "beard"},
    "hat": {"variant": "hat"},
    "accessories": {"variant": "earrings"},
}


@dataclass(frozen=True)
class Layer:
    """One drawing layer of V variants, which are rows of its arrays. The last row is its absence.

    Attributes:
        name: of the layer.
        palette: name of the palette that tints it.
        variants: their names.
        probability: that a face has this layer.
        keep: (V + 1, 256, 1), share of what lies below that stays: (1 - a)(1 - b).
        tint: (V + 1, 256, 1), weight of the layer's colour: a (1 - b).
        fixed: (V + 1, 256, 3), what the overlay adds: b overlay_rgb.
    """

    name: str
    palette: str
    variants: tuple[str, ...]
    probability: float
    keep: np.ndarray
    tint: np.ndarray
    fixed: np.ndarray


@dataclass(frozen=True)
class Atlas:
    """How faces are drawn.

    Attributes:
        layers: in drawing order.
        palettes: (colours, 3) float32 in 0..255 each.
        columns: the place of each choice in a row of choices.
    """

    layers: tuple[Layer, ...]
    palettes: dict[str, np.ndarray]
    columns: dict[str, int]

    def layer(self, name: str) -> Layer:
        """Return the layer of a name."""
        return next(layer for layer in self.layers if layer.name == name)

    def size(self, column: str) -> int:
        """Return the number of values a choice can take when present."""
        if column.startswith("colour:"):
            return len(self.palettes[column.removeprefix("colour:")])
        return len(self.layer(column).variants)

    def values(self, column: str) -> range:
        """Return all values of a choice, from -1 (absent) on where the layer may be absent."""
        optional = any(layer.name == column and layer.probability < 1 for layer in self.layers)
        return range(ABSENT if optional else 0, self.size(column))

    def colours(self, palette: str, choices: np.ndarray) -> np.ndarray:
        """Return the colour that faces take from a palette: (B, columns) → (B, 1, 3)."""
        column = self.columns[f"colour:{palette}"]
        return self.palettes[palette][choices[:, column]][:, None]


@cache
def atlas() -> Atlas:
    """Read the bundled atlas (7 kB)."""
    sheet = np.asarray(Image.open(ASSETS / "pixel_faces.png").convert("RGBA"), dtype=np.float32)
    index = json.loads((ASSETS / "pixel_faces.json").read_text())
    layers = tuple(_layer(sheet, row, entry) for row, entry in enumerate(index["layers"]))
    palettes = {}
    for name, colours in index["palettes"].items():
        rgb = [list(bytes.fromhex(colour.removeprefix("#"))) for colour in colours]
        palettes[name] = np.array(rgb, dtype=np.float32)
    names = [layer.name for layer in layers] + [f"colour:{name}" for name in palettes]
    return Atlas(layers, palettes, {name: i for i, name in enumerate(names)})


def _layer(sheet: np.ndarray, row: int, entry: dict) -> Layer:
    count = len(entry["variants"])
    strip = sheet[2 * SIDE * row : 2 * SIDE * (row + 1), : SIDE * count]
    tiles = strip.reshape(2, SIDE, count, SIDE, 4).transpose(0, 2, 1, 3, 4)
    tint, overlay = tiles.reshape(2, count, SIDE * SIDE, 4)
    a = tint[..., 3:] / np.float32(255)
    b = overlay[..., 3:] / np.float32(255)
    absent = [(0, 1), (0, 0), (0, 0)]
    return Layer(
        name=entry["name"],
        palette=entry["tint"],
        variants=tuple(entry["variants"]),
        probability=entry["probability"],
        keep=np.pad((1 - a) * (1 - b), absent, constant_values=1),
        tint=np.pad(a * (1 - b), absent),
        fixed=np.pad(b * overlay[..., :3], absent),
    )


def choose(seeds: np.ndarray) -> np.ndarray:
    """Return the choices of the faces named by seeds.

    Each seed keys a Philox counter generator, whose raw stream numpy guarantees never to change
    (NEP 19).

    Args:
        seeds: (B,) non-negative ints below 2^63.

    Returns:
        (B, columns) int16.

    Raises:
        DiffdemoError: a seed is negative, too large or not a whole number.
    """
    seeds = np.atleast_1d(np.asarray(seeds))
    whole = seeds.dtype.kind in "iu"
    if not whole or any(not 0 <= seed < 2**63 for seed in seeds.tolist()):
        raise DiffdemoError("A face seed is a whole number from 0 up.")
    streams = [np.random.Philox(key=int(seed)).random_raw(_WORDS) for seed in seeds]
    words = np.array(streams, dtype=np.uint64).reshape(-1, _WORDS)
    uniform = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
    a = atlas()
    choices = np.empty((len(seeds), len(a.columns)), dtype=np.int16)
    for name, column in a.columns.items():
        choices[:, column] = np.floor(uniform[:, column] * a.size(name))
    for i, layer in enumerate(a.layers):
        absent = uniform[:, len(a.columns) + i] >= layer.probability
        choices[absent, a.columns[layer.name]] = ABSENT
    return choices


def draw(choices: np.ndarray) -> np.ndarray:
    """Draw faces from their choices: (B, columns) → (B, 16, 16, 3) uint8."""
    drawn = np.empty((len(choices), SIDE, SIDE, 3), np.uint8)
    for i in range(0, len(choices), _CHUNK):
        part = np.rint(compose(choices[i : i + _CHUNK]))
        drawn[i : i + _CHUNK] = part.reshape(-1, SIDE, SIDE, 3)
    return drawn


def compose(choices: np.ndarray) -> np.ndarray:
    """Lay all layers over the background.

    (B, columns) choices → (B, 256, 3) float32 in 0..255, not rounded.
    """
    a = atlas()
    image = np.repeat(a.colours("background", choices), SIDE * SIDE, axis=1)
    for layer in a.layers:
        variant = choices[:, a.columns[layer.name]]
        # Most faces lack an optional layer, so touch only those that have it.
        rows = np.flatnonzero(variant != ABSENT) if layer.probability < 1 else slice(None)
        v = variant[rows]
        image[rows] *= layer.keep[v]
        image[rows] += layer.tint[v] * a.colours(layer.palette, choices[rows])
        image[rows] += layer.fixed[v]
    return image


def attribute_columns() -> np.ndarray:
    """Return the column of each of the 14 attributes in a row of choices, (14,) int64."""
    return np.array([atlas().columns[column] for column in ATTRIBUTES.values()])


def choices_of(values: np.ndarray) -> np.ndarray:
    """Return choices with given attributes: (B, 14) → (B, columns) int16.

    The colours of glasses, hat and earrings, which are no attributes, are the first of each.
    """
    choices = np.zeros((len(values), len(atlas().columns)), np.int16)
    choices[:, attribute_columns()] = values
    return choices


def attributes(choices: np.ndarray) -> list[dict[str, str]]:
    """Return the 14 attributes of each face in words, as `value_name` gives them."""
    rows = choices[:, attribute_columns()].tolist()
    named = [map(value_name, ATTRIBUTES.values(), row) for row in rows]
    return [dict(zip(ATTRIBUTES, values, strict=True)) for values in named]


def value_name(column: str, value: int) -> str:
    """Return a value of a choice in words, as "long hair 4", "auburn" or "no hat".

    Args:
        column: one of the values of ATTRIBUTES.
        value: one of `Atlas.values(column)`.
    """
    if column.startswith("colour:"):
        return COLOURS[column.removeprefix("colour:")][value]
    shapes = _SHAPES[column]
    if value == ABSENT:
        return f"no {next(iter(shapes.values())).split()[-1]}"
    variant = atlas().layer(column).variants[value]
    letters = variant.rstrip("0123456789")
    return f"{shapes[letters]} {int(variant.removeprefix(letters))}"


def colour_code(column: str, value: int) -> str:
    """Return a value of a colour's choice, as "colour:hair", as "#rrggbb"."""
    rgb = atlas().palettes[column.removeprefix("colour:")][value].astype(int)
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def sample(seed: int) -> tuple[np.ndarray, dict[str, str]]:
    """Return the face named by a seed, (16, 16, 3) uint8, and its 14 attributes in words.

    Raises:
        DiffdemoError: the seed is negative or not a whole number.
    """
    choices = choose(np.array([seed]))
    return draw(choices)[0], attributes(choices)[0]


def pictures(seeds: np.ndarray) -> np.ndarray:
    """Draw the faces named by seeds: (B,) ints → (B, 16, 16, 3) uint8."""
    return draw(choose(seeds))


def alternatives(choices: np.ndarray, column: str) -> np.ndarray:
    """Return the choices with every value that one of them could take, all else fixed.

    (B, columns) → (B, K, columns), the K values in the order of `Atlas.values`.
    """
    values = np.array(atlas().values(column))
    rows = np.repeat(choices[:, None], len(values), axis=1)
    rows[:, :, atlas().columns[column]] = values
    return rows


def draw_alternatives(choices: np.ndarray, column: str) -> np.ndarray:
    """Draw the faces of `alternatives`: (B, columns) → (B, K, 16, 16, 3) uint8."""
    rows = alternatives(choices, column)
    drawn = draw(rows.reshape(-1, rows.shape[-1]))
    return drawn.reshape(*rows.shape[:2], SIDE, SIDE, 3)


def visible(choices: np.ndarray) -> np.ndarray:
    """Return which attributes are visible: another value would change a pixel of the face.

    (B, columns) → (B, 14) bool, in the order of ATTRIBUTES.
    """
    found = []
    for column in ATTRIBUTES.values():
        drawn = draw_alternatives(choices, column)
        found.append((drawn != drawn[:, :1]).any((1, 2, 3, 4)))
    return np.stack(found, axis=1)
