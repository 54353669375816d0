"""What could it have been: the exact posterior over a line-up, and the network's own guess."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.posterior import entropy_bits, marginal, posterior, posterior_mean
from diffdemo.diffusion.schedule import Schedule
from diffdemo.errors import ExperimentError
from diffdemo.experiments.belief import Belief, BeliefSweep
from diffdemo.lab import batches
from diffdemo.lab.prepare import Ready, picture
from diffdemo.models import Model
from diffdemo.pictures import line_ups
from diffdemo.pictures.line_ups import LineUp

TOP = 8  # candidates that are named
Marginals = dict[str, tuple[tuple[str, float, bool], ...]]


@dataclass(frozen=True)
class Candidate:
    """One picture it could have been.

    Attributes:
        name: as an experiment names it.
        probability: exact.
        own: whether it is the visitor's picture.
        picture: (C, H, W), in pixels.
    """

    name: str
    probability: float
    own: bool
    picture: Tensor


@dataclass(frozen=True, eq=False)
class BeliefResult:
    """What a Belief found. Clean pictures are in pixels; x_n is in model space.

    Attributes:
        experiment: what was run, with the revision of the weights.
        x0, x_n: (1, C, H, W).
        top: the most probable candidates, the most probable first.
        count: how many candidates there are.
        p_true: exact probability of the picture itself.
        entropy_bits: of the posterior, 0..log2(count).
        marginals: attribute → (value in words, probability, whether the picture has it), the most
            probable first, without zeros; empty where nothing can be read.
        posterior_mean: (1, C, H, W), the best guess in mean square over the line-up.
        x0_hat: (1, C, H, W), the guess of the network, which knows its training distribution.
        seconds: how long it took.
    """

    experiment: Belief
    x0: Tensor
    x_n: Tensor
    top: tuple[Candidate, ...]
    count: int
    p_true: float
    entropy_bits: float
    marginals: Marginals
    posterior_mean: Tensor
    x0_hat: Tensor
    seconds: float


@dataclass(frozen=True, eq=False)
class SweepResult:
    """What a BeliefSweep found: one result for each level."""

    experiment: BeliefSweep
    frames: tuple[BeliefResult, ...]
    seconds: float

    @property
    def x0(self) -> Tensor:
        """The picture, (1, C, H, W)."""
        return self.frames[0].x0


def calls(e: Belief, schedule: Schedule) -> int:
    """Count the network calls of a run, each for one picture: one guess for each noisy level."""
    return sum(n > 0 for n in e.levels_asked())


def run(e: Belief, ready: Ready) -> Iterator[BeliefResult | SweepResult]:
    """Run it; yields the result."""
    began = time.monotonic()
    if isinstance(e, BeliefSweep):
        frames = _results([e.at(n) for n in e.levels], ready)
        yield SweepResult(e, frames, time.monotonic() - began)
    else:
        yield from _results([e], ready)


def _results(beliefs: Sequence[Belief], ready: Ready) -> tuple[BeliefResult, ...]:
    """Return the results of beliefs that differ in n alone, computed in one batch."""
    began = time.monotonic()
    model = ready.model
    first = beliefs[0]
    n = torch.tensor([e.n for e in beliefs])
    line_up, own = _line_up(first, model).with_picture(ready.x0, first.picture)
    eps = noise((first.seed,), model.shape).repeat(len(n), 1, 1, 1)
    x_n = model.schedule.add_noise(ready.x0, eps, n)
    p = posterior(model.schedule, x_n, n, line_up.pictures)
    entropies = entropy_bits(p)
    marginals = _marginals(line_up, p, own) if _readable(line_up) else [{} for _ in beliefs]
    x0 = batches.pixels(model, ready.x0)
    x0_hat = batches.pixels(model, batches.estimate(model, x_n, n))
    means = batches.pixels(model, posterior_mean(p, line_up.pictures))
    return tuple(
        BeliefResult(
            experiment=e,
            x0=x0,
            x_n=x_n[row : row + 1],
            top=_top(model, line_up, p[row], own),
            count=len(line_up),
            p_true=float(p[row, own]),
            entropy_bits=float(entropies[row]),
            marginals=marginals[row],
            posterior_mean=means[row : row + 1],
            x0_hat=x0_hat[row : row + 1],
            seconds=time.monotonic() - began,
        )
        for row, e in enumerate(beliefs)
    )


def _line_up(e: Belief, model: Model) -> LineUp:
    """Return the model's own line-up, or the pictures that the experiment names."""
    if not e.line_up:
        if model.line_up is None:
            missing = f"The model {model.name} has no line-up of its own"
            raise ExperimentError(f"{missing}: collect pictures for a line-up of your own first.")
        return line_ups.line_up(model.line_up)
    names = tuple(dict.fromkeys(e.line_up.split(",")))
    pictures = torch.cat([picture(name, model) for name in names])
    if model.line_up is None:
        values = torch.zeros(len(names), 0, dtype=torch.int64)
        return LineUp(model.name, pictures, names, values, (), None)
    whole = line_ups.line_up(model.line_up)
    return replace(whole, pictures=pictures, names=names, values=whole.read(pictures))


def _readable(line_up: LineUp) -> bool:
    """Whether every candidate is of the kind whose attributes can be read, as no photo is."""
    for place, name in enumerate(line_up.names):
        if not line_up.names_own(name) and line_up.foreign(name, line_up.pictures[[place]]):
            return False
    return True


def _top(model: Model, line_up: LineUp, p: Tensor, own: int) -> tuple[Candidate, ...]:
    values, places = p.topk(min(TOP, len(p)))
    pictures = batches.pixels(model, line_up.pictures[places])
    rows = zip(values.tolist(), places.tolist(), pictures, strict=True)
    return tuple(Candidate(line_up.names[i], value, i == own, x) for value, i, x in rows)


def _marginals(line_up: LineUp, p: Tensor, own: int) -> list[Marginals]:
    """Return for each row of p (B, N) what `BeliefResult.marginals` holds."""
    found: list[Marginals] = [{} for _ in p]
    for place, attribute in enumerate(line_up.attributes):
        values, labels = line_up.values[:, place].unique(return_inverse=True)
        words = [line_up.value_name(place, int(value)) for value in values]
        true = int(labels[own])
        for row, shares in zip(found, marginal(p, labels, len(values)), strict=True):
            order = [i for i in shares.argsort(descending=True).tolist() if shares[i] > 0]
            row[attribute] = tuple((words[i], float(shares[i]), i == true) for i in order)
    return found
