"""What every class of models promises, whatever it works on: pixels, latents, or latents told by a prompt."""

from dataclasses import fields, is_dataclass, replace
from importlib import import_module

import numpy as np
import pytest
import torch
from doubles import latent_scheduler
from PIL import Image
from safetensors.torch import load_file

import diffdemo
from diffdemo import lab
from diffdemo.errors import ExperimentError, ModelError
from diffdemo.experiment import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.lab import Progress, lane
from diffdemo.models import load_model
from diffdemo.noise import noise

# their packages export functions of the same names
noises, embedding = import_module("diffdemo.noise"), import_module("diffdemo.lab.embedding")

CLASSES = ("faces", "pixel", "root", "vq", "kl", "text")
KINDS = {"vq": "latent", "kl": "latent", "text": "text"}
PROMPT = {"prompt": "a cat", "guidance": 3.0}


@pytest.fixture(params=CLASSES)
def model(request, class_folders):
    if request.param == "text":
        pytest.importorskip("transformers")
    return load_model(str(class_folders.get(request.param, request.param)), device="cpu")


@pytest.fixture
def text(class_folders):
    pytest.importorskip("transformers")
    return load_model(str(class_folders["text"]), device="cpu")


def told(model):
    return model.conditioned(**PROMPT) if model.kind == "text" else model


def photo(seed=0, size=(24, 30)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8))


def near(a, b, tolerance=1e-5):
    return float((a - b).abs().max()) <= tolerance * max(1.0, float(b.abs().max()))


def test_its_kind_and_its_shapes(model):
    assert model.kind == KINDS.get(model.name, "pixel")
    if model.kind == "pixel":
        assert model.picture_shape == model.shape
    else:
        assert model.shape[1:] == (8, 8)
        assert model.picture_shape == (3, 16, 16)
    assert len(model.revision) == 12
    assert model.size > 1000
    assert model.clip == (None if model.kind != "pixel" or model.name == "faces" else 1.0 if model.name == "clipped" else None)


def test_pictures_go_in_and_come_out(model):
    x0 = model.encode([photo(0), photo(1)])
    assert x0.shape == (2, *model.shape)
    assert x0.dtype == torch.float32
    assert torch.equal(x0, model.encode([photo(0), photo(1)]))
    assert near(model.encode(photo(1)), x0[1:])
    pixels = model.pixels(x0)
    assert pixels.shape == (2, *model.picture_shape)
    assert float(pixels.abs().max()) <= 1
    assert (pixels is x0) == (model.kind == "pixel")
    assert model.decode(x0)[1].size == model.picture_shape[:0:-1]
    many = model.pixels(x0.expand(3, 2, *model.shape))
    assert many.shape == (3, 2, *model.picture_shape)
    assert near(many[2], pixels)
    assert model.pixels(x0[:0]).shape == (0, *model.picture_shape)


def test_rows_are_independent(model):
    told_model, n = told(model), model.schedule.T // 2
    x = noise(range(5), model.shape)
    whole, alone = told_model.predict_noise(x, n), [told_model.predict_noise(row[None], n) for row in x]
    assert near(torch.cat(alone), whole)
    assert near(torch.cat([model.pixels(row[None]) for row in x]), model.pixels(x))
    levels = torch.tensor([1, 2, n, n + 1, model.schedule.T])
    mixed = told_model.predict_noise(x, levels)
    assert near(mixed[3:4], told_model.predict_noise(x[3:4], n + 1))


def test_no_noise_is_the_identity(model):
    x0 = model.encode(photo())
    assert torch.equal(diffdemo.denoise(model, x0, 0, 5), x0)
    assert torch.equal(model.schedule.add_noise(x0, noise([1], model.shape), 0), x0)


def test_the_network_is_asked_as_diffusers_asks_it(class_folders, model):
    from diffusers import DiffusionPipeline, UNet2DConditionModel, UNet2DModel

    x, n = noise(range(2), model.shape), torch.tensor([3, model.schedule.T])
    if model.kind == "text":
        pipe = DiffusionPipeline.from_pretrained(class_folders["text"], local_files_only=True)
        unet = UNet2DConditionModel.from_pretrained(class_folders["text"] / "unet")
        hidden = pipe.encode_prompt("a cat", "cpu", 1, False)[0].expand(2, -1, -1)
        wanted, model = unet(x, n - 1, encoder_hidden_states=hidden).sample, model.conditioned("a cat")
    elif model.name == "faces":
        return
    else:
        folder = class_folders[model.name]
        wanted = UNet2DModel.from_pretrained(folder if model.name == "root" else folder / "unet")(x, n - 1).sample
    assert near(model.predict_noise(x, n), wanted.detach())


def test_the_oldest_layout_is_the_same_model(class_folders):
    new, old = (load_model(str(class_folders[name]), device="cpu") for name in ("pixel", "root"))
    x = noise([0], new.shape)
    assert torch.equal(old.predict_noise(x, 500), new.predict_noise(x, 500))
    assert any(".query." in key for key in load_file(class_folders["root"] / "diffusion_pytorch_model.safetensors"))


def test_a_quantized_space_without_a_factor_is_not_scaled(class_folders, tmp_path):
    import json
    import shutil

    given = load_model(str(class_folders["vq"]), device="cpu")
    assert given.autoencoder.scaling == 0.8
    shutil.copytree(class_folders["vq"], tmp_path / "old")
    config = tmp_path / "old" / "vqvae" / "config.json"
    config.write_text(json.dumps({key: value for key, value in json.loads(config.read_text()).items() if key != "scaling_factor"}))
    old = load_model(str(tmp_path / "old"), device="cpu")
    assert old.autoencoder.scaling == 1.0
    assert near(old.encode(photo()) * 0.8, given.encode(photo()))


def test_a_revision_covers_all_weights(class_folders, tmp_path):
    import hashlib
    import shutil

    for name, parts in (("pixel", ("unet",)), ("vq", ("unet", "vqvae"))):
        content = b"".join((class_folders[name] / part / "diffusion_pytorch_model.safetensors").read_bytes() for part in parts)
        assert load_model(str(class_folders[name]), device="cpu").revision == hashlib.sha256(content).hexdigest()[:12]
    shutil.copytree(class_folders["vq"], tmp_path / "missing")
    (tmp_path / "missing" / "vqvae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"vqvae.*only safetensors"):
        load_model(str(tmp_path / "missing"), device="cpu")


def test_guidance_is_its_formula(text):
    x, n = noise(range(2), text.shape), 600
    asked, free = text.conditioned("a cat"), text.conditioned("")
    eps_c, eps_u = asked.predict_noise(x, n), free.predict_noise(x, n)
    assert not near(eps_c, eps_u, 1e-4)
    assert near(text.conditioned("a cat", 7.5).predict_noise(x, n), eps_u + 7.5 * (eps_c - eps_u))
    assert torch.equal(text.predict_noise(x, n), eps_u)
    assert near(text.conditioned("", 5).predict_noise(x, n), eps_u)
    assert torch.equal(asked.conditioned("", 1.0).predict_noise(x, n), eps_u)
    assert not near(text.conditioned("dog").predict_noise(x, n), eps_c, 1e-4)


def test_guidance_off_asks_the_network_once(text, monkeypatch):
    rows = []
    text.network.unet.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    text.conditioned("a cat").predict_noise(noise(range(3), text.shape), 5)
    text.conditioned("a cat", 2).predict_noise(noise(range(3), text.shape), 5)
    assert rows == [3, 6]
    text.network.unet._forward_pre_hooks.clear()


def test_what_a_model_does_not_take_is_refused_before_any_work(class_folders, text):
    pixel = load_model(str(class_folders["pixel"]), device="cpu")
    assert pixel.conditioned("", 1) is pixel
    for options in ({"prompt": "a cat"}, {"guidance": 2}):
        with pytest.raises(ModelError, match="takes no prompt"):
            pixel.conditioned(**options)
        with pytest.raises(ModelError, match="takes no prompt"):
            next(lab.stream(RoundTrip(model="pixel", **options), pixel))
    with pytest.raises(ExperimentError, match="tokens"):
        text.conditioned("abcdefghijklmnopq")
    with pytest.raises(ExperimentError, match="Guidance"):
        text.conditioned("a cat", 0.5)


def test_a_prompt_without_transformers_names_the_cure(class_folders, tmp_path, monkeypatch):
    import shutil
    import sys

    pytest.importorskip("transformers")
    shutil.copytree(class_folders["text"], tmp_path / "text")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match="pip install transformers"):
        load_model(str(tmp_path / "text"), device="cpu")


def test_a_latent_sample_is_that_of_diffusers(class_folders):
    from diffusers import LDMPipeline

    model = load_model(str(class_folders["vq"]), device="cpu")
    pipe = LDMPipeline.from_pretrained(class_folders["vq"], local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = latent_scheduler()
    decode, latents = pipe.vqvae.decode, []
    pipe.vqvae.decode = lambda x: latents.append(x * pipe.vqvae.config.scaling_factor) or decode(x)
    wanted = pipe(batch_size=2, generator=torch.Generator().manual_seed(5), num_inference_steps=10, output_type="np").images
    x_T = torch.randn(2, *model.shape, generator=torch.Generator().manual_seed(5))
    assert near(diffdemo.denoise(model, x_T, 1000, 10), latents[0], 1e-4)
    # decoded from the very same latents: nearly equal ones may fall to another entry of the codebook
    assert np.abs((model.pixels(latents[0]).permute(0, 2, 3, 1).numpy() + 1) / 2 - wanted).max() < 1e-4


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_a_prompted_sample_is_that_of_diffusers(class_folders, text, guidance):
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(class_folders["text"], local_files_only=True, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = latent_scheduler()
    x_T, asked = noise([3], text.shape), text.conditioned("a cat", guidance)
    options = {"latents": x_T, "guidance_scale": guidance, "num_inference_steps": 8}
    found = diffdemo.denoise(asked, x_T, 1000, 8)
    assert near(found, pipe("a cat", output_type="latent", **options).images, 1e-4)
    picture = pipe("a cat", output_type="np", **options).images
    assert np.abs((text.pixels(found).permute(0, 2, 3, 1).numpy() + 1) / 2 - picture).max() < 1e-3


def experiments(model):
    T, name = model.schedule.T, model.name
    methods = "random,ddim,dpm-encoder" if model.line_up or model.kind == "text" else "random,ddim,fixed-point,edit-friendly,dpm-encoder"
    common = {"model": name, **(PROMPT if model.kind == "text" else {})}
    n = T * 3 // 10
    own = {} if model.line_up else {"line_up": "face:1,face:2"}
    return [
        RoundTrip(n=n, seeds=(0, 1), steps=3, eta=0.5, **common),
        Curve(levels=(0, n, T), seeds=(0, 1), steps=2, **common),
        Embedding(n=n, seeds=(0, 1), steps=3, methods=methods, other="face:4", **common),
        Collision(n=n, steps=2, **common),
        Belief(n=n, **own, **common),
        Branch(points=2, futures=2, steps=3, **common),
    ]


def tensors(value, name="", found=None):
    found = {} if found is None else found
    if isinstance(value, torch.Tensor):
        found[name] = value
    elif is_dataclass(value):
        for item in fields(value):
            tensors(getattr(value, item.name), f"{name}.{item.name}", found)
    elif isinstance(value, dict | tuple):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            tensors(item, f"{name}.{key}", found)
    return found


CLEAN = ("x0", "reconstructions", "x0_hat", "futures", "end", "other", "mixtures", "posterior_mean", "picture")
NOISY = ("x_n", "x", "eps_a", "eps_b", "z")


@pytest.fixture
def few_draws(monkeypatch):
    """Bands of noise from a few draws, which other tests must not find in the cache."""
    monkeypatch.setattr(noises, "DRAWS", 500)
    monkeypatch.setattr(noises, "bands", noises.bands.__wrapped__)
    monkeypatch.setattr(embedding, "bands", noises.bands)
    monkeypatch.setattr(embedding, "CURVE", {"ddim": (5,), "fixed-point": (5,)})


@pytest.mark.usefixtures("few_draws")
def test_every_experiment_runs_and_repeats_itself(model):
    """Clean pictures have the shape of pictures, noisy ones that of what the network works on; twice the same bits."""
    if model.name == "root":
        return  # the same model as "pixel"
    for experiment in experiments(model):
        *progress, first = lab.stream(experiment, model)
        assert all(isinstance(p, Progress) and p.x0_hat.shape[1:] == model.shape for p in progress)
        again = tensors(lab.run(experiment, model))
        assert first.experiment == replace(experiment, revision=model.revision)
        for name, x in tensors(first).items():
            assert torch.isfinite(x).all(), name
            assert torch.equal(x, again[name]), name
            last = name.split(".")[-1]
            if (last in CLEAN or ".replays." in name) and ".statistics." not in name:
                assert tuple(x.shape[-3:]) == model.picture_shape, name
            if last in NOISY:
                assert tuple(x.shape[-3:]) == model.shape, name


def test_what_is_judged_is_judged_before_it_is_decoded(class_folders):
    model = load_model(str(class_folders["kl"]), device="cpu")
    found = lab.run(RoundTrip(model="kl", n=60, seeds=(0, 1), steps=3), model)
    x0 = lab.picture("face:17", model)
    x = diffdemo.denoise(model, found.x_n, 60, 3)
    assert near(found.rmse, (x - x0).square().mean((1, 2, 3)).sqrt())
    assert near(found.reconstructions, model.pixels(x))
    assert torch.equal(found.came_back, found.rmse < 0.4 * found.unrelated)
    assert found.kept is None
    swap = lab.run(Embedding(model="kl", n=60, seeds=(0,), steps=3, methods="edit-friendly", other="face:4"), model).swap
    assert near(swap.other, model.pixels(lab.picture("face:4", model)))


def test_a_belief_needs_a_line_up_or_pictures(class_folders):
    model = load_model(str(class_folders["kl"]), device="cpu")
    with pytest.raises(ExperimentError, match="collect pictures for a line-up of your own"):
        lab.run(Belief(model="kl", n=20), model)
    found = lab.run(Belief(model="kl", n=20, line_up="face:1,face:2,face:17"), model)
    assert found.marginals == {}
    assert found.count == 3
    assert sum(c.probability for c in found.top) == pytest.approx(1)
    assert found.top[0].name == "face:17"


def test_levels_are_those_of_the_model(class_folders):
    model = load_model(str(class_folders["kl"]), device="cpu")
    for experiment in (RoundTrip(model="kl"), Curve(model="kl"), Embedding(model="kl"), Collision(model="kl"), Belief(model="kl", line_up="face:1")):
        with pytest.raises(ExperimentError, match="200 noise steps"):
            next(lab.stream(experiment, model))


def test_a_prompt_changes_what_comes_back(text):
    one, other, off = (lab.run(RoundTrip(model="text", n=1000, seeds=(0,), steps=3, **p), text) for p in (PROMPT, {"prompt": "dog"}, {}))
    assert one.experiment.prompt == "a cat"
    assert torch.equal(one.x_n, other.x_n)
    assert not near(one.reconstructions, other.reconstructions, 1e-3)
    assert not near(one.reconstructions, off.reconstructions, 1e-3)


def test_a_visitor_s_picture_is_named_by_its_pixels(class_folders):
    """Models that see the same pixels name a picture alike, and what is named comes back from the name."""
    names = {}
    for name in ("vq", "kl"):
        model = load_model(str(class_folders[name]), device="cpu")
        names[name] = lab.picture_text(model, photo())
        assert torch.equal(lab.picture(names[name], model), model.encode(photo()))
        hashed = "sha256:" + "0" * 64
        with pytest.raises(ValueError, match="hash"):
            lab.picture(hashed, model, photo())
    assert names["vq"] == names["kl"]
    assert names["vq"].startswith("png:")


def test_latents_are_decoded_in_chunks_that_change_nothing(class_folders, monkeypatch):
    from diffdemo.models import latent

    model = load_model(str(class_folders["vq"]), device="cpu")
    x = noise(range(5), model.shape)
    whole = lane.pixels(model, x)
    monkeypatch.setattr(latent, "PIXELS", 16 * 16 * 2)
    monkeypatch.setattr(lane, "CHUNK", 3)
    assert near(lane.pixels(model, x), whole)
