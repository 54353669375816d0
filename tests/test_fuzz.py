"""Every parser of what strangers send, with anything: it gives a value or says one line of ours, and nothing else is ever raised."""

import base64
import random
from types import SimpleNamespace

import hostile_pictures
import hypothesis
import pytest
from doubles import png
from pages import tab_of
from strategies import ODD, mutated, st

from diffdemo import exports, fields, images
from diffdemo.errors import DiffdemoError
from diffdemo.experiment import Belief, Branch, Collision, Curve, Embedding, RoundTrip, experiment_from_query, picture_from_png, png_from_picture
from diffdemo.models import load_model
from diffdemo.ui import files, links, pad
from diffdemo.ui.controls import RAIL
from diffdemo.ui.shelf import Models

JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.sampled_from(ODD), st.sampled_from(("face:17", "faces"))
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(("picture", "src", "path", "pixels", "side", "a")), inner)),
    max_leaves=8,
)
GOOD = (png({}), *(hostile_pictures.odd()[name][0] for name in ("png", "jpeg, cmyk", "png, clear palette", "png, 16 bits")))
OURS = png({"diffdemo": RoundTrip(n=300, seeds=(1, 2)).to_query()})
OWN = {RoundTrip: 0, Curve: 1, Embedding: 5, Collision: 3, Belief: 1, Branch: 4}  # widgets of a tab's own
WRITTEN = st.one_of(st.text("0123456789-,: ٣²\x00", max_size=30), st.text(max_size=60), st.sampled_from(ODD))


def changed(data: bytes, chance: random.Random) -> bytes:
    """The file with some bytes changed, cut out or put in."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        data = data[:at] + chance.choice((b"", b"\x00" * 4, b"\xff" * 4, chance.randbytes(8), data[:20])) + data[at + chance.choice((0, 1, 4, 500)) :]
    return data


FILES = st.builds(lambda data, seed: changed(data, random.Random(seed)), st.sampled_from((*GOOD, OURS)), st.integers(0, 2**32))
QUERIES = st.builds(
    lambda n, seed: mutated(RoundTrip(n=n).to_query(), random.Random(seed)), st.integers(0, 1000), st.integers(0, 2**32)
)  # fmt: skip


@pytest.fixture(scope="module")
def models():
    return Models(load_model("faces", "cpu"), "cpu")


def raw_values(models, kind, values):
    """An experiment from the raw values of the widgets, as many as the page has, good ones replaced by odd ones here and there."""
    sound = ["faces", {"picture": "face:17"}, 250, 0, 3, 4, 0, "ddim", "trailing", "picture", 2, "", "", 1, []][:RAIL] + [20] * 5
    return tab_of(kind).experiment(models, tuple(value if value is not None else sound[k] for k, value in enumerate(values[: RAIL + OWN[kind]])))


PARSERS = {
    "query": (QUERIES, lambda _, text: experiment_from_query(text)),
    "any text as a query": (WRITTEN, lambda _, text: experiment_from_query(text)),
    "address": (st.dictionaries(st.sampled_from(("v", "kind", "n", "seeds", "x")), WRITTEN), lambda _, found: links.asked(found)),
    "experiment in a PNG": (FILES, lambda _, data: exports.read_experiment(data)),
    "its text": (QUERIES, lambda _, text: exports.read_experiment(png({"diffdemo": text.encode(errors="replace").decode("latin-1")}))),
    "seeds": (WRITTEN, lambda _, text: fields.parse_seeds(text)),
    "levels": (WRITTEN, lambda _, text: fields.parse_levels(text)),
    "pictures": (WRITTEN, lambda _, text: fields.parse_pictures(text)),
    "any field": (st.tuples(st.sampled_from(sorted(fields.FIELDS)), JSON), lambda _, pair: fields.FIELDS[pair[0]].accept(pair[1])),
    "picture in a link": (WRITTEN, lambda _, text: png_from_picture(fields.FIELDS["picture"].accept("png:" + text))),
    "picture": (FILES, lambda _, data: images.load_picture(data)),
    "small picture": (FILES.map(picture_from_png), lambda _, text: images.load_picture(png_from_picture(text), 4096)),
    "dropped file": (st.one_of(JSON, FILES.map(lambda data: base64.b64encode(data).decode())), lambda _, v: files.dropped(SimpleNamespace(value=v))),
    "drawing": (JSON, lambda models, value: pad.read_drawing(models.first, value)),
    "controls": (
        st.tuples(st.sampled_from(list(OWN)), st.lists(st.one_of(st.none(), st.none(), JSON), min_size=RAIL + 5, max_size=RAIL + 5)),
        lambda models, pair: raw_values(models, *pair),
    ),
}  # fmt: skip


def fuzz(models, name, examples):
    strategy, parse = PARSERS[name]

    @hypothesis.settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(strategy)
    def run(value):
        said = "fine"
        try:
            parse(models, value)
        except DiffdemoError as error:
            said = str(error)
        assert said
        assert "\n" not in said

    run()


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_raises_nothing_but_one_line_of_ours(models, name):
    fuzz(models, name, 40)


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_raises_nothing_but_one_line_of_ours_in_five_thousand_cases(models, name):
    fuzz(models, name, 5_000)
