"""Measure the bundled face model: are its samples legal faces, in the right proportions, and what survives n steps of noise?

`python -m diffdemo evaluate faces` prints every number the README quotes. Attributes are read by matching atlas layers
(`matching.read`), for the model's pictures and for real ones alike.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor

from diffdemo import faces, images, matching, metrics
from diffdemo.lab import lane
from diffdemo.line_ups import READABLE_RMSE, line_up
from diffdemo.models import Model
from diffdemo.noise import noise

LEGAL_RMSE = READABLE_RMSE  # a sample is a legal face where it could be read as one
SAMPLE_STEPS = 50
LEVELS = (100, 250, 500, 1000)
SAMPLERS: dict[str, dict] = {  # how the way back is made, by the name the tables give it
    "20 DDIM steps": {"steps": 20},
    "50 steps, eta = 1": {"steps": 50, "eta": 1.0, "spacing": "logsnr"},
}
EXACT = "exact posterior"
SWEEPS = 12


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
        sampler: how the way back was made.
        n: from which level.
        came_back: share of faces nearest to themselves among the line-up of 10,000.
        kept: share of faces that keep each attribute, over faces in which it shows.
        observer: the same for one who knows every other attribute exactly and draws this one from its exact posterior given x_n.
        guess: the same, naming the most probable value instead.
        unrelated: the same between unrelated faces.
        means: "kept", "observer", "guess" and "unrelated" over all faces and attributes that show.
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
    return lane.draw(model, noise(seeds, model.shape), model.schedule.T, seeds, steps=steps, eta=eta)


def judge_samples(x: Tensor) -> SampleReport:
    """Read samples, (B, 3, 16, 16) in [-1, 1], and compare them with what the atlas can draw and how often it does."""
    read = matching.read(images.to_pixels(x))
    real = matching.read(faces.pictures(np.arange(len(x)) + faces.EVALUATION_SEED))
    return SampleReport(read.rmse, float((read.rmse < LEGAL_RMSE).mean()), _differences(read.choices), _differences(real.choices))


def _differences(choices: np.ndarray) -> dict[str, float]:
    return {name: float(0.5 * np.abs(_frequencies(choices, column) - prior(column)).sum()) for name, column in faces.ATTRIBUTES.items()}


def _frequencies(choices: np.ndarray, column: str) -> np.ndarray:
    values = np.array(faces.atlas().values(column))
    return (choices[:, faces.atlas().columns[column], None] == values).mean(0)


def prior(column: str) -> np.ndarray:
    """The exact probability of each value of a choice, in the order of `Atlas.values`."""
    a, size = faces.atlas(), faces.atlas().size(column)
    if len(a.values(column)) == size:
        return np.full(size, 1 / size)
    present = next(layer.probability for layer in a.layers if layer.name == column)
    return np.array([1 - present, *[present / size] * size])


def conditional(x_n: np.ndarray, choices: np.ndarray, column: str, alpha_bar: float) -> tuple[np.ndarray, np.ndarray]:
    """The exact posterior of one choice given a noisy face and all other choices.

        p(value | x_n) ∝ prior(value) exp(-|x_n - sqrt(alpha_bar) x0(value)|^2 / (2 (1 - alpha_bar)))

    Args:
        x_n: (B, 16, 16, 3), noisy faces on the [-1, 1] scale.
        choices: (B, columns).
        column: which choice.
        alpha_bar: of the level x_n is at.

    Returns:
        (B, K) probabilities, and the (B, K, 16, 16, 3) uint8 pictures they belong to.
    """
    drawn = faces.draw_alternatives(choices, column)
    difference = x_n[:, None] - alpha_bar**0.5 * (drawn / np.float32(127.5) - 1)
    log_p = np.log(prior(column)) - np.square(difference).sum((2, 3, 4), dtype=np.float64) / (2 * (1 - alpha_bar))
    p = np.exp(log_p - log_p.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True), drawn


def observe(x_n: np.ndarray, choices: np.ndarray, alpha_bar: float) -> tuple[np.ndarray, np.ndarray]:
    """What an observer who knows all other attributes can say of each attribute of a noisy face; arguments as in `conditional`.

    Returns:
        (B, 14) the probability of drawing the true value from its posterior, and (B, 14) whether the most probable value is the
        true one; values that draw the same picture count as one.
    """
    own, draws, guesses = faces.draw(choices), [], []
    for column in faces.ATTRIBUTES.values():
        p, drawn = conditional(x_n, choices, column, alpha_bar)
        same = (drawn == own[:, None]).all((2, 3, 4))
        draws.append((p * same).sum(1))
        guesses.append(same[np.arange(len(p)), p.argmax(1)])
    return np.stack(draws, 1), np.stack(guesses, 1).astype(float)


def exact_samples(x_n: np.ndarray, choices: np.ndarray, alpha_bar: float, sweeps: int = SWEEPS, seed: int = 0) -> np.ndarray:
    """Draw one face from the exact posterior over all faces the atlas can draw, given each noisy face: what a perfect model would at eta = 1.

    Gibbs sampling: every choice in turn is drawn from its exact conditional. It starts at the truth, itself a draw from the posterior.

    Args:
        x_n: (B, 16, 16, 3), noisy faces on the [-1, 1] scale.
        choices: (B, columns), the true choices.
        alpha_bar: of the level x_n is at.
        sweeps: rounds over all choices.
        seed: of the draws.

    Returns:
        (B, columns), the choices drawn.

    References:
        Geman, Geman, 1984, Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of images.
    """
    state, generator = choices.copy(), np.random.default_rng(seed)
    for _ in range(sweeps):
        for column, place in faces.atlas().columns.items():
            p, _ = conditional(x_n, state, column, alpha_bar)
            drawn = (p.cumsum(1) < generator.random((len(p), 1))).sum(1).clip(max=p.shape[1] - 1)
            state[:, place] = np.array(faces.atlas().values(column))[drawn]
    return state


def survival(model: Model, count: int = 200, levels: tuple[int, ...] = LEVELS) -> Iterator[SurvivalReport]:
    """Noise and denoise `count` faces from seed 900,000 on at each level with each sampler; yields a report for each.

    The last report of a level is not of the model but of `exact_samples`.
    """
    seeds = range(faces.EVALUATION_SEED, faces.EVALUATION_SEED + count)
    choices = faces.choose(np.array(seeds))
    x0, seen = images.from_uint8(faces.draw(choices)), faces.seen(choices)
    eps = noise(seeds, model.shape)
    unrelated = matching.kept(choices, matching.read(faces.pictures(np.array(seeds) + count)).choices)
    for n in levels:
        x_n, alpha_bar = model.schedule.add_noise(x0, eps, n), float(model.schedule.alpha_bar[n])
        noisy = x_n.permute(0, 2, 3, 1).numpy()
        draws, guesses = observe(noisy, choices, alpha_bar)
        ways: dict[str, Callable[[], Tensor]] = {name: partial(lane.draw, model, x_n, n, seeds, **options) for name, options in SAMPLERS.items()}
        ways[EXACT] = partial(_exact_pictures, noisy, choices, alpha_bar)
        for name, way in ways.items():
            x = way()
            back = metrics.came_back(x0, x, line_up("faces").pictures)
            kept = matching.kept(choices, matching.read(images.to_pixels(x)).choices)
            tables = {"kept": kept, "observer": draws, "guess": guesses, "unrelated": unrelated}
            by_attribute = {key: _masked_mean(table, seen) for key, table in tables.items()}
            means = {key: float(table[seen].mean()) for key, table in tables.items()}
            yield SurvivalReport(name, n, float(back.float().mean()), **by_attribute, means=means)


def _exact_pictures(x_n: np.ndarray, choices: np.ndarray, alpha_bar: float) -> Tensor:
    return images.from_uint8(faces.draw(exact_samples(x_n, choices, alpha_bar)))


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
