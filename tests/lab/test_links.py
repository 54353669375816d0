"""Links of random experiments are read back; broken ones lead nowhere out of the bounds."""

import itertools
import random
import unicodedata
from urllib.parse import quote

import pytest
from doubles import png
from strategies import ODD, experiments, mutated, st

from diffdemo.diffusion.terms import SEED_END
from diffdemo.errors import DiffdemoError
from diffdemo.experiments import Curve, RoundTrip
from diffdemo.experiments.belief import MAX_LINE_UP
from diffdemo.experiments.collision import WAYS_BACK
from diffdemo.experiments.curve import MAX_TILES
from diffdemo.lab.experiment import KINDS, MAX_QUERY, experiment_from_query
from diffdemo.lab.fields import MAX_DIGIT, MAX_N, MAX_PNG
from diffdemo.lab.notation import (
    MAX_LEVELS,
    MAX_SEEDS,
    format_levels,
    format_seeds,
    parse_levels,
    parse_seeds,
)
from diffdemo.report import exports

hypothesis = pytest.importorskip("hypothesis")
given = hypothesis.given
settings = hypothesis.settings
SAME = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": list(hypothesis.HealthCheck),
    "database": None,
}
MUTANTS = 10  # of each query
ENDS = {"seeds": SEED_END, "levels": MAX_N + 1}


def png_of(query: str) -> bytes:
    return png({exports.QUERY: query}, (1, 1))


def check_picture(picture: str) -> None:
    kind, _, rest = picture.partition(":")
    if kind in ("face", "digit"):
        assert 0 <= int(rest) <= (SEED_END - 1 if kind == "face" else MAX_DIGIT)
        assert str(int(rest)) == rest
    else:
        assert kind in ("png", "sha256")
        assert len(picture) <= MAX_PNG
        assert rest.isascii()


def check_inside(e) -> None:
    """Every field lies in its bounds, and the rules between fields hold."""
    for name, field in e.fields().items():
        value = getattr(e, name)
        if isinstance(value, int | float):
            assert field.minimum <= value <= field.maximum
            assert type(value) is type(field.default)
        elif field.choices:
            assert set([value] if isinstance(value, str) else value) <= set(field.choices)
        elif name in ENDS:
            assert field.minimum <= len(set(value)) == len(value) <= field.maximum
            assert all(type(number) is int and 0 <= number < ENDS[name] for number in value)
    check_picture(e.picture)
    for picture in (getattr(e, "other", ""), *getattr(e, "line_up", "").split(",")):
        assert not picture.startswith("sha256:")
        if picture:
            check_picture(picture)
    assert len(e.model) <= 100
    assert ".." not in e.model.split("/")
    assert len(e.prompt) <= 300
    assert not {unicodedata.category(letter) for letter in e.prompt} & {"Cc", "Cs", "Zl", "Zp"}
    check_together(e)


def check_together(e) -> None:
    if e.kind == "curve":
        assert list(e.levels) == sorted(e.levels)
        assert len(e.levels) * len(e.seeds) <= MAX_TILES
    if e.kind in ("round-trip", "curve"):
        assert e.eta == 0 or e.solver == "ddim"
    if e.kind in ("embed", "collide"):
        assert e.n >= 1
    if e.kind == "collide":
        assert e.other
        assert e.seed + WAYS_BACK < SEED_END
    if e.kind == "branch":
        assert e.seed + e.futures < SEED_END
    if e.kind == "belief":
        assert len(e.line_up) <= MAX_LINE_UP
        assert e.line_up.count(",") < 16


def check_hostile(query: str, read=experiment_from_query) -> bool:
    """Check that a query is refused in one sentence, or is that of a valid experiment.

    Returns:
        Whether it was read.
    """
    e = None
    refusal = ""
    try:
        e = read(query)
    except DiffdemoError as error:
        refusal = str(error)
    if e is None:
        assert 0 < len(refusal) < 400
        assert "\n" not in refusal
        return False
    check_inside(e)
    assert len(e.to_query()) <= MAX_QUERY
    assert experiment_from_query(e.to_query()) == e
    return True


@settings(max_examples=300, **SAME)
@given(experiments())
def test_a_link_is_read_back_as_the_experiment_that_wrote_it(e):
    query = e.to_query()
    check_inside(e)
    assert len(query) <= MAX_QUERY
    assert query.isascii()
    found = experiment_from_query(query)
    assert found == e
    assert type(found) is type(e)
    assert found.to_query() == query


@settings(max_examples=60, **SAME)
@given(experiments())
def test_the_text_in_a_png_is_read_back_as_the_experiment(e):
    assert exports.read_experiment(png_of(e.to_query())) == (e, None)


@settings(max_examples=200, **SAME)
@given(experiments(), st.integers(0, 2**32))
def test_a_broken_link_gets_one_sentence_or_stays_within_the_bounds(e, seed):
    chance = random.Random(seed)
    for _ in range(MUTANTS):
        check_hostile(mutated(e.to_query(), chance))


def test_many_broken_links_are_still_read_so_that_the_bounds_are_tested():
    chance = random.Random(0)
    queries = [kind().to_query() for kind in KINDS.values() for _ in range(100)]
    assert 50 < sum(check_hostile(mutated(query, chance)) for query in queries) < 500


NAMES = dict.fromkeys(name for kind in KINDS.values() for name in kind.fields())


@pytest.mark.parametrize("name", NAMES)
def test_an_odd_value_of_a_field_gets_one_sentence_or_stays_within_the_bounds(name):
    for kind in KINDS:
        for odd in ODD:
            check_hostile(f"v=1&kind={kind}&{name}={odd}")


EDGES = {  # values at the edge of what is allowed, and just beyond it
    "n": ("0", "1", "1000", "1001"),
    "seed": (
        "0",
        "2147483615",
        "2147483616",
        "2147483639",
        "2147483640",
        "2147483647",
        "2147483648",
    ),
    "seeds": ("0", "0-15", "0-16", "0-63", "0-64", "1,1", "2147483647", "2147483648"),
    "levels": ("0", "0:1000:16", "0:1000:15", "0,1001", "1000", "1001", "5,5", "9,5"),
    "steps": ("0", "1", "1000", "1001"),
    "eta": ("0", "1e-5", "1", "1.0001"),
    "solver": ("dpm++2m", "euler"),
    "warm": ("1", "1.0001"),
    "methods": ("ddim", "ddim,ddim", "magic"),
    "points": ("0", "1", "32", "33"),
    "futures": ("1", "2", "32", "33"),
    "jump": ("20", "21"),
    "guidance": ("0.99", "1", "20", "20.1"),
    "picture": [
        *("face:2147483647", "face:2147483648", "digit:9999", "digit:10000"),
        *("png:" + "A" * 1596, "png:" + "A" * 1597, "sha256:" + "0" * 64),
    ],
    "other": ["", "face:2147483648", "png:" + "A" * 1597, "sha256:" + "0" * 64],
    "line_up": [
        *(",".join(["face:1"] * 16), ",".join(["face:1"] * 17), "face:1,"),
        *(",".join(["png:" + "A" * 1590] * 4), "sha256:" + "0" * 64),
    ],
    "model": ["a" * 100, "a" * 101, "../x", "a/b/c"],
    "prompt": [
        *("a" * 300, "a" * 301, quote("猫" * 300), "%C2%85", "%E2%80%A8", "%E2%80%A9", "%00"),
    ],
    "revision": ["0123456789ab", "0123456789aB", "0123456789abc"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_values_at_the_edge_of_their_bounds_lead_out_of_them(kind):
    fields = KINDS[kind].fields()
    edges = [(name, value) for name in fields for value in EDGES.get(name, [])]
    read = 0
    for (name, value), (second, other) in itertools.combinations(edges, 2):
        if name != second:
            one = f"{name}={quote(value, safe='%,:/')}"
            two = f"{second}={quote(other, safe='%,:/')}"
            read += check_hostile(f"v=1&kind={kind}&{one}&{two}")
    assert read > 100


def test_negative_zero_is_zero_in_a_link():
    assert RoundTrip(eta=-0.0).to_query() == RoundTrip().to_query()


@settings(max_examples=100, **SAME)
@given(
    st.lists(st.integers(0, SEED_END - 1), min_size=1, max_size=MAX_SEEDS),
    st.sets(st.integers(0, 1000), min_size=1, max_size=MAX_LEVELS),
)
def test_seeds_and_levels_are_read_back_from_their_written_form(seeds, levels):
    assert parse_seeds(format_seeds(seeds)) == tuple(seeds)
    assert parse_levels(format_levels(sorted(levels))) == tuple(sorted(levels))


def check_parsers(text: str) -> None:
    """Check that seeds and levels in a text are refused or stay within their bounds."""
    for parse, most, end in ((parse_seeds, MAX_SEEDS, 10**10), (parse_levels, MAX_LEVELS, 10**4)):
        try:
            found = parse(text)
        except DiffdemoError:
            continue
        assert len(found) <= most
        assert all(type(number) is int and 0 <= number < end for number in found)


@settings(max_examples=300, **SAME)
@given(st.text("0123456789-,: ٣²\x00", max_size=30))
def test_seeds_and_levels_are_read_from_any_text_or_refused(text):
    check_parsers(text)


@pytest.mark.slow
@settings(max_examples=2000, **SAME)
@given(experiments(), st.integers(0, 2**32))
def test_twenty_thousand_broken_links_pngs_and_lists(e, seed):
    chance = random.Random(seed)
    for _ in range(MUTANTS):
        query = mutated(e.to_query(), chance)
        check_hostile(query)
        if query.isprintable() and query.isascii():
            check_hostile(query, lambda text: exports.read_experiment(png_of(text))[0])
        check_parsers(mutated(format_seeds(getattr(e, "seeds", (0, 1, 2))), chance))
        check_parsers(mutated(format_levels(getattr(e, "levels", Curve.levels)), chance))
