import io

import numpy as np
import pytest
import torch
from PIL import Image

from diffdemo.pictures import images


def random_picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def test_eight_bits_survive_a_round_trip_and_values_are_rounded():
    pictures = np.stack([random_picture(0), random_picture(1)])
    assert np.array_equal(images.to_uint8(images.from_uint8(pictures)), pictures)
    assert images.to_uint8(torch.tensor([[[[-7.0, 0.0, 7.0]]]])).ravel().tolist() == [0, 128, 255]


def test_fit_crops_the_centre_and_is_exact_for_enlarged_pixel_art():
    art = Image.fromarray(random_picture(1))
    wide = Image.new("RGB", (320, 160), "white")
    wide.paste(art.resize((160, 160), Image.Resampling.NEAREST), (80, 0))
    assert np.array_equal(np.asarray(images.fit(wide, (16, 16))), np.asarray(art))


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (17, 3)])
def test_fit_keeps_a_plain_colour_at_any_size(size):
    fitted = images.fit(Image.new("RGB", size, "white"), (16, 16))
    assert fitted.getcolors() == [(256, (255, 255, 255))]


def test_png_files_are_lossless_and_stable():
    picture = random_picture(2)
    data = images.png_bytes(picture)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), picture)
    assert data == images.png_bytes(picture)
    assert images.data_uri(picture).startswith("data:image/png;base64,")


def test_sheets_keep_every_picture_in_place():
    pictures = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 2, 3, 3), np.uint8)
    page = images.sheet(pictures, columns=2, scale=2, gap=1)
    assert page.shape == (2 * (3 * 3 - 1), 2 * 7, 3)
    assert page[0, 0, 0] == 0
    assert page[6, 8, 0] == 3
    assert page[4, 0, 0] == 255
    assert images.side_by_side([page, page], 4).shape[1] == 2 * page.shape[1] + 4


def test_grey_and_rgb_pictures_are_visualised_as_they_are():
    pictures = torch.linspace(-2, 2, 24).reshape(1, 3, 2, 4)
    assert np.array_equal(images.visualise(pictures), images.to_uint8(pictures))
    assert images.visualise(pictures[:, :1]).shape == (1, 2, 4, 1)


def test_latents_are_visualised_as_tiles_of_their_channels():
    latents = torch.tensor([-3.0, 0.0, 3.0, 9.0])[None, :, None, None].expand(2, 4, 2, 3)
    tiles = images.visualise(latents)
    assert tiles.shape == (2, 4, 6, 1)
    assert tiles[0, 0, :, 0].tolist() == [0, 0, 0, 128, 128, 128]
    assert tiles[1, 3, :, 0].tolist() == [255] * 6
    assert images.visualise(torch.zeros(1, 5, 2, 2)).shape == (1, 4, 6, 1)
    assert images.visualise(torch.zeros(0, 4, 2, 2)).shape == (0, 4, 4, 1)
