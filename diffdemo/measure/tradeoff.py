"""Quality against cost: how good pictures are by solver, spacing and number of network calls.

From n = T denoising starts at pure noise, from lower n at a real picture with n steps of noise;
all settings start from the same noises. Two distances are measured: picture by picture to the
answer of as many DDIM steps as there are levels, and the Fréchet distance to 10,000 real pictures
in the features of the reader, which is what FID is with the Inception network.

What was measured is stored in a folder, one line a setting, and never measured again.

References:
    Heusel et al., 2017, GANs trained by a two time-scale update rule, eq. 6, arXiv 1706.08500.
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

from diffdemo.diffusion import metrics
from diffdemo.diffusion.noise import noise
from diffdemo.lab import batches
from diffdemo.measure.samples import number, real_pictures, require_line_up
from diffdemo.models import Model
from diffdemo.pictures import images
from diffdemo.pictures.line_ups import line_up
from diffdemo.pictures.readers import load_reader
from diffdemo.report.markdown import table

PAIRS = 32  # pictures whose answer is computed in every step there is
ENOUGH = 1000  # samples that a Fréchet distance takes at least
PARTS = 8  # of the samples, left out in turn by the jackknife
NEAR = 1.05  # a setting is as good as STANDARD up to this many times its distance
SHEET_SIDE = 64  # pixels a side of a picture on a sheet
COLUMNS = ("solver", "spacing", "calls", "RMSE to the answer", "Fréchet", "over 50-step DDIM")


@dataclass(frozen=True, order=True)
class Setting:
    """How pictures are made: from level n, by a solver, on a grid, in a number of calls."""

    n: int
    solver: str
    spacing: str
    calls: int


STANDARD = Setting(1000, "ddim", "trailing", 50)  # what others are compared with, at any n


@dataclass(frozen=True)
class Outcome:
    """What a setting gave.

    Attributes:
        setting: which.
        samples: pictures made.
        rmse: mean distance of the first PAIRS of them to their answers, on the [-1, 1] scale.
        frechet: distance of all to the real ones; None with fewer than ENOUGH.
        parts: (PARTS,) the same with each part of the samples left out.
    """

    setting: Setting
    samples: int
    rmse: float
    frechet: float | None = None
    parts: tuple[float, ...] = ()


class Trial:
    """Makes and judges the pictures of one bundled model, and stores what it found in a folder.

    Args:
        model: a model with a line-up.
        folder: is made if it does not exist.

    Raises:
        DiffdemoError: the model has no line-up, so no real pictures are known.
    """

    def __init__(self, model: Model, folder: Path) -> None:
        self.line_up = require_line_up(model)
        self.model = model
        self.folder = folder
        self.name = f"{model.name}-{model.revision}"
        self.path = folder / f"{self.name}.jsonl"
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, n: int, count: int) -> Tensor:
        """Return pure noise at n = T, else real pictures with n steps: (count, C, H, W)."""
        eps = noise(range(count), self.model.shape)
        if n == self.model.schedule.T:
            return eps
        return self.model.schedule.add_noise(real_pictures(self.model, count), eps, n)

    def draw(self, setting: Setting, count: int) -> Tensor:
        """Make pictures, (count, C, H, W)."""
        x_n = self.start(setting.n, count)
        grid = {"solver": setting.solver, "spacing": setting.spacing}
        return batches.draw(self.model, x_n, setting.n, range(count), setting.calls, **grid)

    def answer(self, n: int) -> Tensor:
        """Return the pictures of n DDIM steps, one a level: (PAIRS, C, H, W); computed once."""
        path = self.folder / f"{self.name}-answer-{n}.npy"
        if not path.exists():
            np.save(path, self.draw(Setting(n, "ddim", "trailing", n), PAIRS).numpy())
        return torch.from_numpy(np.load(path))

    def judge(self, setting: Setting, count: int) -> Outcome:
        """Make `count` pictures and compare them; what is stored already is only read."""
        for outcome in self.outcomes():
            if (outcome.setting, outcome.samples) == (setting, count):
                return outcome
        answer = self.answer(setting.n)
        x = self.draw(setting, count)
        distance = float(metrics.rmse(answer[:count], x[:PAIRS]).mean())
        outcome = Outcome(setting, count, distance)
        if count >= ENOUGH:
            whole, *parts = frechets(self.features(x), self.target(count))
            outcome = replace(outcome, frechet=whole, parts=tuple(parts))
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")
        return outcome

    def outcomes(self) -> Iterator[Outcome]:
        """Read all that was found so far."""
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            found = json.loads(line)
            setting = Setting(**found.pop("setting"))
            yield Outcome(setting, parts=tuple(found.pop("parts")), **found)

    def features(self, x: Tensor) -> Tensor:
        """Return the reader's features of pictures, (B, D)."""
        return load_reader(self.line_up).features(x)

    def target(self, count: int) -> Tensor:
        """Return the features, (N, D), of the real pictures that `count` samples compare with.

        They are the line-up, without the digits that the samples started from.
        """
        return self._line_up_features[count if self.line_up == "digits" else 0 :]

    @cached_property
    def _line_up_features(self) -> Tensor:
        return self.features(line_up(self.line_up).pictures)

    def floor(self, count: int) -> float:
        """Return the Fréchet distance of `count` real pictures: what a finite number gives."""
        real = self.features(real_pictures(self.model, count))
        return metrics.frechet(real, self.target(count))

    def sheet(self, settings: Sequence[Setting], count: int = 8) -> np.ndarray:
        """Show pictures of the same noises, one column a setting, the answers last.

        Returns:
            (H, W, C) uint8.
        """
        columns = [images.to_uint8(self.draw(setting, count)) for setting in settings]
        columns.append(images.to_uint8(self.answer(settings[0].n)[:count]))
        scale = SHEET_SIDE // columns[0].shape[1]
        pages = [images.sheet(column, 1, scale, gap=1) for column in columns]
        return images.side_by_side(pages, gap=6)


def frechets(features: Tensor, target: Tensor) -> Iterator[float]:
    """Yield the Fréchet distance between features (N, D) and (M, D), then each without a part."""
    yield metrics.frechet(features, target)
    part = torch.arange(len(features)) % PARTS
    for k in range(PARTS):
        yield metrics.frechet(features[part != k], target)


def ratio(a: Outcome, b: Outcome | None) -> tuple[float, float] | None:
    """Return a's Fréchet distance over b's, and its standard error by the jackknife.

    The samples of both come from the same noises. None where one has no such distance, or they
    were made from different numbers of samples.
    """
    if b is None or a.frechet is None or b.frechet is None or a.samples != b.samples:
        return None
    left_out = np.divide(a.parts, b.parts)
    variance = np.square(left_out - left_out.mean()).sum() * (PARTS - 1) / PARTS
    return a.frechet / b.frechet, float(variance**0.5)


def tradeoff_table(outcomes: Iterable[Outcome], n: int) -> list[str]:
    """Write outcomes from one level as Markdown, and the cheapest that is as good as STANDARD.

    Of each setting it takes the outcome with the most samples.
    """
    largest: dict[Setting, Outcome] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.samples):
        if outcome.setting.n == n:
            largest[outcome.setting] = outcome
    standard = largest.get(replace(STANDARD, n=n))
    rows = []
    for s, outcome in sorted(largest.items()):
        found = ratio(outcome, standard)
        over = "{:.3f} ± {:.3f}".format(*found) if found else "–"
        distances = (f"{outcome.rmse:.4f}", number(outcome.frechet, ".2f"), over)
        rows.append((s.solver, s.spacing, s.calls, *distances))
    return [*table(COLUMNS, rows), "", cheapest(largest.values(), standard)]


def cheapest(outcomes: Iterable[Outcome], standard: Outcome | None) -> str:
    """Name the setting of fewest calls whose Fréchet distance is within NEAR of STANDARD's."""
    ratios = [(o.setting, ratio(o, standard)) for o in outcomes]
    good = [(s.calls, *found, s) for s, found in ratios if found and found[0] <= NEAR]
    if not good:
        name = f"{STANDARD.solver}, {STANDARD.spacing}, {STANDARD.calls} calls"
        return f"The standard, {name}, was not measured."
    calls, value, error, s = min(good)
    name = f"{s.solver}, {s.spacing}, {calls} calls ({value:.3f} ± {error:.3f})"
    fewer = f"{STANDARD.calls / calls:.1f} times fewer"
    return f"Cheapest within {NEAR - 1:.0%} of {STANDARD.calls}-step DDIM: {name}, {fewer}."
