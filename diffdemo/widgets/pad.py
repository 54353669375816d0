"""The pixel pad: draw a picture of the model's own size, pixel by pixel; see static/pad.js."""

from typing import Any

import gradio as gr
import numpy as np
from torch import Tensor

from diffdemo.errors import PictureError
from diffdemo.models import Model
from diffdemo.pictures import faces, images
from diffdemo.report.presenter import Row
from diffdemo.widgets.components import html

# In this order two short palettes share a row.
GROUPS = (
    "skin",
    "mouth",
    "hair",
    "clothing",
    "eyes",
    "glasses",
    "background",
    "hat",
    "accessories",
)
PLAIN = ("#ffffff", "#000000")  # of no palette, but eyes and frames are mixed with them
LARGEST = 64  # pixels a side
SHIFTS = np.array([16, 8, 0], dtype=np.uint32)  # red, green and blue in 0xrrggbb

TEMPLATE = """
<div class="pad">
  <div class="board"><canvas tabindex="0" role="application"></canvas>
  <div class="grid"></div><div class="cursor"></div></div>
  <p class="said" role="status" aria-live="polite"></p>
  <div class="tools" role="group" aria-label="Drawing tools"></div>
  <div class="swatches" role="radiogroup" aria-label="Colour"></div>
  <button type="button" class="use">Use this drawing</button>
</div>
"""


def swatches() -> list[Row]:
    """Return the colours of the face palettes, each once, white and black last.

    Returns:
        {"name", "colours": ["#rrggbb", …]} for each group that has a colour of its own.
    """
    palettes = faces.atlas().palettes
    groups = {name: [_hex(rgb) for rgb in palettes[name]] for name in GROUPS}
    groups["plain"] = list(PLAIN)
    seen: set[str] = set()
    found = []
    for name, colours in groups.items():
        new = [colour for colour in dict.fromkeys(colours) if colour not in seen]
        seen.update(new)
        if new:
            found.append({"name": name, "colours": new})
    return found


def _hex(rgb: np.ndarray) -> str:
    return "#" + bytes(rgb.astype(np.uint8)).hex()


def fits(model: Model) -> bool:
    """Whether pictures of a model are small enough to be drawn pixel by pixel."""
    return max(model.picture_shape[1:]) <= LARGEST


def pad_value(model: Model, x0: Tensor | None = None) -> Row:
    """Return what the pad shows for a model: a blank board, or a picture to draw on.

    Args:
        model: whose shape the drawing has. One channel is drawn with a white pen on black, three
            with the face palettes.
        x0: (1, C, H, W) in [-1, 1]. None is blank: black, or the first background colour.

    Returns:
        side (W), channels, swatches, and H W pixels row by row: 0..255 for grey, 0xrrggbb for
        colour.
    """
    channels, height, width = model.picture_shape
    if x0 is not None:
        pixels = _codes(images.to_uint8(x0)[0])
    elif fits(model):
        pixels = [_blank(channels)] * (height * width)
    else:
        pixels = []
    colours = swatches() if channels == 3 else []
    return {"side": width, "channels": channels, "swatches": colours, "pixels": pixels}


def _blank(channels: int) -> int:
    """Return the code of a blank pixel."""
    if channels != 3:
        return 0
    return int(_hex(faces.atlas().palettes["background"][0])[1:], 16)


def _codes(picture: np.ndarray) -> list[int]:
    """Return an (H, W, C) uint8 picture as H W whole numbers, grey levels or 0xrrggbb."""
    values = picture.astype(np.uint32)
    codes: list[int] = (values << SHIFTS[-values.shape[2] :]).sum(2).ravel().tolist()
    return codes


def read_drawing(model: Model, value: object) -> Tensor:
    """Read the picture that the browser sent; nothing about it is trusted.

    Args:
        model: whose shape the drawing must have.
        value: {"side", "channels", "pixels"}, as `pad_value` has them.

    Returns:
        (1, C, H, W) float32 in [-1, 1].

    Raises:
        PictureError: not a drawing, one for another model, or a pixel out of bounds.
    """
    channels, height, width = model.picture_shape
    pixels = value.get("pixels") if isinstance(value, dict) else None
    if not isinstance(pixels, list):
        hint = "please draw on the pad and press Use this drawing"
        raise PictureError(f"This is not a drawing; {hint}.")
    assert isinstance(value, dict)
    found = (value.get("side"), value.get("channels"), len(pixels))
    if found != (width, channels, height * width):
        takes = f"{model.name} takes {width} x {height} pixels"
        raise PictureError(f"The drawing was made for another model; {takes}.")
    largest = 256**channels - 1
    if not all(type(pixel) is int and 0 <= pixel <= largest for pixel in pixels):
        bounds = f"a whole number from 0 to {largest}"
        raise PictureError(f"Each pixel of a drawing for {model.name} is {bounds}.")
    codes = np.array(pixels, dtype=np.uint32).reshape(1, height, width, 1)
    return images.from_uint8(((codes >> SHIFTS[-channels:]) & 255).astype(np.uint8))


def pad(value: Row, **options: Any) -> gr.HTML:
    """Make the pad; its `select` event carries the drawing as `event.value`."""
    return html("pad", TEMPLATE, "pad", value, **options)
