import numpy as np
import pytest

from diffdemo.pictures import faces
from diffdemo.report.portraits import image_of, missing_portrait, picture_of, portrait

PIXELS = np.arange(768, dtype=np.uint8).reshape(16, 16, 3)
HASH = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("picture", "alt", "caption"),
    [
        ("face:17", "face 17", "Face 17, never shown to the model in training."),
        (f"face:{faces.TRAINING_SEED}", "face 1000000", "Face 1000000."),
        ("png:AAAA", "your picture", "Your picture as the model sees it."),
        (HASH, "your picture", "Your picture as the model sees it."),
    ],
)
def test_a_portrait_names_its_picture(picture, alt, caption):
    found = portrait(picture, PIXELS)
    assert found["picture"] == picture_of(found) == picture
    assert (found["alt"], found["caption"]) == (alt, caption)
    assert np.array_equal(np.asarray(image_of(found)), PIXELS)


def test_the_portrait_of_a_digit_says_which_one_it_is():
    caption = portrait("digit:3", PIXELS[..., :1])["caption"]
    unseen = "never shown to the model in training"
    assert caption == f"Digit 3 of the MNIST test set, a 0, {unseen}."


def test_a_portrait_without_a_picture_asks_for_it():
    found = missing_portrait(HASH)
    assert picture_of(found) == HASH
    assert image_of(found) is None
    assert "Please upload it" in found["caption"]
