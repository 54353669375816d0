import pytest

from diffdemo import bench
from diffdemo.errors import DiffdemoError


def test_all_contestants_do_the_same_work(tiny_eps):
    timings = bench.compare(tiny_eps, seeds=3, steps=5, rounds=2)
    assert len(timings) == 3
    assert timings[0].ratio == 1
    assert all(t.seconds > 0 and t.difference < 1e-3 for t in timings)


def test_v_prediction_models_are_compared_too(folders):
    from diffdemo.models import load_model

    assert all(t.difference < 1e-3 for t in bench.compare(load_model(str(folders["v_prediction"]), "cpu"), 2, 4, 1))


@pytest.mark.parametrize("bad", [{"steps": 7}, {"seeds": 0}, {"rounds": 0}])
def test_unfair_comparisons_are_refused(tiny_eps, bad):
    with pytest.raises(DiffdemoError):
        bench.compare(tiny_eps, **bad)


def test_a_curve_in_one_batch_is_the_curve_in_parts(tiny_eps):
    timings = bench.compare_curve(tiny_eps, (0, 3, 500), seeds=2, steps=4, rounds=1)
    assert timings[0].ratio == 1
    assert len(timings) == 3
    assert all(t.difference < 1e-3 for t in timings)
    with pytest.raises(DiffdemoError):
        bench.compare_curve(tiny_eps, ())
