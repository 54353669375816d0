"""What a round trip says: its headline, and what survived of the picture, seed by seed."""

from dataclasses import replace

import pytest
import torch
from art import art

from diffdemo import RoundTrip, lab
from diffdemo.lab.judge import CAME_BACK_SHARE
from diffdemo.lab.notation import picture_from_png
from diffdemo.pictures import faces
from diffdemo.pictures.colour_names import COLOURS as COLOUR_NAMES
from diffdemo.pictures.images import png_bytes
from diffdemo.report.presenter import present

COLOURS = ("background", "skin", "hair colour", "clothing colour", "eye colour", "mouth colour")
STRANGER = "a stranger shares 4.5."


def trip(**options):
    return lab.run(RoundTrip(**{"seeds": (0, 1, 2), "steps": 4, **options}))


def judged(result, back, kept=None, **changes):
    """The result with other verdicts, for as many seeds as `back` has."""
    tries = len(back)
    e = replace(result.experiment, seeds=range(tries), **changes)
    share = None if kept is None else torch.tensor(kept) / result.attributes
    distance = 0.25 * result.unrelated * torch.ones(tries)
    came_back = torch.tensor(back, dtype=torch.bool)
    return replace(result, experiment=e, came_back=came_back, kept=share, rmse=distance)


def says(result):
    return present(result).sentence()


@pytest.fixture(scope="module")
def face():
    """A result of face 17 with a round share of chance: 4.5 of 14 features."""
    return replace(trip(seeds=(0,), steps=1), chance=4.5 / 14)


@pytest.fixture(scope="module")
def digit():
    """A result of a 0 of the MNIST test set."""
    found = trip(model="digits", picture="digit:3", seeds=(0,), steps=1, n=50)
    return replace(found, chance=0.1)


def test_the_headline_of_many_tries_names_what_chance_keeps(face):
    lead = "After 250 steps of noise, "
    kept = [9, 10, 9, 10]
    assert says(judged(face, [1] * 4, kept)) == (
        f"{lead}all 4 tries came back as your face. They kept 9.5 of its 14 features; {STRANGER}"
    )
    assert says(judged(face, [0] * 4, [4, 4, 5, 3])) == (
        f"{lead}none of 4 tries came back as your face: someone else did each time. "
        f"They share 4.0 of 14 features with it; {STRANGER}"
    )
    assert says(judged(face, [1, 0, 0, 0], kept)) == (
        f"{lead}1 of 4 tries came back as your face; the other 3 became someone else. "
        f"On average the tries kept 9.5 of its 14 features; {STRANGER}"
    )
    assert "3 of 4 tries came back as your face; the other one became someone else." in says(
        judged(face, [1, 1, 1, 0], kept)
    )
    assert "neither of 2 tries came back as" in says(judged(face, [0, 0], [4, 4]))
    assert "both tries came back as your face. They kept all of its" in says(
        judged(face, [1, 1], [14, 14])
    )


def test_the_headline_of_one_try_names_its_seed(face):
    assert says(judged(face, [1], [10])) == (
        "After 250 steps of noise, the try with seed 0 came back as your face. "
        f"It kept 10 of its 14 features; {STRANGER}"
    )
    assert says(judged(face, [0], [4], n=1)) == (
        "After 1 step of noise, the try with seed 0 became someone else. "
        f"It shares 4 of 14 features with your face; {STRANGER}"
    )


def test_the_headline_counts_visible_features_where_one_is_hidden(face):
    hidden = replace(face, attributes=13)
    assert "kept 9.5 of its 13 visible features" in says(judged(hidden, [1, 1], [9, 10]))


def test_the_headline_from_pure_noise_does_not_say_that_it_came_back(face):
    assert says(judged(face, [0] * 4, [4, 4, 5, 3], start="noise", n=1000)) == (
        "From pure noise, none of 4 tries became your face: someone else did each time. "
        f"They share 4.0 of 14 features with it; {STRANGER}"
    )
    assert "From pure noise, the try with seed 0 became someone else. It shares 4 of" in says(
        judged(face, [0], [4], start="noise", n=1000)
    )


def test_the_headline_without_steps_does_not_claim_what_did_not_happen(face):
    assert "untouched" in says(trip(n=0))
    noise_alone = says(trip(n=0, start="noise"))
    assert noise_alone == "At n = 0 nothing is denoised, so every try is still pure noise."


def test_the_headline_of_digits_names_the_digit(digit):
    lead = "After 50 steps of noise, "
    chance = "10 % of all digits are 0s."
    assert says(judged(digit, [1] * 3, [1, 1, 1])) == (
        f"{lead}all 3 tries came back as your 0. All still show a 0; {chance}"
    )
    none = "none of 3 tries came back as your 0: each became another drawing."
    assert (
        says(judged(digit, [0] * 3, [0, 1, 1]))
        == f"{lead}{none} 2 of them still show a 0; {chance}"
    )
    assert "One of them still shows a 0" in says(judged(digit, [0] * 3, [0, 1, 0]))
    assert "None of them still shows a 0" in says(judged(digit, [0] * 3, [0, 0, 0]))
    eight = replace(judged(digit, [0], [0]), values=torch.tensor([[8]]))
    assert says(eight).endswith(f"became another drawing. It shows an 8, not a 0; {chance}")
    assert f"It still shows a 0; {chance}" in says(judged(digit, [1], [1]))


def test_the_headline_without_a_line_up_compares_pixels(face):
    result = replace(face, line_up=None, original=None, values=None, attributes=0)
    assert says(judged(result, [1, 1])) == (
        "After 250 steps of noise, both tries came back as your picture. "
        "Pixel by pixel they differ from it 25 % as much as an unrelated picture does."
    )
    assert says(judged(result, [0, 0, 0])).startswith(
        "After 250 steps of noise, none of 3 tries came back as your picture: "
        "each became another picture."
    )
    assert "it differs from your picture 25 % as much" in says(judged(result, [0]))


@pytest.mark.parametrize(
    ("name", "picture", "knows"),
    [
        ("faces", "digit:3", "pixel faces"),
        ("faces", picture_from_png(png_bytes(art(16, 3, 2))), "pixel faces"),
        ("digits", "face:17", "handwritten digits"),
    ],
)
def test_a_foreign_picture_is_called_that_and_is_not_judged_by_the_line_up(name, picture, knows):
    found = trip(model=name, picture=picture, n=600, seeds=(0, 1, 2, 3))
    assert found.foreign
    near = found.rmse < CAME_BACK_SHARE * found.unrelated
    assert torch.equal(found.came_back, near)
    assert (found.kept, found.chance, found.values, found.original) == (None,) * 4
    text = says(found)
    assert text.endswith(f"This model knows only {knows}.")
    assert "none of 4 tries came back as your picture: each became another picture." in text
    shown = present(found).page()
    assert shown["items"][0]["survived"] == []
    assert "less than 40 % as far from your picture" in shown["legend"][0]["text"]
    assert present(found).data()["features"] is None
    assert len(present(found).table()[0]) == 8


def test_the_sentence_for_others_names_the_picture(runs, digit):
    result, _ = runs["round-trip"]
    own = replace(result, experiment=replace(result.experiment, picture="png:AAAA"))
    assert "came back as face 17" in present(result).sentence_for_others()
    assert "came back as a picture of my own" in present(own).sentence_for_others()
    assert "came back as the 0 (image 3)." in present(digit).sentence_for_others()


def test_every_seed_says_what_survived(face):
    words = present(face)
    (item,) = words.page()["items"]
    rows = item["survived"]
    assert len(rows) == face.attributes
    assert [row["name"] for row in rows] == list(faces.ATTRIBUTES)
    assert sum(row["kept"] for row in rows) == round(float(face.kept[0]) * face.attributes)
    assert rows[2]["yours"] == "long hair 4"
    for row in rows:
        assert row["kept"] == (row["yours"] == row["got"])
        assert row["kept"] <= (row["yours_look"] == row["got_look"])
        (kind,) = row["yours_look"]
        assert kind == ("colour" if row["name"] in COLOURS else "src")
    mark, changed, number = [entry["text"] for entry in words.page()["legend"]]
    assert mark == "✓ came back: nearer to your picture than to any other of 10,000"
    assert changed == "≠ someone else"
    assert number.endswith("its 14 features were kept; a stranger shares 4.5")
    assert "a stranger shares 4.5" in item["summary"]


def test_what_was_kept_can_be_counted_in_the_table(runs):
    result, _ = runs["round-trip"]
    for row in present(result).table():
        originals = {name: row[f"original_{name.replace(' ', '_')}"] for name in faces.ATTRIBUTES}
        visible = {name: value for name, value in originals.items() if value is not None}
        kept = [row[name.replace(" ", "_")] == value for name, value in visible.items()]
        assert len(visible) == row["attributes"]
        assert sum(kept) / len(kept) == pytest.approx(row["kept"])
        assert row["hair_colour"] in COLOUR_NAMES["hair"]


def test_the_data_holds_each_feature_by_seed(runs):
    result, _ = runs["round-trip"]
    found = present(result).data()
    assert found["chance"] == result.chance
    assert found["foreign"] is False
    assert set(found["features"]) == {name.replace(" ", "_") for name in faces.ATTRIBUTES}
    rows = present(result).table()
    assert found["features"]["mouth"]["yours"] == "sad mouth 2"
    assert found["features"]["mouth"]["got"] == [row["mouth"] for row in rows]


def test_a_hidden_attribute_is_left_out(face):
    visible = face.original.visible.clone()
    visible[3] = False
    hidden = replace(face, original=replace(face.original, visible=visible), attributes=13)
    words = present(hidden)
    assert "hair colour" not in [row["name"] for row in words.page()["items"][0]["survived"]]
    assert words.table()[0]["original_hair_colour"] is None
    assert words.data()["features"]["hair_colour"]["yours"] is None


def test_a_digit_has_one_feature(digit):
    words = present(digit)
    (row,) = words.page()["items"][0]["survived"]
    assert (row["name"], row["yours"], row["kept"]) == ("digit", "0", row["got"] == "0")
    assert set(row["yours_look"]) == set(row["got_look"]) == {"src"}
    assert words.table()[0]["original_digit"] == "0"
