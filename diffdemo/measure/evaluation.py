"""Measure the face model: are its samples legal faces in the right proportions, and what survives
n steps of noise?

Attributes are read by matching atlas layers (`matching.read`), for the model's pictures and for
real ones alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from diffdemo.diffusion import metrics
from diffdemo.diffusion.noise import noise
from diffdemo.lab import batches
from diffdemo.measure.observer import exact_samples, observe, prior
from diffdemo.measure.samples import SAMPLE_STEPS
from diffdemo.models import Model
from diffdemo.pictures import faces, images, matching
from diffdemo.pictures.line_ups import READABLE_RMSE, line_up
from diffdemo.report.markdown import table

LEVELS = (100, 250, 500, 1000)
SAMPLERS = {  # name: steps, eta, spacing
    "20 DDIM steps": (20, 0.0, "trailing"),
    "50 steps, eta = 1": (50, 1.0, "logsnr"),
}
EXACT = "exact posterior"


@dataclass(frozen=True)
class SampleReport:
    """Quality of unconditional samples.

    Attributes:
        rmse: (B,) distance of each sample to the nearest face the atlas can draw.
        legal: share of samples so near that they can be read as faces.
        difference: attribute → total variation distance between its frequencies in the samples
            and the exact prior.
        expected: the same for as many real faces: what chance alone gives.
    """

    rmse: np.ndarray
    legal: float
    difference: dict[str, float]
    expected: dict[str, float]


@dataclass(frozen=True)
class SurvivalReport:
    """What survives n steps of noise and denoising, of faces never seen in training.

    Attributes:
        sampler: how the faces were denoised.
        n: the level of noise.
        came_back: share of faces nearest to themselves among the line-up of 10,000.
        attributes: (14,) each, over the faces in which an attribute shows:
            "kept", the share that keeps it;
            "observer", the same where it is drawn from its exact posterior given x_n and all
            other attributes;
            "guess", the same where it is the most probable value of that posterior;
            "unrelated", the same between unrelated faces.
        means: of the same, over all faces and attributes that show.
    """

    sampler: str
    n: int
    came_back: float
    attributes: dict[str, np.ndarray]
    means: dict[str, float]


def judge_samples(x: Tensor) -> SampleReport:
    """Compare samples, (B, 3, 16, 16) in [-1, 1], with what the atlas draws and how often."""
    read = matching.read(images.to_pixels(x))
    real = matching.read(faces.pictures(np.arange(len(x)) + faces.EVALUATION_SEED))
    legal = float((read.rmse < READABLE_RMSE).mean())
    return SampleReport(read.rmse, legal, _differences(read.choices), _differences(real.choices))


def _differences(choices: np.ndarray) -> dict[str, float]:
    """Return the total variation distance of each attribute's frequencies to the prior."""
    atlas = faces.atlas()
    found = {}
    for name, column in faces.ATTRIBUTES.items():
        values = np.array(atlas.values(column))
        frequencies = (choices[:, atlas.columns[column], None] == values).mean(0)
        found[name] = float(0.5 * np.abs(frequencies - prior(column)).sum())
    return found


def survival(
    model: Model, count: int = 200, levels: tuple[int, ...] = LEVELS
) -> Iterator[SurvivalReport]:
    """Noise and denoise `count` faces at each level; yields a report for each sampler.

    The last report of a level is not of the model but of the exact posterior.
    """
    seeds = np.arange(count) + faces.EVALUATION_SEED
    choices = faces.choose(seeds)
    x0 = images.from_uint8(faces.draw(choices))
    eps = noise(seeds.tolist(), model.shape)
    others = matching.read(faces.pictures(seeds + count)).choices
    shares = {"unrelated": matching.attributes_kept(choices, others)}
    for n in levels:
        x_n = model.schedule.add_noise(x0, eps, n)
        alpha_bar = float(model.schedule.alpha_bar[n])
        noisy = x_n.permute(0, 2, 3, 1).numpy()
        shares["observer"], shares["guess"] = observe(noisy, choices, alpha_bar)
        for sampler, (steps, eta, spacing) in SAMPLERS.items():
            x = batches.draw(model, x_n, n, seeds.tolist(), steps, eta=eta, spacing=spacing)
            yield _report(sampler, n, choices, x, shares)
        drawn = faces.draw(exact_samples(noisy, choices, alpha_bar))
        yield _report(EXACT, n, choices, images.from_uint8(drawn), shares)


def _report(
    sampler: str, n: int, choices: np.ndarray, x: Tensor, shares: dict[str, np.ndarray]
) -> SurvivalReport:
    """Judge the pictures x, (B, 3, 16, 16), that came of faces; `shares` are (B, 14) each."""
    x0 = images.from_uint8(faces.draw(choices))
    back = metrics.came_back(x0, x, line_up("faces").pictures)
    read = matching.read(images.to_pixels(x)).choices
    shares = {"kept": matching.attributes_kept(choices, read), **shares}
    seen = faces.visible(choices)
    attributes = {}
    means = {}
    for name, share in shares.items():
        attributes[name] = np.where(seen, share, 0).sum(0) / np.maximum(seen.sum(0), 1)
        means[name] = float(share[seen].mean())
    return SurvivalReport(sampler, n, float(back.float().mean()), attributes, means)


def sample_table(report: SampleReport) -> list[str]:
    """Write a SampleReport as Markdown."""
    mean = (np.mean(list(report.difference.values())), np.mean(list(report.expected.values())))
    shares = {name: (share, report.expected[name]) for name, share in report.difference.items()}
    rows = [(name, f"{a:.3f}", f"{b:.3f}") for name, (a, b) in {**shares, "mean": mean}.items()]
    median, ninth = np.quantile(report.rmse, (0.5, 0.9))
    made = f"{len(report.rmse)} samples, {SAMPLE_STEPS} DDIM steps"
    return [
        f"{made}: {report.legal:.1%} are legal faces,",
        f"that is, the nearest face the atlas can draw is within RMSE {READABLE_RMSE};",
        f"median distance {median:.4f}, 90th percentile {ninth:.4f}.",
        "",
        "Attribute frequencies, total variation distance to the exact prior:",
        "",
        *table(["attribute", "samples", "as many real faces"], rows),
    ]


def survival_tables(reports: list[SurvivalReport]) -> list[str]:
    """Write SurvivalReports as two Markdown tables: means, and by attribute."""
    means = {
        "kept": "attributes kept",
        "observer": "observer draws",
        "guess": "observer guesses",
        "unrelated": "unrelated faces",
    }
    rows = [
        (r.n, r.sampler, f"{r.came_back:.1%}", *(f"{r.means[name]:.3f}" for name in means))
        for r in reports
    ]
    sampler = reports[0].sampler
    return [
        *table(["n", "sampler", "came back", *means.values()], rows),
        "",
        f"By attribute, {sampler}, kept / observer draws:",
        "",
        *_attribute_table([r for r in reports if r.sampler == sampler]),
    ]


def _attribute_table(reports: list[SurvivalReport]) -> list[str]:
    head = ["attribute", *(f"n = {r.n}" for r in reports), "unrelated"]
    rows = []
    for i, name in enumerate(faces.ATTRIBUTES):
        shares = [(r.attributes["kept"][i], r.attributes["observer"][i]) for r in reports]
        unrelated = reports[0].attributes["unrelated"][i]
        rows.append([name, *(f"{a:.2f} / {b:.2f}" for a, b in shares), f"{unrelated:.2f}"])
    return table(head, rows)
