import pytest
import torch

from diffdemo.diffusion.inversion import invert, invert_steps
from diffdemo.diffusion.kept_paths import dpm_encoder, edit_friendly, replay
from diffdemo.diffusion.sampling import denoise
from diffdemo.errors import DiffdemoError
from diffdemo.lab import batches
from diffdemo.lab.prepare import picture
from diffdemo.measure import exactness
from diffdemo.measure.exactness import Exactness, Plan, Trips, flat, measure, parse_steps, report
from diffdemo.models import load_model

NAMES = ("face:17", "face:4", "face:900001")
STEPS = (2, 8)
FIXED_POINT = (2, 4)
MADE = 2 * (2 + 4 + 8 + 2 + 4) + 2 * 2 * 4  # steps of the round trips and replays, in one batch


@pytest.fixture(scope="module")
def model(folders):
    return load_model(str(folders["v_prediction"]), device="cpu")


@pytest.fixture(scope="module", autouse=True)
def short():
    """Kept paths of 4 steps and 3 seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exactness, "REFERENCE", 4)
        patch.setattr(exactness, "SEEDS", (0, 1, 2))
        yield


def measured(plan):
    """What was measured, and how many steps were made."""
    steps = []
    return measure(plan, lambda: steps.append(1)), len(steps)


@pytest.fixture(scope="module")
def found(model):
    return measured(Plan(model, NAMES, STEPS, FIXED_POINT))[0]


def near(a, b, tolerance=1e-4):
    return float((a - b).abs().max()) <= tolerance * max(1.0, float(b.abs().max()))


@pytest.mark.parametrize("batch", [64, 2])
def test_every_step_is_counted_beforehand_and_batches_change_nothing_else(
    found, model, batch, monkeypatch
):
    monkeypatch.setattr(batches, "ROWS", batch)
    plan = Plan(model, NAMES, STEPS, FIXED_POINT)
    parts, made = measured(plan)
    assert made == plan.steps == MADE * (1 if batch == 64 else 2)
    for k in (2, 4, 8):
        assert near(parts.ddim[k].codes, found.ddim[k].codes)
        assert near(parts.ddim[k].back, found.ddim[k].back)
    assert near(parts.fixed_point[4].codes, found.fixed_point[4].codes, 1e-2)


@pytest.mark.parametrize(("method", "steps"), [("ddim", 2), ("ddim", 8), ("fixed-point", 4)])
def test_round_trips_are_those_of_invert_and_denoise(found, model, method, steps):
    x0 = torch.cat([picture(name, model) for name in NAMES])
    trips = (found.ddim if method == "ddim" else found.fixed_point)[steps]
    assert torch.equal(trips.x0, x0)
    assert near(trips.codes, invert(model, x0, 1000, steps, method))
    back = denoise(model, trips.codes, 1000, steps, clip=False)
    assert near(trips.back, back)
    calls = sum(step.calls for step in invert_steps(model, x0, 1000, steps, method))
    assert torch.equal(trips.calls, calls.float())
    difference = (back - x0).flatten(1)
    rmse = float(difference.square().mean(1).sqrt().mean())
    mse = float((difference / 2).square().mean())  # [0, 1] is half as wide
    spread = sum(float(code.std()) for code in trips.codes) / 3
    assert trips.rmse == pytest.approx(rmse, rel=1e-3)
    assert trips.mse == pytest.approx(mse, rel=1e-3)
    assert trips.largest == pytest.approx(float(difference.abs().max()), rel=1e-3)
    assert trips.spread == pytest.approx(spread, rel=1e-5)


def test_kept_paths_are_replayed_from_the_first_picture(found, model):
    x0 = picture(NAMES[0], model)
    assert list(found.replays) == ["edit-friendly", "dpm-encoder"]
    for encoder, error in zip((edit_friendly, dpm_encoder), found.replays.values(), strict=True):
        x_T, z = encoder(model, x0, 1000, 4, (0, 1, 2))
        expected = float((replay(model, x_T, z, 1000) - x0).abs().max())
        assert error == pytest.approx(expected, abs=5e-6)
        assert error < 1e-4


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_has_a_row_for_each_number_of_steps(found):
    head, rule, *rows = report(found)[:5]
    assert len({len(cells(line)) for line in (head, rule, *rows)}) == 1
    assert [cells(row)[0] for row in rows] == ["2", "4", "8"]
    for row, trips in zip(rows, found.ddim.values(), strict=True):
        numbers = cells(row)
        assert float(numbers[1]) == pytest.approx(trips.mse, rel=0.06)
        assert float(numbers[2]) == pytest.approx(trips.rmse, abs=6e-5)
        assert float(numbers[3]) == pytest.approx(trips.spread, abs=6e-4)
    assert cells(rows[2])[4:] == ["–"] * 4
    numbers = [float(cell) for cell in cells(rows[1])[4:]]
    trips = found.fixed_point[4]
    assert numbers[0] == pytest.approx(trips.rmse, rel=0.06)
    assert numbers[1] == pytest.approx(trips.largest, rel=0.06)
    assert numbers[2] == pytest.approx(float(trips.calls.mean()), abs=0.5)
    assert numbers[3] == pytest.approx(trips.spread, abs=6e-4)


def test_lines_below_the_table_compare_and_name_the_replays(found):
    lines = report(found)[6:]
    ratio = found.ddim[4].rmse / found.fixed_point[4].rmse
    assert len(lines) == 2  # no borders: these are no digits
    assert lines[0].startswith(f"At 4 steps the RMSE of DDIM is {ratio:.1f} times")
    assert lines[1].startswith("Kept paths, 4 steps from n = 1000, 3 seeds of face:17")
    assert f"edit-friendly {found.replays['edit-friendly']:.1e}" in lines[1]


FLAT = torch.full((2, 1, 8, 8), -1.0)


def known(ddim, fixed_point=None, digits=False):
    """Round trips with known errors: every pixel of every picture is off by as much."""
    codes = torch.zeros_like(FLAT)
    return Exactness(
        pictures=("digit:0", "digit:1"),
        T=1000,
        ddim={k: Trips(FLAT, codes, FLAT + e, torch.full((2,), k)) for k, e in ddim.items()},
        fixed_point={
            k: Trips(FLAT, codes, FLAT - e, torch.full((2,), 9.0 * k))
            for k, e in (fixed_point or {}).items()
        },
        replays={"edit-friendly": 1e-6, "dpm-encoder": 2e-6},
        digits=digits,
    )


def test_the_exponent_is_fitted_between_10_and_500_steps():
    errors = {k: 2 * k**-0.7 for k in (10, 20, 50, 100, 200, 500)}
    found = known({5: 9.0, **errors, 1000: 7.0})
    assert found.exponent == pytest.approx(-0.7, abs=1e-4)
    assert "steps^-0.70" in report(found)[-2]
    assert known({10: 1.0}).exponent is None
    assert known({5: 1.0, 1000: 2.0}).exponent is None
    assert known({20: 0.2, 80: 0.05}).exponent == pytest.approx(-1, abs=1e-5)


def test_known_errors_are_reported(monkeypatch):
    monkeypatch.setattr(exactness, "REFERENCE", 50)
    found = known({50: 0.1}, {50: 0.004})
    assert found.ddim[50].mse == pytest.approx(0.0025, rel=1e-5)
    assert found.ddim[50].rmse == pytest.approx(0.1, rel=1e-5)
    assert found.reference == 50
    _, _, row, _, comparison, *_ = report(found)
    assert "At 50 steps the RMSE of DDIM is 25.0 times" in comparison
    expected = ["50", "2.5e-03", "0.1000", "0.000", "4.0e-03", "4.0e-03", "450", "0.000"]
    assert cells(row) == expected


def test_methods_are_compared_at_50_steps_or_the_most_that_both_have(monkeypatch):
    monkeypatch.setattr(exactness, "REFERENCE", 50)
    assert known({10: 1, 50: 1, 100: 1}, {10: 1, 50: 1, 100: 1}).reference == 50
    assert known({10: 1, 20: 1, 100: 1}, {10: 1, 20: 1}).reference == 20
    assert known({10: 1}).reference is None
    assert "times" not in "\n".join(report(known({10: 1.0, 20: 0.5})))


def test_flat_pixels_have_ground_all_around_them():
    x0 = torch.full((1, 1, 6, 6), -1.0)
    x0[0, 0, 2, 2] = -0.9
    expected = torch.ones(6, 6, dtype=torch.bool)
    expected[1:4, 1:4] = False
    assert torch.equal(flat(x0)[0, 0], expected)
    corner = torch.full((1, 1, 4, 4), -1.0)
    corner[0, 0, 0, 0] = 1.0
    assert int((~flat(corner)).sum()) == 4


def test_flat_borders_of_digits_are_compared_with_the_rest():
    x0 = FLAT.clone()
    x0[:, :, 3:5, 3:5] = 1.0
    ground = flat(x0)
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(x0.shape, generator=generator) * torch.where(ground, 0.5, 1.0)
    back = torch.where(ground, x0 + 0.3, x0 - 0.02)
    found = known({50: 0.1}, {50: 0.01}, digits=True)
    found.ddim[50] = found.fixed_point[50] = Trips(x0, codes, back, torch.zeros(2))
    line = report(found)[-2]
    inside = float(codes[ground].std())
    outside = float(codes[~ground].std())
    spread = f"std of x_T {inside:.3f} against {outside:.3f}"
    assert f"DDIM: {spread}, RMSE 3.0e-01 against 2.0e-02; fixed point: std" in line
    assert f"{(64 - 16) / 64:.0%} of the pixels are flat" in line


def test_digits_of_the_bundled_model_get_a_line_on_their_borders():
    model = load_model("digits", "cpu")
    found, _ = measured(Plan(model, ("digit:3", "digit:7"), (2,), (2,)))
    assert found.digits
    assert 0.3 < float(flat(found.ddim[2].x0).float().mean()) < 0.9
    assert "Flat borders against all other pixels, 2 steps" in "\n".join(report(found))
    assert max(found.replays.values()) < 1e-4


def test_steps_are_read_rising_and_each_once():
    assert parse_steps("10, 20,5,20") == (5, 10, 20)
    assert parse_steps("") == parse_steps("  ") == ()


@pytest.mark.parametrize("text", ["x", "0", "1001", "5,", "2.5", "-3", "10-20"])
def test_steps_that_cannot_be_are_refused_in_a_short_sentence(text):
    with pytest.raises(DiffdemoError) as caught:
        parse_steps(text)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("pictures", "steps"),
    [((), (5,)), (NAMES, ()), (("sha256:" + "0" * 64,), (5,)), (("png:AAAA",), (5,))],
)
def test_what_cannot_be_measured_is_refused_before_any_work(model, pictures, steps):
    with pytest.raises(DiffdemoError):
        Plan(model, pictures, steps, ())
