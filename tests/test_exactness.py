import pytest
import torch

from diffdemo import exactness, lab
from diffdemo.errors import DiffdemoError
from diffdemo.exactness import Exactness, Trips, count, flat, measure, parse_steps, report
from diffdemo.inversion import dpm_encoder, edit_friendly, invert, invert_steps, replay
from diffdemo.lab import lane
from diffdemo.models import load_model
from diffdemo.sampling import denoise

NAMES = ("face:17", "face:4", "face:900001")
STEPS, FIXED_POINT = (2, 8), (2, 4)


@pytest.fixture(scope="module")
def model(folders):
    return load_model(str(folders["v_prediction"]), device="cpu")


@pytest.fixture
def short(monkeypatch):
    """Kept paths of 4 steps and 3 seeds."""
    monkeypatch.setattr(exactness, "REFERENCE", 4)
    monkeypatch.setattr(exactness, "SEEDS", (0, 1, 2))


@pytest.fixture(scope="module")
def items(model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exactness, "REFERENCE", 4)
        patch.setattr(exactness, "SEEDS", (0, 1, 2))
        return list(measure(model, NAMES, STEPS, FIXED_POINT)), count(model, len(NAMES), STEPS, FIXED_POINT)


@pytest.fixture
def found(items, short):
    return items[0][-1]


def near(a, b, tolerance=1e-4):
    return float((a - b).abs().max()) <= tolerance * max(1.0, float(b.abs().max()))


def test_every_step_is_counted_beforehand(items):
    *steps, found = items[0]
    assert isinstance(found, Exactness)
    assert sum(steps) == items[1] == 2 * (2 + 4 + 8 + 2 + 4) + 2 * 2 * 4


@pytest.mark.parametrize(("method", "steps"), [("ddim", 2), ("ddim", 8), ("fixed-point", 4)])
def test_round_trips_are_those_of_invert_and_denoise(found, model, method, steps):
    x0 = torch.cat([lab.picture(name, model) for name in NAMES])
    assert torch.equal(found.x0, x0)
    trips = found.trips[method, steps]
    assert near(trips.codes, invert(model, x0, 1000, steps, method))
    back = denoise(model, trips.codes, 1000, steps, clip=False)
    assert near(trips.back, back)
    assert torch.equal(trips.calls, sum(step.calls for step in invert_steps(model, x0, 1000, steps, method)).float())
    difference = (back - x0).flatten(1)
    assert found.rmse(method, steps) == pytest.approx(float(difference.square().mean(1).sqrt().mean()), rel=1e-3)
    assert found.mse(method, steps) == pytest.approx(float((difference / 2).square().mean()), rel=1e-3)  # [0, 1] is half as wide
    assert found.largest(method, steps) == pytest.approx(float(difference.abs().max()), rel=1e-3)
    assert found.spread(method, steps) == pytest.approx(sum(float(code.std()) for code in trips.codes) / 3, rel=1e-5)


def test_kept_paths_are_replayed_from_the_first_picture(found, model):
    assert list(found.kept) == ["edit-friendly", "dpm-encoder"]
    for encoder, error in zip((edit_friendly, dpm_encoder), found.kept.values(), strict=True):
        x_T, z = encoder(model, found.x0[:1], 1000, 4, (0, 1, 2))
        assert error == pytest.approx(float((replay(model, x_T, z, 1000) - found.x0[:1]).abs().max()), abs=5e-6)
        assert error < 1e-4


def test_chunks_change_nothing_but_the_count(found, model, monkeypatch):
    monkeypatch.setattr(lane, "CHUNK", 2)
    *steps, parts = measure(model, NAMES, STEPS, FIXED_POINT)
    assert sum(steps) == count(model, 3, STEPS, FIXED_POINT) == 2 * 2 * (2 + 4 + 8 + 2 + 4) + 2 * 2 * 2 * 4
    for steps in (2, 4, 8):
        assert near(parts.trips["ddim", steps].codes, found.trips["ddim", steps].codes)
        assert near(parts.trips["ddim", steps].back, found.trips["ddim", steps].back)
    assert near(parts.trips["fixed-point", 4].codes, found.trips["fixed-point", 4].codes, 1e-2)


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_has_a_row_for_every_number_of_steps(found):
    head, rule, *rows = report(found)[:5]
    assert len({len(cells(line)) for line in (head, rule, *rows)}) == 1
    assert [cells(row)[0] for row in rows] == ["2", "4", "8"]
    for row, steps in zip(rows, (2, 4, 8), strict=True):
        numbers = cells(row)
        assert float(numbers[1]) == pytest.approx(found.mse("ddim", steps), rel=0.06)
        assert float(numbers[2]) == pytest.approx(found.rmse("ddim", steps), abs=6e-5)
        assert float(numbers[3]) == pytest.approx(found.spread("ddim", steps), abs=6e-4)
    assert cells(rows[2])[4:] == ["–"] * 4
    numbers = [float(cell) for cell in cells(rows[1])[4:]]
    assert numbers[0] == pytest.approx(found.rmse("fixed-point", 4), rel=0.06)
    assert numbers[1] == pytest.approx(found.largest("fixed-point", 4), rel=0.06)
    assert numbers[2] == pytest.approx(float(found.trips["fixed-point", 4].calls.mean()), abs=0.5)
    assert numbers[3] == pytest.approx(found.spread("fixed-point", 4), abs=6e-4)


def test_lines_below_the_table_compare_and_name_what_was_kept(found):
    lines = report(found)[6:]
    ratio = found.rmse("ddim", 4) / found.rmse("fixed-point", 4)
    assert len(lines) == 2  # no borders: these are no digits
    assert lines[0].startswith(f"At 4 steps the RMSE of DDIM is {ratio:.1f} times")
    assert lines[1].startswith("Kept paths, 4 steps from n = 1000, 3 seeds of face:17")
    assert f"edit-friendly {found.kept['edit-friendly']:.1e}" in lines[1]


def made(errors, fixed_point=(), x0=None, codes=None, digits=False):
    """Round trips with known errors: every pixel of every picture is off by as much."""
    x0 = torch.full((2, 1, 8, 8), -1.0) if x0 is None else x0
    codes = torch.zeros_like(x0) if codes is None else codes
    trips = {("ddim", k): Trips(codes, x0 + error, torch.full((len(x0),), float(k))) for k, error in errors.items()}
    trips |= {("fixed-point", k): Trips(codes, x0 - error, torch.full((len(x0),), 9.0 * k)) for k, error in dict(fixed_point).items()}
    return Exactness(("digit:0", "digit:1"), x0, trips, {"edit-friendly": 1e-6, "dpm-encoder": 2e-6}, 1000, digits)


def test_the_exponent_is_fitted_between_10_and_500_steps():
    errors = {k: 2 * k**-0.7 for k in (10, 20, 50, 100, 200, 500)}
    found = made({5: 9.0, **errors, 1000: 7.0})
    assert found.exponent == pytest.approx(-0.7, abs=1e-4)
    assert "steps^-0.70" in report(found)[-2]
    assert made({10: 1.0}).exponent is None
    assert made({5: 1.0, 1000: 2.0}).exponent is None
    assert made({20: 0.2, 80: 0.05}).exponent == pytest.approx(-1, abs=1e-5)


def test_the_errors_are_those_that_were_made():
    found = made({50: 0.1}, {50: 0.004})
    assert found.mse("ddim", 50) == pytest.approx(0.0025, rel=1e-5)
    assert found.rmse("ddim", 50) == pytest.approx(0.1, rel=1e-5)
    assert found.reference == 50
    assert "At 50 steps the RMSE of DDIM is 25.0 times" in report(found)[4]
    assert cells(report(found)[2]) == ["50", "2.5e-03", "0.1000", "0.000", "4.0e-03", "4.0e-03", "450", "0.000"]


def test_methods_are_compared_at_50_steps_or_the_most_that_both_have():
    assert made({10: 1, 50: 1, 100: 1}, {10: 1, 50: 1, 100: 1}).reference == 50
    assert made({10: 1, 20: 1, 100: 1}, {10: 1, 20: 1}).reference == 20
    assert made({10: 1}).reference is None
    assert "times" not in "\n".join(report(made({10: 1.0, 20: 0.5})))


def test_flat_pixels_have_ground_all_around_them():
    x0 = torch.full((1, 1, 6, 6), -1.0)
    x0[0, 0, 2, 2] = -0.9
    expected = torch.ones(6, 6, dtype=torch.bool)
    expected[1:4, 1:4] = False
    assert torch.equal(flat(x0)[0, 0], expected)
    corner = torch.full((1, 1, 4, 4), -1.0)
    corner[0, 0, 0, 0] = 1.0
    assert int((~flat(corner)).sum()) == 4


def test_flat_borders_of_digits_are_told_from_the_rest():
    x0 = torch.full((2, 1, 8, 8), -1.0)
    x0[:, :, 3:5, 3:5] = 1.0
    ground = flat(x0)
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(x0.shape, generator=generator) * torch.where(ground, 0.5, 1.0)
    found = made({50: 0.1}, {50: 0.01}, x0, codes, digits=True)
    trips = found.trips["ddim", 50]
    found.trips["ddim", 50] = Trips(codes, torch.where(ground, x0 + 0.3, x0 - 0.02), trips.calls)
    line = report(found)[-2]
    inside, outside = float(codes[ground].std()), float(codes[~ground].std())
    assert f"DDIM: std of x_T {inside:.3f} against {outside:.3f}, RMSE 3.0e-01 against 2.0e-02" in line
    assert "fixed point: std" in line
    assert f"{(64 - 16) / 64:.0%} of the pixels are flat" in line


def test_digits_of_the_bundled_model_get_a_line_on_their_borders(short):
    *_, found = measure(load_model("digits", "cpu"), ("digit:3", "digit:7"), (2,), (2,))
    assert found.digits
    assert 0.3 < float(flat(found.x0).float().mean()) < 0.9
    assert "Flat borders against all other pixels, 2 steps" in "\n".join(report(found))
    assert max(found.kept.values()) < 1e-4


def test_steps_are_read_rising_and_each_once():
    assert parse_steps("10, 20,5,20") == (5, 10, 20)
    assert parse_steps("") == parse_steps("  ") == ()
    for bad in ("x", "0", "1001", "5,", "2.5", "-3", "10-20"):
        with pytest.raises(DiffdemoError) as caught:
            parse_steps(bad)
        assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("pictures", "steps", "fixed_point"), [((), (5,), ()), (NAMES, (), ()), (("sha256:" + "0" * 64,), (5,), ()), (("png:AAAA",), (5,), ())]
)
def test_what_cannot_be_measured_gets_one_sentence(model, pictures, steps, fixed_point):
    with pytest.raises(DiffdemoError):
        measure(model, pictures, steps, fixed_point)  # before the first step is asked for
