"""Read the attributes of any 16x16 picture: those of the nearest face the atlas can draw.

With all other layers fixed, the drawn face is affine in the colour c of one layer's variant v,

    face(v, c) = P_v + Q_v c,   so   |face - y|^2 = |P_v - y|^2 + 2 c (P_v - y).Q_v + c^2 |Q_v|^2

is known for every variant and palette colour at once. Each move picks the best (variant, colour) of
one layer. Moves are repeated until none helps, from several starting faces; the nearest face wins.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from diffdemo.pictures import faces

STARTS = 3  # nearest faces that the search starts from
_START_FACES = 2000  # seeds 0..1999, among which they are found
_SWEEPS = 12
_CHUNK = 64


@dataclass(frozen=True)
class Reading:
    """The nearest drawable face of each picture.

    Attributes:
        choices: (B, columns), as `faces.choose` returns.
        rmse: (B,) float32, distance to the picture on the [-1, 1] scale.
    """

    choices: np.ndarray
    rmse: np.ndarray


def read(pictures: np.ndarray, starts: int = STARTS) -> Reading:
    """Find the nearest face the atlas can draw to each picture.

    Args:
        pictures: (B, 16, 16, 3), on the scale 0..255; floating point may lie outside it.
        starts: how many starting faces to try for each.
    """
    y = np.asarray(pictures, np.float32).reshape(-1, faces.SIDE**2, 3)
    choices = np.empty((len(y), len(faces.atlas().columns)), np.int16)
    rmse = np.empty(len(y), np.float32)
    for i in range(0, len(y), _CHUNK):
        rows = slice(i, i + _CHUNK)
        choices[rows], rmse[rows] = _read(y[rows], starts)
    return Reading(choices, rmse)


def _read(y: np.ndarray, starts: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the choices and RMSE of (B, 256, 3) pictures."""
    drawn, choices = _start_faces()
    flat = y.reshape(len(y), -1)
    distance = (drawn**2).sum(1) - 2 * flat @ drawn.T
    nearest = np.argsort(distance, axis=1)[:, :starts].T
    found, errors = zip(*(_descend(y, choices[rows]) for rows in nearest), strict=True)
    best = (np.argmin(errors, axis=0), np.arange(len(y)))
    square = np.stack(errors)[best] / flat.shape[1]
    return np.stack(found)[best], square**0.5 / np.float32(127.5)


@cache
def _start_faces() -> tuple[np.ndarray, np.ndarray]:
    """Return faces, (2000, 768) float32, and their choices."""
    choices = faces.choose(np.arange(_START_FACES))
    return faces.draw(choices).reshape(len(choices), -1).astype(np.float32), choices


def _descend(y: np.ndarray, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move until no picture improves.

    Returns:
        the choices, and the squared errors summed over pixels, (B,).
    """
    choices = choices.copy()
    lowest = np.full(len(y), np.inf, np.float32)
    active = np.arange(len(y))
    for _ in range(_SWEEPS):
        part = choices[active]
        _move_background(y[active], part)
        for index in range(len(faces.atlas().layers)):
            error = _move(y[active], part, index)
        choices[active] = part
        improved = error < lowest[active] - 1e-3 * np.abs(error) - 1e-3
        lowest[active] = np.minimum(error, lowest[active])
        active = active[improved]
        if not len(active):
            break
    return choices, lowest


def _move_background(y: np.ndarray, choices: np.ndarray) -> None:
    """Give the background its best colour, in place."""
    a = faces.atlas()
    through, over = _above(choices, -1)
    errors = _errors((over - y)[:, None], through[:, None], a.palettes["background"])
    choices[:, a.columns["colour:background"]] = errors[:, 0].argmin(1)


def _move(y: np.ndarray, choices: np.ndarray, index: int) -> np.ndarray:
    """Give a layer its best variant and colour, in place; returns the squared errors, (B,)."""
    a = faces.atlas()
    layer = a.layers[index]
    column = a.columns[f"colour:{layer.palette}"]
    colours = a.palettes[layer.palette]
    errors = _errors(*_affine(y, choices, index), colours)
    if any(later.palette == layer.palette for later in a.layers[index + 1 :]):
        # The last layer of a palette decides its colour.
        chosen = choices[:, column, None, None]
        errors = np.where(np.arange(len(colours)) == chosen, errors, np.inf)
    if layer.probability == 1:
        errors = errors[:, :-1]  # never absent
    flat = errors.reshape(len(y), -1)
    best = flat.argmin(1)
    variant, colour = np.divmod(best, len(colours))
    choices[:, column] = colour
    absent = variant == len(layer.variants)
    choices[:, a.columns[layer.name]] = np.where(absent, faces.ABSENT, variant)
    return flat[np.arange(len(y)), best]


def _affine(y: np.ndarray, choices: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return P_v - y, (B, V, 256, 3), and Q_v, (B, V, 256, 1), of the variants of a layer."""
    layer = faces.atlas().layers[index]
    base, slope = _below(choices, index)
    through, over = _above(choices, index)
    through = through[:, None]
    keep = through * layer.keep
    p = keep * base[:, None] + through * layer.fixed + (over - y)[:, None]
    return p, keep * slope[:, None] + through * layer.tint


def _errors(p: np.ndarray, q: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return |p + q c|^2 = |p|^2 + 2 c (p.q) + c^2 |q|^2, summed over pixels and channels.

    p is (B, V, 256, 3), q (B, V, 256, 1) and the colours c (K, 3); the result is (B, V, K).
    """
    q = q[..., 0]
    p_square = np.einsum("bvpc,bvpc->bv", p, p)[..., None]
    q_square = np.einsum("bvp,bvp->bv", q, q)[..., None]
    product = np.einsum("bvpc,bvp->bvc", p, q)
    return p_square + 2 * product @ colours.T + q_square * (colours**2).sum(1)


def _below(choices: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what lies under a layer: base (B, 256, 3) + slope (B, 256, 1) * the layer's colour."""
    a = faces.atlas()
    base = np.repeat(a.colours("background", choices), faces.SIDE**2, axis=1)
    slope = np.zeros((*base.shape[:2], 1), np.float32)
    for layer in a.layers[:index]:
        v = choices[:, a.columns[layer.name]]
        base = base * layer.keep[v] + layer.fixed[v]
        slope = slope * layer.keep[v]
        if layer.palette == a.layers[index].palette:
            slope = slope + layer.tint[v]
        else:
            base = base + layer.tint[v] * a.colours(layer.palette, choices)
    return base, slope


def _above(choices: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what later layers make of a picture x: through (B, 256, 1) * x + over (B, 256, 3)."""
    a = faces.atlas()
    through = np.ones((len(choices), faces.SIDE**2, 1), np.float32)
    over = np.zeros((len(choices), faces.SIDE**2, 3), np.float32)
    for layer in a.layers[index + 1 :]:
        v = choices[:, a.columns[layer.name]]
        through = through * layer.keep[v]
        tinted = layer.tint[v] * a.colours(layer.palette, choices)
        over = over * layer.keep[v] + tinted + layer.fixed[v]
    return through, over


def attributes_kept(original: np.ndarray, read: np.ndarray) -> np.ndarray:
    """Return which attributes were kept: the same value, or one that draws the same original.

    Args:
        original: (B, columns), the true choices.
        read: (B, columns), the choices read from what came of it.

    Returns:
        (B, 14) bool, in the order of faces.ATTRIBUTES.
    """
    columns = faces.attribute_columns()
    same = original[:, columns] == read[:, columns]
    rows, which = np.nonzero(~same)
    swapped = original[rows]
    swapped[np.arange(len(rows)), columns[which]] = read[rows, columns[which]]
    unchanged = faces.draw(swapped) == faces.draw(original[rows])
    same[rows, which] = unchanged.all((1, 2, 3))
    return same
