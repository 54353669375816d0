"""Models of pixels: what they predict, the pictures they take, and folders that are broken."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from diffdemo import models
from diffdemo.diffusion.noise import noise
from diffdemo.errors import ModelError
from diffdemo.models import load_model


def test_the_bundled_faces_are_what_the_design_says(faces_model):
    assert faces_model.name == faces_model.line_up == "faces"
    assert faces_model.shape == (3, 16, 16)
    assert faces_model.schedule.T == 1000
    assert float(faces_model.schedule.alpha_bar[-1]) == pytest.approx(4.0358e-5, rel=1e-4)
    assert faces_model.clip is None
    assert faces_model.dtype == torch.float32
    assert len(faces_model.revision) == 12


def test_bundled_weights_are_stored_in_half_precision_and_used_in_float32(faces_model):
    files = (models.WEIGHTS / "faces").rglob("*")
    assert next(faces_model.unet.parameters()).dtype == torch.float32
    assert sum(file.stat().st_size for file in files if file.is_file()) < 20_000_000


def test_every_prediction_type_becomes_the_noise(tiny):
    x = noise(range(4), tiny.shape)
    n = torch.tensor([1, 250, 700, 1000])
    with torch.no_grad():
        output = tiny.unet(x, n - 1).sample
    alpha_bar = tiny.schedule.alpha_bar[n].float().view(-1, 1, 1, 1)
    eps_hat = {
        "epsilon": output,
        "v_prediction": alpha_bar.sqrt() * output + (1 - alpha_bar).sqrt() * x,
        "sample": (x - alpha_bar.sqrt() * output) / (1 - alpha_bar).sqrt(),
    }[tiny.prediction_type]
    assert torch.allclose(tiny.predict_noise(x, n), eps_hat, rtol=1e-3, atol=1e-4)
    assert torch.allclose(tiny.predict_noise(x[1:2], 250), eps_hat[1:2], rtol=1e-3, atol=1e-4)


def test_no_noise_never_reaches_the_network(tiny_eps):
    with pytest.raises(ValueError, match=r"1\.\.1000"):
        tiny_eps.predict_noise(noise([0], tiny_eps.shape), 0)


def test_pictures_survive_encode_and_decode(tiny_eps):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    x0 = tiny_eps.encode(picture)
    assert x0.shape == (1, 3, 8, 8)
    assert x0.dtype == torch.float32
    assert np.array_equal(np.asarray(tiny_eps.decode(x0)[0]), pixels)
    enlarged = picture.resize((80, 80), Image.Resampling.NEAREST)
    assert torch.equal(tiny_eps.encode([enlarged, picture]), x0.expand(2, -1, -1, -1))


def test_a_grey_model_takes_and_gives_grey(folders):
    model = load_model(str(folders["grey"]), "cpu")
    x0 = model.encode(Image.new("RGB", (20, 10), "white"))
    assert x0.shape == (1, 1, 8, 8)
    assert float(x0.min()) == 1
    assert model.decode(x0)[0].mode == "L"


def test_ddim_pipelines_are_read_too(folders):
    assert load_model(str(folders["ddim"]), "cpu").prediction_type == "epsilon"


INDEX = "model_index.json"
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
SCHEDULER = "scheduler/scheduler_config.json"
REMOVED = [
    (INDEX, "no model_index.json"),
    (WEIGHTS, "weights .* missing"),
    ("unet/config.json", "cannot be read"),
    (SCHEDULER, "scheduler_config.json"),
]
OVERWRITTEN = [
    (INDEX, "{", "not valid JSON"),
    (INDEX, "[]", "not hold an object"),
    (WEIGHTS, "x" * 50, "cannot be read"),
]
EDITED = [
    (INDEX, {"_class_name": "StableDiffusionPipeline"}, "StableDiffusionPipeline"),
    (INDEX, {"_class_name": ["DDPMPipeline"]}, "not read here"),
    (INDEX, {"unet": ["diffusers", "UNet2DConditionModel"]}, "UNet2DModel"),
    ("unet/config.json", {"block_out_channels": [16, 16]}, "cannot be read"),
    (SCHEDULER, {"beta_schedule": "odd"}, "unknown kind"),
    (SCHEDULER, {"prediction_type": "flow"}, "flow"),
    (SCHEDULER, {"rescale_betas_zero_snr": True}, "zero signal"),
]


@pytest.fixture
def copy(folders, tmp_path):
    return shutil.copytree(folders["epsilon"], tmp_path / "model")


def refusal(folder):
    with pytest.raises(ModelError) as caught:
        load_model(str(folder), "cpu")
    sentence = str(caught.value)
    assert str(folder.parent) not in sentence
    assert "\n" not in sentence
    return caught


@pytest.mark.parametrize(("file", "problem"), REMOVED)
def test_a_missing_file_gets_one_sentence(copy, file, problem):
    (copy / file).unlink()
    refusal(copy).match(problem)


@pytest.mark.parametrize(("file", "content", "problem"), OVERWRITTEN)
def test_a_damaged_file_gets_one_sentence(copy, file, content, problem):
    (copy / file).write_text(content)
    refusal(copy).match(problem)


@pytest.mark.parametrize(("file", "changes", "problem"), EDITED)
def test_what_is_not_supported_gets_one_sentence(copy, file, changes, problem):
    content = json.loads((copy / file).read_text())
    (copy / file).write_text(json.dumps({**content, **changes}))
    refusal(copy).match(problem)


def test_pickled_weights_are_never_read(copy):
    torch.save({}, (copy / WEIGHTS).with_suffix(".bin"))
    (copy / WEIGHTS).unlink()
    refusal(copy).match("only safetensors")


@pytest.mark.parametrize(
    "options",
    [{"name": "cats"}, {"name": "faces", "device": "abacus"}, {"name": "faces", "dtype": "int8"}],
)
def test_unknown_names_devices_and_dtypes_are_refused(options):
    with pytest.raises(ModelError):
        load_model(**options)
