import math

import numpy as np
import pytest
import torch

from diffdemo.errors import DiffdemoError, ModelError
from diffdemo.pictures import digits, faces, images, matching, readers

NAMES = ("faces", "digits")


@pytest.fixture(params=NAMES)
def reader(request):
    return readers.load_reader(request.param)


@pytest.fixture
def x(reader):
    """300 pictures, more than one chunk."""
    if reader.name == "digits":
        return images.from_uint8(digits.line_up()[0][:300])
    return images.from_uint8(faces.pictures(np.arange(300) + faces.EVALUATION_SEED))


def test_readers_read_fourteen_attributes_of_a_face_and_the_class_of_a_digit():
    of_faces, of_digits = map(readers.load_reader, NAMES)
    values = faces.atlas().values
    assert of_faces.attributes == tuple(faces.ATTRIBUTES)
    assert of_faces.values == tuple(map(values, faces.ATTRIBUTES.values()))
    assert of_digits.attributes == ("class",)
    assert of_digits.values == (range(10),)


def test_a_reading_is_a_value_and_its_probability(reader, x):
    read = reader.read(x)
    confidence = reader.confidence(x)
    assert read.shape == confidence.shape == (300, len(reader.attributes))
    assert (read.dtype, confidence.dtype) == (torch.int64, torch.float32)
    assert not read.requires_grad
    assert not confidence.requires_grad
    for column, values in enumerate(reader.values):
        assert set(read[:, column].tolist()) <= set(values)
        assert confidence[:, column].min() > 1 / len(values) - 1e-6
    assert confidence.max() <= 1


def test_the_probability_is_that_of_the_value_read(reader, x):
    logits = reader.network(x[:5]).split([len(values) for values in reader.values], 1)
    read = reader.read(x[:5])
    confidence = reader.confidence(x[:5])
    for column, (part, values) in enumerate(zip(logits, reader.values, strict=True)):
        shares = part.exp() / part.exp().sum(1, keepdim=True)
        place = read[:, column] - values[0]
        assert torch.allclose(shares[torch.arange(5), place], confidence[:, column], atol=1e-5)


def test_a_row_is_read_the_same_in_any_batch(reader, x):
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    read = reader.read(x)
    assert torch.equal(reader.read(x[order]), read[order])
    assert torch.allclose(reader.confidence(x[order]), reader.confidence(x)[order], atol=1e-5)
    assert torch.equal(torch.cat([reader.read(x[i : i + 1]) for i in range(20)]), read[:20])


def test_no_pictures_give_no_readings(reader, x):
    shape = (0, len(reader.attributes))
    assert reader.read(x[:0]).shape == reader.confidence(x[:0]).shape == shape


def test_values_outside_the_range_are_cut_off(reader, x):
    x = x[:8].sign()
    assert torch.equal(reader.read(3 * x), reader.read(x))
    assert torch.equal(reader.confidence(3 * x), reader.confidence(x))


@pytest.mark.parametrize("shape", [(), (3, 16, 16), (2, 16, 16, 3), (1, 3, 32, 32), (1, 1, 28, 28)])
def test_a_wrong_shape_is_refused(reader, shape):
    message = f"reader of {reader.name} takes pictures of shape B x "
    for method in (reader.read, reader.confidence, reader.features):
        with pytest.raises(DiffdemoError, match=message):
            method(torch.zeros(shape))


def test_whole_numbers_are_refused(reader, x):
    with pytest.raises(DiffdemoError, match="floating-point"):
        reader.read(x.to(torch.uint8))


@pytest.mark.parametrize("name", ["cats", "", "../faces"])
def test_an_unknown_reader_is_refused(name):
    for make in (readers.load_reader, readers.build):
        with pytest.raises(ModelError, match="There is no reader"):
            make(name)


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_a_missing_or_damaged_file_is_refused(content, tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "WEIGHTS", tmp_path)
    if content is not None:
        (tmp_path / "reader-faces.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="reader-faces"):
        readers.load_reader.__wrapped__("faces")


@pytest.mark.parametrize("name", NAMES)
def test_readers_are_small_and_loaded_once(name):
    assert (readers.WEIGHTS / f"reader-{name}.safetensors").stat().st_size < 1_000_000
    assert sum(p.numel() for p in readers.build(name).parameters()) < 500_000
    assert readers.load_reader(name) is readers.load_reader(name)


def test_digits_never_seen_are_read():
    assert readers.accuracy(readers.load_reader("digits"))["test"] >= 0.99


def test_faces_never_seen_are_read_clean_and_blurred():
    shares = readers.accuracy(readers.load_reader("faces"), 500)
    assert shares["clean"] >= 0.97
    assert shares["blurred"] >= 0.94


def test_what_is_read_in_a_clean_face_draws_the_same_face():
    """Attribute by attribute: hair under a hat may be read as any hair that looks the same."""
    choices = faces.choose(np.arange(300) + faces.EVALUATION_SEED)
    columns = [faces.atlas().columns[column] for column in faces.ATTRIBUTES.values()]
    assert (readers.true_values(choices) == choices[:, columns]).all()
    x = images.from_uint8(faces.draw(choices))
    read = choices.copy()
    read[:, columns] = readers.load_reader("faces").read(x).numpy()
    same = matching.attributes_kept(choices, read)
    assert same.mean() > 0.98
    assert same.mean(0).min() > 0.9


@pytest.mark.parametrize("count", [None, 100])
def test_a_reader_that_always_answers_seven_is_right_as_often_as_sevens_occur(count):
    network = readers.build("digits")
    network[-1].weight.data.zero_()
    network[-1].bias.data.copy_(torch.eye(10)[7])
    shares = readers.accuracy(readers.wrap("digits", network), count)
    labels = digits.line_up()[1][:count]
    assert shares == {"test": pytest.approx((labels == 7).mean())}


def test_blur_spreads_a_point_as_a_gaussian():
    sigmas = (0.5, 0.8)
    point = torch.zeros(2, 1, 15, 15)
    point[:, 0, 7, 7] = 1
    spread = readers.blur(point, torch.tensor(sigmas))[:, 0]
    assert spread.sum((1, 2)).tolist() == pytest.approx([1, 1], abs=1e-4)
    for row, sigma in zip(spread / spread[:, 7:8, 7:8], sigmas, strict=True):
        assert float(row[7, 8]) == pytest.approx(math.exp(-0.5 / sigma**2), rel=1e-4)
        assert float(row[8, 8]) == pytest.approx(math.exp(-1 / sigma**2), rel=1e-4)
    assert torch.equal(readers.blur(point, torch.zeros(2)), point)


def test_blur_leaves_flat_pictures():
    flat = torch.full((1, 3, 16, 16), -0.4)
    assert torch.allclose(readers.blur(flat, torch.tensor([0.8])), flat)


def test_features_are_the_input_of_the_last_layer(reader, x):
    features = reader.features(x)
    assert features.shape == (300, readers.ARCHITECTURES[reader.name].hidden)
    assert torch.allclose(reader.network[-1](features), reader.network(x), atol=1e-4)
    assert torch.equal(reader.features(3 * x[:4]), reader.features((3 * x[:4]).clamp(-1, 1)))
