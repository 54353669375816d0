"""The named endpoints: one for each experiment, with the fields and the defaults of the one table."""

from typing import Any

import gradio as gr

from diffdemo import report
from diffdemo.experiment import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.fields import FIELDS, format_levels, format_seeds
from diffdemo.lab import run
from diffdemo.models import Model
from diffdemo.ui.widgets import told


def publish(loaded: Model, lane: dict[str, Any]) -> None:
    """Add the endpoints to the page under construction; `loaded` is the model beside the bundled ones."""
    for function in (round_trip, curve, embed, collide, belief, branch):
        gr.api(told(function, loaded), api_name=function.__name__, **lane)


def round_trip(
    loaded: Model,
    model: str = FIELDS["model"].default,
    picture: str = FIELDS["picture"].default,
    n: int = FIELDS["n"].default,
    seeds: str = format_seeds(FIELDS["seeds"].default),
    steps: int = FIELDS["steps"].default,
    eta: float = FIELDS["eta"].default,
    solver: str = FIELDS["solver"].default,
    spacing: str = FIELDS["spacing"].default,
    start: str = FIELDS["start"].default,
) -> dict[str, Any]:
    """Add n steps of noise to a picture with each seed, denoise, and tell what came back.

    Returns the sentence, the experiment as a query string, came_back, rmse and kept by seed, and all pictures as PNG data URIs.
    """
    return report.as_json(run(RoundTrip(model, picture, n, seeds, steps, eta, solver, spacing, start), loaded))


def curve(
    loaded: Model,
    model: str = FIELDS["model"].default,
    picture: str = FIELDS["picture"].default,
    levels: str = format_levels(FIELDS["levels"].default),
    seeds: str = format_seeds(Curve.seeds),
    steps: int = FIELDS["steps"].default,
    eta: float = FIELDS["eta"].default,
    solver: str = FIELDS["solver"].default,
    spacing: str = FIELDS["spacing"].default,
) -> dict[str, Any]:
    """Go back from every level of noise with every seed, and tell what is known and kept at each.

    Returns the sentence, the experiment as a query string, came_back, kept, rmse, bits_known and p_true (levels x seeds), and the reconstructions.
    """
    return report.as_json(run(Curve(model, picture, levels, seeds, steps, eta, solver, spacing), loaded))


def embed(
    loaded: Model,
    model: str = FIELDS["model"].default,
    picture: str = FIELDS["picture"].default,
    n: int = Embedding.n,
    seeds: str = format_seeds(Embedding.seeds),
    steps: int = Embedding.steps,
    methods: str = ",".join(Embedding.methods),
    warm: float = FIELDS["warm"].default,
    other: str = Embedding.other,
) -> dict[str, Any]:
    """Find codes x_n for a picture in up to five ways, go back from each, and tell which come back and which pass as noise.

    Returns the sentence, the experiment as a query string, codes, reconstructions, errors, calls and statistics by method, the bands of true
    noise, errors by steps, statistics of the kept paths and, with a second picture, the swap test.
    """
    return report.as_json(run(Embedding(model, picture, n, seeds, steps, methods, warm, other), loaded))


def collide(
    loaded: Model,
    model: str = FIELDS["model"].default,
    picture: str = FIELDS["picture"].default,
    other: str = FIELDS["other"].default,
    n: int = Collision.n,
    seed: int = FIELDS["seed"].default,
    steps: int = Collision.steps,
    eta: float = Collision.eta,
) -> dict[str, Any]:
    """Find the noise that takes a second picture to the very x_n of the first, how plausible it is, and whose picture comes back.

    Returns the sentence, the experiment as a query string, x_n, both noises, the exact odds, and the ways back with what was read in them.
    """
    return report.as_json(run(Collision(model, picture, other, n, seed, steps, eta), loaded))


def belief(
    loaded: Model,
    model: str = FIELDS["model"].default,
    picture: str = FIELDS["picture"].default,
    n: int = FIELDS["n"].default,
    seed: int = FIELDS["seed"].default,
    line_up: str = FIELDS["line_up"].default,
) -> dict[str, Any]:
    """The exact posterior over a line-up given x_n, and the network's guess.

    Returns the sentence, the experiment as a query string, the top candidates, entropy, marginals, and both guesses as PNG data URIs.
    """
    return report.as_json(run(Belief(model, picture, n, seed, line_up), loaded))


def branch(
    loaded: Model,
    model: str = FIELDS["model"].default,
    picture: str = FIELDS["picture"].default,
    seed: int = FIELDS["seed"].default,
    points: int = FIELDS["points"].default,
    futures: int = FIELDS["futures"].default,
    steps: int = Branch.steps,
    jump: int = FIELDS["jump"].default,
) -> dict[str, Any]:
    """Follow one ancestral path down from x_T, branch into futures at points along it, and tell what they still have in common.

    Returns the sentence, the experiment as a query string, the path, the futures by point, and their diversity and shared attributes by point.
    """
    return report.as_json(run(Branch(model, picture, seed, points, futures, steps, jump), loaded))
