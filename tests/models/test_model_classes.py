"""What every class of models promises: of pixels, of latents, and of latents with a prompt."""

import hashlib
import json
import shutil
import sys
from functools import partial

import numpy as np
import pytest
import torch
from doubles import Counting, latent_scheduler
from PIL import Image
from safetensors.torch import load_file

from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.sampling import denoise
from diffdemo.errors import ExperimentError, ModelError
from diffdemo.models import latent, load_model
from diffdemo.models.prompts import Prompted

KINDS = {"vq": "latent", "kl": "latent", "text": "text"}
WEIGHTS = "diffusion_pytorch_model.safetensors"

near = partial(torch.allclose, atol=1e-5)


@pytest.fixture
def photos():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 24, 30, 3), dtype=np.uint8)
    return [Image.fromarray(picture) for picture in pixels]


def as_pictures(model, x):
    """What diffusers returns with output_type="np"."""
    return model.pixels(x).permute(0, 2, 3, 1) / 2 + 0.5


def test_the_kind_and_the_shapes(model):
    assert model.kind == KINDS.get(model.name, "pixel")
    if model.kind == "pixel":
        assert model.picture_shape == model.shape
    else:
        assert model.shape[1:] == (8, 8)
        assert model.picture_shape == (3, 16, 16)
    assert len(model.revision) == 12
    assert model.size > 1000
    assert model.clip is None


def test_pictures_are_encoded_and_decoded(model, photos):
    x0 = model.encode(photos)
    assert x0.shape == (2, *model.shape)
    assert x0.dtype == torch.float32
    assert torch.equal(x0, model.encode(photos))
    assert near(model.encode(photos[1]), x0[1:])
    assert model.decode(x0)[1].size == model.picture_shape[:0:-1]
    pixels = model.pixels(x0)
    assert pixels.shape == (2, *model.picture_shape)
    assert float(pixels.abs().max()) <= 1
    assert (pixels is x0) == (model.kind == "pixel")
    many = model.pixels(x0.expand(3, 2, *model.shape))
    assert many.shape == (3, 2, *model.picture_shape)
    assert near(many[2], pixels)
    assert model.pixels(x0[:0]).shape == (0, *model.picture_shape)


def test_rows_are_independent(model):
    prompted = model.conditioned("a cat", 3.0) if model.text else model
    T = model.schedule.T
    n = torch.tensor([1, 2, T // 2, T // 2 + 1, T])
    x = noise(range(5), model.shape)
    for levels in (n, torch.full((5,), T // 2)):
        rows = zip(x.split(1), levels.split(1), strict=True)
        alone = torch.cat([prompted.predict_noise(row, level) for row, level in rows])
        assert near(alone, prompted.predict_noise(x, levels))
    assert near(torch.cat([model.pixels(row) for row in x.split(1)]), model.pixels(x))


def test_latents_are_decoded_in_batches_that_change_nothing(load_class, monkeypatch):
    model = load_class("vq")
    x = noise(range(5), model.shape)
    pixels = model.pixels(x)
    monkeypatch.setattr(latent, "PIXELS", 16 * 16 * 2)
    assert near(model.pixels(x), pixels)


def test_no_noise_is_the_identity(model, photos):
    x0 = model.encode(photos[0])
    assert torch.equal(denoise(model, x0, 0, 5), x0)
    assert torch.equal(model.schedule.add_noise(x0, noise([1], model.shape), 0), x0)


@pytest.mark.parametrize("name", ["pixel", "root", "vq", "kl"])
def test_the_network_is_called_as_diffusers_calls_it(class_folders, load_class, name):
    from diffusers import UNet2DModel

    model = load_class(name)
    folder = class_folders[name]
    unet = UNet2DModel.from_pretrained(folder if name == "root" else folder / "unet")
    x = noise(range(2), model.shape)
    n = torch.tensor([3, model.schedule.T])
    assert near(model.predict_noise(x, n), unet(x, n - 1).sample)


def test_the_network_is_called_with_the_embedding_of_diffusers(class_folders, text):
    from diffusers import DiffusionPipeline, UNet2DConditionModel

    folder = class_folders["text"]
    pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    embedding = pipe.encode_prompt("a cat", "cpu", 1, False)[0].expand(2, -1, -1)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    x = noise(range(2), text.shape)
    n = torch.tensor([3, text.schedule.T])
    eps_hat = unet(x, n - 1, encoder_hidden_states=embedding).sample
    assert near(text.conditioned("a cat").predict_noise(x, n), eps_hat)


def test_the_oldest_layout_is_the_same_model(class_folders, load_class):
    x = noise([0], (3, 8, 8))
    new = load_class("pixel").predict_noise(x, 500)
    assert torch.equal(load_class("root").predict_noise(x, 500), new)
    assert any(".query." in key for key in load_file(class_folders["root"] / WEIGHTS))


def test_a_quantized_space_without_a_factor_is_not_scaled(class_folders, tmp_path, photos):
    scaled = load_model(str(class_folders["vq"]), "cpu")
    assert scaled.autoencoder.scaling == 0.8
    folder = shutil.copytree(class_folders["vq"], tmp_path / "old")
    file = folder / "vqvae" / "config.json"
    config = json.loads(file.read_text())
    del config["scaling_factor"]
    file.write_text(json.dumps(config))
    old = load_model(str(folder), "cpu")
    assert old.autoencoder.scaling == 1.0
    assert near(old.encode(photos) * 0.8, scaled.encode(photos))


@pytest.mark.parametrize(("name", "parts"), [("pixel", ["unet"]), ("vq", ["unet", "vqvae"])])
def test_a_revision_covers_all_weights(class_folders, load_class, name, parts):
    weights = b"".join((class_folders[name] / part / WEIGHTS).read_bytes() for part in parts)
    assert load_class(name).revision == hashlib.sha256(weights).hexdigest()[:12]


def test_a_pipeline_without_the_weights_of_a_part_is_refused(class_folders, tmp_path):
    folder = shutil.copytree(class_folders["vq"], tmp_path / "missing")
    (folder / "vqvae" / WEIGHTS).unlink()
    with pytest.raises(ModelError, match=r"vqvae.*only safetensors"):
        load_model(str(folder), "cpu")


def test_guidance_follows_its_formula(text):
    x = noise(range(2), text.shape)
    cat = text.conditioned("a cat")
    eps_c = cat.predict_noise(x, 600)
    eps_u = text.conditioned("").predict_noise(x, 600)
    guided = text.conditioned("a cat", 7.5).predict_noise(x, 600)
    assert near(guided, eps_u + 7.5 * (eps_c - eps_u))
    assert torch.equal(text.predict_noise(x, 600), eps_u)
    assert near(text.conditioned("", 5).predict_noise(x, 600), eps_u)
    assert torch.equal(cat.conditioned("", 1.0).predict_noise(x, 600), eps_u)
    for other in (eps_u, text.conditioned("dog").predict_noise(x, 600)):
        assert not torch.allclose(eps_c, other, atol=1e-4)


def test_only_guidance_doubles_the_rows(text):
    x = noise(range(3), text.shape)
    unet = Counting(text.unet)
    for guidance in (1.0, 2.0):
        Prompted(unet, text.text, "a cat", guidance)(x, torch.full((3,), 5))
    assert unet.rows == [3, 6]


def test_a_model_without_prompts_refuses_prompt_and_guidance(load_class):
    pixel = load_class("pixel")
    assert pixel.conditioned("", 1) is pixel
    for options in ({"prompt": "a cat"}, {"guidance": 2}):
        with pytest.raises(ModelError, match="takes no prompt"):
            pixel.conditioned(**options)


def test_prompt_and_guidance_are_checked(text):
    with pytest.raises(ExperimentError, match="tokens"):
        text.conditioned("abcdefghijklmnopq")
    with pytest.raises(ExperimentError, match="Guidance"):
        text.conditioned("a cat", 0.5)


def test_a_prompt_without_transformers_names_the_cure(class_folders, tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    folder = shutil.copytree(class_folders["text"], tmp_path / "text")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match="pip install transformers"):
        load_model(str(folder), "cpu")


def test_a_latent_sample_is_that_of_diffusers(class_folders, load_class):
    from diffusers import LDMPipeline

    model = load_class("vq")
    pipe = LDMPipeline.from_pretrained(class_folders["vq"], local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = latent_scheduler()
    decode = pipe.vqvae.decode
    latents = []

    def record(x):
        latents.append(x * pipe.vqvae.config.scaling_factor)
        return decode(x)

    pipe.vqvae.decode = record
    generator = torch.Generator().manual_seed(5)
    options = {"generator": generator, "num_inference_steps": 10, "output_type": "np"}
    pictures = torch.from_numpy(pipe(batch_size=2, **options).images)
    x_T = torch.randn(2, *model.shape, generator=torch.Generator().manual_seed(5))
    assert torch.allclose(denoise(model, x_T, 1000, 10), latents[0], atol=1e-4)
    # Of the very same latents: nearly equal ones may fall to another entry of the codebook.
    assert torch.allclose(as_pictures(model, latents[0]), pictures, atol=1e-4)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_a_prompted_sample_is_that_of_diffusers(class_folders, text, guidance):
    from diffusers import StableDiffusionPipeline

    folder = class_folders["text"]
    pipe = StableDiffusionPipeline.from_pretrained(
        folder, local_files_only=True, safety_checker=None
    )
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = latent_scheduler()
    x_T = noise([3], text.shape)
    options = {"latents": x_T, "guidance_scale": guidance, "num_inference_steps": 8}
    x0 = denoise(text.conditioned("a cat", guidance), x_T, 1000, 8)
    assert torch.allclose(x0, pipe("a cat", output_type="latent", **options).images, atol=1e-4)
    pictures = torch.from_numpy(pipe("a cat", output_type="np", **options).images)
    assert torch.allclose(as_pictures(text, x0), pictures, atol=1e-3)
