"""Read the attributes of any 16x16 picture: the nearest face the atlas can draw, found by matching layers.

With all other layers fixed, the drawn face is affine in the colour c of one layer's variant v,

    face(v, c) = P_v + Q_v c,   so   |face - y|^2 = |P_v - y|^2 + 2 c (P_v - y).Q_v + c^2 |Q_v|^2

is known for every variant and palette colour at once. Each move picks the best (variant, colour) of one layer; moves are
repeated until none helps, from several starting faces, and the nearest result is kept.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from diffdemo import faces

STARTS = 3  # faces of the line-up, nearest first, that the search starts from
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
    """The nearest face the atlas can draw to each picture.

    Args:
        pictures: (B, 16, 16, 3), on the scale 0..255; not rounded or cut off if floating point.
        starts: how many starting faces are tried for each.
    """
    y = np.asarray(pictures, np.float32).reshape(-1, faces.SIDE**2, 3)
    parts = [_read(y[i : i + _CHUNK], starts) for i in range(0, len(y), _CHUNK)]
    if not parts:
        return Reading(np.empty((0, len(faces.atlas().columns)), np.int16), np.empty(0, np.float32))
    return Reading(np.concatenate([p.choices for p in parts]), np.concatenate([p.rmse for p in parts]))


def _read(y: np.ndarray, starts: int) -> Reading:
    line_up, choices = _line_up()
    flat = y.reshape(len(y), -1)
    distance = (line_up**2).sum(1) - 2 * flat @ line_up.T
    nearest = np.argsort(distance, axis=1)[:, :starts].T
    found = [_descend(y, choices[rows]) for rows in nearest]
    errors = np.stack([error for _, error in found])
    best = errors.argmin(0)
    rows = np.arange(len(y))
    return Reading(np.stack([c for c, _ in found])[best, rows], (errors[best, rows] / flat.shape[1]) ** 0.5 / np.float32(127.5))


@cache
def _line_up() -> tuple[np.ndarray, np.ndarray]:
    choices = faces.choose(np.arange(2000))
    return faces.draw(choices).reshape(len(choices), -1).astype(np.float32), choices


def _descend(y: np.ndarray, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Moves until no picture improves: the choices, and (B,) squared errors summed over pixels."""
    choices, before = choices.copy(), np.full(len(y), np.inf, np.float32)
    active = np.arange(len(y))
    for _ in range(_SWEEPS):
        part = choices[active]
        for layer in range(-1, len(faces.atlas().layers)):
            error = _move(y[active], part, layer)
        choices[active] = part
        improved = error < before[active] - 1e-3 * np.abs(error) - 1e-3
        before[active] = np.minimum(error, before[active])
        active = active[improved]
        if not len(active):
            break
    return choices, before


def _move(y: np.ndarray, choices: np.ndarray, index: int) -> np.ndarray:
    """Give one layer (-1 = the background) its best variant and colour, in place; returns the squared errors it leads to."""
    a = faces.atlas()
    layer = a.layers[index] if index >= 0 else None
    palette = layer.palette if layer else "background"
    base, slope = _below(choices, index, palette)
    through, over = _above(choices, index)
    if layer:
        kept = through[:, None] * layer.keep
        p = kept * base[:, None] + through[:, None] * layer.fixed + (over - y)[:, None]
        q = kept * slope[:, None] + through[:, None] * layer.tint
    else:
        p, q = (over - y)[:, None], through[:, None]
    colours = a.palettes[palette]
    # (B, V, K): |p|^2 + 2 c (p.q) + c^2 |q|^2, summed over pixels and channels
    square, cross, power = np.einsum("bvpc,bvpc->bv", p, p), np.einsum("bvpc,bvp->bvc", p, q[..., 0]), np.einsum("bvp,bvp->bv", q[..., 0], q[..., 0])
    error = square[..., None] + 2 * cross @ colours.T + power[..., None] * (colours**2).sum(1)
    column = a.columns[f"colour:{palette}"]
    if layer and any(other.palette == palette for other in a.layers[index + 1 :]):  # a later layer decides this colour
        error = np.where(np.arange(len(colours)) == choices[:, column, None, None], error, np.inf)
    if layer and layer.probability == 1:
        error = error[:, :-1]  # never absent
    flat = error.reshape(len(y), -1)
    best = flat.argmin(1)
    variant, colour = np.divmod(best, len(colours))
    choices[:, column] = colour
    if layer:
        choices[:, a.columns[layer.name]] = np.where(variant == len(layer.variants), faces.ABSENT, variant)
    return flat[np.arange(len(y)), best]


def _below(choices: np.ndarray, index: int, palette: str) -> tuple[np.ndarray, np.ndarray]:
    """What lies under a layer, as base (B, 256, 3) + slope (B, 256, 1) times the colour of `palette`."""
    a = faces.atlas()
    own = palette == "background"
    background = a.palettes["background"][choices[:, a.columns["colour:background"]]][:, None]
    base = np.zeros_like(background) if own else background
    base = np.repeat(base, faces.SIDE**2, axis=1)
    slope = np.full((len(choices), faces.SIDE**2, 1), float(own), np.float32)
    for layer in a.layers[: max(index, 0)]:
        v = choices[:, a.columns[layer.name]]
        base, slope = base * layer.keep[v] + layer.fixed[v], slope * layer.keep[v]
        if layer.palette == palette:
            slope = slope + layer.tint[v]
        else:
            base = base + layer.tint[v] * _colour(choices, layer.palette)
    return base, slope


def _above(choices: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray]:
    """What the later layers do to a picture x under them: through (B, 256, 1) * x + over (B, 256, 3)."""
    a = faces.atlas()
    through, over = np.ones((len(choices), faces.SIDE**2, 1), np.float32), np.zeros((len(choices), faces.SIDE**2, 3), np.float32)
    for layer in a.layers[index + 1 :]:
        v = choices[:, a.columns[layer.name]]
        through = through * layer.keep[v]
        over = over * layer.keep[v] + layer.tint[v] * _colour(choices, layer.palette) + layer.fixed[v]
    return through, over


def _colour(choices: np.ndarray, palette: str) -> np.ndarray:
    a = faces.atlas()
    return a.palettes[palette][choices[:, a.columns[f"colour:{palette}"]]][:, None]


def kept(original: np.ndarray, read: np.ndarray) -> np.ndarray:
    """Which attributes a reading kept: the same value, or one that draws the very same original.

    Args:
        original: (B, columns), the true choices.
        read: (B, columns), the choices read from what came of it.

    Returns:
        (B, 14) bool, in the order of faces.ATTRIBUTES.
    """
    columns = [faces.atlas().columns[column] for column in faces.ATTRIBUTES.values()]
    same = original[:, columns] == read[:, columns]
    rows, which = np.nonzero(~same)
    if len(rows):
        swapped = original[rows].copy()
        swapped[np.arange(len(rows)), np.array(columns)[which]] = read[rows, np.array(columns)[which]]
        same[rows, which] = (faces.draw(swapped) == faces.draw(original[rows])).all((1, 2, 3))
    return same
