import math
from dataclasses import FrozenInstanceError

import pytest

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.experiments import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.experiments.collision import WAYS_BACK
from diffdemo.lab import fields
from diffdemo.lab.experiment import KINDS, MAX_QUERY, experiment_from_query
from diffdemo.lab.field import Field
from diffdemo.lab.notation import MAX_SEEDS, picture_from_png

LAST_SEED = 2**31 - 1
HASH = "sha256:" + "0123456789abcdef" * 4
REVISION = "0123456789ab"
VERSION_1 = [
    (
        RoundTrip(),
        "v=1&kind=round-trip&model=faces&picture=face:17&n=250&seeds=0-15&steps=20&eta=0&solver=ddim"
        "&spacing=trailing&start=picture",
    ),
    (
        Curve(),
        "v=1&kind=curve&model=faces&picture=face:17&levels=0:1000:50&seeds=0-3&steps=20&eta=0"
        "&solver=ddim&spacing=trailing",
    ),
    (
        Embedding(),
        "v=1&kind=embed&model=faces&picture=face:17&n=1000&seeds=0-3&steps=50"
        "&methods=random,ddim,fixed-point,edit-friendly,dpm-encoder&warm=0",
    ),
    (
        Collision(),
        "v=1&kind=collide&model=faces&picture=face:17&other=face:4&n=500&seed=0&steps=50&eta=1",
    ),
    (Belief(), "v=1&kind=belief&model=faces&picture=face:17&n=250&seed=0"),
    (
        Belief("digits", "digit:3", 400, 5, "digit:3,face:1"),
        "v=1&kind=belief&model=digits&picture=digit:3&n=400&seed=5&line_up=digit:3,face:1",
    ),
    (
        Branch(),
        "v=1&kind=branch&model=faces&picture=face:17&seed=0&points=8&futures=6&steps=50&jump=0",
    ),
]


@pytest.mark.parametrize(("experiment", "query"), VERSION_1)
def test_a_query_of_version_1_is_written_and_read_for_ever(experiment, query):
    assert experiment.to_query() == query
    assert experiment_from_query(query) == experiment


@pytest.mark.parametrize("kind", KINDS)
def test_fields_that_a_query_leaves_out_have_their_defaults(kind):
    assert experiment_from_query(f"v=1&kind={kind}") == KINDS[kind]()
    assert experiment_from_query("?v=1") == RoundTrip()
    assert experiment_from_query("v=1&__theme=dark&n=7") == RoundTrip(n=7)


@pytest.mark.parametrize(
    "experiment",
    [
        RoundTrip(n=0, seeds=(3,), eta=1 / 3),
        RoundTrip(n=1000, seeds=(5, 4, 9, 10, 11), steps=1000, start="noise", revision=REVISION),
        RoundTrip(
            picture=picture_from_png(bytes(range(256)) * 4), solver="dpm++2m", spacing="logsnr"
        ),
        RoundTrip(picture=HASH),
        RoundTrip(seeds=[1, 2], eta=1, model="my.model-2"),
        Curve(levels=(0, 10, 500), seeds=(7,), eta=1.0, picture="digit:9999"),
        Embedding(
            *("digits", "digit:3", 300, (5, 9), 20, ("edit-friendly", "ddim"), 0.25, "digit:4"),
            revision=REVISION,
        ),
        Embedding(methods="random,dpm-encoder", warm=1, other=picture_from_png(b"x" * 900)),
        Embedding(n=1, warm=1 / 3, seeds=(LAST_SEED,), picture=HASH),
        Collision(
            *("digits", "digit:3", "digit:4", 1, LAST_SEED - WAYS_BACK, 1000, 0.5),
            revision=REVISION,
        ),
        Collision(
            picture=picture_from_png(b"y" * 900), other=picture_from_png(b"x" * 900), n=1000, eta=0
        ),
        Belief(n=0, line_up=""),
        Branch("digits", "digit:3", 7, 1, 2, 1, 20, revision=REVISION),
        Branch(points=32, futures=32, steps=1000, jump=1, seed=LAST_SEED - 32),
    ],
)
def test_an_experiment_is_read_back_from_its_query(experiment):
    assert experiment_from_query(experiment.to_query()) == experiment
    assert len(experiment.to_query()) < 3000


def test_experiments_are_values():
    assert hash(RoundTrip()) == hash(RoundTrip())
    with pytest.raises(FrozenInstanceError):
        RoundTrip().n = 3


IMPOSSIBLE = {
    "steps": (0, 1001),
    "picture": (
        *("", "face:-1", f"face:{2**31}", "face:01", "cat.png", "face:1\n", None),
        *("digit:-1", "digit:007", "digit:10000", "png:", "png:a b", "png:" + "A" * 1600),
    ),
    "model": ("", "a\nb", "../x" * 100, 3, "/etc"),
    "revision": ("xyz", None),
    "eta": (-0.1, 1.1, math.nan, "nan", None, True, "1_0", "x"),
    "seed": (-1, 2**31, "0-3", "x", math.nan),
    "seeds": (
        *((), range(MAX_SEEDS + 1), (1, 1), (-1,), (2**31,), (1.0,), None, b"12", 4, "x", ""),
        *("0-1000000000", "5-1", "1,,2", "-3"),
    ),
    "n": (-1, 1001, 2.5, math.nan, math.inf, "abc", None, True, "1e3", "٣", [1]),
    "solver": ("euler", None, ["ddim"]),
    "spacing": ("",),
    "levels": (
        *((), (5, 5), (9, 5), (0, 1001), range(65), (True,), None, 5, "x", "0-1000"),
        *("0:1000:1", "0:1000:0"),
    ),
    "warm": (-0.1, 1.1, math.nan, None, True),
    "methods": (
        *((), ("ddim", "magic"), ("ddim", "ddim"), ("ddim", 1), None, 3, "", "magic"),
        *("ddim,ddim", "ddim,"),
    ),
    "other": ("sha256:" + "0" * 64, "cat", "face:x", None, "png:" + "A" * 1600),
    "line_up": (
        *("cat", "face:1,", ",".join(f"face:{i}" for i in range(17)), "sha256:" + "0" * 64),
        *(None, "face:1" * 2000),
    ),
    "jump": (-1, 21, 0.5, None),
    "points": (0, 33),
    "futures": (1, 33),
    "start": ("zero",),
}
TOGETHER = [
    (RoundTrip, {"eta": 0.5, "solver": "dpm++2m"}),
    (Curve, {"eta": 0.5, "solver": "dpm++2m"}),
    (Curve, {"seeds": range(64)}),
    (Embedding, {"n": 0}),
    (Embedding, {"n": "0"}),
    (Collision, {"n": 0}),
    (Collision, {"other": ""}),
    (Collision, {"seed": 2**31 - WAYS_BACK}),
    (Collision, {"seed": LAST_SEED}),
    (Branch, {"seed": 2**31 - 6}),
    (Branch, {"seed": 2**31 - 2, "futures": 2}),
]
ALONE = [
    (kind, {name: value})
    for kind in KINDS.values()
    for name, values in IMPOSSIBLE.items()
    for value in values
    if name in kind.fields()
]


@pytest.mark.parametrize(("kind", "values"), ALONE + TOGETHER)
def test_an_impossible_value_gets_one_short_sentence(kind, values):
    with pytest.raises(ExperimentError) as caught:
        kind(**values)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


BROKEN = [
    *("", "n=3", "v=2", "v=", "v=1&n", "v=1&n=1&n=2", "v=1&kind=teleport", "v=1&colour=red"),
    *("v=1&n=1001", "v=1&seeds=0-999999999", "v=1&n=%FF", "v=1&eta=NaN", "v=1&n=+5", "v=1;n=5"),
    *("v=1&" + "a=1&" * 60, "v=1&picture=" + "x" * 9000, "<script>alert(1)</script>", None, 7),
    *("v=1&kind=collide&n=0", "v=1&kind=collide&other=", "v=1&kind=collide&seeds=1"),
    *("v=1&kind=embed&n=0", "v=1&kind=embed&methods=", "v=1&kind=embed&methods=ddim,ddim"),
    *("v=1&kind=embed&eta=1", "v=1&kind=embed&warm=2", "v=1&kind=branch&n=5"),
    *("v=1&kind=branch&jump=21", "v=1&kind=branch&jump=", "v=1&kind=branch&futures=1"),
    *("v=1&kind=branch&points=0", "v=1&kind=collide&other=sha256:" + "0" * 64),
]


@pytest.mark.parametrize("query", BROKEN)
def test_a_broken_or_hostile_link_gets_one_short_sentence(query):
    with pytest.raises(DiffdemoError) as caught:
        experiment_from_query(query)
    assert len(str(caught.value)) < 250


def test_the_largest_seed_that_leaves_room_for_the_ways_back_is_named():
    with pytest.raises(ExperimentError, match=str(2**31 - 7)):
        Branch(seed=2**31 - 6, futures=6)
    assert Branch(seed=2**31 - 7, futures=6).seed + 6 == LAST_SEED


def test_an_experiment_that_no_link_can_hold_is_refused():
    picture = picture_from_png(b"x" * 1197)
    line_up = ",".join([picture] * 3)
    with pytest.raises(ExperimentError, match="A link holds at most 8000 characters"):
        Belief(picture=picture, line_up=line_up, prompt="猫" * 300)
    assert len(Belief(picture=picture, line_up=line_up).to_query()) < MAX_QUERY


def test_codes_are_in_an_order_of_their_own():
    methods = ("random", "ddim", "dpm-encoder")
    assert Embedding(methods=("dpm-encoder", "random", "ddim")).methods == methods
    assert Embedding(methods="ddim,random") == Embedding(methods=("random", "ddim"))


@pytest.mark.parametrize(
    "text",
    ["face:5-3", "face:0-99999999", "digit:9999-10001", "cat:1-2", "face:1,face:1", HASH, ""],
)
def test_impossible_lists_of_pictures_are_refused(text):
    with pytest.raises(ExperimentError):
        fields.PICTURES.accept(text)
    assert fields.PICTURES.accept("face:3-4,digit:7") == ("face:3", "face:4", "digit:7")


@pytest.mark.parametrize("kind", KINDS.values())
def test_every_field_has_a_valid_default_and_a_help(kind):
    for name, field in kind.fields().items():
        assert isinstance(field, Field)
        assert field.accept(field.default) == field.default == getattr(kind, name)
        assert field.help
        assert not field.help.endswith(".")
