"""A procedural distribution of 16x16 pixel-art faces: every seed names one face for ever, with all its attributes known.

A face is a row of *choices*: one variant per layer of the atlas (-1 where the layer is absent) and one colour per palette.
Drawing lays the layers over the background in atlas order, each as a tinted mask and then a fixed overlay:

    im <- im (1 - a) + a colour,   im <- im (1 - b) + b overlay.

Seeds below 1,000,000 are never trained on: 0..9,999 are the line-up, 900,000.. serve evaluation, training draws from 1,000,000 up.

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

ASSETS = Path(__file__).parent / "assets"
SIDE = 16
LINE_UP = 10_000
EVALUATION_SEED = 900_000
TRAINING_SEED = 1_000_000
ABSENT = -1
_WORDS = 32  # 64-bit words reserved for a seed; each choice owns one, so a new choice never moves an old one
_CHUNK = 4096

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


@dataclass(frozen=True)
class Layer:
    """One drawing layer. The arrays have one more row than variants: the last (index -1) is the absent layer.

    Attributes:
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
    """The layers in drawing order and the palettes, (colours, 3) float32 in 0..255; `columns` orders the choices."""

    layers: tuple[Layer, ...]
    palettes: dict[str, np.ndarray]
    columns: dict[str, int]

    def size(self, column: str) -> int:
        """Number of values a choice can take when present."""
        if column.startswith("colour:"):
            return len(self.palettes[column.removeprefix("colour:")])
        return len(next(layer for layer in self.layers if layer.name == column).variants)

    def values(self, column: str) -> range:
        """All values of a choice, beginning with -1 (absent) where the layer may be missing."""
        optional = any(layer.name == column and layer.probability < 1 for layer in self.layers)
        return range(ABSENT if optional else 0, self.size(column))


@cache
def atlas() -> Atlas:
    """Read the bundled atlas (7 kB) once."""
    sheet = np.asarray(Image.open(ASSETS / "pixel_faces.png").convert("RGBA"), dtype=np.float32)
    index = json.loads((ASSETS / "pixel_faces.json").read_text())
    layers = tuple(_layer(sheet, row, entry) for row, entry in enumerate(index["layers"]))
    palettes = {name: np.array([_rgb(text) for text in colours], dtype=np.float32) for name, colours in index["palettes"].items()}
    names = [layer.name for layer in layers] + [f"colour:{name}" for name in palettes]
    return Atlas(layers, palettes, {name: i for i, name in enumerate(names)})


def _rgb(text: str) -> list[int]:
    return list(bytes.fromhex(text.removeprefix("#")))


def _layer(sheet: np.ndarray, row: int, entry: dict) -> Layer:
    count = len(entry["variants"])
    tiles = sheet[2 * SIDE * row : 2 * SIDE * (row + 1), : SIDE * count].reshape(2, SIDE, count, SIDE, 4)
    tint, overlay = tiles.transpose(0, 2, 1, 3, 4).reshape(2, count, SIDE * SIDE, 4)
    a, b = tint[..., 3:] / np.float32(255), overlay[..., 3:] / np.float32(255)
    absent = [(0, 1), (0, 0), (0, 0)]
    return Layer(
        entry["name"], entry["tint"], tuple(entry["variants"]), entry["probability"],
        keep=np.pad((1 - a) * (1 - b), absent, constant_values=1),
        tint=np.pad(a * (1 - b), absent),
        fixed=np.pad(b * overlay[..., :3], absent),
    )  # fmt: skip


def choose(seeds: np.ndarray) -> np.ndarray:
    """Choices of the faces named by seeds.

    Each seed keys a Philox counter generator, whose raw stream numpy guarantees never to change (NEP 19).

    Args:
        seeds: (B,) non-negative ints below 2^63.

    Returns:
        (B, len(atlas().columns)) int16.

    Raises:
        DiffdemoError: a seed is negative, too large or not a whole number.
    """
    seeds = np.atleast_1d(np.asarray(seeds))
    if seeds.dtype.kind not in "iu" or (seeds.size and (seeds.min() < 0 or int(seeds.max()) >= 2**63)):
        raise DiffdemoError("A face seed is a whole number from 0 up.")
    words = np.array([np.random.Philox(key=int(s)).random_raw(_WORDS) for s in seeds], dtype=np.uint64).reshape(-1, _WORDS)
    uniform = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
    a = atlas()
    choices = np.empty((len(seeds), len(a.columns)), dtype=np.int16)
    for name, column in a.columns.items():
        choices[:, column] = np.floor(uniform[:, column] * a.size(name))
    for i, layer in enumerate(a.layers):
        choices[uniform[:, len(a.columns) + i] >= layer.probability, a.columns[layer.name]] = ABSENT
    return choices


def draw(choices: np.ndarray) -> np.ndarray:
    """Draw faces from their choices.

    Args:
        choices: (B, columns) as `choose` returns.

    Returns:
        (B, 16, 16, 3) uint8.
    """
    parts = [np.rint(compose(choices[i : i + _CHUNK])).astype(np.uint8) for i in range(0, len(choices), _CHUNK)]
    return np.concatenate(parts or [np.empty((0, SIDE * SIDE, 3), np.uint8)]).reshape(-1, SIDE, SIDE, 3)


def compose(choices: np.ndarray) -> np.ndarray:
    """Lay all layers over the background: (B, columns) choices → (B, 256, 3) float32 in 0..255, not rounded."""
    a = atlas()
    colour = {name: table[choices[:, a.columns[f"colour:{name}"]]][:, None] for name, table in a.palettes.items()}
    image = np.repeat(colour["background"], SIDE * SIDE, axis=1)
    for layer in a.layers:
        variant = choices[:, a.columns[layer.name]]
        if layer.probability < 1:  # most faces have none: touch only those that do
            rows = np.flatnonzero(variant != ABSENT)
            v = variant[rows]
            image[rows] = image[rows] * layer.keep[v] + layer.tint[v] * colour[layer.palette][rows] + layer.fixed[v]
        else:
            image *= layer.keep[variant]
            image += layer.tint[variant] * colour[layer.palette]
            image += layer.fixed[variant]
    return image


def attributes(choices: np.ndarray) -> list[dict[str, str]]:
    """The 14 attributes of each face in words: variant names, "#rrggbb" colours, "none" where a layer is absent."""
    return [{name: word(column, row[atlas().columns[column]]) for name, column in ATTRIBUTES.items()} for row in choices]


def word(column: str, value: int) -> str:
    """A value of a choice in words: a variant name, a "#rrggbb" colour, or "none"."""
    a = atlas()
    if column.startswith("colour:"):
        rgb = a.palettes[column.removeprefix("colour:")][value].astype(int)
        return "#{:02x}{:02x}{:02x}".format(*rgb)
    if value == ABSENT:
        return "none"
    return next(layer for layer in a.layers if layer.name == column).variants[value]


def sample(seed: int) -> tuple[np.ndarray, dict[str, str]]:
    """The face named by a seed: its picture, (16, 16, 3) uint8, and its 14 attributes in words.

    Raises:
        DiffdemoError: the seed is negative or not a whole number.
    """
    choices = choose(np.array([seed]))
    return draw(choices)[0], attributes(choices)[0]


def pictures(seeds: np.ndarray) -> np.ndarray:
    """The faces named by seeds: (B,) ints → (B, 16, 16, 3) uint8."""
    return draw(choose(seeds))


def alternatives(choices: np.ndarray, column: str) -> np.ndarray:
    """Every value one choice could take, all else fixed: (B, columns) → (B, K, columns), K values in the order of `Atlas.values`."""
    values = np.array(atlas().values(column))
    rows = np.repeat(choices[:, None], len(values), axis=1)
    rows[:, :, atlas().columns[column]] = values
    return rows


def draw_alternatives(choices: np.ndarray, column: str) -> np.ndarray:
    """The pictures of `alternatives`: (B, columns) → (B, K, 16, 16, 3) uint8."""
    rows = alternatives(choices, column)
    return draw(rows.reshape(-1, rows.shape[-1])).reshape(*rows.shape[:2], SIDE, SIDE, 3)


def seen(choices: np.ndarray) -> np.ndarray:
    """Which attributes show in each face: some other value would change at least one pixel of its picture.

    Args:
        choices: (B, columns).

    Returns:
        (B, 14) bool, in the order of ATTRIBUTES.
    """
    images = (draw_alternatives(choices, column) for column in ATTRIBUTES.values())
    return np.stack([(drawn != drawn[:, :1]).any((1, 2, 3, 4)) for drawn in images], axis=1)
