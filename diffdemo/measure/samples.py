"""What the measurements share: samples of a model, real pictures to compare with, numbers."""

import numpy as np
from torch import Tensor

from diffdemo.diffusion.noise import noise
from diffdemo.errors import DiffdemoError
from diffdemo.lab import batches
from diffdemo.models import BUNDLED, Model
from diffdemo.pictures import faces, images
from diffdemo.pictures.line_ups import line_up

SAMPLE_STEPS = 50
SHEET_SIDE = 50  # pixels a side, about, of a picture on a sheet


def require_line_up(model: Model) -> str:
    """Return the name of the model's line-up, "faces" or "digits".

    Raises:
        DiffdemoError: the model has none, so nothing is known of its pictures.
    """
    if model.line_up is None:
        known = " and ".join(BUNDLED)
        raise DiffdemoError(
            f"The model {model.name} has no line-up, so its pictures cannot be compared with real "
            f"ones; only {known} have one."
        )
    return model.line_up


def draw_samples(model: Model, count: int, steps: int = SAMPLE_STEPS) -> Tensor:
    """Draw unconditional samples by DDIM, (count, C, H, W), from the noises of seeds 0, 1, …."""
    seeds = range(count)
    return batches.draw(model, noise(seeds, model.shape), model.schedule.T, seeds, steps)


def real_pictures(model: Model, count: int) -> Tensor:
    """Return real pictures never trained on, (count, C, H, W).

    Faces are not those of the line-up; digits are its first ones.
    """
    if require_line_up(model) == "digits":
        return line_up("digits").pictures[:count]
    return images.from_uint8(faces.pictures(np.arange(count) + faces.EVALUATION_SEED))


def sheet(model: Model, count: int = 64, columns: int = 8) -> np.ndarray:
    """Show real pictures beside as many samples, enlarged: (H, W, C) uint8."""
    pages = []
    for pictures in (real_pictures(model, count), draw_samples(model, count)):
        scale = round(SHEET_SIDE / pictures.shape[-1])
        pages.append(images.sheet(images.to_uint8(pictures), columns, scale, gap=1))
    return images.side_by_side(pages, gap=24)


def number(value: float | None, form: str) -> str:
    """Write a number in a format such as ".1%", or a dash where there is none."""
    return "–" if value is None else format(value, form)
