"""Measure a bundled model's guesses against exact ones, and whether sampled digits are digits."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass

import numpy as np
import torch
from torch import Tensor

from diffdemo.diffusion import metrics
from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.posterior import entropy_bits, posterior, posterior_mean
from diffdemo.lab import batches
from diffdemo.measure.samples import SAMPLE_STEPS, require_line_up
from diffdemo.models import Model
from diffdemo.pictures import digits
from diffdemo.pictures.line_ups import line_up
from diffdemo.pictures.readers import load_reader
from diffdemo.report.markdown import table

LEVELS = (100, 200, 300, 400, 500, 600, 700, 800, 1000)
SURE = 0.9  # a sample counts as a digit when the reader is surer than this
SPECK = 0.2  # brightness, 0..1, above which a pixel without such neighbours counts as a speck


@dataclass(frozen=True)
class GuessReport:
    """One level n over many pictures of the line-up; all numbers are means over the pictures.

    Distances are RMSE on the [-1, 1] scale.

    Attributes:
        n: the level.
        p_true: exact probability of the true picture.
        entropy: of the posterior, in bits.
        apart: from the network's x0_hat to the exact posterior mean.
        naive: from x_n / sqrt(alpha_bar) to the exact posterior mean.
        network: from x0_hat to the true picture.
        exact: from the exact posterior mean to the true picture.
    """

    n: int
    p_true: float
    entropy: float
    apart: float
    naive: float
    network: float
    exact: float


def guesses(
    model: Model, count: int = 64, levels: tuple[int, ...] = LEVELS
) -> Iterator[GuessReport]:
    """Compare the network's guess with the exact posterior mean, level by level.

    The pictures are the first `count` of the model's line-up, with one noise each.
    """
    candidates = line_up(require_line_up(model)).pictures
    x0 = candidates[:count]
    eps = noise(range(count), model.shape)
    for n in levels:
        x_n = model.schedule.add_noise(x0, eps, n)
        rows = torch.full((count,), n)
        p = posterior(model.schedule, x_n, n, candidates)
        p_true = float(p.diagonal().mean())
        mean = posterior_mean(p, candidates)
        x0_hat = batches.estimate(model, x_n, rows)
        naive = x_n / model.schedule.scales(rows, x_n)[0]
        pairs = ((x0_hat, mean), (naive, mean), (x0_hat, x0), (mean, x0))
        distances = [float(metrics.rmse(a, b).mean()) for a, b in pairs]
        yield GuessReport(n, p_true, float(entropy_bits(p).mean()), *distances)


def guess_table(reports: list[GuessReport]) -> list[str]:
    """Write GuessReports as a Markdown table."""
    columns = {
        "n": "d",
        "P(true picture)": ".2f",
        "bits missing": ".2f",
        "x0_hat to exact mean": ".3f",
        "naive estimate to exact mean": ".2f",
        "x0_hat to picture": ".3f",
        "exact mean to picture": ".3f",
    }
    rows = [map(format, astuple(report), columns.values()) for report in reports]
    return table(list(columns), [list(row) for row in rows])


@dataclass(frozen=True)
class DigitReport:
    """Quality of sampled digits, beside as many real ones.

    Attributes:
        sure, real: share of samples, and of real digits, that the reader is surer of than SURE.
        balance: (10,) share of each class among the samples.
        specks, real_specks: share of samples, and of real digits, with a pixel brighter than
            SPECK that has no such neighbour.
    """

    sure: float
    real: float
    balance: np.ndarray
    specks: float
    real_specks: float


def grade_digits(x: Tensor) -> DigitReport:
    """Grade samples, (B, 1, 32, 32) in [-1, 1], against the first B digits of the line-up."""
    real = line_up("digits").pictures[: len(x)]
    classes = load_reader("digits").read(x)[:, 0].numpy()
    balance = np.bincount(classes, minlength=digits.CLASSES) / len(x)
    return DigitReport(_sure(x), _sure(real), balance, _specks(x), _specks(real))


def _sure(x: Tensor) -> float:
    confidence = load_reader("digits").confidence(x)
    return float((confidence > SURE).float().mean())


def _specks(x: Tensor) -> float:
    bright = ((x + 1) / 2 > SPECK).float()
    around = torch.nn.functional.avg_pool2d(bright, 3, stride=1, padding=1) * 9 - bright
    speck = (bright > 0) & (around < 0.5)
    return float(speck.flatten(1).any(1).float().mean())


def digit_table(report: DigitReport, count: int) -> list[str]:
    """Write a DigitReport of `count` samples as Markdown."""
    shares = [f"{share:.3f}" for share in report.balance]
    return [
        f"{count} samples, {SAMPLE_STEPS} DDIM steps: "
        f"the reader is more than {SURE:.0%} sure of {report.sure:.1%}",
        f"(of real digits: {report.real:.1%});",
        f"{report.specks:.1%} have a lone bright pixel on the black ground "
        f"(real digits: {report.real_specks:.1%}).",
        "",
        *table(["class", *map(str, range(digits.CLASSES))], [["share", *shares]]),
    ]
