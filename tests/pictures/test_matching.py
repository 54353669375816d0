import numpy as np
import pytest

from diffdemo.pictures import faces, matching


def noisy_faces(count, sigma, seed):
    pictures = faces.pictures(np.arange(count) + faces.EVALUATION_SEED)
    return pictures + np.random.default_rng(seed).normal(0, sigma, pictures.shape)


def rmse(drawn, pictures):
    """RMSE on the [-1, 1] scale of faces that are composed, (B, 256, 3)."""
    difference = drawn.reshape(-1, 16, 16, 3) - pictures
    return (difference**2).mean((1, 2, 3)) ** 0.5 / 127.5


def test_clean_faces_are_found():
    choices = faces.choose(np.arange(60) + faces.EVALUATION_SEED)
    reading = matching.read(faces.draw(choices))
    assert (reading.rmse < 0.01).mean() > 0.98
    assert matching.attributes_kept(choices, reading.choices).mean() > 0.995


def test_the_distance_is_that_of_the_face_found():
    pictures = noisy_faces(20, 30, seed=0)
    reading = matching.read(pictures)
    expected = rmse(faces.compose(reading.choices), pictures)
    assert reading.rmse == pytest.approx(expected, abs=1e-3)


def test_no_single_change_of_the_face_found_is_nearer():
    pictures = noisy_faces(6, 40, seed=1)
    reading = matching.read(pictures)
    for picture, row, lowest in zip(pictures, reading.choices, reading.rmse, strict=True):
        for column in faces.ATTRIBUTES.values():
            others = faces.compose(faces.alternatives(row[None], column)[0])
            assert rmse(others, picture).min() > lowest - 1e-3


def test_pictures_that_are_no_faces_are_far_away():
    noise = np.random.default_rng(2).uniform(0, 255, (5, 16, 16, 3))
    assert matching.read(noise).rmse.min() > 0.3


def test_no_pictures_give_no_readings():
    assert len(matching.read(np.empty((0, 16, 16, 3))).choices) == 0


def test_values_that_draw_the_same_picture_count_as_kept():
    choices = faces.choose(np.arange(300))
    row, attribute = np.argwhere(~faces.visible(choices))[0]
    column = faces.attribute_columns()[attribute]
    original = choices[row : row + 1]
    other = original.copy()
    other[0, column] = 0 if other[0, column] else 1
    assert matching.attributes_kept(original, other).all()
    other[0, faces.atlas().columns["colour:background"]] ^= 1
    assert matching.attributes_kept(original, other).sum() == 13
