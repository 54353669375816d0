from dataclasses import replace

import pytest

from diffdemo.errors import DiffdemoError
from diffdemo.experiments import Curve, RoundTrip
from diffdemo.serving.addresses import OPENING, linked_experiment

DIGITS = RoundTrip("digits", "digit:3", seeds=(4, 5), steps=7)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"n": "1000"}, replace(OPENING, n=1000)),
        ({"n": "300", "seeds": "1,2"}, replace(OPENING, n=300, seeds=(1, 2))),
        ({"picture": "face:4", "utm_source": "x"}, replace(OPENING, picture="face:4")),
        ({"steps": "50", "__theme": "dark"}, replace(OPENING, steps=50)),
        ({"model": "digits"}, replace(OPENING, model="digits", picture="digit:0")),
        ({"eta": "1"}, replace(OPENING, eta=1, solver="ddim", steps=20)),
        ({"eta": "0.5", "steps": "9"}, replace(OPENING, eta=0.5, solver="ddim", steps=9)),
    ],
)
def test_an_address_with_a_field_asks_for_what_the_page_opens_with_but_for_it(asked, wanted):
    assert linked_experiment(asked) == wanted


def test_the_opening_is_that_of_the_page():
    assert linked_experiment({"n": "7"}, DIGITS) == replace(DIGITS, n=7)
    found = linked_experiment({"model": "faces"}, DIGITS)
    assert found == replace(DIGITS, model="faces", picture="face:17")


@pytest.mark.parametrize(
    "asked", [{}, {"stage": "1"}, {"utm_source": "n"}, {"__theme": "dark"}, {"x": "3", "N": "5"}]
)
def test_an_address_without_a_field_asks_for_nothing(asked):
    assert linked_experiment(asked) is None


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"n": "2000"}, "Noise steps n cannot be"),
        ({"n": ""}, "Noise steps n cannot be"),
        ({"seeds": "x"}, "Seeds are written like"),
        ({"n": "\ud800"}, "it holds letters that are none"),
        ({"solver": "dpm++2m", "eta": "1"}, "is deterministic"),
    ],
)
def test_a_damaged_value_is_said(asked, says):
    with pytest.raises(DiffdemoError, match=says):
        linked_experiment(asked)


def test_an_address_with_a_version_or_a_kind_is_a_link():
    assert linked_experiment({"v": "1", "n": "7"}) == RoundTrip(n=7)
    assert linked_experiment({"v": "1", "kind": "curve"}) == Curve()
    with pytest.raises(DiffdemoError, match="version"):
        linked_experiment({"kind": "curve"})
