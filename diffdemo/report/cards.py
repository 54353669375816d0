"""Cards: what the preview of a link shows, in words and as a picture of 1200 x 630 pixels.

A forum shows a card about 400 pixels wide, so there is little on it: a sentence, the picture, its
noisy versions, and what came back from them.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffdemo.diffusion.noise import noise
from diffdemo.lab.experiment import Experiment, Result
from diffdemo.lab.prepare import Ready
from diffdemo.pictures import images
from diffdemo.report.card_drawing import Card, Column
from diffdemo.report.presenter import present
from diffdemo.report.words import ONES_OWN, counted, picture_words, settings

TILES = 8  # noisy versions of an experiment that has no result yet
SHOWN = 4  # noises of a round trip
COMPARED = 2  # noises at each of the levels that the page opens with
COMES_BACK = "comes back."
INVITATION = "Try it in your browser."
STORY = "Add noise to a {what}, let a diffusion model remove it"
WHAT = {"face": "face", "digit": "digit"}  # by the kind of a picture
SOMEBODY = {"face": "someone else", "digit": "another one"}


def title(e: Experiment) -> str:
    """Return the question that the experiment asks."""
    return f"diffdemo: {e.question}"


def sentence(e: Any, result: Result | None) -> str:
    """Say the result to those who have not seen it; without one, say what the experiment does."""
    if result is not None:
        return present(result).sentence_for_others(ONES_OWN)
    if hasattr(e, "start"):  # a round trip
        picture = picture_words(e.picture, ONES_OWN)
        noisy = f"Add {counted(e.n, 'step')} of noise to {picture}"
        return f"{noisy}, let a diffusion model remove it, and see what comes back."
    return f"{e.about()}"


def description(e: Experiment, result: Result | None) -> str:
    """Say the sentence, the prompt if there is one, and that everybody can try it."""
    prompt = f' Prompt: "{e.prompt}".' if e.prompt else ""
    return f"{sentence(e, result)}{prompt} {INVITATION}"


def alt(e: Experiment, result: Result | None) -> str:
    """Return what the card shows, in words."""
    end = ", and what came back from each" if _returned(result) else ""
    return f"A picture, noisy versions of it{end}: {settings(e)}."


def compared(results: list[Any]) -> str:
    """Say of round trips that differ in their n alone, how many came back from each.

    Args:
        results: of round trips, by rising n; at least one seed in each.
    """
    return " ".join(_outcomes(results))


def _outcomes(results: list[Any]) -> list[str]:
    said: list[str] = []
    for result in results:
        does = "does." if said and said[-1].endswith(COMES_BACK) else COMES_BACK
        said.append(f"With {counted(result.experiment.n, 'step')} {_outcome(result, does)}")
    return said


def _outcome(result: Any, does: str) -> str:
    """Say who came back; `does` is the verb for one."""
    back = int(result.came_back.sum())
    count = len(result.came_back)
    what = _what(result.experiment.picture)
    if 0 < back < count:
        return f"{back} of {count} tries come back as your {what}."
    return f"{f'your {what}' if back else SOMEBODY.get(what, 'another picture')} {does}"


def _what(picture: str) -> str:
    """Name what a picture shows: a face, a digit, or simply a picture."""
    return WHAT.get(picture.partition(":")[0], "picture")


def opening_description(e: Experiment, results: list[Any]) -> str:
    """Describe the page itself, with what its opening found as far as that is known.

    Args:
        e: what the page opens with.
        results: of round trips with its picture, by rising n; none if they are not computed yet.
    """
    story = STORY.format(what=_what(e.picture))
    if not results:
        return f"{story}, and see what comes back. {INVITATION}"
    return f"{story}. {compared(results)} {INVITATION}"


def opening_alt(e: Experiment, trips: list[Any]) -> str:
    """Return what the card of the page itself shows, in words."""
    levels = " and ".join(f"{trip.n}" for trip in trips)
    return f"A {_what(e.picture)}, the same after {levels} steps of noise, and what came back."


def draw(e: Experiment, ready: Ready, result: Result | None) -> bytes:
    """Draw the card of an experiment as a PNG file.

    Args:
        e: the experiment.
        ready: the same, ready to run.
        result: of it, or of its first seeds; None draws the noisy pictures alone.
    """
    card = _card(e, result)
    if _returned(result):
        return card.paths(images.visualise(ready.x0)[0], [_column(result, SHOWN)])
    noisy = images.visualise(_noisy(e, ready))
    return card.noisy(images.visualise(ready.x0)[0], list(noisy))


def draw_comparison(ready: Ready, results: list[Any]) -> bytes:
    """Draw the card of the page itself: the same noises at several n, and what came back."""
    card = Card("\n".join(_outcomes(results)), "Try it in your browser")
    columns = [_column(result, COMPARED) for result in results]
    return card.paths(images.visualise(ready.x0)[0], columns)


def draw_words(e: Experiment) -> bytes:
    """Draw the card of an experiment whose pictures cannot be drawn here."""
    return _card(e, None).data()


def _card(e: Any, result: Result | None) -> Card:
    """Begin a card: with the sentence over the question, or with the question alone."""
    small = f"Model {e.model}, {picture_words(e.picture, ONES_OWN)}."
    if result is None:
        return Card(e.question, small)
    return Card(sentence(e, result), f"{e.question} {small}")


def _returned(result: Any) -> bool:
    """Whether a result says of each noisy picture what came back from it, as a round trip does."""
    return hasattr(result, "came_back") and hasattr(result, "reconstructions")


def _column(result: Any, count: int) -> Column:
    """Return what a card shows of a round trip: its first noises, and what came back."""
    e = result.experiment
    back = result.came_back[:count].tolist()
    start = "pure noise" if e.start == "noise" else f"{counted(e.n, 'step')} of noise"
    return Column(
        start,
        tuple(images.visualise(result.x_n[:count])),
        tuple(images.visualise(result.reconstructions[:count])),
        tuple(back),
    )


def _noisy(e: Any, ready: Ready) -> Tensor:
    """Return up to TILES noisy versions of the picture: by seed, or by level for one seed."""
    model = ready.model
    seeds = e.seeds[:TILES] if hasattr(e, "seeds") else (e.seed,)
    if hasattr(e, "levels"):
        places = np.linspace(0, len(e.levels) - 1, TILES)
        levels = sorted({e.levels[round(k)] for k in places})
        seeds = seeds[:1] * len(levels)
    else:
        levels = [getattr(e, "n", model.schedule.T)] * len(seeds)
    eps = torch.cat([noise([seed], model.shape) for seed in seeds])
    if getattr(e, "start", "") == "noise":
        return eps
    return model.schedule.add_noise(ready.x0, eps, torch.tensor(levels))
