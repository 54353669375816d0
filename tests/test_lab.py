import hashlib
import subprocess
import sys
import threading

import pytest
import torch

from diffdemo import lab
from diffdemo.errors import DiffdemoError, ExperimentError, ModelError, PictureError
from diffdemo.experiment import RoundTrip, picture_from_png
from diffdemo.images import png_bytes, to_uint8
from diffdemo.lab import Progress, RoundTripResult
from diffdemo.models import load_model
from diffdemo.noise import noise

SMALL = {"seeds": (0, 1, 2), "steps": 4}


def test_a_round_trip_holds_what_it_promises(faces_model):
    result = lab.run(RoundTrip(**SMALL))
    assert isinstance(result, RoundTripResult)
    assert result.experiment.revision == faces_model.revision
    assert result.x0.shape == (1, 3, 16, 16)
    assert torch.equal(result.x_n, faces_model.schedule.add_noise(result.x0, noise((0, 1, 2), faces_model.shape), 250))
    assert torch.allclose(result.rmse, (result.reconstructions - result.x0).square().mean((1, 2, 3)).sqrt())
    assert result.came_back.dtype == torch.bool
    assert result.kept.shape == (3,)
    assert 0 < result.attributes <= 14
    assert result.path.levels.tolist() == [[250] * 3, [188] * 3, [125] * 3, [62] * 3]
    assert torch.equal(result.path.x[0], result.x_n)


def test_progress_counts_every_network_call_and_shows_the_latest_estimate():
    *progress, result = lab.stream(RoundTrip(**SMALL))
    assert [(p.done, p.total) for p in progress] == [(k, 4) for k in range(1, 5)]
    assert all(isinstance(p, Progress) for p in progress)
    assert torch.equal(progress[-1].x0_hat, result.path.x0_hat[-1])
    assert not torch.equal(progress[0].x0_hat, progress[-1].x0_hat)


def test_no_noise_gives_the_picture_back_bit_for_bit():
    result = lab.run(RoundTrip(n=0, seeds=(0, 5)))
    assert torch.equal(result.reconstructions, result.x0.expand(2, -1, -1, -1))
    assert result.came_back.all()
    assert result.kept.tolist() == [1, 1]
    assert result.path.x.shape[0] == 0


@pytest.mark.parametrize("options", [{"n": 1000}, {"n": 500, "eta": 1.0, "steps": 10}, {"n": 1000, "solver": "dpm++2m", "spacing": "logsnr"}])
def test_a_sweep_of_4_is_the_head_of_a_sweep_of_16(options):
    four, sixteen = (lab.run(RoundTrip(seeds=range(count), **options)) for count in (4, 16))
    assert torch.equal(four.x_n, sixteen.x_n[:4])
    assert float((four.reconstructions - sixteen.reconstructions[:4]).abs().max()) < 2 / 255


def test_chunks_never_change_a_picture(monkeypatch):
    whole = lab.run(RoundTrip(seeds=range(5), steps=5))
    monkeypatch.setattr(lab, "CHUNK", 2)
    parts = lab.run(RoundTrip(seeds=range(5), steps=5))
    assert float((whole.reconstructions - parts.reconstructions).abs().max()) < 1 / 255
    assert torch.equal(whole.path.levels, parts.path.levels)
    assert [p.done for p in lab.stream(RoundTrip(seeds=range(5), steps=5)) if isinstance(p, Progress)] == list(range(1, 16))


SCRIPT = """
import hashlib, sys
from diffdemo import RoundTrip, run
from diffdemo.images import png_bytes, to_uint8
result = run(RoundTrip(n=1000, seeds=(0, 1, 2, 3), steps=10))
print(hashlib.sha256(b"".join(png_bytes(p) for x in (result.x_n, result.reconstructions) for p in to_uint8(x))).hexdigest())
"""


def test_two_processes_give_byte_identical_pngs():
    first, second = (subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert len(first) == len(hashlib.sha256().hexdigest()) + 1
    assert first == second


def test_pure_noise_ignores_the_picture():
    one, other = (lab.run(RoundTrip(picture=p, n=1000, start="noise", **SMALL)) for p in ("face:17", "face:4"))
    assert torch.equal(one.reconstructions, other.reconstructions)
    assert torch.equal(one.x_n, noise((0, 1, 2), (3, 16, 16)))


def test_all_noise_is_a_seed_s_picture_whatever_the_original():
    one, other = (lab.run(RoundTrip(picture=p, n=1000, **SMALL)) for p in ("face:17", "face:4"))
    assert float((one.x_n - other.x_n).abs().max()) < 0.0064 * 2
    assert not one.came_back.any()


def test_a_picture_inside_the_experiment_is_used():
    x0 = lab.picture("face:17", load_model("faces", "cpu"))
    text = picture_from_png(png_bytes(to_uint8(x0)[0]))
    result = lab.run(RoundTrip(picture=text, n=100, **SMALL))
    assert torch.equal(result.x0, x0)
    assert result.came_back.all()
    assert result.kept is None
    assert result.attributes == 0


def test_a_model_without_line_up_is_judged_by_the_distance_of_its_own_samples(folders):
    model = load_model(str(folders["epsilon"]), device="cpu")
    result = lab.run(RoundTrip(model=model.name, n=10, **SMALL), model)
    assert result.unrelated > 0
    assert torch.equal(result.came_back, result.rmse < 0.4 * result.unrelated)
    assert result.kept is None


@pytest.mark.parametrize(
    ("experiment", "error"),
    [
        (RoundTrip(model="cats"), ModelError),
        (RoundTrip(picture="png:AAAA"), PictureError),
        (RoundTrip(picture="png:A"), ExperimentError),
        ("face:17", ExperimentError),
    ],
)
def test_what_cannot_be_run_is_refused_before_any_work(experiment, error):
    with pytest.raises(error):
        next(lab.stream(experiment))


def test_a_large_picture_inside_a_link_is_refused():
    text = picture_from_png(png_bytes(torch.zeros(2000, 2000, 3, dtype=torch.uint8).numpy())[:1000])
    with pytest.raises(DiffdemoError, match="pixels"):
        next(lab.stream(RoundTrip(picture=text)))


def test_n_beyond_the_model_is_refused(tmp_path):
    from diffusers import DDPMPipeline, DDPMScheduler
    from doubles import tiny_unet

    DDPMPipeline(unet=tiny_unet(), scheduler=DDPMScheduler(num_train_timesteps=100)).save_pretrained(tmp_path / "short")
    model = load_model(str(tmp_path / "short"), device="cpu")
    with pytest.raises(ExperimentError, match="100 noise steps"):
        next(lab.stream(RoundTrip(model="short", n=101, **SMALL), model))


def test_a_closed_run_frees_the_lane_and_keeps_gradients_on():
    run = lab.stream(RoundTrip(**SMALL))
    next(run)
    assert torch.is_grad_enabled()
    assert not lab._lane.locked()
    run.close()
    assert len(list(lab.stream(RoundTrip(**SMALL)))) == 5


def test_runs_in_many_threads_do_not_touch_each_other():
    wanted = {n: lab.run(RoundTrip(n=n, **SMALL)).reconstructions for n in (100, 500, 1000)}
    found = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: lab.run(RoundTrip(n=n, **SMALL)).reconstructions})) for n in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, x in wanted.items():
        assert float((found[n] - x).abs().max()) < 1 / 255
