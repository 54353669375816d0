"""diffdemo's own forward pass gives what diffusers gives, for every network it supports."""

import json
import threading
from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DModel
from doubles import Counting, save_pipeline, tiny_unet

from diffdemo.models import load_model
from diffdemo.models.fast import engine
from diffdemo.models.fast.convolutions import Bilinear, Interpolated, Plain, Upsampled
from diffdemo.models.fast.engine import Engine, supports

DOWN = ("DownBlock2D", "AttnDownBlock2D")
UP = ("AttnUpBlock2D", "UpBlock2D")
BASE = {
    "sample_size": 8,
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "down_block_types": DOWN,
    "up_block_types": UP,
    "attention_head_dim": 8,
    "norm_num_groups": 8,
}
THREE = {
    "block_out_channels": (16, 48, 96),
    "down_block_types": (*DOWN, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *UP),
}
PLAIN = {
    "down_block_types": ("DownBlock2D",) * 2,
    "up_block_types": ("UpBlock2D",) * 2,
    "add_attention": False,
}
ATTENTIVE = {
    "down_block_types": ("AttnDownBlock2D",) * 2,
    "up_block_types": ("AttnUpBlock2D",) * 2,
}
AS_HO_ET_AL = {
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "norm_eps": 1e-6,
}
NETWORKS = {
    "small": {},
    "grey": {"in_channels": 1, "out_channels": 1},
    "more comes out": {"out_channels": 6},
    "no attention": PLAIN,
    "attention everywhere": ATTENTIVE,
    "two layers": {"layers_per_block": 2},
    "equal widths, shortcuts only after joins": {"block_out_channels": (32, 32)},
    "down to two pixels": THREE,
    "down to one pixel": {"sample_size": 4, **THREE},
    "wide": {"sample_size": (8, 24), **THREE},
    "tall, odd at the bottom": {"sample_size": (20, 12), **THREE},
    "32 pixels": {"sample_size": 32, "block_out_channels": (8, 16)},
    "one head": {"attention_head_dim": None},
    "as Ho et al. saved theirs": AS_HO_ET_AL,
    "learned time": {"time_embedding_type": "learned", "num_train_timesteps": 1000},
    "no middle": {"mid_block_type": None},
}
UNSUPPORTED = {
    "another activation": {"act_fn": "mish"},
    "scale and shift": {"resnet_time_scale_shift": "scale_shift"},
    "classes": {"num_class_embeds": 4},
    "sampled by blocks": {"downsample_type": "resnet", "upsample_type": "resnet"},
    "Fourier time": {"time_embedding_type": "fourier"},
    "centred": {"center_input_sample": True},
    "scaled middle": {"mid_block_scale_factor": 2**0.5},
    "other blocks": {
        "down_block_types": ("DownBlock2D", "SkipDownBlock2D"),
        "up_block_types": ("SkipUpBlock2D", "UpBlock2D"),
        "norm_num_groups": 4,
    },
}


def network(name="small"):
    torch.manual_seed(0)
    config = {**BASE, **NETWORKS.get(name, {}), **UNSUPPORTED.get(name, {})}
    return UNet2DModel(**config).eval().requires_grad_(False)


def size_of(unet):
    size = unet.config.sample_size
    return (size, size) if isinstance(size, int) else size


def engine_of(unet):
    return Engine(unet, size_of(unet))


def noise_for(unet, batch, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, unet.config.in_channels, *size_of(unet), generator=generator)


def near(found, wanted):
    error = float((found - wanted).abs().max())
    return found.shape == wanted.shape and error <= 1e-5 * float(wanted.abs().max())


def convolutions(own):
    """How an engine computes each of its convolutions."""
    parts = [part for stage in own.stages for part in stage.parts]
    blocks = [part for part in parts if isinstance(part, engine._Resnet)]
    others = [part.convolve for part in parts if isinstance(part, engine._Conv)]
    return [conv for block in blocks for conv in (block.conv1, block.conv2)] + others


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_it_gives_what_diffusers_gives(name, batch):
    unet = network(name)
    assert supports(unet)
    own = engine_of(unet)
    x = noise_for(unet, batch)
    mixed = torch.tensor([3, 998, 3, 0, 998])[:batch]
    for timestep in (torch.full((batch,), 700), torch.arange(batch) * 199, mixed):
        assert near(own(x, timestep)[0], unet(x, timestep, return_dict=False)[0])


def test_these_networks_are_computed_in_every_way():
    used = [
        c for name in ("down to two pixels", "wide") for c in convolutions(engine_of(network(name)))
    ]
    assert {type(conv) for conv in used} == {Bilinear, Plain, Upsampled}
    assert {9, 36} <= {len(conv.U) for conv in used if isinstance(conv, Bilinear)}


def test_the_bundled_models_use_it(faces_model):
    x = torch.randn(4, *faces_model.shape, generator=torch.Generator().manual_seed(0))
    n = torch.tensor([1, 250, 250, 1000])
    by_diffusers = replace(faces_model, network=faces_model.unet)
    assert faces_model.engine == "float32 by diffdemo's own forward pass"
    assert near(faces_model.predict_noise(x, n), by_diffusers.predict_noise(x, n))
    assert load_model("digits", "cpu").engine == faces_model.engine


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_are_independent(name):
    unet = network(name)
    own = engine_of(unet)
    x = noise_for(unet, 5)
    timestep = torch.tensor([0, 999, 10, 10, 500])
    rows = zip(x.split(1), timestep.split(1), strict=True)
    alone = torch.cat([own(row, t)[0] for row, t in rows])
    assert near(alone, own(x, timestep)[0])


@pytest.mark.parametrize("budget", [0, 500_000])
def test_the_memory_for_prepared_weights_does_not_change_the_numbers(budget, monkeypatch):
    unet = network("down to two pixels")
    large = engine_of(unet)
    x = noise_for(unet, 3)
    timestep = torch.tensor([5, 5, 800])
    monkeypatch.setattr(engine, "MAX_PREPARED", budget)
    small = engine_of(unet)
    assert small.prepared <= budget < large.prepared
    assert near(small(x, timestep)[0], large(x, timestep)[0])
    assert budget or {type(conv) for conv in convolutions(small)} == {Plain, Interpolated}


def test_prepared_weights_are_counted():
    own = engine_of(network("down to two pixels"))
    used = convolutions(own)
    size = sum(conv.U.nbytes for conv in used if isinstance(conv, Bilinear))
    size += sum(conv.weight.nbytes for conv in used if isinstance(conv, Upsampled))
    assert own.prepared == size > 0


def test_prepared_weights_are_part_of_the_size_of_a_model(faces_model):
    parameters = sum(p.nbytes for p in faces_model.unet.parameters())
    assert faces_model.size == parameters + faces_model.network.network.prepared > parameters


@pytest.mark.parametrize("name", ["small", "grey", "no attention"])
def test_a_call_changes_neither_its_input_nor_the_weights_nor_earlier_outputs(name):
    unet = network(name)
    own = engine_of(unet)
    x = noise_for(unet, 3)
    timestep = torch.tensor([5, 900, 5])
    x_before = x.clone()
    weights = {key: value.clone() for key, value in unet.state_dict().items()}
    first = own(x, timestep)[0]
    first_before = first.clone()
    own(noise_for(unet, 3, seed=2), torch.tensor([1, 2, 3]))
    again = own(x, timestep)[0]
    assert torch.equal(x, x_before)
    assert torch.equal(first, first_before)
    assert torch.equal(again, first)
    assert again.data_ptr() != first.data_ptr()
    assert all(torch.equal(value, weights[key]) for key, value in unet.state_dict().items())


def test_the_order_of_the_pixels_in_memory_does_not_matter():
    unet = network()
    own = engine_of(unet)
    x = noise_for(unet, 4)
    timestep = torch.full((4,), 9)
    y = own(x, timestep)[0]
    assert y.is_contiguous()
    for other in (x.contiguous(memory_format=torch.channels_last), x.flip(0).flip(0)):
        assert torch.equal(own(other, timestep)[0], y)


def test_threads_do_not_change_the_numbers(faces_model):
    x = torch.randn(8, *faces_model.shape, generator=torch.Generator().manual_seed(3))
    n = torch.arange(1, 1000, 125)
    eps_hat = faces_model.predict_noise(x, n)
    found = []

    def predict():
        found.append(faces_model.predict_noise(x, n))

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert all(torch.equal(one, eps_hat) for one in found)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert near(faces_model.predict_noise(x, n), eps_hat)
    finally:
        torch.set_num_threads(before)


def test_the_output_is_an_ordinary_tensor(tiny_eps):
    eps_hat = tiny_eps.predict_noise(torch.zeros(2, *tiny_eps.shape), 5)
    assert not eps_hat.is_inference()
    assert not eps_hat.requires_grad
    eps_hat.mul_(2)


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_other_networks_are_left_to_diffusers(name):
    try:
        unet = network(name)
    except (TypeError, ValueError, RuntimeError):
        pytest.skip("this version of diffusers cannot build it")
    assert not supports(unet)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_other_dtypes_are_left_to_diffusers(dtype, folders):
    model = load_model(str(folders["epsilon"]), "cpu", dtype)
    x = torch.randn(2, 3, 8, 8)
    assert not isinstance(model.network, Engine)
    assert model.engine == f"{dtype} by diffusers"
    with torch.no_grad():
        wanted = model.network(x.to(model.dtype), torch.tensor([4, 4])).sample
    assert torch.equal(model.predict_noise(x, 5), wanted.float())


def test_a_folder_with_another_activation_is_computed_by_diffusers(tmp_path):
    folder = save_pipeline(tmp_path / "model")
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "act_fn": "gelu"}))
    model = load_model(str(folder), "cpu")
    x = torch.randn(2, 3, 8, 8)
    assert model.engine == "float32 by diffusers"
    with torch.no_grad():
        assert torch.equal(model.predict_noise(x, 5), model.network(x, torch.tensor([4, 4])).sample)


def test_a_network_that_replaces_another_is_called_itself(tiny_eps):
    model = replace(tiny_eps, network=Counting(lambda x, timestep, return_dict: (0 * x,)))
    assert model.engine == "float32 by diffusers"
    assert not model.predict_noise(torch.ones(2, *model.shape), 5).any()
    assert model.network.rows == [2]


def test_a_picture_of_another_size_is_refused_before_it_is_computed(tiny_eps):
    assert isinstance(tiny_eps.network, Engine)
    with pytest.raises(ValueError, match="shape"):
        tiny_eps.predict_noise(torch.zeros(1, 3, 16, 16), 5)


def test_it_supports_the_tiny_network_of_other_tests():
    assert supports(tiny_unet().eval())
