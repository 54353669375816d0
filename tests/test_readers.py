import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffdemo import digits, faces, images, matching, reader_training, readers
from diffdemo.errors import DiffdemoError, ModelError

NAMES = ("faces", "digits")


@pytest.fixture(params=NAMES)
def reader(request):
    return readers.load_reader(request.param)


@pytest.fixture(scope="module")
def pictures():
    """300 of each kind, more than one chunk."""
    drawn = faces.pictures(np.arange(300) + faces.EVALUATION_SEED)
    return {"faces": images.from_uint8(drawn), "digits": images.from_uint8(digits.line_up()[0][:300])}


@pytest.fixture
def recipe():
    return replace(reader_training.RECIPES["faces"], size=32, warm_up=5)


def steps(trainer, count):
    reports = trainer.fit()
    return [next(reports) for _ in range(count)]


def test_face_readers_read_the_fourteen_attributes_and_digit_readers_the_class():
    of_faces, of_digits = map(readers.load_reader, NAMES)
    assert of_faces.attributes == tuple(faces.ATTRIBUTES)
    assert of_faces.values == tuple(faces.atlas().values(column) for column in faces.ATTRIBUTES.values())
    assert of_digits.attributes == ("class",)
    assert of_digits.values == (range(10),)


def test_a_reading_is_a_value_and_its_probability(reader, pictures):
    read, confidence = reader.read(pictures[reader.name]), reader.confidence(pictures[reader.name])
    assert read.shape == confidence.shape == (300, len(reader.attributes))
    assert (read.dtype, confidence.dtype) == (torch.int64, torch.float32)
    assert not read.requires_grad
    assert not confidence.requires_grad
    for column, values in enumerate(reader.values):
        assert set(read[:, column].tolist()) <= set(values)
        assert confidence[:, column].min() > 1 / len(values) - 1e-6
    assert confidence.max() <= 1


def test_the_probability_is_that_of_the_value_read(reader, pictures):
    x = pictures[reader.name][:5]
    logits = reader.network(x).split([len(values) for values in reader.values], 1)
    read, confidence = reader.read(x), reader.confidence(x)
    for column, (part, values) in enumerate(zip(logits, reader.values, strict=True)):
        shares = part.exp() / part.exp().sum(1, keepdim=True)
        place = read[:, column] - values[0]
        assert torch.allclose(shares[torch.arange(5), place], confidence[:, column], atol=1e-5)


def test_a_row_is_read_the_same_in_any_company(reader, pictures):
    x = pictures[reader.name]
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    read, confidence = reader.read(x), reader.confidence(x)
    assert torch.equal(reader.read(x[order]), read[order])
    assert torch.allclose(reader.confidence(x[order]), confidence[order], atol=1e-5)
    assert torch.equal(torch.cat([reader.read(x[i : i + 1]) for i in range(20)]), read[:20])


def test_no_pictures_give_no_readings(reader):
    empty = torch.empty(0, *readers.PLANS[reader.name].shape)
    assert reader.read(empty).shape == reader.confidence(empty).shape == (0, len(reader.attributes))


def test_what_lies_outside_the_range_is_cut_off(reader, pictures):
    x = pictures[reader.name][:8].sign()
    assert torch.equal(reader.read(3 * x), reader.read(x))
    assert torch.equal(reader.confidence(3 * x), reader.confidence(x))


@pytest.mark.parametrize("shape", [(), (3, 16, 16), (2, 16, 16, 3), (1, 3, 32, 32), (1, 1, 28, 28)])
def test_a_wrong_shape_is_refused(reader, shape):
    for answer in (reader.read, reader.confidence):
        with pytest.raises(DiffdemoError, match=f"reader of {reader.name} takes pictures of shape B x "):
            answer(torch.zeros(shape))


def test_whole_numbers_are_refused(reader):
    with pytest.raises(DiffdemoError, match="floating-point"):
        reader.read(torch.zeros(1, *readers.PLANS[reader.name].shape, dtype=torch.uint8))


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
def test_readers_are_small_and_read_once(name):
    assert (readers.WEIGHTS / f"reader-{name}.safetensors").stat().st_size < 1_000_000
    assert sum(p.numel() for p in readers.build(name).parameters()) < 500_000
    assert readers.load_reader(name) is readers.load_reader(name)


def test_digits_never_seen_are_read():
    assert readers.accuracy(readers.load_reader("digits"))["test"] >= 0.99


def test_faces_never_seen_are_read_clean_and_blurred():
    shares = readers.accuracy(readers.load_reader("faces"), 500)
    assert shares["clean"] >= 0.97
    assert shares["blurred"] >= 0.94


def test_clean_faces_read_as_their_choices_where_they_show(pictures):
    """What is read draws the very same face, attribute by attribute: hair under a hat may be called by any name that looks so."""
    choices = faces.choose(np.arange(300) + faces.EVALUATION_SEED)
    columns = [faces.atlas().columns[column] for column in faces.ATTRIBUTES.values()]
    assert (readers.truth(choices) == choices[:, columns]).all()
    read = choices.copy()
    read[:, columns] = readers.load_reader("faces").read(pictures["faces"]).numpy()
    same = matching.kept(choices, read)
    assert same.mean() > 0.98
    assert same.mean(0).min() > 0.9


def test_accuracy_is_the_share_read_right(monkeypatch):
    """A network that always says the same is as often right as that value is frequent."""
    network = readers.build("digits")
    network[-1].weight.data.zero_()
    network[-1].bias.data.copy_(torch.eye(10)[7])
    labels = digits.line_up()[1]
    assert readers.accuracy(readers.wrap("digits", network))["test"] == pytest.approx((labels == 7).mean())
    assert readers.accuracy(readers.wrap("digits", network), 100)["test"] == pytest.approx((labels[:100] == 7).mean())


def test_blur_spreads_a_point_as_a_gaussian_and_leaves_flat_and_unblurred_pictures():
    point = torch.zeros(2, 1, 15, 15)
    point[:, 0, 7, 7] = 1
    spread = readers.blur(point, torch.tensor([0.5, 0.8]))[:, 0]
    assert spread.sum((1, 2)).tolist() == pytest.approx([1, 1], abs=1e-4)
    for row, sigma in zip(spread, (0.5, 0.8), strict=True):
        assert float(row[7, 8] / row[7, 7]) == pytest.approx(math.exp(-0.5 / sigma**2), rel=1e-4)
        assert float(row[8, 8] / row[7, 7]) == pytest.approx(math.exp(-1 / sigma**2), rel=1e-4)
    assert torch.equal(readers.blur(point, torch.zeros(2)), point)
    assert torch.allclose(readers.blur(torch.full((1, 3, 16, 16), -0.4), torch.tensor([0.8])), torch.tensor(-0.4))


def test_disturbed_pictures_stay_pictures_and_depend_on_the_generator_alone(pictures):
    x = pictures["digits"][:32]
    for change in (reader_training.disturb, reader_training.move):
        first, again, other = (change(x, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
        assert first.shape == x.shape
        assert first.min() >= -1
        assert first.max() <= 1
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
        assert 0.01 < (first - x).square().mean().sqrt() < 0.6


def test_the_loss_falls(recipe):
    trainer = reader_training.Trainer("faces", recipe, seconds=1000)
    reports = steps(trainer, 40)
    assert trainer.loss < reports[0].loss
    assert float(trainer._loss().detach()) < 0.85 * reports[0].loss
    assert reports[-1].pictures == 40 * 32


def test_the_same_steps_give_the_same_weights(recipe):
    trainers = [reader_training.Trainer("faces", recipe, seconds=math.inf) for _ in range(2)]
    for trainer in trainers:
        steps(trainer, 3)
    for first, second in zip(*(t.average.values() for t in trainers), strict=True):
        assert torch.equal(first, second)


def test_the_first_weights_leave_the_global_random_state_alone(recipe):
    before = torch.random.get_rng_state()
    steps(reader_training.Trainer("faces", recipe, seconds=1000), 1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_average_trails_the_weights(recipe):
    """Horizon m: after one step it is those weights, then it moves 1 / min(step, m) of the way."""
    trainer = reader_training.Trainer("faces", replace(recipe, memory=4), seconds=math.inf)
    seen = []
    for _ in range(3):
        steps(trainer, 1)
        seen.append(trainer.network[0].weight.detach().clone())
    assert torch.allclose(trainer.average["0.weight"], torch.stack(seen).mean(0), atol=1e-6)


def test_training_never_sees_the_line_up_or_the_evaluation_faces(monkeypatch, tmp_path):
    asked, choose = [], faces.choose
    monkeypatch.setattr(reader_training.faces, "choose", lambda seeds: asked.append(seeds) or choose(seeds))
    stream = reader_training.RECIPES["faces"].source(tmp_path)
    stream(0, 4)
    _, values = stream(10**7, 4)
    assert min(int(seeds.min()) for seeds in asked) == 1_000_000
    assert torch.equal(values, torch.from_numpy(readers.truth(choose(np.arange(4) + 11_000_000))))


def test_digits_come_from_the_training_files_each_once_an_epoch(tmp_path):
    pixels = np.arange(6, dtype=np.uint8).repeat(784)
    header = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (6, 28, 28))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + (6).to_bytes(4, "big") + bytes(range(6)))
    pictures, values = reader_training.RECIPES["digits"].source(tmp_path)(3, 9)
    assert pictures.shape == (9, 1, 32, 32)
    assert sorted(values[3:, 0].tolist()) == list(range(6))
    assert torch.equal(((pictures[:, 0, 16, 16] + 1) * 127.5).round().long(), values[:, 0])


@pytest.mark.parametrize("name", NAMES)
def test_what_was_trained_is_saved_and_loads(name, tmp_path, monkeypatch):
    tiny = replace(reader_training.RECIPES["faces"], size=8)
    if name == "digits":
        x, y = torch.zeros(8, 1, 32, 32), torch.zeros(8, 1, dtype=torch.int64)
        tiny = replace(tiny, source=lambda _: lambda first, count: (x, y), moves=True)
    monkeypatch.setitem(reader_training.RECIPES, name, tiny)
    monkeypatch.setattr(readers, "WEIGHTS", tmp_path / "new")
    path = tmp_path / "new" / f"reader-{name}.safetensors"
    reports = list(reader_training.train_reader(name, 0.002, path))
    assert reports[-1].share >= 1
    assert [report.step for report in reports] == list(range(1, len(reports) + 1))
    loaded = readers.load_reader.__wrapped__(name)
    assert loaded.name == name
    assert not loaded.network.training
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize(("name", "minutes"), [("cats", 1), ("reader-faces", 1), ("faces", 0), ("faces", math.nan)])
def test_impossible_training_is_refused(name, minutes, tmp_path):
    with pytest.raises(DiffdemoError):
        reader_training.train_reader(name, minutes, tmp_path / "r.safetensors")


def test_training_refuses_a_folder_for_a_file_and_missing_data_before_the_first_step(tmp_path):
    with pytest.raises(DiffdemoError, match="is a folder"):
        reader_training.train_reader("faces", 1, tmp_path)
    with pytest.raises(DiffdemoError, match="MNIST is not in"):
        reader_training.train_reader("digits", 1, tmp_path / "r.safetensors", tmp_path)


def test_features_are_what_the_last_layer_reads_from(reader, pictures):
    x = pictures[reader.name]
    features = reader.features(x)
    assert features.shape == (300, readers.PLANS[reader.name].hidden)
    assert torch.allclose(reader.network[-1](features), reader.network(x), atol=1e-4)
    assert torch.equal(reader.features(3 * x[:4]), reader.features((3 * x[:4]).clamp(-1, 1)))
    with pytest.raises(DiffdemoError):
        reader.features(x[0])
