from dataclasses import replace
from types import SimpleNamespace

import pytest
from raw_values import OWN, SHARED
from strategies import experiments, st

from diffdemo.errors import DiffdemoError
from diffdemo.experiments import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.experiments.embedding.tab import AT_DIAL, AT_T
from diffdemo.lab.experiment import KINDS, experiment_from_query
from diffdemo.models import load_model
from diffdemo.page.controls import PLACES
from diffdemo.report.portraits import picture_of
from diffdemo.widgets.available import Models
from diffdemo.widgets.controls import Settings, even_levels

hypothesis = pytest.importorskip("hypothesis")
SAME = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": list(hypothesis.HealthCheck),
    "database": None,
}
START = {**SHARED, "count": 16, "steps": 20, "per_level": 4}
# Values that somebody else's experiment left behind.
USED = {
    "model": "faces",
    "picture": {"picture": "sha256:" + "0" * 64},
    "n": 0,
    "first": 7,
    "count": 64,
    "steps": 200,
    "eta": 0.5,
    "solver": "ddim",
    "spacing": "logsnr",
    "start": "noise",
    "per_level": 16,
    "listed": "5,3,9-12",
    "prompt": "a dog",
    "guidance": 7.5,
}
OTHER_SOLVER = {**USED, "eta": 0, "solver": "dpm++2m"}
CHANGED = {
    "n": 251,
    "first": 1,
    "count": 3,
    "per_level": 2,
    "listed": "4,9",
    "steps": 7,
    "eta": 0.25,
    "solver": "dpm++2m",
    "spacing": "logsnr",
    "start": "noise",
}


def bare(kind):
    """A tab that is not laid out: enough to turn controls into experiments."""
    return kind.part("tab").Tab(None, SimpleNamespace(portrait=None))


def experiment_of(tab, model, shared, own):
    return tab.experiment(Settings.read(Models(model, "cpu"), shared), own)


def as_sent(name, value):
    """A control's value as the browser sends it: pictures as portraits."""
    if name == "other":
        return {"picture": value}
    if name == "line_up":
        return [{"picture": picture} for picture in value]
    return value


def filled(e, model, before):
    """The raw values of the page and of the tab, once they describe an experiment."""
    values = bare(type(e)).values(e, model)
    assert set(values.shared) <= set(SHARED) - {"model", "picture", "prompt", "guidance"}
    shared = {
        **before,
        "model": e.model,
        "picture": {"picture": e.picture, "src": "x"},
        "prompt": e.prompt,
        "guidance": e.guidance,
        **values.shared,
    }
    return shared, {name: as_sent(name, value) for name, value in values.own.items()}


def check_round_trip(e, model, before):
    """Link → controls → experiment, but for the revision, which controls do not hold."""
    e = experiment_from_query(e.to_query())
    found = experiment_of(bare(type(e)), model, *filled(e, model, before))
    assert found == replace(e, revision="")
    assert found.to_query() == replace(e, revision="").to_query()


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_tab_uses_the_controls_that_its_experiment_depends_on(faces_model, kind):
    e = Embedding(n=250) if kind is Embedding else kind()  # at n = T the dial does not count
    tab = bare(kind)
    shared, own = filled(e, faces_model, START)
    usual = experiment_of(tab, faces_model, shared, own)
    decisive = {
        name
        for name in PLACES
        if experiment_of(tab, faces_model, {**shared, name: CHANGED[name]}, own) != usual
    }
    marked = {"n"} if kind is Curve else set()  # the dial marks a place on its chart
    assert decisive | marked == set(tab.uses)


FACES = experiments(model=st.just("faces"), prompts=st.just(""), guided=False)
SHORT = experiments(model=st.just("short"), T=200, prompts=st.just(""), guided=False)


@hypothesis.settings(max_examples=200, **SAME)
@hypothesis.given(FACES, st.sampled_from((START, USED, OTHER_SOLVER)))
def test_controls_describe_any_experiment_whatever_they_said_before(faces_model, e, before):
    check_round_trip(e, faces_model, before)


@hypothesis.settings(max_examples=60, **SAME)
@hypothesis.given(e=SHORT)
def test_controls_describe_experiments_of_a_model_of_200_steps(short, e):
    check_round_trip(replace(e, model=short.name), short, START)


@hypothesis.settings(max_examples=60, **SAME)
@hypothesis.given(e=experiments(model=st.just("text")))
def test_controls_describe_experiments_of_a_model_that_takes_prompts(text, e):
    check_round_trip(e, text, USED)


@pytest.fixture(scope="module")
def short(class_folders):
    model = load_model(str(class_folders["kl"]), "cpu")
    assert model.schedule.T == 200
    return model


@pytest.fixture(scope="module")
def text(class_folders):
    pytest.importorskip("transformers")
    return load_model(str(class_folders["text"]), "cpu")


@pytest.mark.parametrize(
    "e",
    [
        RoundTrip(n=200),
        Curve(levels=(0, 200)),
        Curve(levels=range(0, 201, 10)),
        Embedding(n=200),
        Embedding(n=199),
        Collision(n=200),
        Belief(n=200),
        Branch(),
    ],
    ids=repr,
)
def test_the_highest_level_of_a_short_schedule_is_not_the_dial(short, e):
    check_round_trip(replace(e, model=short.name), short, START)


def test_the_usual_levels_of_a_model_are_left_empty(short, faces_model):
    tab = bare(Curve)
    to_200 = Curve(levels=tuple(range(0, 201, 10)))
    assert tab.values(Curve(levels=even_levels(faces_model)), faces_model).own == {"levels": ""}
    assert tab.values(to_200, short).own == {"levels": ""}
    assert tab.values(to_200, faces_model).own == {"levels": "0:200:10"}


def test_codes_are_at_all_noise_only_where_n_is_T(faces_model, short):
    tab = bare(Embedding)
    assert tab.values(Embedding(n=1000), faces_model).own["at"] == AT_T
    assert tab.values(Embedding(n=999), faces_model).own["at"] == AT_DIAL
    assert tab.values(Embedding(n=200), short).own["at"] == AT_T
    assert "n" not in tab.values(Embedding(n=1000), faces_model).shared


@pytest.mark.parametrize(
    ("seeds", "wanted"),
    [
        ((3, 4, 5), {"first": 3, "per_level": 3, "listed": ""}),
        (tuple(range(17)), {"first": 0, "listed": "0-16"}),
        ((5, 4), {"first": 5, "listed": "5,4"}),
        ((7,), {"first": 7, "per_level": 1, "listed": ""}),
    ],
)
def test_seeds_that_are_not_up_to_sixteen_neighbours_are_listed(faces_model, seeds, wanted):
    shared = bare(Curve).values(Curve(seeds=seeds), faces_model).shared
    names = ("first", "per_level", "listed")
    assert {name: shared[name] for name in names if name in shared} == wanted


def test_a_prompt_is_left_out_for_a_model_that_takes_none(faces_model):
    shared = {**START, "prompt": "a dog", "guidance": 7.5}
    for kind in (RoundTrip, Curve, Belief):
        found = experiment_of(bare(kind), faces_model, shared, OWN[kind.kind])
        assert (found.prompt, found.guidance) == ("", 1)


@pytest.mark.parametrize("kind", KINDS.values())
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("guidance", 0.5),
        ("guidance", None),
        ("prompt", "a\nb"),
        ("prompt", None),
        ("prompt", ["x"]),
    ],
)
def test_hostile_prompts_get_one_sentence(text, kind, name, value):
    shared, own = filled(kind(model="text"), text, START)
    with pytest.raises(DiffdemoError) as caught:
        experiment_of(bare(kind), text, {**shared, name: value}, own)
    assert len(str(caught.value)) < 250


def test_a_portrait_is_named_by_its_picture_alone():
    assert picture_of({"picture": "face:3", "src": "x"}) == "face:3"
    assert picture_of({}) is None
    assert picture_of("face:3") == "face:3"
    assert picture_of(SimpleNamespace) is SimpleNamespace


def test_rail_and_tab_describe_every_experiment(faces_model):
    wanted = {
        "round-trip": RoundTrip(seeds=(0, 1, 2), steps=4),
        "curve": Curve(seeds=(0, 1), steps=4),
        "belief": Belief(),
        "embed": Embedding(
            seeds=(0, 1), steps=20, methods=("random", "ddim"), warm=0.1, other="face:4"
        ),
        "collide": Collision(n=250, steps=30, eta=0.5),
        "branch": Branch(points=5, futures=3, steps=40, jump=2),
    }
    for kind, e in wanted.items():
        assert experiment_of(bare(KINDS[kind]), faces_model, SHARED, OWN[kind]) == e
    at_dial = {**OWN["embed"], "at": AT_DIAL}
    assert experiment_of(bare(Embedding), faces_model, SHARED, at_dial).n == 250


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (Embedding, "at", "T"),
        (Embedding, "at", None),
        (Embedding, "at", ["x"]),
        (Embedding, "steps", 0),
        (Embedding, "warm", float("nan")),
        (Embedding, "methods", ["magic"]),
        (Embedding, "methods", None),
        (Embedding, "other", {"picture": 3}),
        (Collision, "eta", "x"),
        (Collision, "other", None),
        (Collision, "other", {"picture": ""}),
        (Collision, "other", {"picture": "sha256:" + "0" * 64}),
        (Collision, "steps", 1e309),
        (Branch, "points", 99),
        (Branch, "futures", 1),
        (Branch, "steps", "50; rm"),
        (Branch, "jump", -1),
    ],
)
def test_hostile_values_of_a_tabs_own_controls_get_one_sentence(faces_model, kind, name, value):
    own = {**OWN[kind.kind], name: value}
    with pytest.raises(DiffdemoError) as caught:
        experiment_of(bare(kind), faces_model, SHARED, own)
    assert len(str(caught.value)) < 250


HOSTILE = [
    ("model", None),
    ("model", "/etc"),
    ("model", ["faces"]),
    ("picture", None),
    ("picture", {"picture": "/etc/passwd"}),
    ("picture", [1]),
    ("n", float("nan")),
    ("n", 5000),
    ("first", -1),
    ("first", "x"),
    ("first", 2**31),
    ("count", 0),
    ("count", 10**9),
    ("count", None),
]


@pytest.mark.parametrize("kind", [RoundTrip, Curve, Belief])
@pytest.mark.parametrize(("name", "value"), HOSTILE)
def test_hostile_values_of_the_rail_get_one_sentence(faces_model, kind, name, value):
    if (kind, name) == (Curve, "n"):
        pytest.skip("a curve has no single n")
    with pytest.raises(DiffdemoError) as caught:
        experiment_of(bare(kind), faces_model, {**SHARED, name: value}, OWN[kind.kind])
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("eta", 7),
        ("solver", "euler"),
        ("spacing", None),
        ("start", {}),
        ("per_level", 99),
    ],
)
def test_hostile_settings_get_one_sentence(faces_model, name, value):
    kind = Curve if name == "per_level" else RoundTrip
    with pytest.raises(DiffdemoError):
        experiment_of(bare(kind), faces_model, {**SHARED, name: value}, OWN[kind.kind])
