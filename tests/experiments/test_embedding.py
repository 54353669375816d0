import json
import re
from dataclasses import replace

import pytest
import torch
from doubles import Counting
from raw_values import OWN, SHARED

import diffdemo
from diffdemo import Embedding, lab
from diffdemo.diffusion.gaussianity import correlation, gaussianity
from diffdemo.diffusion.inversion import invert
from diffdemo.diffusion.kept_paths import replay
from diffdemo.diffusion.metrics import rmse
from diffdemo.diffusion.noise import noise
from diffdemo.errors import ExperimentError
from diffdemo.experiments.embedding import CODES
from diffdemo.experiments.embedding.findings import findings
from diffdemo.experiments.embedding.run import SHARES
from diffdemo.experiments.embedding.tab import AT_DIAL, AT_T
from diffdemo.lab import batches
from diffdemo.lab.prepare import picture, prepare
from diffdemo.lab.progress import Progress
from diffdemo.models import load_model
from diffdemo.report.presenter import present
from diffdemo.widgets.controls import ControlValues, Settings

SEEDS = (3, 4, 5)
DRAWN = ("random", "edit-friendly", "dpm-encoder")
SHORT_CURVES = {"ddim": (2, 4), "fixed-point": (2,)}


@pytest.fixture(scope="module")
def model(folders):
    """Predicts v, as the bundled models do.

    Of an untrained network that predicts eps some fixed points are never found.
    """
    return load_model(str(folders["v_prediction"]), device="cpu")


@pytest.fixture(autouse=True)
def short_curves(monkeypatch):
    monkeypatch.setattr("diffdemo.experiments.embedding.run.CURVE", SHORT_CURVES)


def embed(model, **options):
    values = {"model": model.name, "n": 600, "seeds": SEEDS, "steps": 6, **options}
    return lab.run(Embedding(**values), model)


@pytest.fixture(scope="module")
def found(model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diffdemo.experiments.embedding.run.CURVE", SHORT_CURVES)
        return embed(model, other="face:4")


def near(a, b, tolerance=1e-5):
    return float((a - b).abs().max()) <= tolerance * max(1.0, float(b.abs().max()))


@pytest.mark.parametrize("method", CODES)
def test_the_parts_of_a_code_fit_together(found, model, method):
    code = found.codes[method]
    rows = 3 if method in DRAWN else 1
    assert code.method == method
    assert code.x_n.shape == code.reconstructions.shape == (rows, *model.shape)
    by_row = (code.rmse, code.largest, code.came_back, code.gaussian)
    assert {each.shape for each in by_row} == {(rows,)}
    assert torch.allclose(code.rmse, rmse(found.x0, code.reconstructions))
    assert torch.equal(code.largest, (code.reconstructions - found.x0).abs().amax((1, 2, 3)))
    for name, values in gaussianity(code.x_n, found.x0).items():
        assert torch.equal(code.statistics[name], values)


def test_codes_are_in_the_order_of_the_experiment_and_encoders_have_a_path(found, model):
    assert tuple(found.codes) == CODES
    assert found.experiment.revision == model.revision
    shapes = {method: code.z.shape for method, code in found.codes.items() if code.z is not None}
    assert shapes == dict.fromkeys(("edit-friendly", "dpm-encoder"), (6, 3, *model.shape))


def test_codes_that_are_drawn_begin_at_the_very_same_state_for_a_seed(found, model):
    x_n = model.schedule.add_noise(found.x0, noise(SEEDS, model.shape), 600)
    for method in DRAWN:
        assert torch.equal(found.codes[method].x_n, x_n)


@pytest.mark.parametrize("method", ["ddim", "fixed-point"])
def test_inverted_codes_are_those_of_invert(found, model, method):
    assert near(found.codes[method].x_n, diffdemo.invert(model, found.x0, 600, 6, method), 1e-4)
    assert float(found.codes["fixed-point"].rmse) < float(found.codes["ddim"].rmse)


@pytest.mark.parametrize("method", ["random", "ddim", "fixed-point"])
def test_codes_without_a_path_are_denoised(found, model, method):
    code = found.codes[method]
    assert near(code.reconstructions, diffdemo.denoise(model, code.x_n, 600, 6))


@pytest.mark.parametrize("method", ["edit_friendly", "dpm_encoder"])
def test_recorded_paths_are_those_of_the_encoders_and_lead_back(found, model, method):
    code = found.codes[method.replace("_", "-")]
    _, z = getattr(diffdemo, method)(model, found.x0, 600, 6, SEEDS)
    assert near(code.z, z)
    assert float(code.largest.max()) < 1e-4


def test_random_codes_correlate_with_the_pictures_they_lead_to(found):
    random = found.codes["random"]
    rows = [x.flatten(1).double() for x in (random.x_n, random.reconstructions)]
    assert torch.allclose(found.own, correlation(*rows))


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


def test_batches_never_change_a_code(found, model, monkeypatch):
    monkeypatch.setattr(batches, "ROWS", 2)
    parts = embed(model, other="face:4")
    for method, code in found.codes.items():
        assert near(parts.codes[method].x_n, code.x_n, 1e-4)
        assert near(parts.codes[method].reconstructions, code.reconstructions, 1e-4)
        assert parts.codes[method].calls == pytest.approx(code.calls)
    assert near(parts.swap.mixtures, found.swap.mixtures, 1e-4)
    wanted = pytest.approx(found.errors_by_steps["ddim"][1], rel=1e-3)
    assert parts.errors_by_steps["ddim"][1] == wanted


def test_no_network_call_has_more_rows_than_a_batch(model, monkeypatch):
    monkeypatch.setattr(batches, "ROWS", 2)
    counting = replace(model, network=Counting(model.network))
    embed(counting, steps=3, warm=0.4, other="face:4")
    assert max(counting.network.rows) == 2


def test_the_network_calls_of_a_code_are_counted(found, model):
    calls = {method: code.calls for method, code in found.codes.items()}
    assert calls["random"] == 6
    assert calls["ddim"] == calls["edit-friendly"] == calls["dpm-encoder"] == 12
    assert 12 < calls["fixed-point"] <= 6 * 21
    for method in ("random", "edit-friendly"):
        counting = replace(model, network=Counting(model.network))
        code = embed(counting, seeds=(1,), steps=5, methods=(method,)).codes[method]
        assert counting.network.rows.count(1) == code.calls


def test_few_noise_steps_make_few_calls(model):
    codes = embed(model, n=3, steps=50, seeds=(1,)).codes
    calls = {method: code.calls for method, code in codes.items()}
    assert calls["random"] == 3
    assert calls["ddim"] == calls["edit-friendly"] == calls["dpm-encoder"] == 6
    assert len(codes["edit-friendly"].z) == 3


def test_a_warm_start_gives_every_seed_a_code_of_its_own(model):
    methods = ("ddim", "fixed-point")
    warm = embed(model, methods=methods, warm=0.5)
    cold = embed(model, methods=methods)
    ddim = warm.codes["ddim"]
    x_n = invert(model, warm.x0.repeat(3, 1, 1, 1), 600, 6, "ddim", 0.5, SEEDS)
    assert near(ddim.x_n, x_n, 1e-4)
    assert ddim.calls == 3 + 6  # half of the steps up are one jump
    for method, code in warm.codes.items():
        assert code.x_n.shape == (3, *model.shape)
        assert code.rmse.shape == (3,)
        assert float((code.x_n[0] - code.x_n[1]).abs().max()) > 0.01
        steps, errors = warm.errors_by_steps[method]
        assert steps == SHORT_CURVES[method]  # a warm code is no point of the curve
        known = dict(zip(*cold.errors_by_steps[method], strict=True))
        assert errors == pytest.approx([known[count] for count in steps], rel=1e-3)


def test_errors_are_those_of_codes_with_so_many_steps(found, model):
    steps, errors = found.errors_by_steps["ddim"]
    two = embed(model, methods=("ddim",), steps=2)
    four = embed(model, methods=("ddim",), steps=4)
    assert steps == (2, 4, 6)
    assert errors[0] == pytest.approx(float(two.codes["ddim"].rmse), rel=1e-4)
    assert errors[2] == pytest.approx(float(found.codes["ddim"].rmse))
    assert found.errors_by_steps["fixed-point"][0] == (2, 6)
    assert four.errors_by_steps["ddim"][0] == (2, 4)


def test_recorded_paths_have_their_statistics(found):
    assert set(found.paths) == {"edit-friendly", "dpm-encoder"}
    for statistics in found.paths.values():
        assert statistics.levels.tolist() == [600, 500, 400, 300, 200]
        assert len(statistics.variance) == 5


def test_without_a_second_picture_nothing_is_swapped(model):
    assert embed(model, methods=("ddim", "edit-friendly")).swap is None


def test_mixtures_go_from_one_round_trip_to_the_other(found, model):
    swap = found.swap
    b = embed(model, picture="face:4", methods=("ddim",)).codes["ddim"]
    assert swap.shares == SHARES
    assert swap.mixtures.shape == (len(SHARES), *model.shape)
    assert near(swap.mixtures[:1], found.codes["ddim"].reconstructions)
    assert near(swap.mixtures[-1:], b.reconstructions, 1e-4)


@pytest.mark.parametrize("method", ["edit-friendly", "dpm-encoder"])
def test_a_recorded_path_leads_another_pictures_noise_elsewhere(found, model, method):
    swap = found.swap
    b = picture("face:4", model)
    x_n = model.schedule.add_noise(b, noise((swap.seed,), model.shape), 600)
    again = replay(model, x_n, found.codes[method].z[:, :1], 600)
    assert torch.equal(swap.other, b)
    assert swap.seed not in SEEDS
    assert near(swap.replays[method], again)
    assert swap.to_a[method] == pytest.approx(float(rmse(found.x0, again)), rel=1e-3)
    assert swap.to_b[method] == pytest.approx(float(rmse(b, again)), rel=1e-3)


@pytest.mark.parametrize("seeds", [(0,), (2**31 - 1,), (1, 0)])
def test_the_noise_of_the_second_picture_is_never_that_of_the_path(model, seeds):
    swap = embed(model, seeds=seeds, steps=2, methods=("edit-friendly",), other="face:4").swap
    assert swap.seed != seeds[0]
    assert swap.to_a["edit-friendly"] > 1e-3


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"other": "face:4"},
        {"warm": 0.5},
        {"warm": 1.0, "methods": ("ddim",)},
        {"methods": ("random",)},
        {"n": 3},
        {"seeds": range(5)},
        {"methods": ("dpm-encoder",), "other": "face:4"},
        {"n": 1, "steps": 1},
    ],
    ids=str,
)
def test_progress_rises_and_never_passes_its_total(model, monkeypatch, options):
    monkeypatch.setattr(batches, "ROWS", 4)  # some rows fit one batch, some need several
    e = Embedding(**{"model": model.name, "n": 600, "seeds": SEEDS, "steps": 2, **options})
    *progress, result = lab.stream(e, model)
    done = [p.done for p in progress]
    assert {type(p) for p in progress} == {Progress}
    assert done == sorted(done)
    assert done[0] >= 1
    assert done[-1] <= progress[0].total
    assert {p.total for p in progress} == {progress[0].total}
    assert all(len(p.x_n) == len(p.x0_hat) and p.x0.shape == (1, *model.shape) for p in progress)
    assert set(result.codes) == set(e.methods)


def test_only_random_codes_of_the_bundled_faces_pass_as_noise_at_few_steps(faces_model):
    e = Embedding(seeds=(0, 1, 2, 3), steps=5, methods=("random", "ddim", "edit-friendly"))
    codes = lab.run(e, faces_model).codes
    assert int(codes["random"].gaussian.sum()) >= 3
    assert not codes["ddim"].gaussian.any()
    assert codes["edit-friendly"].came_back.all()
    assert not codes["random"].came_back.any()


def test_a_single_code_is_shown_without_what_needs_others():
    result = lab.run(Embedding(n=3, seeds=(0,), steps=2, methods=("dpm-encoder",)))
    words = present(result)
    page = words.page()
    recorded = "Any noise plus a record of every step: 1 of 1 came back exactly."
    assert words.sentence() == recorded
    assert [len(found["pairs"]) for found in page["findings"]] == [1]
    assert [page[name] for name in ("errors", "paths", "swap")] == [None, None, None]


COUNTS = [(0, 4, "none of 4"), (1, 4, "1 of 4"), (4, 4, "all 4"), (2, 2, "both"), (0, 1, "0 of 1")]


@pytest.mark.parametrize(("count", "total", "text"), COUNTS)
def test_a_finding_counts_in_words(found, count, total, text):
    random = found.codes["random"]
    back = torch.arange(total) < count
    fresh = replace(random, x_n=random.x_n[:1].repeat(total, 1, 1, 1), came_back=back)
    result = replace(found, codes={"random": fresh})
    assert findings(result)[0].text == f"{text} came back"


ORDINARY = [
    ((True, True), (False, False), "both came back, but neither passes as ordinary noise"),
    ((True, True), (True, False), "both came back, and 1 of 2 passes as ordinary noise"),
    ((True, True), (True, True), "both came back, and both pass as ordinary noise"),
    ((False, False), (False, False), "none of 2 came back, and neither passes as ordinary noise"),
]


@pytest.mark.parametrize(("back", "gaussian", "text"), ORDINARY)
def test_computed_noise_that_comes_back_is_said_to_be_ordinary_or_not(found, back, gaussian, text):
    codes = {}
    for place, method in enumerate(("ddim", "fixed-point")):
        verdicts = {
            "came_back": torch.tensor([back[place]]),
            "gaussian": torch.tensor([gaussian[place]]),
        }
        codes[method] = replace(found.codes[method], **verdicts)
    assert findings(replace(found, codes=codes))[0].text == text


def test_codes_of_which_there_is_only_one_have_no_seed(runs):
    rows = present(runs["embed"][0]).table()
    assert [(row["method"], row["seed"]) for row in rows] == [
        *(("random", 1), ("random", 2), ("ddim", None), ("fixed-point", None)),
        *(("edit-friendly", 1), ("edit-friendly", 2), ("dpm-encoder", 1), ("dpm-encoder", 2)),
    ]


def test_the_tab_shows_codes_statistics_charts_and_swap(faces_model, tab_of):
    tab = tab_of(Embedding)
    *partial, last = tab.run(prepare(Embedding(seeds=(0, 1), steps=5, other="face:4"), faces_model))
    page = last[tab.shown]
    columns = page["columns"]
    assert partial
    assert all(set(update) == {tab.sentence} for update in partial)
    assert [column["method"] for column in columns] == list(CODES)
    assert [len(column["rows"]) for column in columns] == [2, 1, 1, 2, 2]
    assert columns[3]["verdict"] == "✓ comes back exactly"
    assert columns[0]["facts"][-1]["value"] == "yes"
    table = page["table"]["rows"]
    cells = [cell for row in table for cell in row["cells"]]
    assert table[0]["label"] == "mean"
    assert len(cells) == 5 * len(table)
    assert {cell["side"] for cell in cells} <= {"", "above", "below"}
    variance = [line["key"] for line in page["paths"]["variance"]]
    assert [line["key"] for line in page["errors"]["series"]] == ["ddim", "fixed-point"]
    assert variance == ["edit-friendly", "dpm-encoder", "theory"]
    shares = [mixture["share"] for mixture in page["swap"]["mixtures"]]
    assert shares[::4] == ["0 %", "50 %", "100 %"]
    text = last[tab.sentence]["text"]
    parts = [
        "Fresh noise: none of 2 came back.",
        "Noise computed from your picture: both came back, but neither passes as ordinary noise.",
        "Any noise plus a record of every step: all 4 came back exactly.",
    ]
    assert text == " ".join(parts)
    assert [len(found["pairs"]) for found in page["findings"]] == [2, 2, 4]
    first, computed, recorded = page["findings"]
    assert [pair["label"] for pair in first["pairs"]] == ["seed 0", "seed 1"]
    assert [pair["label"] for pair in computed["pairs"]] == ["DDIM inversion", "Fixed point"]
    assert [pair["x_n"] for pair in first["pairs"]] == [p["x_n"] for p in recorded["pairs"][:2]]
    assert {pair["came_back"] for pair in recorded["pairs"]} == {True}
    assert json.dumps(page)


def test_the_controls_describe_an_experiment_and_an_experiment_the_controls(
    faces_model, models, tab_of
):
    tab = tab_of(Embedding)
    settings = Settings.read(models, SHARED)
    own = OWN["embed"]
    e = tab.experiment(settings, own)
    methods = ("random", "ddim")
    assert list(tab.own) == list(own)
    assert e == Embedding(seeds=(0, 1), steps=20, methods=methods, warm=0.1, other="face:4")
    shared = {"first": 0, "per_level": 2, "listed": ""}
    back = {**own, "methods": list(methods), "other": "face:4"}
    assert tab.values(e, faces_model) == ControlValues(shared, back)
    assert tab.experiment(settings, {**own, "at": AT_DIAL}).n == 250
    assert tab.values(Embedding(n=250), faces_model).shared["n"] == 250
    assert len(tab.changes()) == 4


@pytest.mark.parametrize("at", ["T", None, ["x"]])
def test_codes_at_another_level_are_refused(models, tab_of, at):
    with pytest.raises(ExperimentError, match=re.escape(f"{AT_T}, {AT_DIAL}")):
        tab_of(Embedding).experiment(Settings.read(models, SHARED), {**OWN["embed"], "at": at})
