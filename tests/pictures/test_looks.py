import base64
import io

import numpy as np
import pytest
from PIL import Image

from diffdemo.pictures import faces, images
from diffdemo.pictures.looks import digit_look, face_look

FACE = tuple(faces.choose(np.array([17]))[0, faces.attribute_columns()].tolist())
SHAPES = [name for name, column in faces.ATTRIBUTES.items() if not column.startswith("colour:")]


def pixels(look: dict[str, str]) -> np.ndarray:
    data = base64.b64decode(look["src"].removeprefix(images.DATA_URI))
    assert len(data) < 256
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_a_colour_looks_like_itself():
    look = face_look(FACE, "hair colour", 8)
    assert look == {"colour": "#009bbd"}


@pytest.mark.parametrize("name", SHAPES)
def test_the_values_of_a_shape_look_different_and_have_one_size(name):
    """Clothes 5 and 14 are one drawing in the atlas, and long hair hides part of earrings."""
    values = faces.atlas().values(faces.ATTRIBUTES[name])
    pictures = [pixels(face_look(FACE, name, value)) for value in values]
    assert len({picture.shape for picture in pictures}) == 1
    different = len({picture.tobytes() for picture in pictures})
    assert different == len(values) - (name in ("clothing", "accessories"))


def test_a_feature_is_shown_on_its_own_face_in_its_own_colours():
    hair = face_look(FACE, "hair style", FACE[2])
    assert np.array_equal(pixels(hair), faces.sample(17)[0])


def test_the_ten_digits_look_different():
    pictures = [pixels(digit_look(digit)) for digit in range(10)]
    assert {picture.shape for picture in pictures} == {(16, 16, 3)}
    assert len({picture.tobytes() for picture in pictures}) == 10
