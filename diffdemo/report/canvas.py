"""A white page to draw tiles, words and bars on, with Pillow.

A picture that came back has a teal frame and a tick, one that did not has an orange frame and a
struck equals sign. All others have a thin frame.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from diffdemo.report.colours import CAME_BACK, CHANGED, INK, LINE, RULE, SOFT
from diffdemo.report.letters import font, length, shortened

LABEL_SIZE = 14  # of letters, in pixels
SMALL_SIZE = 13
GAP = 10  # between tiles
FRAME = 5  # between a picture and the outside of its frame
CAPTION = 20  # height of the line under a tile
MARK = 11  # side of a mark
FINE = 8  # marks are drawn this many times larger and averaged down
LEGEND = ((True, "came back"), (False, "another picture"))
TICK = [[(0.06, 0.55), (0.38, 0.86), (0.94, 0.14)]]
NOT_EQUAL = [
    [(0.06, 0.36), (0.94, 0.36)],
    [(0.06, 0.66), (0.94, 0.66)],
    [(0.28, 0.98), (0.72, 0.02)],
]


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture with its words.

    Attributes:
        name: unlike all others of its sheet, and fit to be the name of a file.
        label: a few words under it.
        back: whether the original came back; None where that is no question.
        picture: (H, W, C) uint8, C = 1 or 3.
    """

    name: str
    label: str
    back: bool | None
    picture: np.ndarray


def scaled(picture: np.ndarray, edge: int) -> Image.Image:
    """Enlarge (H, W, C) uint8 by a whole number to at most `edge` pixels a side.

    A larger picture is averaged down to it.
    """
    grey = picture.shape[-1] == 1
    image = Image.fromarray(picture.squeeze(-1) if grey else picture).convert("RGB")
    side = max(image.size)
    if side <= edge:
        factor = edge // side
        size = (image.width * factor, image.height * factor)
        return image.resize(size, Image.Resampling.NEAREST)
    size = (
        max(1, round(image.width * edge / side)),
        max(1, round(image.height * edge / side)),
    )
    return image.resize(size, Image.Resampling.BOX)


class Canvas:
    """A white page to draw on; all lengths are in pixels."""

    def __init__(self, width: int, height: int):
        self.image = Image.new("RGB", (width, height), "white")
        self.draw = ImageDraw.Draw(self.image)

    def text(
        self, x: float, y: float, text: str, size: int, colour: str, anchor: str = "lm"
    ) -> None:
        """Write a line of text."""
        self.draw.text((x, y), text, colour, font(size), anchor)

    def tile(self, middle: int, top: int, tile: Tile, edge: int, cell: int) -> None:
        """Draw a picture in its frame.

        Args:
            middle: the column it is centred at.
            top: where its cell begins.
            tile: the picture.
            edge: side of the picture at most.
            cell: height of the cell without its frame.
        """
        picture = scaled(tile.picture, edge)
        x = middle - picture.width // 2
        y = top + FRAME + (cell - picture.height) // 2
        self.image.paste(picture, (x, y))
        right = x + picture.width
        bottom = y + picture.height
        if tile.back is None:
            self.draw.rectangle((x - 1, y - 1, right, bottom), outline=RULE)
        else:
            outside = (x - FRAME, y - FRAME, right + FRAME - 1, bottom + FRAME - 1)
            self.draw.rectangle(outside, outline=_colour(tile.back), width=3)

    def caption(self, middle: int, row: int, back: bool | None, label: str, room: int) -> None:
        """Draw the mark of a tile and as much of its label as there is room for, centred."""
        mark = 0 if back is None else MARK
        label = shortened(label, SMALL_SIZE, room - (mark + 4 if mark else 0))
        width = length(label, SMALL_SIZE) + mark
        if mark and label:
            width += 4
        start = middle - width / 2
        if back is not None:
            self.mark(round(start), row, back)
            start += mark + 4
        self.text(start, row, label, SMALL_SIZE, SOFT)

    def mark(self, left: int, middle: int, back: bool) -> None:
        """Draw a tick or a struck equals sign."""
        self.image.paste(_colour(back), (left, middle - MARK // 2), _mark(back))

    def legend(self, left: int, middle: int) -> None:
        """Explain the two marks."""
        for back, words in LEGEND:
            self.mark(left, middle, back)
            self.text(left + MARK + 5, middle, words, SMALL_SIZE, SOFT)
            left += MARK + 28 + round(length(words, SMALL_SIZE))

    def noise_bar(
        self,
        left: int,
        middle: int,
        width: int,
        share: float,
        ends: tuple[str, str],
        rising: bool | None,
    ) -> None:
        """Draw a bar of how much noise there is, with an arrow the way it goes."""
        first = round(length(ends[0], SMALL_SIZE)) + 8
        last = round(length(ends[1], SMALL_SIZE)) + 8
        self.text(left, middle, ends[0], SMALL_SIZE, SOFT)
        self.text(left + width, middle, ends[1], SMALL_SIZE, SOFT, "rm")
        start = left + first + 6
        end = left + width - last - 6
        at = start + round(share * (end - start))
        self.draw.rectangle((start, middle - 1, end, middle + 1), RULE)
        self.draw.rectangle((start, middle - 1, at, middle + 1), LINE)
        tip = _tip(rising)
        self.image.paste(INK, (at - tip.width // 2, middle - tip.height // 2), tip)


def _colour(back: bool) -> str:
    return CAME_BACK if back else CHANGED


@cache
def _tip(rising: bool | None) -> Image.Image:
    """Draw the end of the bar as a mask: an arrow to the right or left, or a dot."""
    size = 17 * FINE
    middle = size / 2
    mask = Image.new("L", (size, size))
    pen = ImageDraw.Draw(mask)
    if rising is None:
        pen.circle((middle, middle), 5 * FINE, 255)
    else:
        way = 1 if rising else -1
        base = middle - 4 * FINE * way
        point = (middle + 8 * FINE * way, middle)
        pen.polygon([point, (base, size * 0.08), (base, size * 0.92)], 255)
    return mask.resize((17, 17), Image.Resampling.BOX)


@cache
def _mark(back: bool) -> Image.Image:
    """Draw a mark as a mask, large and averaged down."""
    size = MARK * FINE
    mask = Image.new("L", (size, size))
    pen = ImageDraw.Draw(mask)
    width = round((1.8 if back else 1.4) * FINE)
    for stroke in TICK if back else NOT_EQUAL:
        pen.line([(x * size, y * size) for x, y in stroke], 255, width, joint="curve")
    return mask.resize((MARK, MARK), Image.Resampling.BOX)
