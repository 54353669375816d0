"""Endless streams of training pictures, with the values that a reader finds in them.

Faces are drawn, and none is seen twice. Digits come from MNIST, shuffled anew each epoch.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffdemo.pictures import digits, faces, images, readers

DATA = Path(".training/mnist")  # where the MNIST files are by default

Batch = tuple[Tensor, Tensor]  # (B, C, H, W) float32 in [-1, 1], and (B, A) int64
Stream = Callable[[int, int], Batch]  # index of the first picture, count


def face_stream(_: Path) -> Stream:
    """Return the stream of faces, which starts at the seed faces.TRAINING_SEED."""
    return _draw_faces


def _draw_faces(first: int, count: int) -> Batch:
    choices = faces.choose(np.arange(first, first + count) + faces.TRAINING_SEED)
    values = torch.from_numpy(readers.true_values(choices))
    return images.from_uint8(faces.draw(choices)), values


def digit_stream(data: Path) -> Stream:
    """Return the stream of MNIST training digits.

    Args:
        data: folder of the MNIST files.

    Raises:
        DiffdemoError: a file is missing or damaged.
    """
    pictures, labels = digits.read_mnist(data, "train")

    def stream(first: int, count: int) -> Batch:
        rows = shuffled(len(pictures), first, count)
        classes = torch.from_numpy(labels[rows].astype(np.int64))
        return images.from_uint8(digits.pad(pictures[rows])), classes[:, None]

    return stream


def shuffled(count: int, first: int, size: int) -> np.ndarray:
    """Return part of an endless sequence of epochs, each in its own random order.

    Args:
        count: items in an epoch.
        first: position in the sequence to begin at.
        size: positions to return.

    Returns:
        (size,) int64 indices of items.
    """
    epochs, places = np.divmod(np.arange(first, first + size), count)
    pairs = zip(epochs, places, strict=True)
    return np.array([_order(count, epoch)[place] for epoch, place in pairs])


@lru_cache(maxsize=2)
def _order(count: int, epoch: int) -> np.ndarray:
    return np.random.default_rng(epoch).permutation(count)
