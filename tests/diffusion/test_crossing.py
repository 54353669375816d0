import pytest

from diffdemo.diffusion.crossing import crossing


@pytest.mark.parametrize(
    ("levels", "values", "expected"),
    [
        ((0, 100, 200), (1.0, 0.8, 0.2), 150),
        ((0, 100), (1.0, 0.9), None),
        ((0, 100, 200, 300), (1.0, 0.4, 0.9, 0.1), 500 / 6),
        ((0, 100), (0.5, 0.4), 0),
    ],
)
def test_a_crossing_is_the_first_fall_and_linear_between_levels(levels, values, expected):
    assert crossing(levels, values, 0.5) == pytest.approx(expected)
