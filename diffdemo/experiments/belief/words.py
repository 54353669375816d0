"""What there is to say and to show of a Belief."""

import math

from diffdemo.diffusion import metrics
from diffdemo.experiments.belief import Belief
from diffdemo.experiments.belief.run import BeliefResult
from diffdemo.report.pictures import tile, uri
from diffdemo.report.presenter import Presenter, Row
from diffdemo.report.sheets import TileRow
from diffdemo.report.words import MY_OWN, YOURS, picture_words

SMALL = 0.0005  # probabilities nearer than this to 0 or 1 are written as "<" or ">"
SHOWN = 6  # candidates of a frame
APART = 0.1  # RMSE on the [-1, 1] scale above which the two guesses differ


class Words(Presenter):
    """Presents a BeliefResult."""

    returns = "the top candidates, entropy, marginals, and both guesses"
    result: BeliefResult
    experiment: Belief

    def sentence(self) -> str:
        """Say whom an exact observer would guess, beginning with the n that it is about."""
        r = self.result
        start = f"At n = {self.experiment.n}"
        if self.experiment.n == 0:
            return f"{start} there is no noise and nothing to guess: the picture is the picture."
        if r.count == 1:
            alone = "with one picture in the line-up there is nothing to guess"
            return f"{start}: {alone}. Add another."
        best = r.top[0]
        observer = f"someone who knows all {r.count:,} pictures would guess"
        if best.own:
            return f"{start}: {observer} {YOURS}, with a probability of {spoken(r.p_true)}."
        guess = f"{picture_words(best.name, 'another picture')} ({spoken(best.probability)})"
        return f"{start}: {observer} {guess}; {YOURS} has {spoken(r.p_true)}."

    def sentence_for_others(self, own: str = MY_OWN) -> str:
        """Say the same with the picture's name, where it has one."""
        return super().sentence_for_others(picture_words(self.experiment.picture, own))

    def details(self) -> str:
        """List level, seed and candidates."""
        e = self.experiment
        return f"n = {e.n}, seed {e.seed}, {self.result.count:,} candidates"

    def data(self) -> Row:
        """Return candidates, entropy, marginals and both guesses."""
        r = self.result
        return {
            "count": r.count,
            "p_true": r.p_true,
            "entropy_bits": r.entropy_bits,
            "top": [
                {"picture": one.name, "probability": one.probability, "own": one.own}
                for one in r.top
            ],
            "marginals": {
                name: [{"value": word, "probability": p, "true": true} for word, p, true in values]
                for name, values in r.marginals.items()
            },
            "x_n": uri(r.x_n),
            "posterior_mean": uri(r.posterior_mean),
            "x0_hat": uri(r.x0_hat),
        }

    def table(self) -> list[Row]:
        """Return one row a candidate, the most probable first."""
        return [
            {"rank": rank, "picture": one.name, "probability": one.probability, "own": one.own}
            for rank, one in enumerate(self.result.top, 1)
        ]

    def tiles(self) -> list[TileRow]:
        """Return the picture and x_n, both guesses, and the candidates."""
        r = self.result
        candidates = []
        for rank, one in enumerate(r.top, 1):
            name = "the original" if one.own else picture_words(one.name, "another")
            label = f"{name}, {percent(one.probability)}"
            candidates.append(tile(f"candidate-{rank}", label, one.picture))
        x_n = tile("x_n", f"n = {self.experiment.n}", r.x_n)
        mean = tile("posterior_mean", "best possible", r.posterior_mean)
        guess = tile("x0_hat", "the model's", r.x0_hat)
        return [
            TileRow("the picture", (tile("x0", "", r.x0), x_n)),
            TileRow("best guesses", (mean, guess)),
            TileRow("candidates", tuple(candidates)),
        ]

    def page(self) -> Row:
        """Return a flip-book of one frame."""
        return flipbook([self.result], self.experiment.n)


def percent(p: float) -> str:
    """Write a probability, never rounded to certainty."""
    if SMALL <= p <= 1 - SMALL:
        return f"{100 * p:.1f} %"
    if p > 0.5:
        return "100 %" if p == 1 else "> 99.9 %"
    return "0 %" if p == 0 else "< 0.1 %"


def spoken(p: float) -> str:
    """Write a probability for a sentence, as "less than 0.1 %"."""
    return percent(p).replace("> ", "more than ").replace("< ", "less than ")


def flipbook(frames: list[BeliefResult], n: int) -> Row:
    """Return all levels as frames, and each candidate's picture once.

    Args:
        frames: one a level, the lowest first.
        n: the level to start with.
    """
    pictures = {one.name: one.picture for frame in frames for one in frame.top[:SHOWN]}
    levels = [frame.experiment.n for frame in frames]
    return {
        "x0": {"src": uri(frames[0].x0), "alt": picture_words(frames[0].experiment.picture)},
        "frames": [_frame(frame) for frame in frames],
        "candidates": {
            name: {"src": uri(x), "alt": picture_words(name)} for name, x in pictures.items()
        },
        "start": levels.index(n),
        "bits": math.log2(frames[0].count),
        "count": frames[0].count,
    }


def flipbook_note(frames: list[BeliefResult], seconds: float) -> str:
    """Say where both guesses differ, and the settings, in small print.

    Args:
        frames: as in `flipbook`.
        seconds: how long all of them took.
    """
    e = frames[0].experiment
    settings = f"Model {e.model} {e.revision}, seed {e.seed}"
    return f"{_agreement(frames)} {settings}, {seconds:.1f} s for all levels."


def _agreement(frames: list[BeliefResult]) -> str:
    """Say from which level on both guesses agree."""
    differ = [frame.experiment.n for frame in frames if difference(frame) > APART]
    if not differ:
        return "The two guesses agree at every level."
    guesses = "model's guess and the best possible one"
    if differ[-1] < frames[-1].experiment.n:
        return f"Above n = {differ[-1]} the {guesses} agree to RMSE {APART:g}."
    unlike = "this picture is unlike those it was trained on"
    return f"The {guesses} differ at every high level: {unlike}."


def difference(result: BeliefResult) -> float:
    """Return the RMSE between both guesses, on the [-1, 1] scale."""
    return float(metrics.rmse(result.x0_hat, result.posterior_mean))


def _frame(r: BeliefResult) -> Row:
    return {
        "n": r.experiment.n,
        "x_n": uri(r.x_n),
        "x0_hat": uri(r.x0_hat),
        "mean": uri(r.posterior_mean),
        "text": _short(r),
        "entropy": r.entropy_bits,
        "p_true": r.p_true,
        "p_text": percent(r.p_true),
        "difference": difference(r),
        "top": [
            {
                "name": one.name,
                "p": one.probability,
                "text": percent(one.probability),
                "own": one.own,
            }
            for one in r.top[:SHOWN]
        ],
        "marginals": [_marginal(name, values) for name, values in r.marginals.items()],
    }


def _short(r: BeliefResult) -> str:
    """Write the probabilities of the picture and, where it is another one, of the best guess."""
    text = f"{YOURS.capitalize()}: {spoken(r.p_true)}."
    best = r.top[0]
    if best.own:
        return text
    name = picture_words(best.name, "another picture")
    return f"{text} The best guess, {name}: {spoken(best.probability)}."


def _marginal(name: str, values: tuple[tuple[str, float, bool], ...]) -> Row:
    """Return the most probable values of an attribute, and always the true one."""
    shown = []
    for place, (word, p, true) in enumerate(values):
        if true or (place < 3 and p >= SMALL):
            shown.append({"word": word, "p": p, "text": percent(p), "true": true})
    return {"name": name, "values": shown}
