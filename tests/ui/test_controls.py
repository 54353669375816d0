from dataclasses import fields, replace
from types import SimpleNamespace

import pytest
from pages import tab_of
from strategies import experiments, st

from diffdemo.errors import DiffdemoError
from diffdemo.experiment import KINDS, Belief, Branch, Collision, Curve, Embedding, RoundTrip, experiment_from_query
from diffdemo.models import load_model
from diffdemo.ui import controls
from diffdemo.ui.controls import RAIL, Settings
from diffdemo.ui.embedding import AT
from diffdemo.ui.rail import PLACES
from diffdemo.ui.shelf import Models

hypothesis = pytest.importorskip("hypothesis")
SAME = {"deadline": None, "derandomize": True, "suppress_health_check": list(hypothesis.HealthCheck), "database": None}
NAMES = [item.name for item in fields(Settings)]
START = ("faces", {"picture": "face:17"}, 250, 0, 16, 20, 0, "ddim", "trailing", "picture", 4, "", "", 1)
USED = ("faces", {"picture": "sha256:" + "0" * 64}, 0, 7, 64, 200, 0.5, "ddim", "logsnr", "noise", 16, "5,3,9-12", "a dog", 7.5)  # by somebody before
OTHER_SOLVER = (*USED[:6], 0, "dpm++2m", *USED[8:])


def placed(e, model, before: tuple) -> tuple:
    """The raw values of the rail and of one tab's widgets, once they stand for an experiment."""
    stand = tab_of(type(e)).standing(e, model)
    assert set(stand.rail) <= set(NAMES) - {"model", "picture"}
    rail = {**dict(zip(NAMES, before, strict=True)), "model": e.model, "picture": {"picture": e.picture, "src": "x"}, **stand.rail}
    own = list(stand.own)
    if isinstance(e, Belief):
        own[0] = [{"picture": name} for name in own[0]]
    elif isinstance(e, Embedding | Collision):
        place = -1 if isinstance(e, Embedding) else 0
        own[place] = {"picture": own[place]}
    return (*rail.values(), *own)


CHANGED = {
    "n": 251, "first": 1, "count": 3, "per_level": 2, "listed": "4,9",
    "steps": 7, "eta": 0.25, "solver": "dpm++2m", "spacing": "logsnr", "start": "noise",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_tab_shows_of_the_rail_what_its_experiment_depends_on(faces_model, kind):
    e = Embedding(n=250) if kind is Embedding else kind()  # at n = T the dial does not count
    tab, raw = tab_of(kind), dict(enumerate(placed(e, faces_model, START)))

    def asked(changes):
        return tab.experiment(shelf(faces_model), tuple({**raw, **changes}.values()))

    decisive = {name for name in PLACES if asked({NAMES.index(name): CHANGED[name]}) != asked({})}
    marked = {"n"} if kind is Curve else set()  # the dial marks a place on its chart
    assert decisive | marked == set(tab.uses)


def shelf(model):
    return Models(model, "cpu")


def check_identity(e, model, before):
    """Link → controls → experiment, but for the revision, which controls do not hold."""
    e = experiment_from_query(e.to_query())
    found = tab_of(type(e)).experiment(shelf(model), placed(e, model, before))
    assert found == replace(e, revision="")
    assert found.to_query() == replace(e, revision="").to_query()


FACES = experiments(model=st.just("faces"), prompts=st.just(""), guided=False)


@hypothesis.settings(max_examples=200, **SAME)
@hypothesis.given(FACES, st.sampled_from((START, USED, OTHER_SOLVER)))
def test_controls_stand_for_any_experiment_whatever_they_said_before(faces_model, e, before):
    check_identity(e, faces_model, before)


@hypothesis.settings(max_examples=60, **SAME)
@hypothesis.given(e=experiments(model=st.just("short"), T=200, prompts=st.just(""), guided=False))
def test_controls_of_a_model_of_200_steps_stand_for_its_experiments(short, e):
    check_identity(replace(e, model=short.name), short, (short.name, *START[1:]))


@hypothesis.settings(max_examples=60, **SAME)
@hypothesis.given(e=experiments(model=st.just("text")))
def test_controls_of_a_model_that_takes_prompts_stand_for_its_experiments(text, e):
    check_identity(e, text, ("text", *USED[1:]))


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
def test_the_highest_level_of_a_short_schedule_is_told_from_the_dial(short, e):
    check_identity(replace(e, model=short.name), short, (short.name, *START[1:]))


def test_all_levels_of_a_model_are_written_as_nothing(short, faces_model):
    assert tab_of(Curve).standing(Curve(levels=controls.levels(faces_model)), faces_model).own == ("",)
    assert tab_of(Curve).standing(Curve(levels=tuple(range(0, 201, 10))), short).own == ("",)
    assert tab_of(Curve).standing(Curve(levels=tuple(range(0, 201, 10))), faces_model).own == ("0:200:10",)


def test_codes_stand_at_all_noise_only_where_n_is_t(faces_model, short):
    assert tab_of(Embedding).standing(Embedding(n=1000), faces_model).own[0] == AT[0]
    assert tab_of(Embedding).standing(Embedding(n=999), faces_model).own[0] == AT[1]
    assert tab_of(Embedding).standing(Embedding(n=200), short).own[0] == AT[0]
    assert "n" not in tab_of(Embedding).standing(Embedding(n=1000), faces_model).rail


@pytest.mark.parametrize(
    ("seeds", "stands"),
    [((3, 4, 5), {"first": 3, "per_level": 3, "listed": ""}), (tuple(range(17)), {"first": 0, "listed": "0-16"}),
     ((5, 4), {"first": 5, "listed": "5,4"}), ((7,), {"first": 7, "per_level": 1, "listed": ""})],
)  # fmt: skip
def test_seeds_that_no_run_of_sixteen_is_are_listed(faces_model, seeds, stands):
    rail = tab_of(Curve).standing(Curve(seeds=seeds), faces_model).rail
    assert {name: rail[name] for name in ("first", "per_level", "listed") if name in rail} == stands


def test_a_prompt_is_left_out_for_a_model_that_takes_none(faces_model):
    values = (*START[:12], "a dog", 7.5, "")
    for kind, own in {RoundTrip: (), Curve: ("",), Belief: ([],)}.items():
        found = tab_of(kind).experiment(shelf(faces_model), (*values[:RAIL], *own))
        assert (found.prompt, found.guidance) == ("", 1)


@pytest.mark.parametrize("kind", KINDS.values())
@pytest.mark.parametrize(("name", "value"), [("guidance", 0.5), ("guidance", None), ("prompt", "a\nb"), ("prompt", None), ("prompt", ["x"])])
def test_hostile_prompts_get_one_sentence(text, kind, name, value):
    values = list(placed(kind(model="text"), text, START))
    values[NAMES.index(name)] = value
    with pytest.raises(DiffdemoError) as caught:
        tab_of(kind).experiment(shelf(text), tuple(values))
    assert len(str(caught.value)) < 250


def test_a_portrait_is_named_by_its_picture_alone():
    assert controls.named({"picture": "face:3", "src": "x"}) == "face:3"
    assert controls.named({}) is None
    assert controls.named("face:3") == "face:3"
    assert controls.named(SimpleNamespace) is SimpleNamespace
