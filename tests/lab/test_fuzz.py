"""Every parser of what strangers send, with anything: it returns a value or raises one sentence.

Nothing but a DiffdemoError is ever raised.
"""

import base64
import random
from functools import cache
from types import SimpleNamespace

import gradio as gr
import hostile_pictures
import hypothesis
import pytest
from doubles import png
from raw_values import OWN, SHARED
from strategies import ODD, mutated, st

from diffdemo.errors import DiffdemoError
from diffdemo.experiments import RoundTrip
from diffdemo.lab import notation
from diffdemo.lab.experiment import KINDS, experiment_from_query
from diffdemo.lab.fields import PICTURE
from diffdemo.lab.runner import Runner
from diffdemo.page import files
from diffdemo.pictures import decoding
from diffdemo.report import exports
from diffdemo.serving.addresses import linked_experiment
from diffdemo.widgets import pad
from diffdemo.widgets.controls import Settings
from diffdemo.widgets.second_picture import SecondPicture

KEYS = ("picture", "src", "path", "pixels", "side", "a")
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(ODD),
    st.sampled_from(("face:17", "faces")),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner)
    ),
    max_leaves=8,
)
WRITTEN = st.one_of(
    st.text("0123456789-,: ٣²\x00", max_size=30), st.text(max_size=60), st.sampled_from(ODD)
)
CHANCE = st.integers(0, 2**32).map(random.Random)
QUERIES = st.builds(
    lambda n, chance: mutated(RoundTrip(n=n).to_query(), chance), st.integers(0, 1000), CHANCE
)
SOUND = ("png", "jpeg, cmyk", "png, clear palette", "png, 16 bits")
PICTURES = (
    png({}),
    png({"diffdemo": RoundTrip(n=300, seeds=(1, 2)).to_query()}),
    *(hostile_pictures.odd()[name][0] for name in SOUND),
)


def changed(data: bytes, chance: random.Random) -> bytes:
    """The file with some bytes changed, cut out or put in."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        new = chance.choice((b"", b"\x00" * 4, b"\xff" * 4, chance.randbytes(8), data[:20]))
        data = data[:at] + new + data[at + chance.choice((0, 1, 4, 500)) :]
    return data


FILES = st.builds(changed, st.sampled_from(PICTURES), CHANCE)
CONTROLS = st.tuples(
    st.sampled_from(list(KINDS)),
    st.dictionaries(st.sampled_from(list(SHARED)), JSON, max_size=4),
    st.dictionaries(st.sampled_from(sorted({name for own in OWN.values() for name in own})), JSON),
)


def read_text_of_png(text, models):
    latin = text.encode(errors="replace").decode("latin-1")
    return exports.read_experiment(png({"diffdemo": latin}))


def accept_in_every_kind(value, models):
    name, value = value
    for kind in KINDS.values():
        field = kind.fields().get(name)
        if field:
            field.accept(value)


@cache
def usual_values(kind, models):
    """The raw values of a tab's own controls: listed, or what they show at first."""
    if kind in OWN:
        return OWN[kind]
    with gr.Blocks():
        tab = KINDS[kind].part("tab").Tab(Runner(), SecondPicture(models))
        tab.layout()
    return {name: widget.value for name, widget in tab.own.items()}


def read_controls(value, models):
    kind, shared, own = value
    known = {name: own.get(name, usual) for name, usual in usual_values(kind, models).items()}
    tab = KINDS[kind].part("tab").Tab(None, SimpleNamespace(portrait=None))
    return tab.experiment(Settings.read(models, {**SHARED, **shared}), known)


NAMES = sorted({name for kind in KINDS.values() for name in kind.fields()})
PARSERS = {  # what is parsed → a strategy, and a function of a value and the page's models
    "query": (QUERIES, lambda text, _: experiment_from_query(text)),
    "any text as a query": (WRITTEN, lambda text, _: experiment_from_query(text)),
    "address": (
        st.dictionaries(st.sampled_from(("v", "kind", "n", "seeds", "x")), WRITTEN),
        lambda parameters, _: linked_experiment(parameters),
    ),
    "experiment in a PNG": (FILES, lambda data, _: exports.read_experiment(data)),
    "its text": (QUERIES, read_text_of_png),
    "seeds": (WRITTEN, lambda text, _: notation.parse_seeds(text)),
    "levels": (WRITTEN, lambda text, _: notation.parse_levels(text)),
    "pictures": (WRITTEN, lambda text, _: notation.parse_pictures(text)),
    "any field": (st.tuples(st.sampled_from(NAMES), JSON), accept_in_every_kind),
    "picture in a link": (
        WRITTEN.map("png:{}".format),
        lambda text, _: notation.png_from_picture(PICTURE.accept(text)),
    ),
    "picture": (FILES, lambda data, _: decoding.load_picture(data)),
    "small picture": (
        FILES.map(notation.picture_from_png),
        lambda text, _: decoding.load_picture(notation.png_from_picture(text), 4096),
    ),
    "dropped file": (
        st.one_of(JSON, FILES.map(lambda data: base64.b64encode(data).decode())),
        lambda value, _: files.dropped(SimpleNamespace(value=value)),
    ),
    "drawing": (JSON, lambda value, models: pad.read_drawing(models.first, value)),
    "controls": (CONTROLS, read_controls),
}


def fuzz(models, name, examples):
    strategy, parse = PARSERS[name]

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def run(value):
        try:
            parse(value, models)
        except DiffdemoError as error:
            refusal = str(error)
        else:
            return
        assert refusal
        assert "\n" not in refusal

    run()


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_raises_nothing_but_one_sentence(models, name):
    fuzz(models, name, 40)


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_raises_nothing_but_one_sentence_in_five_thousand_cases(models, name):
    fuzz(models, name, 5_000)
