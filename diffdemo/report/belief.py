"""What there is to say of a Belief."""

import math
from typing import Any

from diffdemo.lab import BeliefResult
from diffdemo.report.pictures import tile, uris, words
from diffdemo.sheets import TileRow
from diffdemo.terms import counted

RETURNS = "the top candidates, entropy, marginals, and both guesses"  # over the API
SMALL = 0.0005  # probabilities below this, or as near to 1, are not told apart


def sentence(result: BeliefResult) -> str:
    """How sure anyone can be, in plain words with numbers."""
    n, best = result.experiment.n, result.top[0]
    if n == 0:
        return "Without noise there is nothing to guess: the picture is the picture."
    left = f"{result.entropy_bits:.1f} of {math.log2(result.count):.1f} bits are missing to name the picture"
    what = f"After {counted(n, 'step')} of noise, the true picture has probability {percent(result.p_true)} among {result.count:,}; {left}"
    return f"{what}." if best.own else f"{what}, and {words(best.name)}, another picture, is more likely."


def percent(p: float) -> str:
    """A probability in words, never rounded to certainty."""
    if SMALL <= p <= 1 - SMALL:
        return f"{100 * p:.1f} %"
    return ("100 %" if p == 1 else "> 99.9 %") if p > 0.5 else ("0 %" if p == 0 else "< 0.1 %")


def note(result: BeliefResult) -> str:
    """The settings in small print."""
    e = result.experiment
    return f"Model {e.model} {e.revision}, n = {e.n}, seed {e.seed}, {result.count:,} candidates, {result.seconds:.1f} s."


def as_json(result: BeliefResult) -> dict[str, Any]:
    """The result for the API: the sentence, the link's query, candidates, entropy, marginals and the two guesses as PNG data URIs."""
    return {
        "sentence": sentence(result), "query": result.experiment.to_query(), "count": result.count, "p_true": result.p_true,
        "entropy_bits": result.entropy_bits, "top": [{"picture": c.name, "probability": c.probability, "own": c.own} for c in result.top],
        "marginals": {name: [{"value": word, "probability": p, "true": true} for word, p, true in v] for name, v in result.marginals.items()},
        "x_n": uris(result.x_n)[0], "posterior_mean": uris(result.posterior_mean)[0], "x0_hat": uris(result.x0_hat)[0], "seconds": result.seconds,
    }  # fmt: skip


def table(result: BeliefResult) -> list[dict[str, Any]]:
    """One row a candidate, the most probable first."""
    return [{"rank": rank, "picture": c.name, "probability": c.probability, "own": c.own} for rank, c in enumerate(result.top, 1)]


def tiles(result: BeliefResult) -> list[TileRow]:
    """The picture and x_n, the exact guess and the network's, and the candidates."""
    candidates = tuple(
        tile(f"candidate-{rank}", f"{'the original' if c.own else words(c.name, 'another')}, {percent(c.probability)}", c.picture)
        for rank, c in enumerate(result.top, 1)
    )
    return [
        TileRow("the picture", (tile("x0", "", result.x0), tile("x_n", f"n = {result.experiment.n}", result.x_n))),
        TileRow("best guesses", (tile("posterior_mean", "exact mean", result.posterior_mean), tile("x0_hat", "the network", result.x0_hat))),
        TileRow("candidates", candidates),
    ]
