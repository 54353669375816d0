import hashlib
import json
import re

import numpy as np
import pytest
from PIL import Image

from diffdemo.errors import DiffdemoError
from diffdemo.pictures import faces

OPTIONAL = ("glasses", "hat", "accessories")
GOLDEN = "199114b851bff3ba0b56cf1a3e82cf4875d2aa631b337835620e33436bb2989a"


def test_a_seed_names_the_same_face_for_ever():
    pictures = faces.pictures(np.array([0, 1, 17, 9_999, 900_000, 1_000_000, 2**31 - 1]))
    assert hashlib.sha256(pictures.tobytes()).hexdigest() == GOLDEN


def test_a_face_does_not_depend_on_its_batch():
    together = faces.pictures(np.arange(50))
    assert np.array_equal(together[31], faces.sample(31)[0])
    assert len(np.unique(together.reshape(50, -1), axis=0)) == 50


def rgb(text):
    return np.array(list(bytes.fromhex(text[1:])), dtype=np.float64)


def drawn_independently(choices, index, sheet):
    """Draw a face straight from the rule in the README of the atlas, in float64."""
    palettes = index["palettes"]
    colour = {name: rgb(palettes[name][choices[f"colour:{name}"]]) for name in palettes}
    image = np.tile(colour["background"], (16, 16, 1))
    for row, layer in enumerate(index["layers"]):
        variant = choices[layer["name"]]
        if variant >= 0:
            column = slice(16 * variant, 16 * (variant + 1))
            mask, overlay = sheet[32 * row : 32 * (row + 1), column].reshape(2, 16, 16, 4)
            a = mask[..., 3:] / 255
            b = overlay[..., 3:] / 255
            image = image * (1 - a) + a * colour[layer["tint"]]
            image = image * (1 - b) + b * overlay[..., :3]
    return np.rint(image)


def test_drawing_follows_the_published_rule():
    sheet = Image.open(faces.ASSETS / "pixel_faces.png").convert("RGBA")
    index = json.loads((faces.ASSETS / "pixel_faces.json").read_text())
    for seed in range(40):
        picture, attributes = faces.sample(seed)
        row = faces.choose(np.array([seed]))[0]
        choices = dict(zip(faces.atlas().columns, row, strict=True))
        expected = drawn_independently(choices, index, np.asarray(sheet, dtype=np.float64))
        assert np.abs(picture - expected).max() <= 1  # float32 and float64 round .5 differently
        column = "colour:background"
        background = index["palettes"]["background"][choices[column]]
        assert faces.colour_code(column, choices[column]) == background
        assert attributes["background"] == faces.value_name(column, choices[column])


def test_choices_follow_the_stated_probabilities():
    choices = faces.choose(np.arange(20_000))
    atlas = faces.atlas()
    for layer in atlas.layers:
        column = choices[:, atlas.columns[layer.name]]
        assert (column >= 0).mean() == pytest.approx(layer.probability, abs=0.012)
        counts = np.bincount(column[column >= 0], minlength=len(layer.variants))
        expected = counts.sum() / len(counts)
        chi_square = ((counts - expected) ** 2 / expected).sum()
        assert chi_square < len(counts) + 5 * (2 * len(counts)) ** 0.5
    for name, palette in atlas.palettes.items():
        column = choices[:, atlas.columns[f"colour:{name}"]]
        counts = np.bincount(column, minlength=len(palette))
        assert counts.min() > 0.85 * len(choices) / len(palette)


def test_choices_are_independent_of_each_other():
    choices = faces.choose(np.arange(20_000)).astype(float)
    varying = choices[:, choices.std(0) > 0]
    correlation = np.corrcoef(varying.T) - np.eye(varying.shape[1])
    assert np.abs(correlation).max() < 5 / 20_000**0.5


def test_a_face_has_fourteen_attributes_in_words():
    _, attributes = faces.sample(17)
    assert list(attributes) == list(faces.ATTRIBUTES)
    assert len(attributes) == 14
    assert attributes["hat"] == "no hat"
    assert attributes["hair style"] == "long hair 4"
    assert attributes["hair colour"] == "auburn"
    assert attributes["mouth"] == "sad mouth 2"


def test_every_value_has_a_name_of_its_own_in_plain_words():
    for name, column in faces.ATTRIBUTES.items():
        values = faces.atlas().values(column)
        words = [faces.value_name(column, value) for value in values]
        assert len(set(words)) == len(values), name
        assert all(re.fullmatch(r"[a-z-]+( [a-z]+)*( \d+)?( of \d+)?", word) for word in words)


def test_the_skin_tones_are_numbered_from_the_lightest_to_the_darkest():
    assert (np.diff(faces.atlas().palettes["skin"].sum(1)) < 0).all()


def test_choices_made_of_attributes_draw_the_same_face():
    choices = faces.choose(np.arange(50))
    drawn_alike = faces.choices_of(choices[:, faces.attribute_columns()])
    columns = faces.attribute_columns()
    assert np.array_equal(drawn_alike[:, columns], choices[:, columns])
    bare = (choices[:, [faces.atlas().columns[name] for name in OPTIONAL]] == faces.ABSENT).all(1)
    assert bare.sum() > 5
    assert np.array_equal(faces.draw(drawn_alike[bare]), faces.draw(choices[bare]))


def test_an_attribute_is_visible_where_another_value_changes_the_picture():
    choices = faces.choose(np.arange(60))
    visible = faces.visible(choices)
    atlas = faces.atlas()
    for row, flags in zip(choices, visible, strict=True):
        for (name, column), flag in zip(faces.ATTRIBUTES.items(), flags, strict=True):
            others = np.repeat(row[None], len(atlas.values(column)), axis=0)
            others[:, atlas.columns[column]] = atlas.values(column)
            assert (faces.draw(others) != faces.draw(row[None])).any() == flag, name
    assert visible.mean() > 0.95
    assert not visible.all()


def test_pictures_are_eight_bit_and_a_batch_may_be_empty():
    assert faces.pictures(np.arange(3)).dtype == np.uint8
    assert faces.pictures(np.array([], dtype=int)).shape == (0, 16, 16, 3)


@pytest.mark.parametrize("seed", [-1, 1.5, "3", 2**63, None])
def test_impossible_seeds_are_refused(seed):
    with pytest.raises(DiffdemoError, match="seed"):
        faces.sample(seed)
