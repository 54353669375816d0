import json
import shutil

import numpy as np
import pytest
import torch
from doubles import save_pipeline
from PIL import Image

from diffdemo import models
from diffdemo.errors import ModelError
from diffdemo.models import load_model, loading
from diffdemo.noise import noise


def test_the_bundled_faces_are_what_the_design_says(faces_model):
    assert faces_model.name == faces_model.line_up == "faces"
    assert faces_model.shape == (3, 16, 16)
    assert faces_model.schedule.T == 1000
    assert float(faces_model.schedule.alpha_bar[-1]) == pytest.approx(4.0358e-5, rel=1e-4)
    assert faces_model.clip is None
    assert faces_model.dtype == torch.float32
    assert len(faces_model.revision) == 12


def test_every_prediction_type_becomes_the_noise(tiny):
    x, n = noise(range(4), tiny.shape), torch.tensor([1, 250, 700, 1000])
    with torch.no_grad():
        raw = tiny.unet(x, n - 1).sample
    alpha_bar = tiny.schedule.alpha_bar[n].float().view(-1, 1, 1, 1)
    wanted = {
        "epsilon": raw,
        "v_prediction": alpha_bar.sqrt() * raw + (1 - alpha_bar).sqrt() * x,
        "sample": (x - alpha_bar.sqrt() * raw) / (1 - alpha_bar).sqrt(),
    }[tiny.prediction_type]
    assert torch.allclose(tiny.predict_noise(x, n), wanted, rtol=1e-3, atol=1e-4)
    assert torch.allclose(tiny.predict_noise(x[1:2], 250), wanted[1:2], rtol=1e-3, atol=1e-4)


def test_zero_noise_never_reaches_the_network(tiny_eps):
    with pytest.raises(ValueError, match=r"1\.\.1000"):
        tiny_eps.predict_noise(noise([0], tiny_eps.shape), 0)


def test_pictures_survive_encode_and_decode(tiny_eps):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    x0 = tiny_eps.encode(picture)
    assert x0.shape == (1, 3, 8, 8)
    assert x0.dtype == torch.float32
    assert np.array_equal(np.asarray(tiny_eps.decode(x0)[0]), np.asarray(picture))
    enlarged = picture.resize((80, 80), Image.Resampling.NEAREST)
    assert torch.equal(tiny_eps.encode([enlarged, picture]), x0.expand(2, -1, -1, -1))


def test_a_grey_model_takes_and_gives_grey(folders):
    model = load_model(str(folders["grey"]), device="cpu")
    x0 = model.encode(Image.new("RGB", (20, 10), "white"))
    assert x0.shape == (1, 1, 8, 8)
    assert float(x0.min()) == 1
    assert model.decode(x0)[0].mode == "L"


def test_ddim_pipelines_load_too(folders):
    assert load_model(str(folders["ddim"]), device="cpu").prediction_type == "epsilon"


def test_the_cache_is_bounded_and_gives_the_same_model(tmp_path):
    first = [load_model(str(save_pipeline(tmp_path / str(i), seed=i)), device="cpu") for i in range(models.KEPT + 2)]
    assert len(loading._cache) <= models.KEPT
    assert load_model(str(tmp_path / str(models.KEPT + 1)), device="cpu") is first[-1]
    assert len({model.revision for model in first}) == len(first)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "model_index.json").unlink(), "no model_index.json"),
        (lambda f: (f / "model_index.json").write_text("{"), "not valid JSON"),
        (lambda f: (f / "model_index.json").write_text("[]"), "not hold an object"),
        (lambda f: _edit(f / "model_index.json", _class_name="StableDiffusionPipeline"), "StableDiffusionPipeline"),
        (lambda f: _edit(f / "model_index.json", unet=["diffusers", "UNet2DConditionModel"]), "UNet2DModel"),
        (lambda f: (f / "unet" / "diffusion_pytorch_model.safetensors").unlink(), "weights .* missing"),
        (lambda f: (f / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"x" * 50), "cannot be read"),
        (lambda f: _edit(f / "unet" / "config.json", block_out_channels=[16, 16]), "cannot be read"),
        (lambda f: (f / "unet" / "config.json").unlink(), "cannot be read"),
        (lambda f: (f / "scheduler" / "scheduler_config.json").unlink(), "scheduler_config.json"),
        (lambda f: _edit(f / "scheduler" / "scheduler_config.json", beta_schedule="odd"), "unknown kind"),
        (lambda f: _edit(f / "scheduler" / "scheduler_config.json", prediction_type="flow"), "flow"),
        (lambda f: _edit(f / "scheduler" / "scheduler_config.json", rescale_betas_zero_snr=True), "zero signal"),
    ],
)
def test_broken_folders_get_one_sentence(folders, tmp_path, spoil, says):
    folder = tmp_path / "model"
    shutil.copytree(folders["epsilon"], folder)
    spoil(folder)
    with pytest.raises(ModelError, match=says) as caught:
        load_model(str(folder), device="cpu")
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


def _edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_pickled_weights_are_never_read(folders, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(folders["epsilon"], folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(ModelError, match="only safetensors"):
        load_model(str(folder), device="cpu")


@pytest.mark.parametrize("options", [{"name": "cats"}, {"name": "faces", "device": "abacus"}, {"name": "faces", "dtype": "int8"}])
def test_unknown_names_get_one_sentence(options):
    with pytest.raises(ModelError):
        load_model(**options)


def test_half_precision_weights_are_used_in_float32(faces_model):
    assert next(faces_model.unet.parameters()).dtype == torch.float32
    assert sum(f.stat().st_size for f in (models.WEIGHTS / "faces").rglob("*") if f.is_file()) < 20_000_000
