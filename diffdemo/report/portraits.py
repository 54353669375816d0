"""Portraits: a chosen picture as the page holds it, with its name, data URI and caption."""

import base64
from typing import Any

import numpy as np
from PIL import Image

from diffdemo.errors import PictureError
from diffdemo.pictures import decoding, digits, faces, images
from diffdemo.report.words import picture_words

Portrait = dict[str, str]
NO_PICTURE: Portrait = {"picture": "", "src": "", "alt": "", "caption": "No second picture."}
NEW = ", never shown to the model in training"


def portrait(picture: str, pixels: np.ndarray) -> Portrait:
    """Make the portrait of a picture from its name and its (H, W, C) uint8 pixels."""
    src = images.data_uri(pixels)
    words = picture_words(picture)
    return {"picture": picture, "src": src, "alt": words, "caption": _caption(picture)}


def _caption(picture: str) -> str:
    kind, _, number = picture.partition(":")
    if kind == "face":
        return f"Face {number}{NEW if int(number) < faces.TRAINING_SEED else ''}."
    if kind == "digit":
        label = digits.line_up()[1][int(number)]
        return f"Digit {number} of the MNIST test set, a {label}{NEW}."
    return "Your picture as the model sees it."


def missing_portrait(picture: str) -> Portrait:
    """Make the portrait of a picture of which only the hash is known."""
    caption = "A larger picture, not in the link. Please upload it below."
    return {"picture": picture, "src": "", "alt": "", "caption": caption}


def picture_of(portrait: Any) -> Any:
    """Return the name of the picture in a portrait, as the browser sent it."""
    return portrait.get("picture") if isinstance(portrait, dict) else portrait


def image_of(portrait: Any) -> Image.Image | None:
    """Return the picture in a portrait, as the browser sent it; None where it holds none.

    Raises:
        PictureError: what it holds is not a picture.
    """
    src = portrait.get("src") if isinstance(portrait, dict) else None
    if not isinstance(src, str) or not src.startswith(images.DATA_URI):
        return None
    try:
        data = base64.b64decode(src.removeprefix(images.DATA_URI), validate=True)
    except ValueError as error:
        unreadable = "The picture on the page could not be read; please choose it again."
        raise PictureError(unreadable) from error
    return decoding.load_picture(data)
