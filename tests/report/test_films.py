import numpy as np
from art import art, holds, tile

from diffdemo.report.films import Still, film

TILES = (tile("x", "seed 3"), tile("x0_hat", "estimate", seed=1))


def test_frames_have_one_size_and_equal_ones_are_left_out():
    up = [Still(TILES, f"n = {n}, noise is added", n / 1000, True) for n in (0, 250, 1000)]
    back = tile("back", "5 of 14", False, side=8)
    last = Still((back, TILES[1]), "n = 0, 0 of 1 came back", 0.0)
    frames = film([*up, up[-1], last], columns=2)
    assert len(frames) == 4
    assert len({frame.shape for frame in frames}) == 1


def test_the_fewer_tiles_the_larger_they_are():
    (few,) = film([Still(TILES, "n = 3", 0.5)], columns=2)
    (many,) = film([Still(TILES * 8, "n = 3", 0.5)], columns=4)
    pictures = (tile("x_n", channels=1), tile("x0", side=256))
    (large,) = film([Still(pictures, "n = 3", 0.5)], columns=2)
    assert holds(few, art(), 10)
    assert holds(many, art(), 5)
    assert holds(large, art(16, 1), 16)


def test_what_stands_beside_is_large_and_covers_no_tile():
    tiles = tuple(tile(f"x-{k}", "seed 3", seed=k) for k in range(16))
    beside = tile("x0", "the picture", seed=99)
    (frame,) = film([Still(tiles, "n = 3", 0.5, beside=beside)], columns=8)
    (plain,) = film([Still(tiles, "n = 3", 0.5)], columns=8)
    assert holds(frame, beside.picture, 12)
    assert all(holds(frame, tile.picture, 5) for tile in tiles)
    assert frame.shape[1] > plain.shape[1] + 12 * 16


def test_the_arrow_shows_the_way():
    stills = [Still(TILES, "n = 500", 0.5, rising) for rising in (True, False, None)]
    frames = film(stills, columns=2)
    assert len({frame.tobytes() for frame in frames}) == len(frames) == 3
    assert all(np.array_equal(frame[80:], frames[0][80:]) for frame in frames)
