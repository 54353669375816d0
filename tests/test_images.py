import io

import numpy as np
import pytest
import torch
from PIL import Image

from diffdemo import images
from diffdemo.errors import PictureError


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def test_eight_bit_round_trip_and_rounding():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    assert np.array_equal(images.to_uint8(images.from_uint8(pictures)), pictures)
    assert images.to_uint8(torch.tensor([[[[-7.0, 0.0, 7.0]]]])).ravel().tolist() == [0, 128, 255]


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "RGBA", "LA", "I;16"])
def test_every_mode_becomes_rgb(mode):
    source = Image.new("I;16", (4, 4), 257 * 100) if mode == "I;16" else Image.new("RGB", (4, 4), (200, 100, 50)).convert(mode)
    picture = images.load_picture(encoded(source, "JPEG" if mode == "CMYK" else "PNG"))
    assert picture.mode == "RGB"
    if mode == "I;16":
        assert picture.getpixel((0, 0)) == (100, 100, 100)  # scaled, not cut to white


def test_transparency_is_laid_on_white():
    assert images.load_picture(encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 0)))).getpixel((0, 0)) == (255, 255, 255)


def test_photographs_are_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert images.load_picture(encoded(Image.new("RGB", (30, 10)), "JPEG", exif=exif)).size == (10, 30)


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (3, 3), c) for c in ("red", "blue")]
    picture = images.load_picture(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert picture.getpixel((0, 0)) == (255, 0, 0)


GOOD = encoded(Image.new("RGB", (64, 64), "red"))
HUGE = encoded(Image.new("1", (8000, 8000)))


@pytest.mark.parametrize(
    "data", [b"", b"hello", GOOD[: len(GOOD) // 2], b"<svg xmlns='http://www.w3.org/2000/svg'/>", HUGE, b"GIF89a", b"\x00" * 100]
)
def test_what_is_no_picture_gets_one_sentence(data):
    with pytest.raises(PictureError) as caught:
        images.load_picture(data)
    assert str(caught.value).count("\n") == 0


def test_missing_and_oversized_files_get_one_sentence(tmp_path):
    with pytest.raises(PictureError, match="again"):
        images.load_picture(tmp_path / "nothing.png")
    big = tmp_path / "big.png"
    big.write_bytes(b"\x00" * (images.MAX_BYTES + 1))
    with pytest.raises(PictureError, match="larger than"):
        images.load_picture(big)


def test_fit_crops_the_centre_and_is_exact_for_enlarged_pixel_art():
    art = Image.fromarray(np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    wide = Image.new("RGB", (320, 160), "white")
    wide.paste(art.resize((160, 160), Image.Resampling.NEAREST), (80, 0))
    assert np.array_equal(np.asarray(images.fit(wide, (16, 16))), np.asarray(art))
    for size in ((1, 1), (1, 10000), (17, 3)):
        assert images.fit(Image.new("RGB", size, "white"), (16, 16)).getpixel((5, 5)) == (255, 255, 255)


def test_png_bytes_are_lossless_and_stable():
    picture = np.random.default_rng(2).integers(0, 256, (16, 16, 3), dtype=np.uint8)
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


def test_codes_are_shown_as_mosaics_of_their_channels():
    pictures = torch.linspace(-2, 2, 24).reshape(1, 3, 2, 4)
    assert np.array_equal(images.shown(pictures), images.to_uint8(pictures))
    assert images.shown(pictures[:, :1]).shape == (1, 2, 4, 1)
    code = torch.tensor([-3.0, 0.0, 3.0, 9.0])[None, :, None, None].expand(2, 4, 2, 3)
    mosaic = images.shown(code)
    assert mosaic.shape == (2, 4, 6, 1)
    assert mosaic[0, 0, :, 0].tolist() == [0, 0, 0, 128, 128, 128]
    assert mosaic[1, 3, :, 0].tolist() == [255] * 6
    assert images.shown(torch.zeros(1, 5, 2, 2)).shape == (1, 4, 6, 1)
    assert images.shown(torch.zeros(0, 4, 2, 2)).shape == (0, 4, 4, 1)
