"""Measure what both bundled models share: how their guesses compare with the exact ones, and whether sampled digits are digits.

`python -m diffdemo evaluate faces|digits` prints every number the README quotes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffdemo import digits, images, metrics
from diffdemo.lab import lane
from diffdemo.line_ups import line_up
from diffdemo.models import Model
from diffdemo.noise import noise
from diffdemo.posterior import entropy_bits, posterior, posterior_mean
from diffdemo.readers import load_reader

LEVELS = (100, 200, 300, 400, 500, 600, 700, 800, 1000)
SURE = 0.9  # a sample counts as a digit when the reader is as sure as this
SPECK = 0.2  # brightness, 0..1, from which a pixel without such neighbours counts as a speck
SAMPLE_STEPS = 50


@dataclass(frozen=True)
class GuessReport:
    """One level of n over many pictures of the line-up; distances are RMSE on the [-1, 1] scale, averaged over pictures.

    Attributes:
        n: the level.
        p_true: mean exact probability of the true picture.
        entropy: mean entropy of the posterior in bits.
        apart: between the network's x0_hat and the exact posterior mean.
        naive: between x_n / sqrt(alpha_bar) and the exact posterior mean.
        network, exact: of x0_hat and of the posterior mean to the true picture.
    """

    n: int
    p_true: float
    entropy: float
    apart: float
    naive: float
    network: float
    exact: float


def guesses(model: Model, count: int = 64, levels: tuple[int, ...] = LEVELS) -> Iterator[GuessReport]:
    """Compare the network's guess with the exact posterior mean on the first `count` pictures of its line-up, one noise each."""
    candidates = line_up(str(model.line_up)).pictures
    x0, eps = candidates[:count], noise(range(count), model.shape)
    for n in levels:
        x_n, rows = model.schedule.add_noise(x0, eps, n), torch.full((count,), n)
        p = posterior(model.schedule, x_n, n, candidates)
        mean, x0_hat = posterior_mean(p, candidates), lane.estimate(model, x_n, rows)
        naive = x_n / model.schedule.scales(rows, x_n)[0]
        pairs = ((x0_hat, mean), (naive, mean), (x0_hat, x0), (mean, x0))
        distances = [float(metrics.rmse(a, b).mean()) for a, b in pairs]
        yield GuessReport(n, float(p.diagonal().mean()), float(entropy_bits(p).mean()), *distances)


def guess_table(reports: list[GuessReport]) -> list[str]:
    """GuessReports as lines of Markdown."""
    lines = [
        "| n | P(true picture) | bits missing | x0_hat to exact mean | naive estimate to exact mean | x0_hat to picture | exact mean to picture |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in reports:
        lines.append(f"| {r.n} | {r.p_true:.2f} | {r.entropy:.2f} | {r.apart:.3f} | {r.naive:.2f} | {r.network:.3f} | {r.exact:.3f} |")
    return lines


@dataclass(frozen=True)
class DigitReport:
    """Quality of sampled digits.

    Attributes:
        sure: share of samples the reader is surer of than SURE; real: the same for as many real digits.
        balance: (10,) share of each class among the samples.
        specks: share of samples with a pixel brighter than SPECK that has no such neighbour; real_specks: the same for as many real digits.
    """

    sure: float
    real: float
    balance: np.ndarray
    specks: float
    real_specks: float


def grade_digits(x: Tensor) -> DigitReport:
    """Grade samples, (B, 1, 32, 32) in [-1, 1], against the first B digits of the line-up."""
    reader, real = load_reader("digits"), line_up("digits").pictures[: len(x)]
    balance = np.bincount(reader.read(x)[:, 0].numpy(), minlength=digits.CLASSES) / len(x)
    sure, real_sure = (float((reader.confidence(part) > SURE).float().mean()) for part in (x, real))
    return DigitReport(sure, real_sure, balance, _specks(x), _specks(real))


def _specks(x: Tensor) -> float:
    bright = ((x + 1) / 2 > SPECK).float()
    around = torch.nn.functional.avg_pool2d(bright, 3, stride=1, padding=1) * 9 - bright
    return float(((bright > 0) & (around < 0.5)).flatten(1).any(1).float().mean())


def digit_table(report: DigitReport, count: int) -> list[str]:
    """A DigitReport as lines of Markdown."""
    shares = " | ".join(f"{share:.3f}" for share in report.balance)
    return [
        f"{count} samples, {SAMPLE_STEPS} DDIM steps: the reader is more than {SURE:.0%} sure of {report.sure:.1%}",
        f"(of real digits: {report.real:.1%});",
        f"{report.specks:.1%} have a lone bright pixel on the black ground (real digits: {report.real_specks:.1%}).",
        "",
        "| class | " + " | ".join(str(k) for k in range(digits.CLASSES)) + " |",
        "|---|" + "---|" * digits.CLASSES,
        f"| share | {shares} |",
    ]


def sample_digits(model: Model, count: int, steps: int = SAMPLE_STEPS) -> Tensor:
    """Unconditional samples from pure Gaussian noise, seeds 0..count - 1: (count, 1, 32, 32)."""
    return lane.draw(model, noise(range(count), model.shape), model.schedule.T, range(count), steps=steps)


def sheet(model: Model, count: int = 64, columns: int = 8) -> np.ndarray:
    """`count` real digits beside `count` samples, enlarged: (H, W, 1) uint8."""
    real, drawn = digits.line_up()[0][:count], images.to_uint8(sample_digits(model, count))
    return images.side_by_side([images.sheet(page, columns, scale=2, gap=1) for page in (real, drawn)], gap=24)
