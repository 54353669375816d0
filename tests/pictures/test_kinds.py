import numpy as np
import pytest
from art import art
from PIL import Image, ImageDraw

from diffdemo.pictures import digits, faces, images, kinds, matching

COLOURS = [
    *faces.atlas().palettes["background"],
    *faces.atlas().palettes["skin"],
    (0, 0, 0),
    (255, 255, 255),
    (200, 30, 90),
]


def model_space(pixels: np.ndarray):
    return images.from_uint8(np.asarray(pixels, np.uint8)[None])


def photo(seed: int, side: int, channels: int) -> np.ndarray:
    """Coloured noise of spectrum 1/f, as in natural pictures, on a gradient."""
    random = np.random.default_rng(seed)
    frequency = np.fft.fftfreq(side)
    radius = np.hypot(frequency[:, None], frequency)[..., None] + 1 / side
    waves = np.fft.fft2(random.normal(size=(side, side, channels)), axes=(0, 1)) / radius
    texture = np.real(np.fft.ifft2(waves, axes=(0, 1)))
    slope = np.linspace(-1, 1, side)[:, None, None] * random.uniform(-60, 60, channels)
    middle = random.uniform(80, 180, channels)
    return np.clip(middle + slope + 45 * texture / texture.std(), 0, 255).astype(np.uint8)


def gradient(side: int, channels: int) -> np.ndarray:
    ramp = np.linspace(0, 255, side)[:, None, None]
    return np.broadcast_to(ramp, (side, side, channels)).astype(np.uint8)


def strokes(width: int, *lines: list[tuple[int, int]]) -> np.ndarray:
    """A digit drawn by hand on the pad, (32, 32, 1)."""
    drawing = Image.new("L", (32, 32))
    for line in lines:
        ImageDraw.Draw(drawing).line(line, fill=255, width=width, joint="curve")
    return np.asarray(drawing)[..., None]


@pytest.mark.parametrize("seed", range(faces.EVALUATION_SEED, faces.EVALUATION_SEED + 12))
def test_a_face_is_a_face_even_after_it_was_edited(seed):
    face = faces.sample(seed)[0]
    random = np.random.default_rng(seed)
    scribbled = face.copy()
    scribbled[random.integers(0, 16, 15), random.integers(0, 16, 15)] = random.integers(0, 256, 3)
    for picture in (face, scribbled):
        assert kinds.is_face(model_space(picture))


def test_hundreds_of_held_out_faces_are_all_faces():
    drawn = faces.pictures(np.arange(300) + faces.EVALUATION_SEED + 1000)
    unexplained = matching.read(drawn).rmse ** 2
    deviations = drawn - drawn.mean((1, 2), keepdims=True)
    variance = np.square(deviations / 127.5).mean((1, 2, 3))
    assert (unexplained / variance).max() < 0.1 < 1 - kinds.EXPLAINED


@pytest.mark.parametrize("seed", range(8))
def test_photos_and_random_pixels_are_neither_faces_nor_digits(seed):
    assert not kinds.is_face(model_space(photo(seed, 16, 3)))
    assert not kinds.is_face(model_space(art(16, 3, seed)))
    assert not kinds.is_digit(model_space(photo(seed, 32, 1)))
    assert not kinds.is_digit(model_space(art(32, 1, seed)))


@pytest.mark.parametrize("colour", COLOURS)
def test_a_plain_colour_is_neither_even_if_faces_have_it(colour):
    assert not kinds.is_face(model_space(np.full((16, 16, 3), colour)))
    assert not kinds.is_digit(model_space(np.full((32, 32, 1), colour[0])))


def test_a_gradient_is_neither():
    assert not kinds.is_face(model_space(gradient(16, 3)))
    assert not kinds.is_digit(model_space(gradient(32, 1)))


@pytest.mark.parametrize("index", range(10))
def test_a_digit_is_no_face_and_a_face_no_digit(index):
    digit = Image.fromarray(digits.line_up()[0][index, ..., 0])
    small = np.asarray(images.fit(digit, (16, 16)))
    face = np.asarray(images.fit(Image.fromarray(faces.sample(index)[0]), (32, 32), "L"))
    assert not kinds.is_face(model_space(small))
    assert not kinds.is_face(model_space(255 - small))
    assert not kinds.is_digit(model_space(face[..., None]))
    assert not kinds.is_digit(model_space(255 - face[..., None]))


def test_every_test_digit_is_a_digit_and_none_is_black_on_white():
    for digit in digits.line_up()[0][::25]:
        assert kinds.is_digit(model_space(digit))
        assert not kinds.is_digit(model_space(255 - digit))


@pytest.mark.parametrize(
    "digit",
    [
        strokes(1, [(16, 4), (16, 27)]),
        strokes(4, [(6, 5), (26, 5), (12, 29)]),
        strokes(3, [(8, 8), (22, 8), (8, 24), (24, 24)]) // 5 * 3,
        np.roll(strokes(3, [(16, 4), (16, 27)]), 9, axis=1),
    ],
)
def test_a_digit_by_hand_is_a_digit(digit):
    assert kinds.is_digit(model_space(digit))
