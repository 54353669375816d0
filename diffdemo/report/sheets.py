"""Contact sheets: all tiles of a result on one page, drawn with Pillow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from diffdemo.report.canvas import (
    CAPTION,
    FRAME,
    GAP,
    LABEL_SIZE,
    MARK,
    SMALL_SIZE,
    Canvas,
    Tile,
    scaled,
)
from diffdemo.report.colours import INK, SOFT
from diffdemo.report.letters import check_letters, length, wrapped

MAX_WIDTH = 4000
MAX_HEIGHT = 6000
LEAST_WIDTH = 640
MARGIN = 32  # around the page
TITLE_SIZE = 21
BLOCK_GAP = 28  # between blocks of a table beside each other
FEW = 12  # up to so many columns, their words may widen them
HEAD = 22  # height of the heads of columns
LARGEST = 256  # pixels a side of a picture at most
LARGE_EDGES = (256, 192, 128)  # only for pictures that large
# Edge of a tile, and width of the page at most, in the order in which they are tried.
EDGES = (
    (96, 2000),
    (80, 2400),
    (64, MAX_WIDTH),
    (48, MAX_WIDTH),
    (32, MAX_WIDTH),
    (24, MAX_WIDTH),
    (16, MAX_WIDTH),
    (8, MAX_WIDTH),
)


@dataclass(frozen=True, eq=False)
class TileRow:
    """Tiles side by side, and what they are."""

    label: str
    tiles: tuple[Tile, ...]


def sheet(title: str, rows: Sequence[TileRow], foot: str = "") -> np.ndarray:
    """Draw all tiles on one white page of at most 4000 x 6000 pixels: (H, W, 3) uint8.

    Rows of the same number of tiles form a table. Where all of a column have the same label, it
    stands once above. A long table of short rows goes on beside itself.

    Args:
        title: wrapped over as many lines as it needs.
        rows: at least one tile in each.
        foot: the small print.

    Raises:
        DiffdemoError: the font lacks a letter.
    """
    tiles = [tile for row in rows for tile in row.tiles]
    words = [title, foot, *(row.label for row in rows), *(tile.label for tile in tiles)]
    for text in words:
        check_letters(text)
    groups = [list(group) for _, group in groupby(rows, key=lambda row: len(row.tiles))]
    tables, width = _arranged(groups)
    heading = wrapped(title, TITLE_SIZE, width)
    small = wrapped(foot, SMALL_SIZE, width)
    legend = 28 if any(tile.back is not None for tile in tiles) else 0
    top = MARGIN + 30 * len(heading) + 12
    below = legend + 20 * len(small) + MARGIN - GAP
    canvas = Canvas(width + 2 * MARGIN, top + sum(table.height for table in tables) + below)
    for k, line in enumerate(heading):
        canvas.text(MARGIN, MARGIN + 30 * k + 12, line, TITLE_SIZE, INK)
    for table in tables:
        table.draw(canvas, top)
        top += table.height
    if legend:
        canvas.legend(MARGIN, top + 10)
        top += legend
    for k, line in enumerate(small):
        canvas.text(MARGIN, top + 20 * k + 8, line, SMALL_SIZE, SOFT)
    return np.asarray(canvas.image)


def _arranged(groups: list[list[TileRow]]) -> tuple[list["_Table"], int]:
    """Return tables with the largest tiles that fit a page, and the width inside its margins."""
    rows = [row for group in groups for row in group]
    side = max(max(tile.picture.shape[:2]) for row in rows for tile in row.tiles)
    large = [(edge, MAX_WIDTH) for edge in LARGE_EDGES if edge <= min(LARGEST, side)]
    label = max(round(length(row.label, LABEL_SIZE)) for row in rows) + 14
    for edge, page in [*large, *EDGES]:
        most = page - 2 * MARGIN
        narrow = [_Table.of(group, edge, label) for group in groups]
        for width in range(LEAST_WIDTH, most + 1, 80):
            tables = [table.spread(width) for table in narrow]
            height = sum(table.height for table in tables)
            taken = max(LEAST_WIDTH, *(table.width for table in tables))
            handy = height <= 1.3 * taken or width + 80 > most
            if taken <= width and height <= MAX_HEIGHT - 400 and handy:
                return tables, taken
    return tables, MAX_WIDTH - 2 * MARGIN


@dataclass(frozen=True, eq=False)
class _Table:
    """Rows of equally many tiles, in `across` blocks beside each other; lengths in pixels.

    Attributes:
        edge: side of a picture at most; cell: side of the largest one.
        label: width of the labels of rows.
        heads: what stands once above each column; "" where the tiles differ.
        captions: whether a row needs a line under its tiles.
        pitches: the width of each column.
    """

    rows: list[TileRow]
    edge: int
    cell: int
    label: int
    heads: tuple[str, ...]
    captions: tuple[bool, ...]
    pitches: tuple[int, ...]
    across: int = 1

    @classmethod
    def of(cls, rows: list[TileRow], edge: int, label: int) -> "_Table":
        """Make one block, as wide as its words need."""
        columns = list(zip(*(row.tiles for row in rows), strict=True))
        heads = tuple(_head(column) if len(rows) > 1 else "" for column in columns)
        shapes = {tile.picture.shape: tile.picture for row in rows for tile in row.tiles}
        cell = max(max(scaled(picture, edge).size) for picture in shapes.values())
        pitches = []
        for head, column in zip(heads, columns, strict=True):
            widths = [float(cell + 2 * FRAME)]
            if len(columns) <= FEW:
                widths.append(length(head, SMALL_SIZE))
                widths += [_caption_width(tile, not head) for tile in column]
            pitches.append(round(max(widths)) + GAP)
        captions = tuple(
            any(
                tile.back is not None or bool(tile.label and not head)
                for head, tile in zip(heads, row.tiles, strict=True)
            )
            for row in rows
        )
        return cls(rows, edge, cell, label, heads, captions, tuple(pitches))

    def spread(self, width: int) -> "_Table":
        """Put as many blocks beside each other as the width takes."""
        count = len(self.rows)
        fitting = (width + BLOCK_GAP) // (self.block + BLOCK_GAP)
        most = max(1, min(fitting, count))
        lines = -(-count // most)
        across = -(-count // lines)
        captions = self.captions
        if across > 1:  # blocks beside each other keep their rows in line
            captions = (any(captions),) * count
        return replace(self, across=across, captions=captions)

    @property
    def block(self) -> int:
        """Width of one block."""
        return self.label + sum(self.pitches)

    @property
    def lines(self) -> int:
        """Rows of one block."""
        return -(-len(self.rows) // self.across)

    @property
    def width(self) -> int:
        """Width of all blocks."""
        return self.across * (self.block + BLOCK_GAP) - BLOCK_GAP

    @property
    def height(self) -> int:
        """Height of the table."""
        heads = HEAD if any(self.heads) else 0
        return sum(self._line(row) for row in range(self.lines)) + heads + 8

    def _line(self, row: int) -> int:
        """Height of a row."""
        return self.cell + 2 * FRAME + GAP + (CAPTION if self.captions[row] else 0)

    def draw(self, canvas: Canvas, top: int) -> None:
        """Draw the table from `top` down."""
        for block in range(self.across):
            left = MARGIN + block * (self.block + BLOCK_GAP)
            y = top
            if any(self.heads):
                self._draw_heads(canvas, left + self.label, y)
                y += HEAD
            rows = self.rows[block * self.lines : (block + 1) * self.lines]
            for number, row in enumerate(rows):
                self._draw_row(canvas, row, left, y)
                y += self._line(number)

    def _draw_row(self, canvas: Canvas, row: TileRow, left: int, y: int) -> None:
        canvas.text(left, y + FRAME + self.cell // 2, row.label, LABEL_SIZE, INK)
        x = left + self.label
        below = y + self.cell + 2 * FRAME + CAPTION // 2 + 1
        for tile, head, pitch in zip(row.tiles, self.heads, self.pitches, strict=True):
            middle = x + (pitch - GAP) // 2
            label = "" if head else tile.label
            canvas.tile(middle, y, tile, self.edge, self.cell)
            canvas.caption(middle, below, tile.back, label, pitch - 4)
            x += pitch

    def _draw_heads(self, canvas: Canvas, left: int, top: int) -> None:
        """Draw the heads of the columns; where they would touch, every second, third, …"""
        every = 1
        if len(self.heads) > FEW:
            widest = max(length(head, SMALL_SIZE) for head in self.heads)
            every = -(-round(widest + 8) // min(self.pitches))
        for k, (head, pitch) in enumerate(zip(self.heads, self.pitches, strict=True)):
            if k % every == 0:
                canvas.text(left + (pitch - GAP) // 2, top + 8, head, SMALL_SIZE, SOFT, "mm")
            left += pitch


def _head(column: Sequence[Tile]) -> str:
    """Return the one label of all tiles, if it says what they are, not what came of them."""
    alike = len({tile.label for tile in column}) == 1
    neutral = any(tile.back is None for tile in column)
    return column[0].label if alike and neutral else ""


def _caption_width(tile: Tile, named: bool) -> float:
    """Return the width of the line under a tile."""
    label = length(tile.label, SMALL_SIZE) if named else 0.0
    return label + (0 if tile.back is None else MARK + 4)
