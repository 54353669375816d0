"""The pixel pad: draw a picture of the model's own size, pixel by pixel. Its page side is static/pad.js."""

from typing import Any

import gradio as gr
import numpy as np
from torch import Tensor

from diffdemo import faces, images
from diffdemo.errors import PictureError
from diffdemo.models import Model
from diffdemo.ui.widgets import html

# In this order two short palettes share a row. White and black are no palette, but eyes and frames are mixed with them.
GROUPS = ("skin", "mouth", "hair", "clothing", "eyes", "glasses", "background", "hat", "accessories")
LARGEST = 64  # pixels a side
PLAIN = ("#ffffff", "#000000")
SHIFTS = np.array([16, 8, 0], dtype=np.uint32)  # red, green and blue in 0xrrggbb

TEMPLATE = """
<div class="pad">
  <div class="board"><canvas tabindex="0" role="application"></canvas><div class="grid"></div><div class="cursor"></div></div>
  <p class="said" role="status" aria-live="polite"></p>
  <div class="tools" role="group" aria-label="Drawing tools"></div>
  <div class="swatches" role="radiogroup" aria-label="Colour"></div>
  <button type="button" class="use">Use this drawing</button>
</div>
"""


def swatches() -> list[dict[str, Any]]:
    """The colours of the face palettes as {"name", "colours": ["#rrggbb", …]}, each colour once, white and black last."""
    palettes = faces.atlas().palettes
    groups = {name: tuple(_hex(rgb) for rgb in palettes[name]) for name in GROUPS} | {"plain": PLAIN}
    seen: set[str] = set()
    found = []
    for name, colours in groups.items():
        fresh = [colour for colour in dict.fromkeys(colours) if colour not in seen]
        seen.update(fresh)
        found.append({"name": name, "colours": fresh})
    return [group for group in found if group["colours"]]


def _hex(rgb: np.ndarray) -> str:
    return "#" + bytes(rgb.astype(np.uint8)).hex()


def suits(model: Model) -> bool:
    """Pictures of a model are small enough to be drawn pixel by pixel."""
    return max(model.picture_shape[1:]) <= LARGEST


def pad_value(model: Model, x0: Tensor | None = None) -> dict[str, Any]:
    """What the pad shows for a model: a blank board, or a picture to draw on.

    Args:
        model: whose shape the drawing has; one channel is drawn with a white pen on black, three with the face palettes.
        x0: (1, C, H, W) in [-1, 1]; None is blank, which is black or the first background colour.

    Returns:
        side (W), channels, swatches, and H W pixels row by row: 0..255 for grey, 0xrrggbb for colour.
    """
    channels, height, width = model.picture_shape
    colours = swatches() if channels == 3 else []
    if x0 is None:
        blank = int(_hex(faces.atlas().palettes["background"][0])[1:], 16) if channels == 3 else 0
        pixels = [blank] * (height * width) if suits(model) else []
    else:
        pixels = _codes(images.to_uint8(x0)[0])
    return {"side": width, "channels": channels, "swatches": colours, "pixels": pixels}


def _codes(picture: np.ndarray) -> list[int]:
    """(H, W, C) uint8 → H W whole numbers, grey levels or 0xrrggbb."""
    values = picture.astype(np.uint32)
    return (values << SHIFTS[-values.shape[2] :]).sum(2).ravel().tolist()


def read_drawing(model: Model, value: Any) -> Tensor:
    """The picture that the browser posted.

    Args:
        model: whose shape the drawing must have.
        value: {"side", "channels", "pixels"}, as `pad_value` has them; nothing about it is taken for granted.

    Returns:
        (1, C, H, W) float32 in [-1, 1].

    Raises:
        PictureError: it is not a drawing, was made for another model, or a pixel is out of bounds.
    """
    channels, height, width = model.picture_shape
    pixels = value.get("pixels") if isinstance(value, dict) else None
    if not isinstance(pixels, list):
        raise PictureError("This is not a drawing; please draw on the pad and press Use this drawing.")
    if (value.get("side"), value.get("channels"), len(pixels)) != (width, channels, height * width):
        raise PictureError(f"The drawing was made for another model; {model.name} takes {width} x {height} pixels.")
    largest = 256**channels - 1
    if not all(type(pixel) is int and 0 <= pixel <= largest for pixel in pixels):
        raise PictureError(f"Each pixel of a drawing for {model.name} is a whole number from 0 to {largest}.")
    codes = np.array(pixels, dtype=np.uint32).reshape(1, height, width, 1)
    return images.from_uint8(((codes >> SHIFTS[-channels:]) & 255).astype(np.uint8))


def pad(value: dict[str, Any], **options: Any) -> gr.HTML:
    """The pad as a component; its `select` event carries the drawing as `event.value`, for `read_drawing`."""
    return html("pad", TEMPLATE, "pad", value, **options)
