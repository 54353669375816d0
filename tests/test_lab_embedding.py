from dataclasses import replace

import pytest
import torch

import diffdemo
from diffdemo import lab
from diffdemo.errors import ExperimentError
from diffdemo.experiment import Embedding
from diffdemo.inversion import replay
from diffdemo.lab import Progress, lane
from diffdemo.lab.embedding import CURVE, MIX
from diffdemo.metrics import rmse
from diffdemo.models import load_model
from diffdemo.noise import correlation, gaussianity, noise
from diffdemo.terms import CODES

SEEDS = (3, 4, 5)
DRAWN = ("random", "edit-friendly", "dpm-encoder")


@pytest.fixture(scope="module")
def model(folders):
    """Predicts v, as the bundled models do; of an untrained network that predicts eps some fixed points are never found."""
    return load_model(str(folders["v_prediction"]), device="cpu")


@pytest.fixture(autouse=True)
def short_curves(monkeypatch):
    monkeypatch.setitem(CURVE, "ddim", (2, 4))
    monkeypatch.setitem(CURVE, "fixed-point", (2,))


def embed(model, **options):
    return lab.run(Embedding(**{"model": model.name, "n": 600, "seeds": SEEDS, "steps": 6, **options}), model)


@pytest.fixture(scope="module")
def found(model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CURVE, "ddim", (2, 4))
        patch.setitem(CURVE, "fixed-point", (2,))
        return embed(model, other="face:4")


def near(a, b, tolerance=1e-5):
    return float((a - b).abs().max()) <= tolerance * max(1.0, float(b.abs().max()))


def test_every_method_has_its_codes(found, model):
    assert tuple(found.codes) == CODES
    rows = {"random": 3, "ddim": 1, "fixed-point": 1, "edit-friendly": 3, "dpm-encoder": 3}
    for method, code in found.codes.items():
        assert code.method == method
        assert code.x_n.shape == code.reconstructions.shape == (rows[method], *model.shape)
        assert code.rmse.shape == code.largest.shape == code.came_back.shape == code.gaussian.shape == (rows[method],)
        assert torch.allclose(code.rmse, rmse(found.x0, code.reconstructions))
        assert torch.equal(code.largest, (code.reconstructions - found.x0).abs().amax((1, 2, 3)))
        for name, values in gaussianity(code.x_n, found.x0).items():
            assert torch.equal(code.statistics[name], values)
    assert found.codes["edit-friendly"].z.shape == (6, 3, *model.shape)
    assert found.codes["random"].z is None
    assert found.experiment.revision == model.revision


def test_the_result_has_its_parts_by_method(found):
    for method, code in found.codes.items():
        assert found.x_n[method] is code.x_n
        assert found.reconstructions[method] is code.reconstructions
        assert found.statistics[method] is code.statistics
        assert found.errors[method] == (code.rmse, code.largest)
    assert found.z["dpm-encoder"] is found.codes["dpm-encoder"].z
    with pytest.raises(AttributeError):
        _ = found.nothing


def test_codes_that_are_drawn_begin_at_the_very_same_state_for_a_seed(found, model):
    x_n = model.schedule.add_noise(found.x0, noise(SEEDS, model.shape), 600)
    for method in DRAWN:
        assert torch.equal(found.codes[method].x_n, x_n)


def test_codes_and_their_ways_back_are_those_of_the_rooms_below(found, model):
    x0 = found.x0
    for method in ("ddim", "fixed-point"):
        x_n = diffdemo.invert(model, x0, 600, 6, method)
        assert near(found.codes[method].x_n, x_n, 1e-4)
        assert near(found.codes[method].reconstructions, diffdemo.denoise(model, found.codes[method].x_n, 600, 6))
    assert near(found.codes["random"].reconstructions, diffdemo.denoise(model, found.codes["random"].x_n, 600, 6))
    for method, encoder in (("edit-friendly", diffdemo.edit_friendly), ("dpm-encoder", diffdemo.dpm_encoder)):
        assert near(found.codes[method].z, encoder(model, x0, 600, 6, SEEDS)[1])
        assert float(found.codes[method].largest.max()) < 1e-4
    assert float(found.codes["fixed-point"].rmse) < float(found.codes["ddim"].rmse)


def test_what_random_codes_have_of_their_own_pictures(found):
    random = found.codes["random"]
    assert torch.allclose(found.own, correlation(random.x_n.flatten(1).double(), random.reconstructions.flatten(1).double()))


@pytest.mark.parametrize("method", CODES)
def test_a_method_alone_gives_the_numbers_it_gives_among_all(found, model, method):
    alone = embed(model, methods=(method,), other="face:4")
    assert tuple(alone.codes) == (method,)
    assert near(alone.codes[method].x_n, found.codes[method].x_n)
    assert near(alone.codes[method].reconstructions, found.codes[method].reconstructions)
    assert alone.codes[method].calls == found.codes[method].calls
    assert alone.errors_by_steps.keys() == found.errors_by_steps.keys() & {method}
    assert alone.paths.keys() == found.paths.keys() & {method}
    assert (alone.own is None) == (method != "random")


def test_chunks_never_change_a_code(found, model, monkeypatch):
    monkeypatch.setattr(lane, "CHUNK", 2)
    parts = embed(model, other="face:4")
    for method, code in found.codes.items():
        assert near(parts.codes[method].x_n, code.x_n, 1e-4)
        assert near(parts.codes[method].reconstructions, code.reconstructions, 1e-4)
        assert parts.codes[method].calls == pytest.approx(code.calls)
    assert near(parts.swap.mixtures, found.swap.mixtures, 1e-4)
    assert parts.errors_by_steps["ddim"][1] == pytest.approx(found.errors_by_steps["ddim"][1], rel=1e-3)


class Counting:
    """A network that keeps how many rows each of its calls has."""

    def __init__(self, network):
        self.network, self.rows = network, []

    def __call__(self, x, *arguments, **options):
        self.rows.append(len(x))
        return self.network(x, *arguments, **options)


def test_no_network_call_has_more_rows_than_a_chunk(model, monkeypatch):
    monkeypatch.setattr(lane, "CHUNK", 2)
    counting = replace(model, network=Counting(model.network))
    lab.run(Embedding(model.name, n=600, seeds=SEEDS, steps=3, warm=0.4, other="face:4"), counting)
    assert max(counting.network.rows) == 2


def test_network_calls_are_counted(found, model):
    calls = {method: code.calls for method, code in found.codes.items()}
    assert calls["random"] == 6
    assert calls["ddim"] == calls["edit-friendly"] == calls["dpm-encoder"] == 12
    assert 12 < calls["fixed-point"] <= 6 * 21
    counting = replace(model, network=Counting(model.network))
    for method in ("random", "edit-friendly"):
        counting.network.rows.clear()
        *_, result = lab.stream(Embedding(model.name, n=600, seeds=(1,), steps=5, methods=(method,)), counting)
        assert sum(rows for rows in counting.network.rows if rows == 1) == result.codes[method].calls


def test_a_warm_start_gives_every_seed_a_code_of_its_own(model):
    warm = embed(model, methods=("ddim", "fixed-point"), warm=0.5)
    for code in warm.codes.values():
        assert code.x_n.shape == (3, *model.shape)
        assert code.rmse.shape == (3,)
        assert float((code.x_n[0] - code.x_n[1]).abs().max()) > 0.01
    assert near(warm.codes["ddim"].x_n, diffdemo.inversion.invert(model, warm.x0.repeat(3, 1, 1, 1), 600, 6, "ddim", 0.5, SEEDS), 1e-4)
    assert warm.codes["ddim"].calls == 3 + 6  # half of the steps up are one jump
    cold = embed(model, methods=("ddim", "fixed-point"))
    for method in ("ddim", "fixed-point"):
        steps, errors = warm.errors_by_steps[method]
        assert steps == CURVE[method]  # a warm code is no point of the curve
        known = dict(zip(*cold.errors_by_steps[method], strict=True))
        assert errors == pytest.approx([known[k] for k in steps], rel=1e-3)


def test_the_curve_of_errors_has_the_steps_it_should(found, model):
    assert found.errors_by_steps["ddim"][0] == (2, 4, 6)
    assert found.errors_by_steps["fixed-point"][0] == (2, 6)
    assert found.errors_by_steps["ddim"][1][2] == pytest.approx(float(found.codes["ddim"].rmse))
    assert found.errors_by_steps["ddim"][1][0] == pytest.approx(float(embed(model, methods=("ddim",), steps=2).codes["ddim"].rmse), rel=1e-4)
    assert embed(model, methods=("ddim",), steps=4).errors_by_steps["ddim"][0] == (2, 4)


def test_paths_have_their_statistics(found):
    assert set(found.paths) == {"edit-friendly", "dpm-encoder"}
    for statistics in found.paths.values():
        assert statistics.levels.tolist() == [600, 500, 400, 300, 200]
        assert len(statistics.variance) == 5


def test_without_a_second_picture_nothing_is_swapped(model):
    assert embed(model, methods=("ddim", "edit-friendly")).swap is None


def test_mixtures_go_from_one_round_trip_to_the_other(found, model):
    swap = found.swap
    assert swap.shares == MIX
    assert swap.mixtures.shape == (len(MIX), *model.shape)
    assert near(swap.mixtures[:1], found.codes["ddim"].reconstructions)
    assert near(swap.mixtures[-1:], embed(model, picture="face:4", methods=("ddim",)).codes["ddim"].reconstructions, 1e-4)


def test_a_kept_path_leads_another_picture_s_noise_elsewhere(found, model):
    swap = found.swap
    b = lab.picture("face:4", model)
    assert torch.equal(swap.other, b)
    assert swap.seed not in SEEDS
    x_n = model.schedule.add_noise(b, noise((swap.seed,), model.shape), 600)
    for method in ("edit-friendly", "dpm-encoder"):
        again = replay(model, x_n, found.codes[method].z[:, :1], 600)
        assert near(swap.replays[method], again)
        assert swap.to_a[method] == pytest.approx(float(rmse(found.x0, again)), rel=1e-3)
        assert swap.to_b[method] == pytest.approx(float(rmse(b, again)), rel=1e-3)


def test_the_noise_of_the_second_picture_is_never_that_of_the_path(model):
    for seeds in ((0,), (2**31 - 1,), (1, 0)):
        swap = embed(model, seeds=seeds, steps=2, methods=("edit-friendly",), other="face:4").swap
        assert swap.seed != seeds[0]
        assert swap.to_a["edit-friendly"] > 1e-3


@pytest.mark.parametrize(
    "options",
    [
        {}, {"other": "face:4"}, {"warm": 0.5}, {"warm": 1.0, "methods": ("ddim",)}, {"methods": ("random",)}, {"n": 3}, {"seeds": range(5)},
        {"methods": ("dpm-encoder",), "other": "face:4"}, {"n": 1, "steps": 1},
    ],
)  # fmt: skip
def test_progress_rises_and_never_passes_its_total(model, monkeypatch, options):
    monkeypatch.setattr(lane, "CHUNK", 4)  # some in parts, some whole
    e = Embedding(**{"model": model.name, "n": 600, "seeds": SEEDS, "steps": 2, **options})
    *progress, result = lab.stream(e, model)
    assert progress
    assert all(isinstance(p, Progress) for p in progress)
    done = [p.done for p in progress]
    assert done == sorted(done)
    assert done[0] >= 1
    assert all(p.done <= p.total == progress[0].total for p in progress)
    assert all(len(p.x_n) == len(p.x0_hat) and p.x0.shape == (1, *model.shape) for p in progress)
    assert set(result.codes) == set(e.methods)


def test_few_noise_steps_make_few_calls(model):
    result = embed(model, n=3, steps=50, seeds=(1,))
    assert {method: code.calls for method, code in result.codes.items() if method != "fixed-point"} == {
        "random": 3, "ddim": 6, "edit-friendly": 6, "dpm-encoder": 6,
    }  # fmt: skip
    assert len(result.codes["edit-friendly"].z) == 3


def test_n_beyond_the_model_is_refused(tmp_path):
    from diffusers import DDPMPipeline, DDPMScheduler
    from doubles import tiny_unet

    DDPMPipeline(unet=tiny_unet(), scheduler=DDPMScheduler(num_train_timesteps=100)).save_pretrained(tmp_path / "short")
    with pytest.raises(ExperimentError, match="100 noise steps"):
        next(lab.stream(Embedding(model="short"), load_model(str(tmp_path / "short"), device="cpu")))


def test_only_random_codes_of_the_bundled_faces_pass_as_noise_at_few_steps(faces_model):
    found = lab.run(Embedding(seeds=(0, 1, 2, 3), steps=5, methods=("random", "ddim", "edit-friendly")), faces_model)
    assert int(found.codes["random"].gaussian.sum()) >= 3
    assert not found.codes["ddim"].gaussian.any()
    assert found.codes["edit-friendly"].came_back.all()
    assert not found.codes["random"].came_back.any()
