import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from diffdemo import faces
from diffdemo.errors import DiffdemoError

GOLDEN = "199114b851bff3ba0b56cf1a3e82cf4875d2aa631b337835620e33436bb2989a"


def test_the_same_seed_gives_the_same_face_for_ever():
    pictures = faces.pictures(np.array([0, 1, 17, 9_999, 900_000, 1_000_000, 2**31 - 1]))
    assert hashlib.sha256(pictures.tobytes()).hexdigest() == GOLDEN


def test_a_face_does_not_depend_on_its_batch():
    together = faces.pictures(np.arange(50))
    assert np.array_equal(together[31], faces.sample(31)[0])
    assert len(np.unique(together.reshape(50, -1), axis=0)) == 50


def test_drawing_follows_the_published_rule_layer_by_layer():
    """An independent drawing, straight from the atlas's README: one face, one pixel loop."""
    sheet = np.asarray(Image.open(faces.ASSETS / "pixel_faces.png").convert("RGBA"), dtype=np.float64)
    index = json.loads((faces.ASSETS / "pixel_faces.json").read_text())
    for seed in range(40):
        picture, attributes = faces.sample(seed)
        choices = dict(zip(faces.atlas().columns, faces.choose(np.array([seed]))[0], strict=True))
        colour = {p: _rgb(index["palettes"][p][choices[f"colour:{p}"]]) for p in index["palettes"]}
        im = np.tile(colour["background"], (16, 16, 1))
        for r, layer in enumerate(index["layers"]):
            v = choices[layer["name"]]
            if v < 0:
                continue
            tint, fixed = (sheet[32 * r + 16 * k : 32 * r + 16 * (k + 1), 16 * v : 16 * (v + 1)] for k in (0, 1))
            a, b = tint[..., 3:] / 255, fixed[..., 3:] / 255
            im = im * (1 - a) + a * colour[layer["tint"]]
            im = im * (1 - b) + b * fixed[..., :3]
        assert np.abs(picture - np.rint(im)).max() <= 1  # float32 against float64 at .5
        assert attributes["background"] == index["palettes"]["background"][choices["colour:background"]]


def _rgb(text):
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64)


def test_choices_follow_the_stated_probabilities():
    choices, a = faces.choose(np.arange(20_000)), faces.atlas()
    for layer in a.layers:
        column = choices[:, a.columns[layer.name]]
        present = (column >= 0).mean()
        assert present == pytest.approx(layer.probability, abs=0.012)
        counts = np.bincount(column[column >= 0], minlength=len(layer.variants))
        expected = counts.sum() / len(counts)
        assert ((counts - expected) ** 2 / expected).sum() < len(counts) + 5 * (2 * len(counts)) ** 0.5
    for name, table in a.palettes.items():
        counts = np.bincount(choices[:, a.columns[f"colour:{name}"]], minlength=len(table))
        assert counts.min() > 0.85 * len(choices) / len(table)


def test_choices_are_independent_of_each_other():
    choices = faces.choose(np.arange(20_000)).astype(float)
    varying = choices[:, choices.std(0) > 0]
    correlation = np.corrcoef(varying.T) - np.eye(varying.shape[1])
    assert np.abs(correlation).max() < 5 / 20_000**0.5


def test_fourteen_attributes_in_words():
    _, attributes = faces.sample(17)
    assert list(attributes) == list(faces.ATTRIBUTES)
    assert len(attributes) == 14
    assert attributes["hat"] == "none"
    assert attributes["hair colour"].startswith("#")


def test_seen_is_what_a_change_would_show():
    choices = faces.choose(np.arange(60))
    seen = faces.seen(choices)
    for row, flags in zip(choices, seen, strict=True):
        for (name, column), flag in zip(faces.ATTRIBUTES.items(), flags, strict=True):
            shows = False
            for value in faces.atlas().values(column):
                other = row.copy()
                other[faces.atlas().columns[column]] = value
                shows |= bool((faces.draw(other[None]) != faces.draw(row[None])).any())
            assert shows == flag, name
    assert seen.mean() > 0.95
    assert not seen.all()


def test_pictures_are_eight_bit_and_empty_batches_are_fine():
    assert faces.pictures(np.arange(3)).dtype == np.uint8
    assert faces.pictures(np.array([], dtype=int)).shape == (0, 16, 16, 3)


@pytest.mark.parametrize("seed", [-1, 1.5, "3", 2**63, None])
def test_impossible_seeds_are_refused(seed):
    with pytest.raises(DiffdemoError, match="seed"):
        faces.sample(seed)
