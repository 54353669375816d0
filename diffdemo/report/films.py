"""The frames of a film: tiles over a bar that shows how much noise there is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffdemo.report.canvas import CAPTION, FRAME, GAP, Canvas, Tile, scaled
from diffdemo.report.colours import INK
from diffdemo.report.letters import check_letters, shortened

LARGEST = 256  # pixels a side of a picture at most
MARGIN = 24
HEAD = 74  # height of the line of text and the bar


@dataclass(frozen=True, eq=False)
class Still:
    """One picture of a film.

    Attributes:
        tiles: as many in every still, laid out row by row.
        text: the line above.
        share: how much of all noise there is, 0..1, drawn as a bar.
        rising: noise is being added (True), taken away (False), or neither.
        beside: what stands large at the left of all rows, if anything.
    """

    tiles: tuple[Tile, ...]
    text: str
    share: float
    rising: bool | None = None
    beside: Tile | None = None


def film(
    stills: Sequence[Still], columns: int, ends: tuple[str, str] = ("0", "1000")
) -> list[np.ndarray]:
    """Draw the frames of a film, (H, W, 3) uint8 each and all of one size.

    A still equal to the one before is left out.

    Args:
        stills: what to draw; the same number of tiles in each.
        columns: tiles beside each other.
        ends: the words at the two ends of the bar.

    Raises:
        DiffdemoError: the font lacks a letter.
    """
    pictures = [tile.picture for still in stills for tile in still.tiles]
    edge = _edge(pictures, len(stills[0].tiles))
    cell = max(max(scaled(picture, edge).size) for picture in pictures)
    frames: list[np.ndarray] = []
    for still in stills:
        frame = _drawn(still, columns, ends, edge, cell)
        if not frames or not np.array_equal(frame, frames[-1]):
            frames.append(frame)
    return frames


def _edge(pictures: list[np.ndarray], count: int) -> int:
    """Return the edge of a tile: the fewer, the larger, and at least 64 pixels."""
    side = max(max(picture.shape[:2]) for picture in pictures)
    wanted = 80
    if count <= 2:
        wanted = 160
    elif count <= 8:
        wanted = 112
    return min(LARGEST, max(-(-64 // side), wanted // side) * side)


def _drawn(still: Still, columns: int, ends: tuple[str, str], edge: int, cell: int) -> np.ndarray:
    pitch = cell + 2 * FRAME + GAP
    line = cell + 2 * FRAME + CAPTION + GAP
    rows = -(-len(still.tiles) // columns)
    large = 0
    aside = 0
    if still.beside:
        large = rows * line - 2 * FRAME - CAPTION - GAP
        aside = large + 2 * FRAME + 3 * GAP
    needed = aside + columns * pitch - GAP
    inside = max(320, needed)
    canvas = Canvas(inside + 2 * MARGIN, HEAD + rows * line + 14)
    check_letters(still.text)
    canvas.text(MARGIN, 26, shortened(still.text, 19, inside), 19, INK)
    canvas.noise_bar(MARGIN, 52, inside, still.share, ends, still.rising)
    left = MARGIN + (inside - needed) // 2
    if still.beside:
        middle = left + large // 2 + FRAME
        canvas.tile(middle, HEAD, still.beside, large, large)
        beside = still.beside
        canvas.caption(middle, _caption_row(HEAD, large), beside.back, beside.label, large)
    for k, tile in enumerate(still.tiles):
        row, column = divmod(k, columns)
        top = HEAD + row * line
        middle = left + aside + column * pitch + (pitch - GAP) // 2
        canvas.tile(middle, top, tile, edge, cell)
        canvas.caption(middle, _caption_row(top, cell), tile.back, tile.label, pitch - 2)
    return np.asarray(canvas.image)


def _caption_row(top: int, cell: int) -> int:
    return top + cell + 2 * FRAME + CAPTION // 2 + 1
