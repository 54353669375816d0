import re

import hostile_pictures
import numpy as np
import pytest

from diffdemo.errors import PictureError
from diffdemo.pictures import decoding, images


@pytest.mark.parametrize("name", hostile_pictures.odd())
def test_odd_files_are_read_as_the_picture_they_show(name):
    data, expected, error = hostile_pictures.odd()[name]
    picture = decoding.load_picture(data)
    assert picture.mode == "RGB"
    seen = np.asarray(images.fit(picture, (16, 16))).astype(int)
    assert np.abs(seen - expected).max() <= error


@pytest.mark.parametrize("name", hostile_pictures.wrong())
def test_wrong_files_are_refused_in_one_sentence(name):
    data, word = hostile_pictures.wrong()[name]
    with pytest.raises(PictureError, match=re.escape(word)) as caught:
        decoding.load_picture(data)
    assert "\n" not in str(caught.value)


def test_a_caller_may_accept_fewer_pixels():
    data = hostile_pictures.odd()["png"][0]
    with pytest.raises(PictureError, match="at most 4,095"):
        decoding.load_picture(data, 64 * 64 - 1)
    assert decoding.load_picture(data, 64 * 64).size == (64, 64)


def test_missing_and_oversized_files_are_refused(tmp_path):
    with pytest.raises(PictureError, match="again"):
        decoding.load_picture(tmp_path / "nothing.png")
    big = tmp_path / "big.png"
    big.write_bytes(bytes(decoding.MAX_BYTES + 1))
    with pytest.raises(PictureError, match="larger than"):
        decoding.load_picture(big)
