"""Quality against cost: how good the pictures are by solver, spacing and number of network calls.

From n = T the start is pure noise, from lower n a real picture with n steps of noise; the noises of all settings are the same. What
is measured is the distance to the answer of as many DDIM steps as there are levels, picture by picture, and the Fréchet distance
between the pictures and 10,000 real ones in the features of the reader, which is what FID is with the Inception network.

`python -m diffdemo tradeoff faces` prints the table. What was measured is kept in a folder, one line a setting, and never again.

References:
    Heusel et al., 2017, GANs trained by a two time-scale update rule, eq. 6 (FID), arXiv 1706.08500.
    Efron & Stein, 1981, The jackknife estimate of variance.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffdemo import faces, images, metrics
from diffdemo.errors import DiffdemoError
from diffdemo.lab import lane
from diffdemo.line_ups import line_up
from diffdemo.models import Model
from diffdemo.noise import noise
from diffdemo.readers import load_reader

PAIRS = 32  # pictures whose answer is computed in every step there is
ENOUGH = 1000  # samples that a Fréchet distance takes at least
PARTS = 8  # left out one after the other to tell how exact it is
NEAR = 1.05  # as good is what has at most so many times the distance of STANDARD


@dataclass(frozen=True, order=True)
class Setting:
    """How pictures are made: from which level, in how many network calls, by which solver on which grid."""

    n: int
    solver: str
    spacing: str
    calls: int


STANDARD = ("ddim", "trailing", 50)  # solver, spacing and calls of what others are compared with


@dataclass(frozen=True)
class Outcome:
    """What a setting gave.

    Attributes:
        setting: which.
        samples: pictures made.
        rmse: mean distance of the first PAIRS of them to their answers, on the [-1, 1] scale.
        frechet: distance of all to the real ones; None with fewer than ENOUGH.
        parts: (PARTS,) the same with one part of the samples left out, for each part.
    """

    setting: Setting
    samples: int
    rmse: float
    frechet: float | None = None
    parts: tuple[float, ...] = ()


class Trial:
    """Makes and judges the pictures of one bundled model, and keeps what it found in a folder.

    Args:
        model: a model with a line-up.
        folder: is made where it is not there.

    Raises:
        DiffdemoError: the model has no line-up, so no real pictures are known and nothing reads them.
    """

    def __init__(self, model: Model, folder: Path) -> None:
        if model.line_up is None:
            raise DiffdemoError(f"The model {model.name} has no line-up, so its pictures cannot be compared with real ones.")
        self.model, self.folder, self.name = model, folder, f"{model.name}-{model.revision}"
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, n: int, count: int) -> Tensor:
        """(count, C, H, W): pure noise at n = T, else real pictures with n steps of noise."""
        eps = noise(range(count), self.model.shape)
        return eps if n == self.model.schedule.T else self.model.schedule.add_noise(self.real(count), eps, n)

    def real(self, count: int) -> Tensor:
        """(count, C, H, W) real pictures that are not among those compared with."""
        if self.model.line_up == "digits":
            return line_up("digits").pictures[:count]
        return images.from_uint8(faces.pictures(np.arange(count) + faces.EVALUATION_SEED))

    def target(self, count: int) -> Tensor:
        """(N, D) features of the real pictures that `count` samples are compared with: the line-up, without the digits used as a start."""
        first = count if self.model.line_up == "digits" else 0
        return self._features[first:]

    @cached_property
    def _features(self) -> Tensor:
        return load_reader(str(self.model.line_up)).features(line_up(str(self.model.line_up)).pictures)

    def draw(self, setting: Setting, count: int) -> Tensor:
        """(count, C, H, W): the pictures of a setting."""
        s, x_n = setting, self.start(setting.n, count)
        return lane.draw(self.model, x_n, s.n, range(count), s.calls, solver=s.solver, spacing=s.spacing)

    def answer(self, n: int) -> Tensor:
        """(PAIRS, C, H, W): the pictures of n DDIM steps, one a level; computed once and kept."""
        path = self.folder / f"{self.name}-answer-{n}.npy"
        if not path.exists():
            np.save(path, self.draw(Setting(n, "ddim", "trailing", n), PAIRS).numpy())
        return torch.from_numpy(np.load(path))

    def judge(self, setting: Setting, count: int) -> Outcome:
        """Make `count` pictures and compare them; kept, and only read where it was made before."""
        for outcome in self.outcomes():
            if (outcome.setting, outcome.samples) == (setting, count):
                return outcome
        answer, x = self.answer(setting.n), self.draw(setting, count)
        distance = float(metrics.rmse(answer[:count], x[:PAIRS]).mean())
        outcome = self._with_frechet(Outcome(setting, count, distance), x)
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")
        return outcome

    def _with_frechet(self, outcome: Outcome, x: Tensor) -> Outcome:
        if len(x) < ENOUGH:
            return outcome
        whole, *parts = frechets(load_reader(str(self.model.line_up)).features(x), self.target(len(x)))
        return replace(outcome, frechet=whole, parts=tuple(parts))

    def floor(self, count: int) -> float:
        """The Fréchet distance of as many real pictures, which is what the finite number alone gives."""
        return metrics.frechet(load_reader(str(self.model.line_up)).features(self.real(count)), self.target(count))

    @property
    def _path(self) -> Path:
        return self.folder / f"{self.name}.jsonl"

    def outcomes(self) -> Iterator[Outcome]:
        """All that was found so far."""
        for line in self._path.read_text().splitlines() if self._path.exists() else ():
            found = json.loads(line)
            yield Outcome(Setting(**found.pop("setting")), parts=tuple(found.pop("parts")), **found)


def frechets(features: Tensor, target: Tensor) -> Iterator[float]:
    """The Fréchet distance of features (N, D) to others (M, D), and then the same with each of PARTS parts left out."""
    yield metrics.frechet(features, target)
    part = torch.arange(len(features)) % PARTS
    for k in range(PARTS):
        yield metrics.frechet(features[part != k], target)


def ratio(a: Outcome, b: Outcome | None) -> tuple[float, float] | None:
    """a's Fréchet distance over b's, and its standard error by the jackknife over the parts; their samples come from the same noises.

    None where they do not both have such a distance, from the same number of samples.
    """
    if b is None or a.frechet is None or b.frechet is None or a.samples != b.samples:
        return None
    left_out = np.divide(a.parts, b.parts)
    spread = np.square(left_out - left_out.mean()).sum() * (PARTS - 1) / PARTS
    return a.frechet / b.frechet, float(spread**0.5)


def table(outcomes: Iterable[Outcome], n: int) -> list[str]:
    """Outcomes from one level as Markdown, the largest number of samples of each setting, and the cheapest that is as good as STANDARD."""
    largest: dict[Setting, Outcome] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.samples):
        if outcome.setting.n == n:
            largest[outcome.setting] = outcome
    standard = largest.get(Setting(n, *STANDARD))
    lines = ["| solver | spacing | calls | RMSE to the answer | Fréchet | over 50-step DDIM |", "|---|---|---|---|---|---|"]
    for s, outcome in sorted(largest.items()):
        cells = ["–", "–"]
        if outcome.frechet is not None:
            cells[0] = f"{outcome.frechet:.2f}"
        if found := ratio(outcome, standard):
            cells[1] = "{:.3f} ± {:.3f}".format(*found)
        lines.append(f"| {s.solver} | {s.spacing} | {s.calls} | {outcome.rmse:.4f} | {cells[0]} | {cells[1]} |")
    return [*lines, "", cheapest(list(largest.values()), standard)]


def cheapest(outcomes: Sequence[Outcome], standard: Outcome | None) -> str:
    """A sentence on the setting of fewest network calls whose Fréchet distance is at most NEAR times that of STANDARD."""
    good = [(o.setting.calls, *found, o.setting) for o in outcomes if (found := ratio(o, standard)) and found[0] <= NEAR]
    if not good:
        return f"The standard, {STANDARD[0]}, {STANDARD[1]}, {STANDARD[2]} calls, was not measured."
    _, value, error, s = min(good)
    return (
        f"Cheapest within {NEAR - 1:.0%} of {STANDARD[2]}-step DDIM: {s.solver}, {s.spacing}, {s.calls} calls ({value:.3f} ± {error:.3f}), "
        f"{STANDARD[2] / s.calls:.1f} times fewer."
    )


def sheet(trial: Trial, settings: Sequence[Setting], count: int = 8) -> np.ndarray:
    """Pictures of the same noises, a column a setting, the answers last: (H, W, C) uint8."""
    columns = [images.to_uint8(trial.draw(setting, count)) for setting in settings]
    columns.append(images.to_uint8(trial.answer(settings[0].n)[:count]))
    scale = 64 // columns[0].shape[1]
    return images.side_by_side([images.sheet(column, 1, scale, gap=1) for column in columns], gap=6)
