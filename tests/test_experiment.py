import math
from dataclasses import FrozenInstanceError

import pytest

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.experiment import (
    WAYS_BACK,
    Belief,
    Branch,
    Collision,
    Curve,
    Embedding,
    RoundTrip,
    experiment_from_query,
    picture_from_png,
    png_from_picture,
)
from diffdemo.fields import FIELDS, MAX_SEEDS, format_levels, format_seeds, parse_levels, parse_pictures, parse_seeds

GOLDEN = "v=1&kind=round-trip&model=faces&picture=face:17&n=250&seeds=0-15&steps=20&eta=0&solver=ddim&spacing=trailing&start=picture"


def test_the_query_of_version_1_is_written_and_read_for_ever():
    assert RoundTrip().to_query() == GOLDEN
    assert experiment_from_query(GOLDEN) == RoundTrip()
    assert experiment_from_query("?v=1") == RoundTrip()
    assert experiment_from_query("v=1&__theme=dark&n=7").n == 7


CURVE = "v=1&kind=curve&model=faces&picture=face:17&levels=0:1000:50&seeds=0-3&steps=20&eta=0&solver=ddim&spacing=trailing"
BELIEF = "v=1&kind=belief&model=digits&picture=digit:3&n=400&seed=5&line_up=digit:3,face:1"


def test_queries_of_curves_and_beliefs_are_written_and_read_for_ever():
    assert Curve().to_query() == CURVE
    assert experiment_from_query(CURVE) == Curve()
    belief = Belief("digits", "digit:3", 400, 5, "digit:3,face:1")
    assert belief.to_query() == BELIEF
    assert experiment_from_query(BELIEF) == belief


EMBED = "v=1&kind=embed&model=faces&picture=face:17&n=1000&seeds=0-3&steps=50&methods=random,ddim,fixed-point,edit-friendly,dpm-encoder&warm=0"
COLLIDE = "v=1&kind=collide&model=faces&picture=face:17&other=face:4&n=500&seed=0&steps=50&eta=1"
BRANCH = "v=1&kind=branch&model=faces&picture=face:17&seed=0&points=8&futures=6&steps=50&jump=0"


@pytest.mark.parametrize(("query", "experiment"), [(EMBED, Embedding()), (COLLIDE, Collision()), (BRANCH, Branch())])
def test_queries_of_embeddings_collisions_and_branches_are_written_and_read_for_ever(query, experiment):
    assert experiment.to_query() == query
    assert experiment_from_query(query) == experiment
    assert experiment_from_query(f"v=1&kind={experiment.kind}") == experiment


@pytest.mark.parametrize(
    "experiment",
    [
        Embedding("digits", "digit:3", 300, (5, 9), 20, ("edit-friendly", "ddim"), 0.25, "digit:4", "0123456789ab"),
        Embedding(methods="random,dpm-encoder", warm=1, other=picture_from_png(b"x" * 900)),
        Embedding(n=1, warm=1 / 3, seeds=(2**31 - 1,), picture="sha256:" + "0123456789abcdef" * 4),
        Collision("digits", "digit:3", "digit:4", 1, 2**31 - 1 - WAYS_BACK, 1000, 0.5, "0123456789ab"),
        Collision(picture=picture_from_png(b"y" * 900), other=picture_from_png(b"x" * 900), n=1000, eta=0),
        Branch("digits", "digit:3", 7, 1, 2, 1, 20, "0123456789ab"),
        Branch(points=32, futures=32, steps=1000, jump=1, seed=2**31 - 1 - 32),
        Curve(levels=(0, 10, 500), seeds=(7,), eta=1.0, picture="digit:9999"),
        Belief(n=0, line_up=""),
        RoundTrip(n=0, seeds=(3,), eta=1 / 3),
        RoundTrip(n=1000, seeds=(5, 4, 9, 10, 11), steps=1000, start="noise", revision="0123456789ab"),
        RoundTrip(picture=picture_from_png(bytes(range(256)) * 4), solver="dpm++2m", spacing="logsnr"),
        RoundTrip(picture="sha256:" + "0123456789abcdef" * 4),
        RoundTrip(seeds=[1, 2], eta=1, model="my.model-2"),
    ],
)
def test_every_experiment_survives_its_query(experiment):
    assert experiment_from_query(experiment.to_query()) == experiment
    assert len(experiment.to_query()) < 3000


def test_experiments_are_values():
    assert hash(RoundTrip()) == hash(RoundTrip())
    with pytest.raises(FrozenInstanceError):
        RoundTrip().n = 3


@pytest.mark.parametrize(
    "bad",
    [
        {"n": -1}, {"n": 1001}, {"n": 2.5}, {"n": math.nan}, {"n": math.inf}, {"n": "abc"}, {"n": None}, {"n": True}, {"n": "1e3"}, {"n": "٣"},
        {"n": [1]},
        {"steps": 0}, {"steps": 1001}, {"eta": -0.1}, {"eta": 1.1}, {"eta": math.nan}, {"eta": "nan"}, {"eta": None}, {"eta": True}, {"eta": "1_0"},
        {"solver": "euler"}, {"solver": None}, {"solver": ["ddim"]}, {"spacing": ""}, {"start": "zero"}, {"eta": 0.5, "solver": "dpm++2m"},
        {"seeds": ()}, {"seeds": range(MAX_SEEDS + 1)}, {"seeds": (1, 1)}, {"seeds": (-1,)}, {"seeds": (2**31,)}, {"seeds": (1.0,)}, {"seeds": None},
        {"seeds": "0-1000000000"}, {"seeds": "5-1"}, {"seeds": "1,,2"}, {"seeds": "x"}, {"seeds": ""}, {"seeds": "-3"}, {"seeds": b"12"},
        {"seeds": 4},
        {"picture": "face:-1"}, {"picture": "face:2147483648"}, {"picture": "face:01"}, {"picture": "cat.png"}, {"picture": "png:"},
        {"picture": "png:a b"},
        {"picture": "png:" + "A" * 1600}, {"picture": None}, {"picture": "face:1\n"},
        {"model": ""}, {"model": "a\nb"}, {"model": "../x" * 100}, {"model": 3}, {"model": "/etc"}, {"revision": "xyz"}, {"revision": None},
    ],
)  # fmt: skip
def test_impossible_values_get_one_short_sentence(bad):
    with pytest.raises(ExperimentError) as caught:
        RoundTrip(**bad)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "", "n=3", "v=2", "v=", "v=1&n", "v=1&n=1&n=2", "v=1&kind=teleport", "v=1&colour=red", "v=1&n=1001", "v=1&seeds=0-999999999", "v=1&n=%FF",
        "v=1&" + "a=1&" * 60, "v=1&picture=" + "x" * 9000, "<script>alert(1)</script>", "v=1&eta=NaN", "v=1&n=+5", "v=1;n=5", None, 7,
    ],
)  # fmt: skip
def test_broken_and_hostile_links_get_one_sentence(query):
    with pytest.raises(DiffdemoError) as caught:
        experiment_from_query(query)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "bad",
    [
        {"levels": ()}, {"levels": (5, 5)}, {"levels": (9, 5)}, {"levels": (0, 1001)}, {"levels": range(65)}, {"levels": "0:1000:1"},
        {"levels": "0-1000"},
        {"levels": "0:1000:0"}, {"levels": "x"}, {"levels": None}, {"levels": 5}, {"levels": (True,)}, {"seeds": range(64)},
        {"picture": "digit:10000"},
        {"picture": "digit:-1"}, {"picture": "digit:007"}, {"eta": 0.5, "solver": "dpm++2m"},
    ],
)  # fmt: skip
def test_impossible_curves_get_one_sentence(bad):
    with pytest.raises(ExperimentError) as caught:
        Curve(**bad)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "bad",
    [{"line_up": "cat"}, {"line_up": "face:1,"}, {"line_up": ",".join(f"face:{i}" for i in range(17))}, {"line_up": "sha256:" + "0" * 64},
     {"line_up": None}, {"line_up": "face:1" * 2000}, {"seed": -1}, {"seed": 2**31}, {"seed": "0-3"}, {"seed": math.nan}],
)  # fmt: skip
def test_impossible_beliefs_get_one_sentence(bad):
    with pytest.raises(ExperimentError) as caught:
        Belief(**bad)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "bad",
    [
        {"n": 0}, {"n": "0"}, {"n": 1001}, {"methods": ()}, {"methods": ""}, {"methods": "magic"}, {"methods": ("ddim", "magic")},
        {"methods": ("ddim", "ddim")}, {"methods": "ddim,ddim"}, {"methods": None}, {"methods": 3}, {"methods": ("ddim", 1)}, {"methods": "ddim,"},
        {"warm": -0.1}, {"warm": 1.1}, {"warm": math.nan}, {"warm": None}, {"warm": True}, {"other": "sha256:" + "0" * 64}, {"other": "cat"},
        {"other": None}, {"other": "png:" + "A" * 1600}, {"seeds": ()}, {"seeds": (2**31,)}, {"steps": 0}, {"picture": ""},
    ],
)  # fmt: skip
def test_impossible_embeddings_get_one_sentence(bad):
    with pytest.raises(ExperimentError) as caught:
        Embedding(**bad)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        {"n": 0}, {"n": 1001}, {"other": ""}, {"other": "sha256:" + "0" * 64}, {"other": "face:x"}, {"other": None}, {"seed": 2**31 - WAYS_BACK},
        {"seed": 2**31 - 1}, {"seed": -1}, {"eta": 1.1}, {"eta": "x"}, {"steps": 0}, {"steps": 1001}, {"picture": ""},
    ],
)  # fmt: skip
def test_impossible_collisions_get_one_sentence(bad):
    with pytest.raises(ExperimentError) as caught:
        Collision(**bad)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        {"jump": -1}, {"jump": 21}, {"jump": 0.5}, {"jump": None}, {"points": 0}, {"points": 33}, {"futures": 1}, {"futures": 33},
        {"seed": 2**31 - 6}, {"seed": 2**31 - 2, "futures": 2}, {"seed": "x"}, {"steps": 0}, {"picture": ""},
    ],
)  # fmt: skip
def test_impossible_branches_get_one_sentence(bad):
    with pytest.raises(ExperimentError) as caught:
        Branch(**bad)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


def test_a_seed_that_is_too_large_for_its_ways_back_is_told_the_largest():
    with pytest.raises(ExperimentError, match=str(2**31 - 7)):
        Branch(seed=2**31 - 6, futures=6)
    assert Branch(seed=2**31 - 7, futures=6).seed + 6 == 2**31 - 1  # the last future's seed is the last seed there is


@pytest.mark.parametrize(
    "query",
    [
        "v=1&kind=collide&n=0", "v=1&kind=collide&other=", "v=1&kind=collide&other=sha256:" + "0" * 64, "v=1&kind=collide&seeds=1",
        "v=1&kind=embed&n=0", "v=1&kind=embed&methods=ddim,ddim", "v=1&kind=embed&methods=", "v=1&kind=embed&eta=1", "v=1&kind=embed&warm=2",
        "v=1&kind=branch&jump=21", "v=1&kind=branch&n=5", "v=1&kind=branch&futures=1", "v=1&kind=branch&points=0", "v=1&kind=branch&jump=",
    ],
)  # fmt: skip
def test_impossible_links_of_the_new_kinds_are_refused(query):
    with pytest.raises(ExperimentError):
        experiment_from_query(query)


def test_codes_are_kept_in_their_own_order():
    assert Embedding(methods=("dpm-encoder", "random", "ddim")).methods == ("random", "ddim", "dpm-encoder")
    assert Embedding(methods="ddim,random") == Embedding(methods=("random", "ddim"))


def test_levels_are_read_and_written():
    assert parse_levels("0:100:50") == (0, 50, 100)
    assert parse_levels("0, 7,1000") == (0, 7, 1000)
    for levels in ((0, 50, 100), (0, 7, 1000), (3,), (3, 9)):
        assert parse_levels(format_levels(levels)) == levels
    assert parse_pictures("face:3-5,digit:7") == ("face:3", "face:4", "face:5", "digit:7")
    for text in ("face:5-3", "face:0-99999999", "digit:9999-10001", "cat:1-2", ""):
        with pytest.raises(ExperimentError):
            parse_pictures(text)


def test_seeds_are_read_and_written():
    assert parse_seeds("0-3, 7,9-10") == (0, 1, 2, 3, 7, 9, 10)
    assert format_seeds((0, 1, 2, 3, 7, 9, 10)) == "0-3,7,9-10"
    assert format_seeds((5, 4, 3)) == "5,4,3"
    assert parse_seeds(format_seeds((2**31 - 1,))) == (2**31 - 1,)


def test_pictures_in_links_are_read_back():
    assert png_from_picture(picture_from_png(b"\x89PNG\xff\xfe")) == b"\x89PNG\xff\xfe"
    with pytest.raises(ExperimentError, match="base64url"):
        png_from_picture("png:A")


def test_every_field_has_a_valid_default_and_a_help():
    for field in FIELDS.values():
        assert field.accept(field.default) == field.default
        assert field.help
        assert not field.help.endswith(".")
