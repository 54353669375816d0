"""diffdemo's own forward pass gives what diffusers' gives, for every network that it says it can stand for."""

import json
import threading
from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DModel
from doubles import save_pipeline, tiny_unet

from diffdemo.models import engine, load_model
from diffdemo.models.convolutions import Bilinear, Interpolated, Plain, Upsampled
from diffdemo.models.engine import Engine, supports

DOWN, UP = ("DownBlock2D", "AttnDownBlock2D"), ("AttnUpBlock2D", "UpBlock2D")
BASE = {
    "sample_size": 8, "in_channels": 3, "out_channels": 3, "block_out_channels": (32, 64), "layers_per_block": 1,
    "down_block_types": DOWN, "up_block_types": UP, "attention_head_dim": 8, "norm_num_groups": 8,
}  # fmt: skip
THREE = {"block_out_channels": (16, 48, 96), "down_block_types": (*DOWN, "DownBlock2D"), "up_block_types": ("UpBlock2D", *UP)}
NETWORKS = {
    "small": {},
    "grey": {"in_channels": 1, "out_channels": 1},
    "more comes out": {"out_channels": 6},
    "no attention": {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2, "add_attention": False},
    "attention everywhere": {"down_block_types": ("AttnDownBlock2D",) * 2, "up_block_types": ("AttnUpBlock2D",) * 2},
    "two layers": {"layers_per_block": 2},
    "equal widths, shortcuts only after joins": {"block_out_channels": (32, 32)},
    "down to two pixels": {"sample_size": 8, **THREE},
    "down to one pixel": {"sample_size": 4, **THREE},
    "wide": {"sample_size": (8, 24), **THREE},
    "tall, odd at the bottom": {"sample_size": (20, 12), **THREE},
    "32 pixels": {"sample_size": 32, "block_out_channels": (8, 16)},
    "one head": {"attention_head_dim": None},
    "as Ho et al. saved theirs": {"downsample_padding": 0, "flip_sin_to_cos": False, "freq_shift": 1, "norm_eps": 1e-6},
    "learned time": {"time_embedding_type": "learned", "num_train_timesteps": 1000},
    "no middle": {"mid_block_type": None},
}
OTHERS = {
    "another activation": {"act_fn": "mish"},
    "scale and shift": {"resnet_time_scale_shift": "scale_shift"},
    "classes": {"num_class_embeds": 4},
    "sampled by blocks": {"downsample_type": "resnet", "upsample_type": "resnet"},
    "Fourier time": {"time_embedding_type": "fourier"},
    "centred": {"center_input_sample": True},
    "scaled middle": {"mid_block_scale_factor": 2**0.5},
    "other blocks": {"down_block_types": ("DownBlock2D", "SkipDownBlock2D"), "norm_num_groups": 4},
}


def network(seed=0, **changes):
    torch.manual_seed(seed)
    return UNet2DModel(**{**BASE, **changes}).eval().requires_grad_(False)


def built(net):
    size = net.config.sample_size
    return Engine(net, (size, size) if isinstance(size, int) else size)


def noise_for(net, batch, seed=1):
    size = net.config.sample_size
    shape = (size, size) if isinstance(size, int) else size
    return torch.randn(batch, net.config.in_channels, *shape, generator=torch.Generator().manual_seed(seed))


def near(found, wanted, relative=1e-5):
    return found.shape == wanted.shape and float((found - wanted).abs().max()) <= relative * float(wanted.abs().max())


def ways(own):
    """How an engine computes each of its convolutions."""
    parts = [part for stage in own.stages for part in stage.parts]
    blocks = [part for part in parts if isinstance(part, engine._Resnet)]
    return [way for block in blocks for way in (block.conv1, block.conv2)] + [part.way for part in parts if isinstance(part, engine._Alone)]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_it_gives_what_diffusers_gives(name, batch):
    net = network(**NETWORKS[name])
    assert supports(net)
    own, x = built(net), noise_for(net, batch)
    for timestep in (torch.full((batch,), 700), torch.arange(batch) * 199, torch.tensor([3, 998, 3, 0, 998])[:batch]):
        assert near(own(x, timestep)[0], net(x, timestep, return_dict=False)[0])


def test_the_networks_of_these_tests_are_computed_in_every_way():
    kinds = [way for name in ("down to two pixels", "wide") for way in ways(built(network(**NETWORKS[name])))]
    assert {type(way) for way in kinds} == {Bilinear, Plain, Upsampled}
    assert {9, 36} <= {len(way.U) for way in kinds if isinstance(way, Bilinear)}


def test_the_bundled_models_run_on_it(faces_model):
    x, n = torch.randn(4, *faces_model.shape, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 250, 250, 1000])
    assert faces_model.engine == "float32 by diffdemo's own forward pass"
    assert near(faces_model.predict_noise(x, n), replace(faces_model, network=faces_model.unet).predict_noise(x, n))
    assert load_model("digits", "cpu").engine == faces_model.engine


@pytest.mark.parametrize("name", NETWORKS)
def test_a_row_does_not_feel_the_others(name):
    net = network(**NETWORKS[name])
    own, x, timestep = built(net), noise_for(net, 5), torch.tensor([0, 999, 10, 10, 500])
    together = own(x, timestep)[0]
    alone = torch.cat([own(row, t)[0] for row, t in zip(x.split(1), timestep.split(1), strict=True)])
    assert near(alone, together)


@pytest.mark.parametrize("budget", [0, 500_000])
def test_without_room_for_prepared_weights_the_numbers_are_the_same(budget, monkeypatch):
    net = network(**NETWORKS["down to two pixels"])
    roomy, x, timestep = built(net), noise_for(net, 3), torch.tensor([5, 5, 800])
    monkeypatch.setattr(engine, "_PREPARED", budget)
    tight = built(net)
    assert tight.prepared <= budget < roomy.prepared
    assert near(tight(x, timestep)[0], roomy(x, timestep)[0])
    assert budget or {type(way) for way in ways(tight)} == {Plain, Interpolated}


def test_what_it_holds_is_counted():
    own = built(network(**NETWORKS["down to two pixels"]))
    held = sum(way.U.nbytes if isinstance(way, Bilinear) else way.weight.nbytes for way in ways(own) if isinstance(way, Bilinear | Upsampled))
    assert own.prepared == held > 0


@pytest.mark.parametrize("name", ["small", "grey", "no attention"])
def test_nothing_is_written_to_what_others_hold(name):
    net = network(**NETWORKS[name])
    own, x, timestep = built(net), noise_for(net, 3), torch.tensor([5, 900, 5])
    given, weights = x.clone(), {key: value.clone() for key, value in net.state_dict().items()}
    first = own(x, timestep)[0]
    kept = first.clone()
    own(noise_for(net, 3, seed=2), torch.tensor([1, 2, 3]))
    again = own(x, timestep)[0]
    assert torch.equal(x, given)
    assert torch.equal(first, kept)
    assert torch.equal(again, first)
    assert again.data_ptr() != first.data_ptr()
    assert all(torch.equal(value, weights[key]) for key, value in net.state_dict().items())


def test_the_order_of_the_pixels_in_memory_does_not_matter():
    net = network()
    own, x = built(net), noise_for(net, 4)
    wanted = own(x, torch.full((4,), 9))[0]
    assert torch.equal(own(x.contiguous(memory_format=torch.channels_last), torch.full((4,), 9))[0], wanted)
    assert torch.equal(own(x.flip(0).flip(0)[:, :, :, :], torch.full((4,), 9))[0], wanted)
    assert wanted.is_contiguous()


def test_the_threads_that_ask_and_compute_do_not_matter(faces_model):
    x, n = torch.randn(8, *faces_model.shape, generator=torch.Generator().manual_seed(3)), torch.arange(1, 1000, 125)
    wanted, found, before = faces_model.predict_noise(x, n), [], torch.get_num_threads()
    askers = [threading.Thread(target=lambda: found.append(faces_model.predict_noise(x, n))) for _ in range(3)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert all(torch.equal(one, wanted) for one in found)
    try:
        torch.set_num_threads(1)
        assert near(faces_model.predict_noise(x, n), wanted)
    finally:
        torch.set_num_threads(before)


def test_the_answer_is_an_ordinary_tensor(tiny_eps):
    found = tiny_eps.predict_noise(torch.zeros(2, *tiny_eps.shape), 5)
    assert not found.is_inference()
    assert not found.requires_grad
    found.mul_(2)


@pytest.mark.parametrize("name", OTHERS)
def test_other_networks_are_left_to_diffusers(name, tmp_path):
    changes = OTHERS[name]
    if name == "other blocks":
        changes = {**changes, "up_block_types": ("SkipUpBlock2D", "UpBlock2D")}
    try:
        net = network(**changes)
    except (TypeError, ValueError, RuntimeError):
        pytest.skip("this diffusers does not build it")
    assert not supports(net)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_other_numbers_are_left_to_diffusers(dtype, tmp_path):
    folder = save_pipeline(tmp_path / "model")
    model, x = load_model(str(folder), "cpu", dtype), torch.randn(2, 3, 8, 8)
    assert not isinstance(model.network, Engine)
    assert model.engine == f"{dtype} by diffusers"
    with torch.no_grad():
        wanted = model.network(x.to(model.dtype), torch.tensor([4, 4])).sample
    assert torch.equal(model.predict_noise(x, 5), wanted.float())


def test_a_folder_with_another_activation_loads_and_says_what_computes(tmp_path):
    folder = save_pipeline(tmp_path / "model")
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "act_fn": "gelu"}))
    model, x = load_model(str(folder), "cpu"), torch.randn(2, 3, 8, 8)
    assert model.engine == "float32 by diffusers"
    with torch.no_grad():
        assert torch.equal(model.predict_noise(x, 5), model.network(x, torch.tensor([4, 4])).sample)


def test_a_network_that_takes_anothers_place_is_called_itself(tiny_eps):
    asked = []

    def other(x, timestep, return_dict):
        asked.append(len(x))
        return (torch.zeros_like(x),)

    model = replace(tiny_eps, network=other)
    assert model.engine == "float32 by diffusers"
    assert not model.predict_noise(torch.ones(2, *model.shape), 5).any()
    assert asked == [2]


def test_prepared_weights_count_as_memory(faces_model):
    parameters = sum(p.numel() * p.element_size() for p in faces_model.unet.parameters())
    assert faces_model.size == parameters + faces_model.network.network.prepared > parameters


def test_a_picture_of_another_size_is_refused_before_it_is_computed(tiny_eps):
    assert isinstance(tiny_eps.network, Engine)
    with pytest.raises(ValueError, match="shape"):
        tiny_eps.predict_noise(torch.zeros(1, 3, 16, 16), 5)


def test_the_tiny_network_of_other_tests_runs_on_it():
    assert supports(tiny_unet().eval())
