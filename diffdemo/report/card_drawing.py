"""The picture of a card, 1200 x 630 pixels: few words, large tiles, readable when it is small."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from diffdemo.pictures import images
from diffdemo.report.canvas import NOT_EQUAL, TICK, scaled
from diffdemo.report.colours import CAME_BACK, CHANGED, INK, LINE, RULE, SOFT
from diffdemo.report.letters import font, length, shortened, spelled, wrapped

WIDTH = 1200  # pixels; what unfurlers crop to
HEIGHT = 630
MARGIN = 56
ROOM = WIDTH - 2 * MARGIN
SIZES = (54, 48, 44, 40)  # of the sentence: the largest at which few lines are enough
FEW_LINES = 2
LINES = 3  # of a longer sentence at most, in the smallest size
FOOT = 54  # height of the line at the bottom
SMALL = 26  # of all other words
LABEL = 42  # height of a line of them
GAP = 14  # between tiles
BAND = 56  # between the picture and its noisy versions, where the arrow is
FRAME = 7
MARK = 34  # side of a tick or a struck equals sign


@dataclass(frozen=True, eq=False)
class Column:
    """Noisy pictures of one level, and what came back from each.

    Attributes:
        label: what was done.
        noisy, returned: (H, W, C) uint8 each.
        back: whether each is the original.
    """

    label: str
    noisy: tuple[np.ndarray, ...]
    returned: tuple[np.ndarray, ...]
    back: tuple[bool, ...]


@dataclass
class Card:
    """A card under construction.

    Args:
        sentence: what it says, above all pictures.
        foot: the small print.
    """

    sentence: str
    foot: str
    page: Image.Image = field(init=False)
    pen: ImageDraw.ImageDraw = field(init=False)
    top: int = field(init=False)

    def __post_init__(self) -> None:
        self.page = Image.new("RGB", (WIDTH, HEIGHT), "white")
        self.pen = ImageDraw.Draw(self.page)
        size, lines = _fitted(spelled(self.sentence))
        y = 40
        for line in lines:
            self.pen.text((MARGIN, y), line, INK, font(size))
            y += round(1.22 * size)
        self.top = y + 22
        self._foot()

    def _foot(self) -> None:
        name = "diffdemo"
        middle = HEIGHT - FOOT // 2 - 6
        room = ROOM - length(name, SMALL) - 40
        words = shortened(spelled(self.foot), SMALL, room)
        self.pen.text((MARGIN, middle), words, SOFT, font(SMALL), "lm")
        self.pen.text((WIDTH - MARGIN, middle), name, SOFT, font(SMALL), "rm")

    @property
    def room(self) -> int:
        """Height between the sentence and the foot."""
        return HEIGHT - FOOT - self.top

    def paths(self, original: np.ndarray, columns: list[Column]) -> bytes:
        """Draw the picture at the left, and each column's noisy pictures over what came back."""
        count = sum(len(column.noisy) for column in columns)
        if count == 1:
            return self._single(original, columns[0])
        between = 44 * (len(columns) - 1)
        edge = (self.room - 2 * LABEL - GAP) // 2
        large = min(self.room - LABEL, 300, ROOM - BAND - between - count * (edge + GAP))
        start = MARGIN + large + BAND
        top = self._original(original, large)
        self._arrow(MARGIN + large, start, top + large // 2)
        free = WIDTH - MARGIN - start - between
        edge = min(edge, free // count - GAP)
        left = start + max(0, (free - count * (edge + GAP)) // 2)
        for column in columns:
            self._column(column, left, edge)
            left += len(column.noisy) * (edge + GAP) + 44
        return self.data()

    def _single(self, original: np.ndarray, column: Column) -> bytes:
        """Draw the picture, its one noisy version and what came back beside each other."""
        edge = min(self.room - LABEL, (ROOM - 2 * BAND) // 3)
        pitch = edge + BAND + max(0, (ROOM - 2 * BAND - 3 * edge) // 2)
        top = self._original(original, edge, MARGIN)
        words, colour = _verdict(column.back)
        row = top + edge + LABEL // 2 + 2
        second = MARGIN + pitch
        third = second + pitch
        self._tile(column.noisy[0], second, top, edge)
        self._words(column.label, second + edge // 2, row, edge + BAND, SOFT)
        self._tile(column.returned[0], third, top, edge, column.back[0])
        self._words(words, third + edge // 2, row, edge + BAND, colour)
        for left in (MARGIN, second):
            self._arrow(left + edge, left + pitch, top + edge // 2)
        return self.data()

    def _original(self, original: np.ndarray, edge: int, left: int = MARGIN) -> int:
        """Draw the picture with its label; returns the row of its upper edge."""
        top = self.top + (self.room - edge - LABEL) // 2
        self._tile(original, left, top, edge)
        self._words("the picture", left + edge // 2, top + edge + LABEL // 2 + 2, edge, SOFT)
        return top

    def _arrow(self, left: int, right: int, row: int) -> None:
        """Draw an arrow in the middle between two pictures."""
        end = (left + right) // 2 + 16
        self.pen.line([(end - 32, row), (end - 12, row)], LINE, 5)
        self.pen.polygon([(end, row), (end - 17, row - 11), (end - 17, row + 11)], LINE)

    def _column(self, column: Column, left: int, edge: int) -> None:
        count = len(column.noisy)
        width = count * (edge + GAP) - GAP
        top = self.top + (self.room - 2 * (edge + LABEL) - GAP) // 2
        middle = left + width // 2
        self._words(column.label, middle, top + LABEL // 2 - 2, width + 30, INK)
        for k, (noisy, returned) in enumerate(zip(column.noisy, column.returned, strict=True)):
            x = left + k * (edge + GAP)
            self._tile(noisy, x, top + LABEL, edge)
            self._tile(returned, x, top + LABEL + edge + GAP, edge, column.back[k])
        words, colour = _verdict(column.back)
        below = top + LABEL + 2 * edge + GAP + LABEL // 2 + 6
        self._words(words, middle, below, width + 30, colour)

    def noisy(self, original: np.ndarray, pictures: list[np.ndarray]) -> bytes:
        """Draw the picture at the left, and noisy versions of it in two rows."""
        large = min(self.room - LABEL, 320)
        middle = self._original(original, large) + large // 2
        start = MARGIN + large + BAND + GAP
        self._arrow(MARGIN + large, start, middle)
        columns = min(4, len(pictures))
        rows = -(-len(pictures) // columns)
        free = WIDTH - MARGIN - start
        edge = min((self.room - GAP * (rows - 1)) // rows, free // columns - GAP, large)
        top = max(self.top, self.top + (self.room - LABEL - rows * (edge + GAP) + GAP) // 2)
        for k, picture in enumerate(pictures):
            row, column = divmod(k, columns)
            self._tile(picture, start + column * (edge + GAP), top + row * (edge + GAP), edge)
        return self.data()

    def _tile(
        self, picture: np.ndarray, left: int, top: int, edge: int, back: bool | None = None
    ) -> None:
        """Draw a picture in a square; its frame and its mark say whether it came back."""
        inside = edge if back is None else edge - 2 * FRAME
        image = _sized(picture, inside)
        x = left + (edge - image.width) // 2
        y = top + (edge - image.height) // 2
        self.page.paste(image, (x, y))
        outline = RULE if back is None else _colour(back)
        box = (left, top, left + edge - 1, top + edge - 1)
        self.pen.rectangle(box, outline=outline, width=1 if back is None else FRAME)
        if back is not None:
            self._mark(left + edge - MARK, top + edge - MARK, back)

    def _mark(self, left: int, top: int, back: bool) -> None:
        """Draw a white tick or struck equals sign on a square of its colour."""
        self.pen.rectangle((left, top, left + MARK - 1, top + MARK - 1), _colour(back))
        inside = MARK - 14
        for stroke in TICK if back else NOT_EQUAL:
            points = [(left + 7 + x * inside, top + 7 + y * inside) for x, y in stroke]
            self.pen.line(points, "white", 4, joint="curve")

    def _words(self, text: str, middle: int, row: int, room: int, colour: str) -> None:
        """Write a line centred, as much of it as there is room for."""
        words = shortened(spelled(text), SMALL, room)
        self.pen.text((middle, row), words, colour, font(SMALL), "mm")

    def data(self) -> bytes:
        """Return the card as a PNG file."""
        return images.png_bytes(np.asarray(self.page))


def _sized(picture: np.ndarray, edge: int) -> Image.Image:
    """Scale a picture so that its longer side is `edge`; enlarged pixels keep sharp edges."""
    image = scaled(picture, edge)
    factor = edge / max(image.size)
    size = (max(1, round(factor * image.width)), max(1, round(factor * image.height)))
    return image.resize(size, Image.Resampling.BILINEAR)


def _fitted(text: str) -> tuple[int, list[str]]:
    """Return the size at which a text is drawn, and its lines.

    It is the largest at which few lines are enough. A text of several sentences, one a line, is
    wrapped only where it has to be.
    """
    for size in SIZES:
        lines = [line for part in text.split("\n") for line in wrapped(part, size, ROOM)]
        if len(lines) <= FEW_LINES:
            return size, lines
    lines = wrapped(text, size, ROOM)
    last = shortened(" ".join(lines[LINES - 1 :]), size, ROOM)
    return size, [*lines[: LINES - 1], last] if last else lines


def _colour(back: bool) -> str:
    return CAME_BACK if back else CHANGED


def _verdict(back: tuple[bool, ...]) -> tuple[str, str]:
    """Return the words under what came back, and their colour."""
    count = sum(back)
    if len(back) == 1:
        return ("came back", CAME_BACK) if count else ("did not come back", CHANGED)
    if 0 < count < len(back):
        return f"{count} of {len(back)} came back", INK
    return ("came back", CAME_BACK) if count else ("did not come back", CHANGED)
