"""What could it have been: the exact posterior over a line-up given x_n, beside the network's own one-step guess."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from diffdemo import line_ups
from diffdemo.errors import ExperimentError
from diffdemo.experiment import Belief
from diffdemo.lab import lane
from diffdemo.lab.subject import check_levels, picture
from diffdemo.line_ups import LineUp
from diffdemo.models import Model
from diffdemo.noise import noise
from diffdemo.posterior import entropy_bits, marginal, posterior, posterior_mean
from diffdemo.schedule import Schedule

TOP = 8  # candidates that are named


@dataclass(frozen=True)
class Candidate:
    """One picture it could have been: how an experiment names it, its exact probability, whether it is the visitor's, and (C, H, W) pixels."""

    name: str
    probability: float
    own: bool
    picture: Tensor


@dataclass(frozen=True, eq=False)
class BeliefResult:
    """What a Belief found. Clean pictures are in pixels, x_n in model space, where the posterior is computed.

    Attributes:
        experiment: what was run, with the revision of the weights that ran it.
        x0, x_n: (1, C, H, W).
        top: the most probable candidates, falling.
        count: how many candidates there are.
        p_true: exact probability of the picture itself.
        entropy_bits: of the posterior, 0..log2(count).
        marginals: attribute → ((value in words, probability, whether the picture has it), …), falling, zeros left out; empty without a reader.
        posterior_mean: (1, C, H, W), the best guess in mean square of one who knows the line-up.
        x0_hat: (1, C, H, W), the network's guess, which knows the distribution it was trained on.
        seconds: how long it took.
    """

    experiment: Belief
    x0: Tensor
    x_n: Tensor
    top: tuple[Candidate, ...]
    count: int
    p_true: float
    entropy_bits: float
    marginals: dict[str, tuple[tuple[str, float, bool], ...]]
    posterior_mean: Tensor
    x0_hat: Tensor
    seconds: float


def belief(e: Belief, model: Model, x0: Tensor) -> Iterator[BeliefResult]:
    """Run it; yields the result."""
    yield beliefs(e, model, x0, (e.n,))[0]


def belief_calls(e: Belief, schedule: Schedule) -> int:
    """Network calls of a run, each for one picture: the guess."""
    return int(e.n > 0)


def beliefs(e: Belief, model: Model, x0: Tensor, levels: Sequence[int]) -> list[BeliefResult]:
    """The experiment at several levels of n, same seed, computed together.

    Raises:
        DiffdemoError: a level is beyond the model's T, or the model has no line-up and the experiment names no pictures.
    """
    check_levels(model, *levels)
    began, n = time.monotonic(), torch.tensor(tuple(levels))
    line_up, own = _candidates(e, model).with_picture(x0, e.picture)
    x_n = model.schedule.add_noise(x0, noise((e.seed,), model.shape).repeat(len(n), 1, 1, 1), n)
    p = posterior(model.schedule, x_n, n, line_up.pictures)
    guesses, means, entropies = lane.estimate(model, x_n, n), posterior_mean(p, line_up.pictures), entropy_bits(p)
    marginals, x0 = _marginals(line_up, p, own), lane.pixels(model, x0)
    guesses, means = lane.pixels(model, guesses), lane.pixels(model, means)

    def result(row: slice) -> BeliefResult:
        level = int(n[row])
        return BeliefResult(
            experiment=replace(e, n=level, revision=model.revision), x0=x0, x_n=x_n[row], top=_top(model, line_up, p[row][0], own),
            count=len(line_up), p_true=float(p[row][0, own]), entropy_bits=float(entropies[row]), marginals=marginals[row.start],
            posterior_mean=means[row], x0_hat=guesses[row], seconds=time.monotonic() - began,
        )  # fmt: skip

    return [result(slice(row, row + 1)) for row in range(len(n))]


def _candidates(e: Belief, model: Model) -> LineUp:
    """The model's own line-up, or the pictures that the experiment names; a model without one has no reader for these either."""
    if not e.line_up:
        if model.line_up is None:
            raise ExperimentError(f"The model {model.name} has no line-up of its own: collect pictures for a line-up of your own first.")
        return line_ups.line_up(model.line_up)
    names = tuple(dict.fromkeys(e.line_up.split(",")))
    pictures = torch.cat([picture(name, model) for name in names])
    if model.line_up is None:
        return LineUp(model.name, pictures, names, torch.zeros(len(names), 0, dtype=torch.int64), (), None)
    whole = line_ups.line_up(model.line_up)
    return replace(whole, pictures=pictures, names=names, values=whole.read(pictures))


def _top(model: Model, line_up: LineUp, p: Tensor, own: int) -> tuple[Candidate, ...]:
    values, places = p.topk(min(TOP, len(p)))
    pictures = lane.pixels(model, line_up.pictures[places])
    rows = zip(values.tolist(), places.tolist(), pictures, strict=True)
    return tuple(Candidate(line_up.names[i], v, i == own, shown) for v, i, shown in rows)


def _marginals(line_up: LineUp, p: Tensor, own: int) -> list[dict[str, tuple[tuple[str, float, bool], ...]]]:
    """For each row of p (B, N): attribute → its values with probabilities, as `BeliefResult.marginals`."""
    found: list[dict] = [{} for _ in p]
    for place, attribute in enumerate(line_up.attributes):
        values, labels = line_up.values[:, place].unique(return_inverse=True)
        words, true = [line_up.word(place, int(value)) for value in values], int(labels[own])
        for row, shares in zip(found, marginal(p, labels, len(values)), strict=True):
            order = [i for i in shares.argsort(descending=True).tolist() if shares[i] > 0]
            row[attribute] = tuple((words[i], float(shares[i]), i == true) for i in order)
    return found
