"""What a link's preview says and shows: the question, the settings or the finished sentence, the picture and its noisy versions."""

from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from diffdemo import images, lab, report, service, sheets
from diffdemo.errors import ModelError
from diffdemo.experiment import Curve, Experiment
from diffdemo.fields import by_hash
from diffdemo.letters import font, wrapped
from diffdemo.models import BUNDLED, Model
from diffdemo.noise import noise

WIDTH, HEIGHT = 1200, 630  # what unfurlers crop to
_MARGIN, _TOP, _TILES = 64, 236, 8


def title(e: Experiment) -> str:
    """The question that the experiment asks."""
    return f"diffdemo: {e.question}"


def description(e: Any) -> str:
    """The sentence with its numbers where the result is still kept, and the settings."""
    own = "a picture of one's own"
    result = None if by_hash(e.picture) else service.known(e)
    said = f"{report.told(result, own)} " if result else ""
    return f"{said}{_begun(report.settings(e, own))}."


def _begun(text: str) -> str:
    """The text as a sentence begins; names and prompts in it keep their capitals."""
    return text[:1].upper() + text[1:]


def alt(e: Any) -> str:
    """What the card shows, in words."""
    return f"A picture and its noisy versions: {report.settings(e)}."


def draw(e: Any) -> bytes:
    """The card as a PNG file of WIDTH x HEIGHT pixels; drawn from the link alone, no network is asked.

    Raises:
        DiffdemoError: its picture is not in the link, or its model is not bundled.
    """
    if e.model not in BUNDLED:
        raise ModelError(f"There is no preview of {e.model}: only bundled models are loaded for one.")
    model = lab.resolve(e, None)
    page = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(page)
    pen.text((_MARGIN, 56), e.question, sheets.INK, font(52))
    for line, text in enumerate(wrapped(f"{_begun(report.settings(e))}.", 24, WIDTH - 2 * _MARGIN)[:2]):
        pen.text((_MARGIN, 132 + 34 * line), text, sheets.SOFT, font(24))
    x0 = lab.picture(e.picture, model)
    _place(page, images.shown(x0)[0], _MARGIN, _TOP, 320)
    pen.line([(408, _TOP + 160), (448, _TOP + 160)], sheets.TRACK, 5)
    pen.polygon([(462, _TOP + 160), (444, _TOP + 149), (444, _TOP + 171)], sheets.TRACK)
    shown = _noisy(e, model, x0)
    edge, columns = (320, 1) if len(shown) == 1 else (152, 4)
    for k, picture in enumerate(shown):
        _place(page, picture, 488 + k % columns * (edge + 16), _TOP + k // columns * (edge + 16), edge)
    pen.text((WIDTH - _MARGIN, HEIGHT - 36), "diffdemo", sheets.SOFT, font(22), "rm")
    return images.png_bytes(np.asarray(page))


def _place(page: Image.Image, picture: np.ndarray, left: int, top: int, edge: int) -> None:
    image = sheets.scaled(picture, edge)
    page.paste(image, (left + (edge - image.width) // 2, top + (edge - image.height) // 2))


def _noisy(e: Any, model: Model, x0: Tensor) -> np.ndarray:
    """Up to _TILES noisy versions of the picture: by seed, or where there is one seed by level."""
    T = model.schedule.T
    seeds = (e.seeds if hasattr(e, "seeds") else (e.seed,))[:_TILES]
    if isinstance(e, Curve):
        levels = sorted({e.levels[round(k)] for k in np.linspace(0, len(e.levels) - 1, _TILES)})
        pairs = [(n, seeds[0]) for n in levels]
    else:
        pairs = [(getattr(e, "n", T), seed) for seed in seeds]
    lab.check_levels(model, *(n for n, _ in pairs))
    eps = torch.cat([noise([seed], model.shape) for _, seed in pairs])
    if getattr(e, "start", "") == "noise":
        return images.shown(eps)
    x_n = model.schedule.add_noise(x0.expand(len(pairs), -1, -1, -1), eps, torch.tensor([n for n, _ in pairs]))
    return images.shown(x_n)
