"""Measure the bundled face model: are its samples legal faces, in the right proportions, and what survives n steps of noise?

`python -m diffdemo evaluate faces` prints every number the README quotes. Attributes are read by matching atlas layers
(`matching.read`), for the model's pictures and for real ones alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffdemo import faces, images, lab, matching, metrics
from diffdemo.models import Model
from diffdemo.noise import noise
from diffdemo.sampling import denoise

LEGAL_RMSE = 0.06  # on the [-1, 1] scale; a wrong mouth of four pixels is about this far from the right one
SAMPLE_STEPS = 50
LEVELS = (100, 250, 500, 1000)
SAMPLERS = (("20 DDIM steps", 20, 0.0), ("50 steps, eta = 1", 50, 1.0))


@dataclass(frozen=True)
class SampleReport:
    """Quality of unconditional samples.

    Attributes:
        rmse: (B,) distance of each sample to the nearest face the atlas can draw.
        legal: share of samples nearer than LEGAL_RMSE.
        difference: attribute → total variation distance between its frequencies in the samples and the exact prior.
        expected: the same for as many real faces: what chance alone gives.
    """

    rmse: np.ndarray
    legal: float
    difference: dict[str, float]
    expected: dict[str, float]


@dataclass(frozen=True)
class SurvivalReport:
    """What n steps of noise and a way back leave of faces never seen in training; every array over the 14 attributes.

    Attributes:
        sampler, n: how the way back was made, and from where.
        came_back: share of faces nearest to themselves among the line-up of 10,000.
        kept: share of faces that keep each attribute, over faces in which it shows; mean is over all pairs.
        observer: the same for one who knows every other attribute exactly and draws this one from its exact posterior given x_n.
        guess: the same, naming the most probable value instead.
        unrelated: the same between unrelated faces.
    """

    sampler: str
    n: int
    came_back: float
    kept: np.ndarray
    observer: np.ndarray
    guess: np.ndarray
    unrelated: np.ndarray
    means: dict[str, float]


def draw_samples(model: Model, count: int, steps: int = SAMPLE_STEPS, eta: float = 0.0, first_seed: int = 0) -> Tensor:
    """Unconditional samples from pure Gaussian noise, one a seed: (count, C, H, W)."""
    seeds = range(first_seed, first_seed + count)
    return _denoise(model, noise(seeds, model.shape), model.schedule.T, steps, eta, seeds)


def _denoise(model: Model, x_n: Tensor, n: int, steps: int, eta: float, seeds: range) -> Tensor:
    size = lab.chunk_size(model)
    chunks = [slice(i, i + size) for i in range(0, len(x_n), size)]
    return torch.cat([denoise(model, x_n[rows], n, steps, eta, seeds=seeds[rows]) for rows in chunks])


def pixels(x: Tensor) -> np.ndarray:
    """(B, 3, 16, 16) in [-1, 1] → (B, 16, 16, 3) float32 on the scale 0..255, not rounded."""
    return (x.permute(0, 2, 3, 1).numpy() + 1) * 127.5


def judge_samples(x: Tensor) -> SampleReport:
    """Read samples, (B, 3, 16, 16) in [-1, 1], and compare them with what the atlas can draw and how often it does."""
    read = matching.read(pixels(x))
    real = matching.read(faces.pictures(np.arange(len(x)) + faces.EVALUATION_SEED))
    return SampleReport(read.rmse, float((read.rmse < LEGAL_RMSE).mean()), _differences(read.choices), _differences(real.choices))


def _differences(choices: np.ndarray) -> dict[str, float]:
    return {name: float(0.5 * np.abs(_frequencies(choices, name) - prior(name)).sum()) for name in faces.ATTRIBUTES}


def _frequencies(choices: np.ndarray, attribute: str) -> np.ndarray:
    column = faces.ATTRIBUTES[attribute]
    values = np.array(faces.atlas().values(column))
    return (choices[:, faces.atlas().columns[column], None] == values).mean(0)


def prior(attribute: str) -> np.ndarray:
    """The exact probability of each value of an attribute, in the order of `Atlas.values`."""
    a, column = faces.atlas(), faces.ATTRIBUTES[attribute]
    size = a.size(column)
    if len(a.values(column)) == size:
        return np.full(size, 1 / size)
    present = next(layer.probability for layer in a.layers if layer.name == column)
    return np.array([1 - present, *[present / size] * size])


def observe(x_n: np.ndarray, choices: np.ndarray, attribute: str, alpha_bar: float) -> tuple[float, float]:
    """What an exact observer who knows all other attributes can say of one attribute from a noisy face.

        p(value | x_n) ∝ prior(value) exp(-|x_n - sqrt(alpha_bar) x0(value)|^2 / (2 (1 - alpha_bar)))

    Args:
        x_n: (16, 16, 3), the noisy face on the [-1, 1] scale.
        choices: (columns,), the true choices.
        attribute: one of faces.ATTRIBUTES.
        alpha_bar: of the level x_n is at.

    Returns:
        The probability of drawing the true value from the posterior, and 1.0 or 0.0 for whether the most probable value is the
        true one; values that draw the same picture count as one.
    """
    rows = faces.alternatives(choices, attribute)
    drawn = faces.draw(rows)
    x0 = drawn.reshape(len(rows), -1) / 127.5 - 1.0
    log_p = np.log(prior(attribute)) - ((x_n.reshape(-1) - alpha_bar**0.5 * x0) ** 2).sum(1) / (2 * (1 - alpha_bar))
    p = np.exp(log_p - log_p.max())
    same = (drawn == faces.draw(choices[None])).all((1, 2, 3))
    total = p / p.sum()
    return float(total[same].sum()), float(same[total.argmax()])


def survival(model: Model, count: int = 200, levels: tuple[int, ...] = LEVELS) -> Iterator[SurvivalReport]:
    """Noise and denoise `count` faces from seed 900,000 on at each level with each sampler; yields a report for each."""
    seeds = range(faces.EVALUATION_SEED, faces.EVALUATION_SEED + count)
    choices = faces.choose(np.array(seeds))
    x0, seen = images.from_uint8(faces.draw(choices)), faces.seen(choices)
    eps = noise(seeds, model.shape)
    others = matching.read(faces.pictures(np.array(seeds) + count)).choices
    unrelated = matching.kept(choices, others)
    for n in levels:
        x_n = model.schedule.add_noise(x0, eps, n)
        known = _observations(x_n, choices, float(model.schedule.alpha_bar[n]))
        for name, steps, eta in SAMPLERS:
            x = _denoise(model, x_n, n, steps, eta, seeds)
            back = torch.cat([metrics.came_back(x0[i : i + 1], x[i : i + 1], lab.face_line_up()) for i in range(count)])
            kept = matching.kept(choices, matching.read(pixels(x)).choices)
            tables = {"kept": kept, "observer": known[..., 0], "guess": known[..., 1], "unrelated": unrelated}
            by_attribute = {key: _masked_mean(table, seen) for key, table in tables.items()}
            means = {key: float(table[seen].mean()) for key, table in tables.items()}
            yield SurvivalReport(name, n, float(back.float().mean()), **by_attribute, means=means)


def _observations(x_n: Tensor, choices: np.ndarray, alpha_bar: float) -> np.ndarray:
    noisy = x_n.permute(0, 2, 3, 1).double().numpy()
    return np.array([[observe(x, row, name, alpha_bar) for name in faces.ATTRIBUTES] for x, row in zip(noisy, choices, strict=True)])


def _masked_mean(table: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask, table, 0).sum(0) / np.maximum(mask.sum(0), 1)


def sheet(model: Model, count: int = 64, columns: int = 8) -> np.ndarray:
    """`count` real faces beside `count` samples, enlarged: (H, W, 3) uint8."""
    real = faces.pictures(np.arange(count) + faces.EVALUATION_SEED)
    drawn = images.to_uint8(draw_samples(model, count))
    return images.side_by_side([images.sheet(page, columns, scale=3, gap=1) for page in (real, drawn)], gap=24)


def sample_table(report: SampleReport) -> list[str]:
    """A SampleReport as lines of Markdown."""
    lines = [
        f"{len(report.rmse)} samples, {SAMPLE_STEPS} DDIM steps: {report.legal:.1%} are legal faces,",
        f"that is, the nearest face the atlas can draw is within RMSE {LEGAL_RMSE};",
        f"median distance {np.median(report.rmse):.4f}, 90th percentile {np.quantile(report.rmse, 0.9):.4f}.",
        "",
        "Attribute frequencies, total variation distance to the exact prior:",
        "",
        "| attribute | samples | as many real faces |",
        "|---|---|---|",
    ]
    rows = [f"| {name} | {report.difference[name]:.3f} | {report.expected[name]:.3f} |" for name in report.difference]
    means = [np.mean(list(table.values())) for table in (report.difference, report.expected)]
    return [*lines, *rows, f"| mean | {means[0]:.3f} | {means[1]:.3f} |"]


def survival_tables(reports: list[SurvivalReport]) -> list[str]:
    """SurvivalReports as two Markdown tables: in all, and by attribute."""
    lines = ["| n | sampler | came back | attributes kept | observer draws | observer guesses | unrelated faces |", "|---|---|---|---|---|---|---|"]
    for r in reports:
        m = r.means
        cells = [f"{r.came_back:.1%}", f"{m['kept']:.3f}", f"{m['observer']:.3f}", f"{m['guess']:.3f}", f"{m['unrelated']:.3f}"]
        lines.append(f"| {r.n} | {r.sampler} | {' | '.join(cells)} |")
    deterministic = [r for r in reports if r.sampler == reports[0].sampler]
    lines += ["", f"By attribute, {reports[0].sampler}, kept / observer draws:", ""]
    lines += ["| attribute | " + " | ".join(f"n = {r.n}" for r in deterministic) + " | unrelated |", "|---|" + "---|" * (len(deterministic) + 1)]
    for i, name in enumerate(faces.ATTRIBUTES):
        cells = [f"{r.kept[i]:.2f} / {r.observer[i]:.2f}" for r in deterministic]
        lines.append(f"| {name} | {' | '.join(cells)} | {deterministic[0].unrelated[i]:.2f} |")
    return lines
