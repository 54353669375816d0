import numpy as np
import pytest

from diffdemo import sheets
from diffdemo.errors import DiffdemoError
from diffdemo.letters import check_letters, length, shortened, spelled, wrapped
from diffdemo.sheets import Still, Tile, TileRow

TITLE = "Of 16 noises of 250 steps, 15 brought face 17 back; on average 13.4 of its 14 visible attributes survived."


def art(size: int = 16, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, channels), dtype=np.uint8)


def row(count: int, label: str = "seed 3", back: bool | None = True, **options) -> TileRow:
    return TileRow(label, tuple(Tile(f"{label}-{k}", f"n = {50 * k}", back, art(seed=k, **options)) for k in range(count)))


def found(page: np.ndarray, picture: np.ndarray, scale: int) -> bool:
    """Whether the page holds the picture, each of its pixels enlarged to scale x scale."""
    picture = np.broadcast_to(picture, (*picture.shape[:2], 3))
    large = np.repeat(np.repeat(picture, scale, 0), scale, 1)
    first = np.argwhere((page[: 1 - large.shape[0], : 1 - large.shape[1]] == large[0, 0]).all(-1))
    return any(np.array_equal(page[y : y + large.shape[0], x : x + large.shape[1]], large) for y, x in first)


@pytest.mark.parametrize(
    "rows",
    [[row(1)], [row(1), *(row(2, f"seed {k}") for k in range(64))], [row(64, f"seed {k}") for k in range(16)],
     [row(2, f"Edit-friendly DDPM, seed {k}") for k in range(320)], [row(1, f"seed {k}", size=256) for k in range(16)], [row(9), row(1, size=500)]],
    ids=["one", "64 seeds", "1024 tiles", "640 tiles", "large pictures", "very large picture"],
)  # fmt: skip
def test_any_number_of_tiles_fits_on_a_page(rows):
    page = sheets.sheet(TITLE, rows, "model faces")
    assert page.dtype == np.uint8
    assert page.shape[0] <= sheets.MAX_HEIGHT
    assert sheets.LEAST_WIDTH <= page.shape[1] <= sheets.MAX_WIDTH
    assert (page[:20] == 255).all()
    assert (page[:, -20:] == 255).all()


def test_pixels_stay_crisp_and_every_tile_is_there():
    rows = [row(1, "the picture", None), *(row(2, f"seed {k}") for k in range(5))]
    page = sheets.sheet(TITLE, rows)
    assert all(found(page, tile.picture, 6) for some in rows for tile in some.tiles)
    assert found(sheets.sheet("Digits.", [row(3, size=28, channels=1)]), art(28, 1), 3)


def test_the_mark_says_what_the_colour_says():
    pages = [sheets.sheet("A title.", [row(3, back=back)]) for back in (True, False, None)]
    grey = [np.where((page == 255).all(-1), 0, 1) for page in pages]
    assert not np.array_equal(grey[0], grey[1])
    colours = [(0x0B, 0x76, 0x6F), (0xB0, 0x4E, 0x00), (0xDD, 0xE3, 0xE9)]
    assert all((page == colour).all(-1).sum() > 100 for page, colour in zip(pages, colours, strict=True))


def test_a_label_that_all_rows_share_stands_once_above():
    shared = sheets.sheet("A title.", [row(3, f"seed {k}", None) for k in range(4)])
    own = sheets.sheet("A title.", [TileRow(f"seed {k}", tuple(Tile(t.name, f"{k}", None, t.picture) for t in row(3).tiles)) for k in range(4)])
    assert shared.shape[0] == own.shape[0] + 22 - 4 * sheets.UNDER


def test_letters_are_wrapped_shortened_and_checked():
    lines = wrapped(TITLE, 21, 300)
    assert " ".join(lines) == TITLE
    assert max(length(line, 21) for line in lines) <= 300
    assert shortened("seed 3, 5 of 14", 13, 60).endswith("…")
    assert length(shortened("seed 3, 5 of 14", 13, 60), 13) <= 60
    assert shortened("seed", 13, 3) == ""
    check_letters("x_n = 250, 98 % (exact)…")
    assert spelled("ein Mädchen, ≠ 猫, x_n 98 %") == "ein Madchen, ? ?, x_n 98 %"
    with pytest.raises(DiffdemoError, match="has no '≠'"):
        sheets.sheet("≠ another", [row(1)])


def test_stills_have_one_size_and_large_tiles():
    tiles = (Tile("x", "seed 3", None, art()), Tile("x0_hat", "estimate", None, art(seed=1)))
    up = [Still(tiles, f"n = {n}, noise is added", n / 1000, True) for n in (0, 250, 1000)]
    last = Still((Tile("back", "5 of 14", False, art(8)), tiles[1]), "n = 0, 0 of 1 came back", 0.0)
    frames = sheets.film([*up, up[-1], last], columns=2)
    assert len(frames) == 4
    assert len({frame.shape for frame in frames}) == 1
    assert found(frames[0], art(), 10)
    many = sheets.film([Still(tiles * 8, "n = 3", 0.5)], columns=4)
    assert found(many[0], art(), 5)
    codes = sheets.film([Still((Tile("x_n", "", None, art(16, 1)), Tile("x0", "", None, art(256))), "n = 3", 0.5)], columns=2)
    assert found(codes[0], art(16, 1), 16)


def test_what_stands_beside_is_large_and_in_no_tiles_way():
    tiles = tuple(Tile(f"x-{k}", "seed 3", None, art(seed=k)) for k in range(16))
    (frame,) = sheets.film([Still(tiles, "n = 3", 0.5, beside=Tile("x0", "the picture", None, art(seed=99)))], columns=8)
    assert found(frame, art(seed=99), 12)
    assert all(found(frame, tile.picture, 5) for tile in tiles)
    assert frame.shape[1] > sheets.film([Still(tiles, "n = 3", 0.5)], columns=8)[0].shape[1] + 12 * 16


def test_the_arrow_shows_the_way():
    tiles = (Tile("x", "", None, art()),)
    frames = sheets.film([Still(tiles, "n = 500", 0.5, rising) for rising in (True, False, None)], columns=1)
    assert len(frames) == 3
