import gc
import os
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from doubles import save_pipeline
from PIL import Image

from diffdemo import lab
from diffdemo.errors import BudgetError, DiffdemoError
from diffdemo.experiments import Belief, Embedding, RoundTrip
from diffdemo.experiments.round_trip.run import preview
from diffdemo.lab import runner as module
from diffdemo.lab.prepare import Ready, picture_text, prepare
from diffdemo.lab.runner import Runner
from diffdemo.models import load_model, loading

E = RoundTrip(n=200, seeds=(1,), steps=2)


@pytest.fixture
def trip(tiny_eps):
    """Make a short round trip ready to run."""
    return lambda **changes: prepare(replace(E, model=tiny_eps.name, **changes), tiny_eps)


@pytest.fixture
def runner():
    return Runner()


def test_a_result_is_cached_and_yielded_at_once_the_next_time(trip, runner, monkeypatch):
    *steps, result = runner.stream(trip())
    assert len(steps) == 2
    monkeypatch.setattr(Ready, "run", lambda ready: pytest.fail("computed again"))
    assert list(runner.stream(trip())) == [result]
    # made with other weights: what those here give is shown
    assert list(runner.stream(trip(revision="0" * 12))) == [result]


def test_a_cached_result_equals_a_new_one(trip, runner):
    first = runner.run(trip())
    assert runner.run(trip()) is first
    fresh = lab.run(trip().experiment, trip().model)
    assert torch.equal(first.reconstructions, fresh.reconstructions)
    assert first.experiment == fresh.experiment


def test_a_run_that_is_stopped_is_not_cached(trip, runner):
    run = runner.stream(trip())
    next(run)
    run.close()
    assert len(runner.cache) == 0


def test_other_models_dtypes_and_experiments_never_share(folders, tiny_eps, trip, runner):
    models = [
        tiny_eps,
        load_model(str(folders["epsilon"]), "cpu", "float64"),
        replace(tiny_eps, revision="f" * 12),
        replace(tiny_eps, name="other"),
    ]
    all_ready = [prepare(replace(E, model=model.name), model) for model in models]
    results = [runner.run(ready) for ready in (*all_ready, trip(n=201), trip(seeds=(2,)))]
    assert len({id(result) for result in results}) == len(runner.cache) == 6
    assert results[2].experiment.revision == "f" * 12


def test_nobody_sees_the_large_picture_of_somebody_else(large, runner):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    mine, other = (Image.fromarray(picture) for picture in pixels)
    e = RoundTrip(large.name, picture_text(large, mine), 100, (0,), 1)
    result = runner.run(prepare(e, large, mine))
    for given in (None, other):
        with pytest.raises(DiffdemoError, match="hash"):
            runner.run(prepare(e, large, given))
    assert list(runner.stream(prepare(e, large, mine))) == [result]


@pytest.mark.parametrize(
    "e",
    [
        replace(E, model="no-such"),
        replace(E, prompt="a cat"),
        replace(E, picture="png:AAAA"),
        Belief(),
        Embedding(other="png:AAAA", n=5, steps=2),
    ],
    ids=repr,
)
def test_an_impossible_experiment_is_refused_and_nothing_is_cached(tiny_eps, runner, e):
    e = e if e.model == "no-such" else replace(e, model=tiny_eps.name)
    with pytest.raises(DiffdemoError):
        runner.run(prepare(e, tiny_eps))
    assert len(runner.cache) == 0


def test_only_cached_results_of_bundled_models_are_found(faces_model, tiny_eps, trip, runner):
    assert runner.cached(E) is None
    result = runner.run(prepare(E, faces_model))
    assert runner.cached(E) is result
    assert runner.cached(replace(E, revision=faces_model.revision)) is result
    assert runner.cached(replace(E, n=201)) is None
    runner.run(trip())
    assert runner.cached(replace(E, model=tiny_eps.name)) is None


def test_looking_for_a_cached_result_loads_no_model_and_raises_nothing(runner, monkeypatch):
    assert runner.cached(RoundTrip(prompt="a cat")) is None
    assert runner.cached(RoundTrip(picture="png:AAAA")) is None
    monkeypatch.setattr(module, "prepare", lambda *_: pytest.fail("prepared"))
    assert runner.cached(RoundTrip("google/ddpm-cat-256")) is None
    assert runner.cached(RoundTrip(picture="sha256:" + "0" * 64)) is None


def test_a_preview_is_made_where_it_is_worth_its_time(faces_model, runner, monkeypatch):
    def previewed(n=250, steps=12, runner=runner):
        ready = prepare(RoundTrip(n=n, seeds=(0, 1), steps=steps), faces_model)
        return preview(ready, runner)

    assert previewed().total == 12
    assert previewed(steps=11) is None
    assert previewed(n=11) is None
    monkeypatch.setattr(module, "PREVIEW_SECONDS", 0)
    assert previewed() is None
    monkeypatch.undo()
    runner.run(prepare(RoundTrip(seeds=(0, 1), steps=12), faces_model))
    assert previewed() is None
    assert previewed(n=300) is not None
    assert previewed(n=300, runner=Runner(limit=1e-6)) is None


def test_a_run_above_the_limit_is_refused_before_it_starts(monkeypatch, faces_model, caplog):
    monkeypatch.setattr(module, "estimate_seconds", lambda model, rows, calls: rows / 100)
    runner = Runner(limit=2.0)
    dear = prepare(RoundTrip(n=1000, seeds=range(16), steps=50), faces_model)
    words = "800 network calls would take about 8 s here, and at most 2 s"
    with caplog.at_level("INFO", "diffdemo"), pytest.raises(BudgetError, match=words):
        next(runner.stream(dear))
    assert caplog.messages == ["round-trip refused, 800 calls, about 8 s"]
    assert runner.price(dear).calls == 800
    assert runner.run(prepare(E, faces_model)).experiment.n == E.n


def test_a_run_that_takes_far_longer_than_the_limit_is_ended(monkeypatch, trip):
    monkeypatch.setattr(module, "estimate_seconds", lambda *_: 0.0)
    runner = Runner(limit=1e-9)
    with pytest.raises(BudgetError, match="was ended at step 1 of 2"):
        list(runner.stream(trip()))
    assert len(runner.cache) == 0


def broken(ready):
    yield from ()
    raise RuntimeError("broken")


def test_every_run_leaves_one_line_in_the_log_however_it_ends(trip, caplog, monkeypatch):
    with caplog.at_level("INFO", "diffdemo"):
        Runner().run(trip())
        stopped = Runner().stream(trip())
        next(stopped)
        stopped.close()
        monkeypatch.setattr(Ready, "run", broken)
        with pytest.raises(RuntimeError):
            Runner().run(trip())
    outcomes = ("done", "stopped", "failed")
    starts = [f"round-trip {outcome}, model epsilon, 2 calls" for outcome in outcomes]
    assert [line.rpartition(", ")[0] for line in caplog.messages] == starts


def test_a_model_that_is_not_used_any_more_is_not_held(tmp_path, runner):
    model = load_model(str(save_pipeline(tmp_path / "passing")), device="cpu")
    runner.run(prepare(RoundTrip(model.name, n=2, seeds=(0,), steps=1), model))
    gone = weakref.ref(model)
    runner.cache.clear()
    loading._cache.clear()
    del model
    gc.collect()
    assert gone() is None


LENT = '''
import os, pickle
calls = []

def GPU(function=None, **_):
    """Lend a GPU as ZeroGPU does: pickle all arguments and items, and work in a forked process."""
    def lent(*args):
        args = pickle.loads(pickle.dumps(args))
        read, write = os.pipe()
        if not os.fork():
            with os.fdopen(write, "wb") as out:
                for item in function(*args):
                    pickle.dump(item, out)
            os._exit(0)
        os.close(write)
        calls.append(function.__name__)
        with os.fdopen(read, "rb") as found:
            while True:
                try:
                    yield pickle.load(found)
                except EOFError:
                    return
    return lent
'''
VISITOR = """
import torch; torch.set_num_threads(1)
import spaces
from diffdemo import lab
from diffdemo.experiments import Belief, RoundTrip
from diffdemo.experiments.belief import BeliefSweep
from diffdemo.lab.prepare import prepare
from diffdemo.lab.runner import Runner

runner = Runner()
ready = prepare(RoundTrip(n=200, seeds=(1, 2), steps=2))
*progress, result = runner.stream(ready)
assert [item.done for item in progress] == [1, 2], progress
assert torch.equal(result.reconstructions, lab.run(ready.experiment).reconstructions)
assert list(runner.stream(ready)) == [result]
sweep = runner.run(prepare(BeliefSweep.over(Belief(), (0, 300))))
assert [found.experiment.n for found in sweep.frames] == [0, 300]
assert spaces.calls == ["_run_by_name"] * 2, spaces.calls
"""


def test_where_a_gpu_is_lent_a_run_is_done_in_a_process_of_its_own(tmp_path):
    (tmp_path / "spaces.py").write_text(LENT)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", VISITOR],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
