"""Tell whether a picture is of the kind that a bundled model knows: a pixel face, or a digit.

A picture of another kind is foreign. It cannot be judged by the line-up: any photo is nearer to
itself than to 10,000 pixel faces, even when hardly anything of it came back.

The thresholds were set by measuring pictures of known kinds. Share taken for faces:

    300 held-out faces 100 %; with 15 random pixels 100 %, with 30 of their 256 pixels 95 %;
    with hair of any colour 98 %; with a line drawn across 99 %; in greys 80 %; mirrored 99 %;
    300 synthetic photos, 300 gradients, 300 plain colours, 300 of random pixels 0 %;
    143 crops of real photos 0.7 %; 300 digits 0 %, black on white 0 %.

Share taken for digits:

    10,000 test digits 100 %; 500 drawn with strokes 100 %; shifted, turned, scaled 100 %;
    black on white, 300 faces, 300 gradients and 300 of random pixels, blank and plain pictures 0 %;
    300 synthetic photos 0.3 %, 143 crops of real photos 0 %; letters, white on black, 100 %.
"""

from functools import lru_cache

import numpy as np
from torch import Tensor

from diffdemo.pictures import faces, images, matching
from diffdemo.pictures.matching import Reading

# The nearest face that can be drawn must explain this share of the picture's variance around its
# mean colour. Held-out faces reach 0.95 or more. A plain colour has no variance, so it is no face,
# however near a face with that background is.
EXPLAINED = 0.5
# A digit is bright strokes on black. Test digits have at least 0.71 of black pixels, 0.02 of ink
# and a brightest pixel of 0.99; digits drawn large, thick or pale still pass.
BLACK = 0.1  # brightness, 0..1, below which a pixel is black
BLACK_SHARE = 0.5  # of the pixels, at least
INK = 0.01  # mean brightness, at least
STROKE = 0.5  # brightness of the brightest pixel, at least


def is_face(x0: Tensor) -> bool:
    """Whether a picture, (1, 3, 16, 16) in [-1, 1], is a pixel face."""
    pixels = images.to_pixels(x0)
    variance = float(np.square(pixels - pixels.mean((1, 2))).mean()) / 127.5**2
    unexplained = float(nearest_face(x0).rmse[0]) ** 2
    return unexplained <= (1 - EXPLAINED) * variance


def is_digit(x0: Tensor) -> bool:
    """Whether a picture, (1, 1, 32, 32) in [-1, 1], is a digit: bright strokes on black."""
    brightness = images.to_pixels(x0) / 255
    black = float((brightness < BLACK).mean()) >= BLACK_SHARE
    return black and float(brightness.mean()) >= INK and float(brightness.max()) >= STROKE


def nearest_face(x0: Tensor) -> Reading:
    """Return the nearest face that can be drawn to a picture, (1, 3, 16, 16) in [-1, 1]."""
    return _nearest_face(images.to_pixels(x0).tobytes())


@lru_cache(maxsize=64)  # a search takes some 60 ms, and one run asks more than once
def _nearest_face(pixels: bytes) -> Reading:
    side = faces.SIDE
    return matching.read(np.frombuffer(pixels, np.float32).reshape(1, side, side, 3))
