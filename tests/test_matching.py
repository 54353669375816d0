import numpy as np

from diffdemo import faces, matching


def test_clean_faces_are_found_exactly():
    choices = faces.choose(np.arange(60) + faces.EVALUATION_SEED)
    reading = matching.read(faces.draw(choices))
    assert (reading.rmse < 0.01).mean() > 0.98
    assert matching.kept(choices, reading.choices).mean() > 0.995


def test_the_distance_is_that_of_the_face_it_names():
    pictures = faces.pictures(np.arange(20) + faces.EVALUATION_SEED) + np.random.default_rng(0).normal(0, 30, (20, 16, 16, 3))
    reading = matching.read(pictures)
    drawn = faces.compose(reading.choices).reshape(pictures.shape)
    assert np.allclose(reading.rmse, ((pictures - drawn) ** 2).mean((1, 2, 3)) ** 0.5 / 127.5, atol=1e-3)


def test_no_single_change_of_the_result_is_nearer():
    pictures = faces.pictures(np.arange(6) + faces.EVALUATION_SEED) + np.random.default_rng(1).normal(0, 40, (6, 16, 16, 3))
    reading = matching.read(pictures)
    for picture, row, rmse in zip(pictures, reading.choices, reading.rmse, strict=True):
        for column in faces.ATTRIBUTES.values():
            others = faces.compose(faces.alternatives(row[None], column)[0]).reshape(-1, *picture.shape)
            assert (((others - picture) ** 2).mean((1, 2, 3)) ** 0.5 / 127.5).min() > rmse - 1e-3


def test_pictures_that_are_no_faces_are_far_away():
    noise = np.random.default_rng(2).uniform(0, 255, (5, 16, 16, 3))
    assert matching.read(noise).rmse.min() > 0.3
    assert matching.read(np.empty((0, 16, 16, 3))).choices.shape[0] == 0


def test_kept_counts_values_that_draw_the_same_picture():
    choices = faces.choose(np.arange(300))
    hidden = np.argwhere(~faces.seen(choices))
    row, which = hidden[0]
    column = faces.atlas().columns[list(faces.ATTRIBUTES.values())[which]]
    other = choices[row : row + 1].copy()
    other[0, column] = 0 if other[0, column] else 1
    assert matching.kept(choices[row : row + 1], other).all()
    other[0, faces.atlas().columns["colour:background"]] ^= 1
    assert matching.kept(choices[row : row + 1], other).sum() == 13
