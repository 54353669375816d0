import numpy as np
import pytest
from art import art, holds, tile

from diffdemo.errors import DiffdemoError
from diffdemo.report.canvas import CAPTION
from diffdemo.report.sheets import HEAD, LEAST_WIDTH, MAX_HEIGHT, MAX_WIDTH, TileRow, sheet

TITLE = (
    "After 250 steps of noise, all 16 tries came back as face 17. "
    "They kept 9.6 of its 14 features; a stranger shares 4.5."
)


def row(count: int, label: str = "seed 3", back: bool | None = True, **options) -> TileRow:
    tiles = [tile(f"{label}-{k}", f"n = {50 * k}", back, seed=k, **options) for k in range(count)]
    return TileRow(label, tuple(tiles))


PAGES = {
    "one tile": [row(1)],
    "64 seeds": [row(1), *(row(2, f"seed {k}") for k in range(64))],
    "1024 tiles": [row(64, f"seed {k}") for k in range(16)],
    "640 tiles": [row(2, f"Edit-friendly DDPM, seed {k}") for k in range(320)],
    "large pictures": [row(1, f"seed {k}", side=256) for k in range(16)],
    "very large picture": [row(9), row(1, side=500)],
}


@pytest.mark.parametrize("rows", PAGES.values(), ids=PAGES)
def test_any_number_of_tiles_fits_on_a_page(rows):
    page = sheet(TITLE, rows, "model faces")
    assert page.dtype == np.uint8
    assert page.shape[0] <= MAX_HEIGHT
    assert LEAST_WIDTH <= page.shape[1] <= MAX_WIDTH
    assert (page[:20] == 255).all()
    assert (page[:, -20:] == 255).all()


def test_pixels_stay_crisp_and_every_tile_is_there():
    rows = [row(1, "the picture", None), *(row(2, f"seed {k}") for k in range(5))]
    page = sheet(TITLE, rows)
    assert all(holds(page, tile.picture, 6) for row in rows for tile in row.tiles)
    assert holds(sheet("Digits.", [row(3, side=28, channels=1)]), art(28, 1), 3)


def test_the_mark_says_what_the_colour_says():
    colours = {True: (0x0B, 0x76, 0x6F), False: (0xB0, 0x4E, 0x00), None: (0xDD, 0xE3, 0xE9)}
    pages = {back: sheet("A title.", [row(3, back=back)]) for back in colours}
    for back, page in pages.items():
        assert (page == colours[back]).all(-1).sum() > 100
    drawn = [(pages[back] != 255).any(-1) for back in (True, False)]
    assert not np.array_equal(*drawn)


def test_a_label_that_all_tiles_of_a_column_share_stands_once_above():
    shared = sheet("A title.", [row(3, f"seed {k}", None) for k in range(4)])
    labelled = [tuple(tile(f"{k}-{j}", f"{k}") for j in range(3)) for k in range(4)]
    own = sheet("A title.", [TileRow(f"seed {k}", tiles) for k, tiles in enumerate(labelled)])
    assert shared.shape[0] == own.shape[0] + HEAD - 4 * CAPTION


def test_a_letter_that_the_font_lacks_is_refused():
    with pytest.raises(DiffdemoError, match="has no '≠'"):
        sheet("≠ another", [row(1)])
