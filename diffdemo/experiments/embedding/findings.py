"""The three findings of an Embedding: fresh noise, computed noise, and noise with a record."""

from collections.abc import Sequence
from dataclasses import dataclass

from diffdemo.experiments.embedding.results import Code, EmbeddingResult
from diffdemo.report.words import YOURS

EXACT = 1e-4  # "exact" means a largest error below this, in float32
NAMES = {
    "random": "Random noise",
    "ddim": "DDIM inversion",
    "fixed-point": "Fixed point",
    "edit-friendly": "Edit-friendly DDPM",
    "dpm-encoder": "DPM-Encoder",
}
FRESH = ("random",)
COMPUTED = ("ddim", "fixed-point")
RECORDED = ("edit-friendly", "dpm-encoder")
ABOUT = {
    "Fresh noise": f"Random noise is added to {YOURS} and removed again.",
    f"Noise computed from {YOURS}": (
        f"The denoising steps are run backwards, from {YOURS} up to a noise. This is called "
        "inversion."
    ),
    "Any noise plus a record of every step": (
        "Random noise again, but what each denoising step has to add is written down and used."
    ),
}
KINDS = dict(zip(ABOUT, (FRESH, COMPUTED, RECORDED), strict=True))
SHOWN = 4  # codes of a finding that are shown first


@dataclass(frozen=True, eq=False)
class Finding:
    """What one kind of noise leads back to.

    Attributes:
        name: which kind of noise.
        about: how it is made, in a sentence.
        text: how many came back, without a capital letter or a full stop.
        rows: a code and its row, of those that are shown first.
    """

    name: str
    about: str
    text: str
    rows: tuple[tuple[Code, int], ...]


def findings(result: EmbeddingResult) -> list[Finding]:
    """Return the findings of a result, of the kinds of noise that it has."""
    found = []
    for name, methods in KINDS.items():
        codes = [result.codes[method] for method in methods if method in result.codes]
        if codes:
            found.append(Finding(name, ABOUT[name], _text(methods, codes), _first(codes)))
    return found


def _text(methods: tuple[str, ...], codes: Sequence[Code]) -> str:
    total = sum(len(code.x_n) for code in codes)
    if methods == RECORDED:
        exact = sum(int((code.largest < EXACT).sum()) for code in codes)
        return f"{_how_many(exact, total)} came back exactly"
    back = sum(int(code.came_back.sum()) for code in codes)
    text = f"{_how_many(back, total)} came back"
    if methods == FRESH:
        return text
    ordinary = sum(int(code.gaussian.sum()) for code in codes)
    return f"{text}, {_ordinary(ordinary, total, back)}"


def _how_many(count: int, total: int) -> str:
    """Write a count of a total, as "none of 4", "both" or "all 8"."""
    if total == 1:
        return "1 of 1" if count else "0 of 1"
    if count == 0:
        return f"none of {total}"
    if count < total:
        return f"{count} of {total}"
    return "both" if total == 2 else f"all {total}"


def _ordinary(count: int, total: int, back: int) -> str:
    """Say how many pass the test of ordinary noise."""
    link = "but" if back and not count else "and"
    if total == 1:
        return f"{link} it {'passes' if count else 'does not pass'} as ordinary noise"
    if count == 0 and total == 2:
        return f"{link} neither passes as ordinary noise"
    verb = "passes" if count in (0, 1) else "pass"
    return f"{link} {_how_many(count, total)} {verb} as ordinary noise"


def _first(codes: Sequence[Code]) -> tuple[tuple[Code, int], ...]:
    """Return the first rows, code by code."""
    rows = [(code, row) for code in codes for row in range(len(code.x_n))]
    return tuple(rows[:SHOWN])
