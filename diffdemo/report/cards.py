"""The preview of a link: its question, its settings or sentence, and its noisy pictures."""

from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from diffdemo.diffusion.noise import noise
from diffdemo.errors import ModelError
from diffdemo.lab.experiment import Experiment
from diffdemo.lab.prepare import Ready, prepare
from diffdemo.lab.runner import Runner
from diffdemo.models import BUNDLED
from diffdemo.pictures import images
from diffdemo.report import colours
from diffdemo.report.canvas import scaled
from diffdemo.report.letters import font, wrapped
from diffdemo.report.presenter import present
from diffdemo.report.words import ONES_OWN, settings

WIDTH = 1200  # pixels; what unfurlers crop to
HEIGHT = 630
MARGIN = 64
TOP = 236
LARGE = 320
SMALL = 152
GAP = 16
TILES = 8


def title(e: Experiment) -> str:
    """Return the question that the experiment asks."""
    return f"diffdemo: {e.question}"


def description(e: Experiment, runner: Runner) -> str:
    """Return the settings, after the sentence where the result is cached."""
    result = runner.cached(e)
    sentence = f"{present(result).sentence_for_others(ONES_OWN)} " if result else ""
    return f"{sentence}{_capital(settings(e))}."


def _capital(text: str) -> str:
    """Begin with a capital; names and prompts keep theirs."""
    return text[:1].upper() + text[1:]


def alt(e: Experiment) -> str:
    """Return what the card shows, in words."""
    return f"A picture and its noisy versions: {settings(e)}."


def draw(e: Experiment) -> bytes:
    """Draw the card as a PNG file of WIDTH x HEIGHT pixels, without a network call.

    Raises:
        DiffdemoError: its picture is not in the link, or its model is not bundled.
    """
    if e.model not in BUNDLED:
        only = "only bundled models are loaded for one"
        raise ModelError(f"There is no preview of {e.model}: {only}.")
    ready = prepare(e)
    page = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, 56), e.question, colours.INK, font(52))
    lines = wrapped(f"{_capital(settings(e))}.", 24, WIDTH - 2 * MARGIN)[:2]
    for line, text in enumerate(lines):
        pen.text((MARGIN, 132 + 34 * line), text, colours.SOFT, font(24))
    _place(page, images.visualise(ready.x0)[0], MARGIN, TOP, LARGE)
    middle = TOP + LARGE // 2
    pen.line([(408, middle), (448, middle)], colours.LINE, 5)
    pen.polygon([(462, middle), (444, middle - 11), (444, middle + 11)], colours.LINE)
    noisy = images.visualise(_noisy(e, ready))
    edge = LARGE if len(noisy) == 1 else SMALL
    for k, picture in enumerate(noisy):
        row, column = divmod(k, 4)
        left = 488 + column * (edge + GAP)
        _place(page, picture, left, TOP + row * (edge + GAP), edge)
    pen.text((WIDTH - MARGIN, HEIGHT - 36), "diffdemo", colours.SOFT, font(22), "rm")
    return images.png_bytes(np.asarray(page))


def _place(page: Image.Image, picture: np.ndarray, left: int, top: int, edge: int) -> None:
    """Paste a picture into the middle of a square."""
    image = scaled(picture, edge)
    page.paste(image, (left + (edge - image.width) // 2, top + (edge - image.height) // 2))


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
