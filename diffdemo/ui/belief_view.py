"""What the tab "What could it have been?" shows of its experiment, as plain data."""

import math
from typing import Any

from diffdemo import metrics
from diffdemo.lab import BeliefResult
from diffdemo.report.belief import SMALL, percent
from diffdemo.report.pictures import uris, words

TOP = 6  # candidates shown
PARTED = 0.1  # the two guesses count as one when their RMSE is below this, on the [-1, 1] scale


def note(result: BeliefResult, frames: list[BeliefResult]) -> str:
    """Where the network's guess and the exact one part, and the settings, in small print."""
    e, parted = result.experiment, [f.experiment.n for f in frames if difference(f) > PARTED]
    text = "The two guesses agree at every level."
    if parted:
        last = max(parted)
        text = f"Above n = {last} the network's guess and the exact mean agree to RMSE {PARTED:g}."
        if last == max(f.experiment.n for f in frames):
            text = "The network's guess and the exact mean differ at every high level: this picture is unlike those it was trained on."
    return f"{text} Model {e.model} {e.revision}, seed {e.seed}, {result.seconds:.1f} s for all levels."


def difference(result: BeliefResult) -> float:
    """RMSE between the network's guess and the exact posterior mean, on the [-1, 1] scale."""
    return float(metrics.rmse(result.x0_hat, result.posterior_mean))


def flipbook(frames: list[BeliefResult], n: int) -> dict[str, Any]:
    """All levels as frames, and the pictures of the candidates once each; `start` is the frame of the dial."""
    pictures = {c.name: c.picture for frame in frames for c in frame.top[:TOP]}
    candidates = {name: {"src": uris(picture[None])[0], "alt": words(name)} for name, picture in pictures.items()}
    levels = [frame.experiment.n for frame in frames]
    bits = math.log2(frames[0].count)
    return {"frames": [_frame(frame) for frame in frames], "candidates": candidates, "start": levels.index(n), "bits": bits, "count": frames[0].count}


def _frame(result: BeliefResult) -> dict[str, Any]:
    x_n, guess, mean = (uris(x)[0] for x in (result.x_n, result.x0_hat, result.posterior_mean))
    return {
        "n": result.experiment.n, "x_n": x_n, "x0_hat": guess, "mean": mean, "text": _short(result),
        "entropy": result.entropy_bits, "p_true": result.p_true, "p_text": percent(result.p_true), "difference": difference(result),
        "top": [{"name": c.name, "p": c.probability, "text": percent(c.probability), "own": c.own} for c in result.top[:TOP]],
        "marginals": [_marginal(name, shares) for name, shares in result.marginals.items()],
    }  # fmt: skip


def _short(result: BeliefResult) -> str:
    best = result.top[0]
    missing = f"{result.entropy_bits:.1f} of {math.log2(result.count):.1f} bits missing"
    return f"{missing}; the original has {percent(result.p_true)}{'' if best.own else f', {words(best.name)} {percent(best.probability)}'}."


def _marginal(name: str, shares: tuple[tuple[str, float, bool], ...]) -> dict[str, Any]:
    """The most probable values of one attribute, and the true one whatever its probability."""
    shown = [share for place, share in enumerate(shares) if share[2] or (place < 3 and share[1] >= SMALL)]
    return {"name": name, "values": [{"word": word, "p": p, "text": percent(p), "true": true} for word, p, true in shown]}
