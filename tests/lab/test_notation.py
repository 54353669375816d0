import pytest

from diffdemo.errors import ExperimentError
from diffdemo.lab.notation import (
    MAX_PICTURES,
    format_levels,
    format_pictures,
    format_seeds,
    parse_levels,
    parse_pictures,
    parse_seeds,
    picture_from_png,
    png_from_picture,
)


@pytest.mark.parametrize(
    ("parse", "write", "text", "value"),
    [
        (parse_levels, format_levels, "0:100:50", (0, 50, 100)),
        (parse_levels, format_levels, "0,7,1000", (0, 7, 1000)),
        (parse_levels, format_levels, "3", (3,)),
        (parse_levels, format_levels, "3,9", (3, 9)),
        (parse_seeds, format_seeds, "0-3,7,9-10", (0, 1, 2, 3, 7, 9, 10)),
        (parse_seeds, format_seeds, "5,4,3", (5, 4, 3)),
        (parse_seeds, format_seeds, str(2**31 - 1), (2**31 - 1,)),
        (parse_pictures, format_pictures, "face:3-4,digit:7", ("face:3", "face:4", "digit:7")),
        (parse_pictures, format_pictures, "png:AAAA,face:1", ("png:AAAA", "face:1")),
    ],
)
def test_a_value_is_written_and_read_back(parse, write, text, value):
    assert parse(text) == value
    assert write(value) == text


def test_blanks_between_values_are_allowed():
    assert parse_levels("0, 7,1000") == (0, 7, 1000)
    assert parse_seeds("0-3, 7,9-10") == (0, 1, 2, 3, 7, 9, 10)


@pytest.mark.parametrize(
    "text", ["face:5-3", "face:0-99999999", "digit:9000-10001", ",".join(["face:1"] * 1001)]
)
def test_ranges_of_pictures_that_run_backwards_or_are_too_long_are_refused(text):
    with pytest.raises(ExperimentError, match="face:0-15"):
        parse_pictures(text)
    assert len(parse_pictures("digit:9000-9999")) == MAX_PICTURES


def test_a_picture_in_a_link_is_read_back():
    assert png_from_picture(picture_from_png(b"\x89PNG\xff\xfe")) == b"\x89PNG\xff\xfe"
    with pytest.raises(ExperimentError, match="base64url"):
        png_from_picture("png:A")
