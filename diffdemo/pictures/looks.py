"""Show a value of an attribute: a colour, or a small picture of the feature.

A feature of a face is drawn on the face it belongs to, bare of hat, glasses, beard and earrings,
and cropped to where such a feature can be. So a picture's own feature and the one that came back
differ in nothing else. A digit is shown as the mean of the test digits of its class.
"""

import base64
import io
from functools import cache, lru_cache

import numpy as np
from PIL import Image

from diffdemo.pictures import digits, faces, images

Look = dict[str, str]  # {"colour": "#rrggbb"} or {"src": data URI of a PNG}
_BORDER = 1  # pixels around a feature
_GREYS = 4  # levels of a digit's brightness, so that its PNG is small


def face_look(face: tuple[int, ...], attribute: str, value: int) -> Look:
    """Show a value of an attribute on a face.

    Args:
        face: the 14 values of the face, in the order of faces.ATTRIBUTES.
        attribute: one of faces.ATTRIBUTES.
        value: to be shown in place of the face's own.

    Returns:
        {"colour": "#rrggbb"} of a colour, else {"src": data URI} of a few pixels a side.
    """
    column = faces.ATTRIBUTES[attribute]
    if column.startswith("colour:"):
        return {"colour": faces.colour_code(column, value)}
    return {"src": _feature(face, attribute, value)}


@lru_cache(maxsize=4096)
def _feature(face: tuple[int, ...], attribute: str, value: int) -> str:
    choices = faces.choices_of(np.array([face]))
    a = faces.atlas()
    for layer in a.layers:
        if layer.probability < 1:
            choices[0, a.columns[layer.name]] = faces.ABSENT
    column = faces.ATTRIBUTES[attribute]
    choices[0, a.columns[column]] = value
    return _small_uri(faces.draw(choices)[0][_box(column)])


@cache
def _box(column: str) -> tuple[slice, slice]:
    """Return the rows and columns of pixels that some variant of a layer touches."""
    touched = (faces.atlas().layer(column).keep < 1).any((0, 2)).reshape(faces.SIDE, faces.SIDE)
    ends = []
    for axis in (1, 0):
        places = np.flatnonzero(touched.any(axis))
        ends.append(slice(max(0, places[0] - _BORDER), places[-1] + 1 + _BORDER))
    return ends[0], ends[1]


@cache
def digit_look(value: int) -> Look:
    """Show a class of digits: {"src": data URI} of 16 x 16 pixels."""
    pictures, classes = digits.line_up()
    half = digits.SIDE // 2
    mean = pictures[classes == value].mean(0).reshape(half, 2, half, 2).mean((1, 3))
    levels = np.rint(mean / mean.max() * (_GREYS - 1)) * (255 // (_GREYS - 1))
    return {"src": _small_uri(np.repeat(levels.astype(np.uint8)[..., None], 3, -1))}


def _small_uri(picture: np.ndarray) -> str:
    """Write (H, W, 3) uint8 of a few colours as a data URI; a palette makes it small."""
    colours, places = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True)
    indexed = Image.fromarray(places.reshape(picture.shape[:2]).astype(np.uint8), "P")
    indexed.putpalette(colours.tobytes())
    buffer = io.BytesIO()
    indexed.save(buffer, "PNG", optimize=True)
    return images.DATA_URI + base64.b64encode(buffer.getvalue()).decode()
