"""Hypothesis strategies: random valid experiments of all kinds over the whole of their bounds,
and broken copies of their queries.
"""

import random
import string
from collections.abc import Callable
from urllib.parse import quote

import pytest

from diffdemo.diffusion.terms import MAX_PROMPT, SEED_END
from diffdemo.errors import ExperimentError
from diffdemo.experiments.belief import MAX_CANDIDATES, MAX_LINE_UP
from diffdemo.experiments.collision import WAYS_BACK
from diffdemo.experiments.curve import MAX_TILES
from diffdemo.lab.experiment import KINDS
from diffdemo.lab.field import Field
from diffdemo.lab.fields import MAX_DIGIT, MAX_N
from diffdemo.lab.notation import MAX_LEVELS, MAX_SEEDS, picture_from_png

st = pytest.importorskip(
    "hypothesis.strategies", reason="hypothesis is a developer tool, see .ci/requirements.txt"
)

NAMES = st.one_of(
    st.sampled_from(("faces", "digits", "google/ddpm-cat-256")),
    st.from_regex(r"\A[A-Za-z0-9_][\w.-]{0,48}(/\w[\w.-]{0,48})?\Z"),
).filter(str.isascii)
PROMPTS = st.one_of(
    st.just(""),
    st.sampled_from(
        (
            "a cat",
            " ",
            "&v=2",
            "?#%00+",
            '"><script>',
            "\\g<0>",
            "čärt 猫 𝕏 e\u0301",
            "\u202eright to left",
            "猫" * MAX_PROMPT,
        )
    ),
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=MAX_PROMPT),
)
REVISIONS = st.one_of(st.just(""), st.text("0123456789abcdef", min_size=12, max_size=12))
NAMED = st.one_of(
    st.integers(0, SEED_END - 1).map("face:{}".format),
    st.integers(0, MAX_DIGIT).map("digit:{}".format),
)
INSIDE = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.binary(min_size=1, max_size=9).map(lambda part: (part * 1200)[:1197]),
).map(picture_from_png)
WRITTEN = st.one_of(NAMED, INSIDE)
HASHED = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:{}".format)
ALL_LEVELS = range(MAX_N + 1)
LEVELS = st.one_of(
    st.just(tuple(ALL_LEVELS[::50])),
    st.builds(
        lambda first, step, count: tuple(ALL_LEVELS[first::step][:count]),
        st.integers(0, 900),
        st.integers(1, 99),
        st.integers(1, MAX_LEVELS),
    ),
    st.sets(st.sampled_from(ALL_LEVELS), min_size=1, max_size=MAX_LEVELS).map(sorted).map(tuple),
)
SEEDS = st.one_of(
    st.builds(
        lambda first, count: tuple(range(first, first + count)),
        st.integers(0, SEED_END - 1 - MAX_SEEDS),
        st.integers(1, MAX_SEEDS),
    ),
    st.lists(st.integers(0, 20), min_size=1, max_size=21, unique=True).map(tuple),
    st.lists(st.integers(0, SEED_END - 1), min_size=1, max_size=12, unique=True).map(tuple),
)


def _line_up(pictures: list[str]) -> str:
    """Join as many of the pictures as fit a link."""
    while len(",".join(pictures)) > MAX_LINE_UP:
        pictures = pictures[1:]
    return ",".join(pictures)


BY_NAME = {
    "picture": st.one_of(WRITTEN, HASHED),
    "other": st.one_of(st.just(""), WRITTEN),
    "line_up": st.lists(WRITTEN, max_size=MAX_CANDIDATES).map(_line_up),
    "levels": LEVELS,
    "seeds": SEEDS,
}


def _values(name: str, field: Field):
    """Any value of a field: by its name, or by its choices or bounds."""
    if name in BY_NAME:
        return BY_NAME[name]
    if field.choices and isinstance(field.default, tuple):
        return st.lists(st.sampled_from(field.choices), min_size=1, unique=True)
    if field.choices:
        return st.sampled_from(field.choices)
    if isinstance(field.default, int):
        return st.integers(int(field.minimum), int(field.maximum))
    odd = (-0.0, 5e-324, 1e-5, 1 / 3, 0.5, 1)
    within = [number for number in odd if number >= field.minimum]
    ends = [field.minimum, field.maximum, field.default]
    return st.one_of(st.sampled_from(within + ends), st.floats(field.minimum, field.maximum))


def _fit(kind: str, values: dict, T: int) -> dict:
    """Change what does not fit together: few levels, fresh noise, seeds after the last one."""
    if "n" in values:
        values["n"] = min(values["n"], T)
    if kind in ("embed", "collide"):
        values["n"] = max(1, values["n"])
    if values.get("solver", "ddim") != "ddim":
        values["eta"] = 0
    if kind == "curve":
        values["levels"] = tuple(level for level in values["levels"] if level <= T) or (T,)
        values["seeds"] = values["seeds"][: MAX_TILES // len(values["levels"])]
    if kind == "collide":
        values["other"] = values["other"] or "face:4"
    later = {"collide": WAYS_BACK, "branch": values.get("futures")}.get(kind)
    if later:
        values["seed"] = min(values["seed"], SEED_END - 1 - later)
    return values


@st.composite
def experiments(
    draw, model=NAMES, T: int = MAX_N, prompts=PROMPTS, guided: bool = True, revisions=REVISIONS
):
    """A valid experiment.

    Args:
        draw: given by Hypothesis.
        model, prompts, revisions: strategies of these fields.
        T: noise steps at most.
        guided: whether guidance may be on.
    """
    kind = draw(st.sampled_from(list(KINDS.values())))
    given = {"model": model, "prompt": prompts, "revision": revisions}
    if not guided:
        given["guidance"] = st.just(1.0)
    values = {}
    for name, field in kind.fields().items():
        values[name] = draw(given[name] if name in given else _values(name, field))
    values = _fit(kind.kind, values, T)
    try:
        return kind(**values)
    except ExperimentError as error:
        if "A link holds at most" not in str(error):  # a long prompt beside large pictures
            raise
        return kind(**{**values, "prompt": "", "picture": "face:1"})


ODD = (
    *("\x00", "%00", "%", "%%", "%zz", "%ff", "%C3%28", "&", "&&", "=", "==", "?", "#", "+", "-"),
    *("-1", "0", "00", ",", ",,", ":", ";", "/", "../", " ", "\n", "\r\n", "\u2028"),
    *("٣", "１", "²", "९", "\ud800", "\U0010ffff", "e5", "1e9", "1e999", "0x1"),
    *("nan", "inf", "-inf", "None", "null", "[]", "{}"),
    *("9" * 9, "9" * 10, "9" * 40, "9" * 5000, "A" * 9000),
    *("&v=1", "&v=2", "&kind=curve", "&n=", "&seeds=0-2147483648", "&levels=0:1000:1"),
    *("&__theme=x", "&line_up=face:1", "&prompt=" + "猫" * 301, "&guidance=1.5", "&eta=1"),
    *("&other=", "&start=noise", "face:", "digit:9999", "png:A", "sha256:"),
)


def mutated(query: str, chance: random.Random) -> str:
    """The query after one to three random changes."""
    for _ in range(chance.randint(1, 3)):
        query = chance.choice(CHANGES)(query, chance)
    return query


def _ends(query: str, chance: random.Random) -> tuple[int, int]:
    """Two places in a query, the first one first."""
    first, last = sorted((chance.randint(0, len(query)), chance.randint(0, len(query))))
    return first, last


def _insert(query: str, chance: random.Random) -> str:
    at = chance.randint(0, len(query))
    return query[:at] + chance.choice(ODD) + query[at:]


def _replace(query: str, chance: random.Random) -> str:
    at = chance.randint(0, len(query))
    return query[:at] + chance.choice(string.printable) + query[at + 1 :]


def _cut(query: str, chance: random.Random) -> str:
    first, last = _ends(query, chance)
    return query[:first] + query[last:]


def _repeat_half(query: str, chance: random.Random) -> str:
    first, last = _ends(query, chance)
    return query[:last] + query[first:]


def _change_few(query: str, chance: random.Random) -> str:
    """Delete, repeat, reverse or encode up to four letters."""
    at = chance.randint(0, len(query))
    end = at + chance.randint(0, 4)
    few = query[at:end]
    encoded = "".join(f"%{byte:02X}" for byte in few.encode(errors="replace"))
    changed = ("", few * chance.choice((2, 50)), few[::-1], encoded)
    return query[:at] + chance.choice(changed) + query[end:]


def _change_pairs(query: str, chance: random.Random) -> str:
    """Repeat, shuffle or drop a pair."""
    pairs = query.split("&")
    repeated = [*pairs, chance.choice(pairs)]
    shuffled = chance.sample(pairs, len(pairs))
    return "&".join(chance.choice((repeated, shuffled, shuffled[: max(1, len(pairs) - 1)])))


def _change_values(query: str, chance: random.Random) -> str:
    """Give some pairs another value."""
    pairs = query.split("&")
    for place, pair in enumerate(pairs):
        if chance.random() < 0.15:
            value = quote(chance.choice(ODD), errors="replace")
            pairs[place] = f"{pair.partition('=')[0]}={value}"
    return "&".join(pairs)


def _quote(query: str, chance: random.Random) -> str:
    return quote(query, errors="replace")  # an odd letter may be a lone surrogate


CHANGES: tuple[Callable[[str, random.Random], str], ...] = (
    *(_insert, _replace, _cut, _repeat_half, _quote, _change_values),
    *(_change_few,) * 4,
    *(_change_pairs,) * 3,
)
