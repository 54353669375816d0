import threading
import weakref

import pytest
import torch

from diffdemo import lab, metrics
from diffdemo.errors import DiffdemoError, ExperimentError, ModelError, PictureError
from diffdemo.experiment import Belief, Curve, RoundTrip, picture_from_png
from diffdemo.images import png_bytes, to_uint8
from diffdemo.lab import Progress, RoundTripResult, crossing, lane, round_trip
from diffdemo.models import load_model
from diffdemo.noise import noise
from diffdemo.sampling import denoise

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


def test_a_preview_starts_from_the_same_noises_and_is_nearer_than_a_single_estimate(faces_model):
    trip = RoundTrip(n=700, seeds=range(lab.PREVIEW_SEEDS + 2), steps=20)
    early, (first, *_, result) = lab.preview(trip), lab.stream(trip)
    assert torch.equal(early.x_n, result.x_n)
    assert (early.done, early.total) == (0, 20)
    seen = slice(lab.PREVIEW_SEEDS)
    near, far = (float(metrics.rmse(some.x0_hat[seen], result.reconstructions[seen]).mean()) for some in (early, first))
    assert near < 0.7 * far
    assert torch.equal(early.x0_hat[lab.PREVIEW_SEEDS :], early.x_n[lab.PREVIEW_SEEDS :])
    exact = denoise(faces_model, early.x_n[:1], 700, lab.PREVIEW_CALLS, solver="dpm++2m")
    assert torch.allclose(early.x0_hat[:1], exact, atol=1e-5)


def test_a_blocking_run_holds_nothing_of_what_was_shown_on_the_way(monkeypatch):
    held, alive = [], []

    def shown(e, model, x0):
        for item in round_trip(e, model, x0):
            alive.append(sum(ref() is not None for ref in held))
            held.append(weakref.ref(item))
            yield item

    monkeypatch.setitem(lab._ROOMS, RoundTrip, (shown, lab.network_calls))
    lab.run(RoundTrip(n=300, seeds=(0,), steps=12))
    assert max(alive) <= 2


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
    monkeypatch.setattr(lane, "CHUNK", 2)
    parts = lab.run(RoundTrip(seeds=range(5), steps=5))
    assert float((whole.reconstructions - parts.reconstructions).abs().max()) < 1 / 255
    assert torch.equal(whole.path.levels, parts.path.levels)
    assert [p.done for p in lab.stream(RoundTrip(seeds=range(5), steps=5)) if isinstance(p, Progress)] == list(range(1, 16))


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
    assert result.attributes == lab.run(RoundTrip(n=100, **SMALL)).attributes


def test_what_is_no_face_has_no_attributes():
    text = picture_from_png(png_bytes(torch.randint(0, 255, (16, 16, 3), generator=torch.Generator().manual_seed(1)).byte().numpy()))
    result = lab.run(RoundTrip(picture=text, n=100, **SMALL))
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


def test_a_curve_is_the_round_trips_of_its_levels():
    """Rows of one batch, each with its own n, equal separate runs; n = 0 is the picture itself."""
    curve = lab.run(Curve(levels=(0, 3, 250, 1000), seeds=(5, 6), steps=4))
    assert curve.reconstructions.shape == curve.x_n.shape == (4, 2, 3, 16, 16)
    assert torch.equal(curve.reconstructions[0], curve.x0.expand(2, -1, -1, -1))
    for place, n in enumerate((0, 3, 250, 1000)):
        alone = lab.run(RoundTrip(n=n, seeds=(5, 6), steps=4))
        assert torch.equal(curve.x_n[place], alone.x_n)
        assert float((curve.reconstructions[place] - alone.reconstructions).abs().max()) < 1 / 255
        assert torch.equal(curve.came_back[place], alone.came_back)
        assert torch.allclose(curve.kept[place], alone.kept)
    assert curve.bits == pytest.approx(13.288, abs=1e-3)
    assert curve.bits_known[0].tolist() == pytest.approx([curve.bits] * 2)
    assert float(curve.bits_known[3].max()) < 0.1
    assert curve.p_true[2].tolist() == pytest.approx([1, 1], abs=1e-3)
    assert 0 < curve.chance < 0.5
    assert curve.speciation == pytest.approx(545, abs=10)


def test_a_curve_streams_every_network_call_and_its_chunks_change_nothing(monkeypatch):
    e = Curve(levels=(0, 2, 600), seeds=(0, 1, 2), steps=4)
    *progress, whole = lab.stream(e)
    assert [(p.done, p.total) for p in progress] == [(k, 4) for k in range(1, 5)]
    monkeypatch.setattr(lane, "CHUNK", 4)
    *progress, parts = lab.stream(e)
    assert [(p.done, p.total) for p in progress] == [(k, 10) for k in range(1, 11)]  # chunks of rows 0-3, 4-7, 8: 2 + 4 + 4 calls
    assert float((whole.reconstructions - parts.reconstructions).abs().max()) < 1 / 255


def test_a_curve_of_a_model_without_line_up_has_distances_only(folders):
    model = load_model(str(folders["epsilon"]), device="cpu")
    result = lab.run(Curve(model=model.name, levels=(0, 500), seeds=(0,), steps=2), model)
    assert result.bits_known is None
    assert result.kept is None
    assert result.chance is None
    assert result.rmse.shape == (2, 1)
    with pytest.raises(ExperimentError, match="no line-up"):
        lab.run(Belief(model=model.name), model)


def test_a_belief_is_sure_early_and_ignorant_late():
    sure, lost = (lab.run(Belief(n=n, seed=3)) for n in (150, 1000))
    assert sure.top[0].own
    assert sure.top[0].name == "face:17"
    assert sure.p_true > 0.999
    assert sure.entropy_bits < 0.01
    assert float((sure.posterior_mean - sure.x0).abs().max()) < 0.01
    assert lost.entropy_bits > 13.2
    assert lost.p_true < 0.001
    assert lost.count == 10_000
    assert list(sure.marginals) == list(lost.marginals)
    for result in (sure, lost):
        for shares in result.marginals.values():
            assert sum(p for _, p, _ in shares) == pytest.approx(1, abs=1e-9)
            assert sum(true for _, _, true in shares) <= 1
    assert {word: p for word, p, _ in lost.marginals["hat"]}["none"] == pytest.approx(0.85, abs=0.03)


def test_beliefs_at_many_levels_are_the_single_ones_and_at_no_noise_certain():
    model = load_model("faces", "cpu")
    many = lab.beliefs(Belief(seed=2), model, lab.picture("face:17", model), (0, 300, 700))
    one = lab.run(Belief(n=300, seed=2))
    assert many[1].experiment.n == 300
    assert many[1].p_true == pytest.approx(one.p_true)
    assert float((many[1].x0_hat - one.x0_hat).abs().max()) < 1e-4
    assert many[0].p_true == 1
    assert torch.equal(many[0].x0_hat, many[0].x0)


def test_a_belief_over_chosen_pictures_counts_each_once_and_the_original_always():
    result = lab.run(Belief(n=900, line_up="face:1,face:2,face:2,face:17"))
    assert result.count == 3
    assert sorted(c.name for c in result.top) == ["face:1", "face:17", "face:2"]
    outside = lab.run(Belief(picture="face:900001", n=900, line_up="face:1"))
    assert outside.count == 2
    assert any(c.own and c.name == "face:900001" for c in outside.top)


def test_the_network_agrees_with_the_exact_mean_where_the_line_up_is_dense():
    """At high n one who knows 10,000 pictures and one who knows the distribution say nearly the same."""
    for name, picture in (("faces", "face:17"), ("digits", "digit:3")):
        result = lab.run(Belief(model=name, picture=picture, n=800))
        apart = float((result.x0_hat - result.posterior_mean).square().mean().sqrt())
        naive = float((result.x_n / load_model(name, "cpu").schedule.alpha_bar[800] ** 0.5 - result.posterior_mean).square().mean().sqrt())
        assert apart < 0.2
        assert apart < naive / 20


@pytest.mark.parametrize("experiment", [Curve(levels=(0, 101), model="short"), Belief(n=101, model="short")])
def test_levels_beyond_the_model_are_refused_for_all_experiments(experiment, tmp_path):
    from diffusers import DDPMPipeline, DDPMScheduler
    from doubles import tiny_unet

    DDPMPipeline(unet=tiny_unet(), scheduler=DDPMScheduler(num_train_timesteps=100)).save_pretrained(tmp_path / "short")
    with pytest.raises(ExperimentError, match="100 noise steps"):
        next(lab.stream(experiment, load_model(str(tmp_path / "short"), device="cpu")))


def test_crossings_are_linear_between_levels_and_absent_where_nothing_falls():
    assert crossing((0, 100, 200), (1.0, 0.8, 0.2), 0.5) == pytest.approx(150)
    assert crossing((0, 100), (1.0, 0.9), 0.5) is None
    assert crossing((0, 100, 200, 300), (1.0, 0.4, 0.9, 0.1), 0.5) == pytest.approx(500 / 6)
