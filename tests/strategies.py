"""Hypothesis strategies: random valid experiments of all six kinds over the whole of their bounds, and broken copies of their queries."""

import random
import string
from urllib.parse import quote

import pytest

from diffdemo.errors import ExperimentError
from diffdemo.experiment import KINDS, MAX_TILES, WAYS_BACK, Belief, Branch, Collision, Curve, Embedding, RoundTrip, picture_from_png
from diffdemo.fields import MAX_CANDIDATES, MAX_FUTURES, MAX_GUIDANCE, MAX_JUMP, MAX_LEVELS, MAX_LINE_UP, MAX_N, MAX_POINTS, MAX_PROMPT, MAX_SEEDS
from diffdemo.terms import CODES, DIGITS, MAX_STEPS, SEED_END, SOLVERS, SPACINGS, STARTS

st = pytest.importorskip("hypothesis.strategies", reason="hypothesis is a developer tool, see .ci/requirements.txt")

ANY_MODEL = st.one_of(st.sampled_from(("faces", "digits", "google/ddpm-cat-256")), st.from_regex(r"\A[A-Za-z0-9_][\w.-]{0,48}(/\w[\w.-]{0,48})?\Z"))
NAMES = ANY_MODEL.filter(str.isascii)
SHARES = st.one_of(st.sampled_from((0.0, -0.0, 0.5, 1.0, 1, 5e-324, 1e-5, 1 / 3)), st.floats(0, 1))
PROMPTS = st.one_of(
    st.just(""),
    st.sampled_from(("a cat", " ", "&v=2", "?#%00+", '"><script>', "\\g<0>", "čärt 猫 𝕏 e\u0301", "\u202eright to left", "猫" * MAX_PROMPT)),
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=MAX_PROMPT),
)
REVISIONS = st.one_of(st.just(""), st.text("0123456789abcdef", min_size=12, max_size=12))
NAMED = st.one_of(
    st.integers(0, SEED_END - 1).map(lambda seed: f"face:{seed}"),
    st.integers(0, DIGITS - 1).map(lambda index: f"digit:{index}"),
)
INSIDE = st.one_of(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=9).map(lambda part: (part * 1200)[:1197])).map(picture_from_png)
WRITTEN = st.one_of(NAMED, INSIDE)
HASHED = st.text("0123456789abcdef", min_size=64, max_size=64).map(lambda digest: f"sha256:{digest}")
LEVELS = st.one_of(
    st.just(tuple(range(0, MAX_N + 1, 50))),
    st.builds(lambda first, step, count: tuple(range(first, MAX_N + 1, step))[:count], st.integers(0, 900), st.integers(1, 99), st.integers(1, 64)),
    st.sets(st.integers(0, MAX_N), min_size=1, max_size=MAX_LEVELS).map(lambda levels: tuple(sorted(levels))),
)


def seeds(most: int = MAX_SEEDS):
    """A run of seeds, or a list in any order."""
    runs = st.builds(lambda first, count: tuple(range(first, first + count)), st.integers(0, SEED_END - 1 - MAX_SEEDS), st.integers(1, most))
    small = st.lists(st.integers(0, 20), min_size=1, max_size=min(most, 21), unique=True)
    return st.one_of(runs, small.map(tuple), st.lists(st.integers(0, SEED_END - 1), min_size=1, max_size=min(most, 12), unique=True).map(tuple))


@st.composite
def experiments(draw, model=NAMES, T: int = MAX_N, prompts=PROMPTS, guided: bool = True, revisions=REVISIONS):
    """A valid experiment: of one of some models, with at most T noise steps, some prompts, guidance or none."""
    kind = draw(st.sampled_from(list(KINDS.values())))
    told = {"prompt": draw(prompts), "guidance": draw(st.one_of(st.just(1.0), st.floats(1, MAX_GUIDANCE))) if guided else 1.0}
    shared = {"model": draw(model), "picture": draw(st.one_of(WRITTEN, HASHED)), "revision": draw(revisions), **told}
    try:
        return kind(**shared, **draw(_OWN[kind](T)))
    except ExperimentError as error:
        if "A link holds at most" not in str(error):  # a long prompt beside large pictures
            raise
        return kind(**shared | {"prompt": "", "picture": "face:1"}, **draw(_OWN[kind](T)))


def _steps():
    return st.integers(1, MAX_STEPS)


@st.composite
def _sampler(draw):
    solver = draw(st.sampled_from(SOLVERS))
    eta = draw(SHARES) if solver == "ddim" else 0
    return {"steps": draw(_steps()), "eta": eta, "solver": solver, "spacing": draw(st.sampled_from(SPACINGS))}


@st.composite
def _round_trip(draw, T):
    return {"n": draw(st.integers(0, T)), "seeds": draw(seeds()), "start": draw(st.sampled_from(STARTS)), **draw(_sampler())}


@st.composite
def _curve(draw, T):
    levels = tuple(level for level in draw(LEVELS) if level <= T) or (T,)
    return {"levels": levels, "seeds": draw(seeds(min(MAX_SEEDS, MAX_TILES // len(levels)))), **draw(_sampler())}


def _embedding(T):
    methods = st.lists(st.sampled_from(CODES), min_size=1, unique=True)
    n, other = st.one_of(st.just(T), st.integers(1, T)), st.one_of(st.just(""), WRITTEN)
    return st.fixed_dictionaries({"n": n, "seeds": seeds(), "steps": _steps(), "methods": methods, "warm": SHARES, "other": other})


def _collision(T):
    seed = st.integers(0, SEED_END - 1 - WAYS_BACK)
    return st.fixed_dictionaries({"other": WRITTEN, "n": st.integers(1, T), "seed": seed, "steps": _steps(), "eta": SHARES})


def _belief(T):
    line_up = st.lists(WRITTEN, max_size=MAX_CANDIDATES).map(_fitting)
    return st.fixed_dictionaries({"n": st.integers(0, T), "seed": st.integers(0, SEED_END - 1), "line_up": line_up})


def _fitting(pictures: list[str]) -> str:
    while len(",".join(pictures)) > MAX_LINE_UP:
        pictures = pictures[1:]
    return ",".join(pictures)


def _branch(T):
    seed, futures = st.integers(0, SEED_END - 1 - MAX_FUTURES), st.integers(2, MAX_FUTURES)
    points, jump = st.integers(1, MAX_POINTS), st.integers(0, MAX_JUMP)
    return st.fixed_dictionaries({"seed": seed, "points": points, "futures": futures, "steps": _steps(), "jump": jump})


_OWN = {RoundTrip: _round_trip, Curve: _curve, Embedding: _embedding, Collision: _collision, Belief: _belief, Branch: _branch}

ODD = (
    "\x00", "%00", "%", "%%", "%zz", "%ff", "%C3%28", "&", "&&", "=", "==", "?", "#", "+", "-", "-1", "0", "00", ",", ",,", ":", ";", "/", "../",
    " ", "\n", "\r\n", "\u2028", "٣", "１", "²", "९", "\ud800", "\U0010ffff", "e5", "1e9", "1e999", "0x1", "nan", "inf", "-inf", "None", "null", "[]",
    "{}", "9" * 9, "9" * 10, "9" * 40, "9" * 5000, "A" * 9000, "&v=1", "&v=2", "&kind=curve", "&n=", "&seeds=0-2147483648", "&levels=0:1000:1",
    "&__theme=x", "&line_up=face:1", "&prompt=" + "猫" * 301, "&guidance=1.5", "&eta=1", "&other=", "&start=noise", "face:", "digit:9999", "png:A",
    "sha256:",
)  # fmt: skip


def mutated(query: str, chance: random.Random) -> str:
    """The query with one to three things done to it: inserted, deleted, swapped, repeated, replaced, percent-encoded."""
    for _ in range(chance.randint(1, 3)):
        at, end = sorted((chance.randint(0, len(query)), chance.randint(0, len(query))))
        near = min(len(query), at + chance.randint(0, 4))
        pairs = query.split("&")
        query = chance.choice((
            lambda q, at=at: q[:at] + chance.choice(ODD) + q[at:],
            lambda q, at=at: q[:at] + chance.choice(string.printable) + q[at + 1 :],
            lambda q, at=at, near=near: q[:at] + q[near:],
            lambda q, at=at, end=end: q[:at] + q[end:],
            lambda q, at=at, end=end: q[:end] + q[at:],
            lambda q, at=at, near=near: q[:at] + q[at:near] * chance.choice((2, 50)) + q[near:],
            lambda q, at=at, near=near: q[:at] + q[at:near][::-1] + q[near:],
            lambda q, at=at, near=near: q[:at] + "".join(f"%{byte:02X}" for byte in q[at:near].encode(errors="replace")) + q[near:],
            lambda q, pairs=pairs: "&".join([*pairs, chance.choice(pairs)]),
            lambda q, pairs=pairs: "&".join(chance.sample(pairs, len(pairs))),
            lambda q, pairs=pairs: "&".join(chance.sample(pairs, max(1, len(pairs) - 1))),
            lambda q, pairs=pairs: "&".join(_valued(pair, chance) for pair in pairs),
            lambda q: quote(q, errors="replace"),  # as in _valued: odd letters may be lone surrogates
        ))(query)  # fmt: skip
    return query


def _valued(pair: str, chance: random.Random) -> str:
    """The pair, now and then with another value."""
    return f"{pair.partition('=')[0]}={quote(chance.choice(ODD), errors='replace')}" if chance.random() < 0.15 else pair
