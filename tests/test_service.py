import gc
import os
import random
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from doubles import save_pipeline
from PIL import Image

from diffdemo import lab, service
from diffdemo.errors import BudgetError, DiffdemoError
from diffdemo.experiment import Belief, Embedding, RoundTrip
from diffdemo.models import load_model, loading
from diffdemo.service import Results, weight

E = RoundTrip(n=200, seeds=(1,), steps=2)


@dataclass
class Found:
    x: torch.Tensor


def found(count: int = 100) -> Found:
    """A result of so many bytes."""
    return Found(torch.zeros(count, dtype=torch.uint8))


def test_results_are_kept_up_to_so_many_bytes_and_the_oldest_goes():
    kept = Results(250)
    for key in "abc":
        kept.put(key, found())
    assert kept.get("a") is None
    assert kept.get("b") is not None
    assert kept.get("c") is not None
    kept.put("d", found(250))
    assert len(kept) == 1


def test_a_result_that_was_asked_for_or_put_again_is_kept_longer():
    kept = Results(300)
    for key in "abc":
        kept.put(key, found())
    kept.get("a")
    kept.put("b", newest := found())
    kept.put("d", found())
    assert kept.get("c") is None
    assert kept.get("a") is not None
    assert kept.get("b") is newest
    assert len(kept) == 3


def test_a_result_that_is_too_large_alone_is_not_kept_and_drives_nothing_out():
    kept = Results(250)
    kept.put("a", small := found())
    kept.put("b", found(251))
    assert kept.get("b") is None
    assert kept.get("a") is small


@pytest.mark.parametrize(
    ("value", "size"),
    [(torch.zeros(3, 5), 60), (torch.zeros(4, dtype=torch.float64), 32), ({"a": [torch.zeros(1)], "b": (torch.zeros(2), None, 3)}, 12),
     (Found(torch.zeros(7)), 28), ([Found(torch.zeros(1))] * 2, 8), ("abc", 0), (Found, 0), (None, 0)],
)  # fmt: skip
def test_the_weight_of_a_result_is_that_of_all_tensors_in_it(value, size):
    assert weight(value) == size


@pytest.mark.parametrize("kind", ["round-trip", "curve", "embed", "collide", "belief", "branch"])
def test_every_result_weighs_at_least_its_pictures(runs, kind):
    result, _ = runs[kind]
    assert weight(result) >= sum(value.element_size() * value.nelement() for value in vars(result).values() if isinstance(value, torch.Tensor)) > 0


def test_many_threads_share_the_results():
    kept, failed = Results(2000), []

    def work(number: int) -> None:
        chance = random.Random(number)
        try:
            for _ in range(300):
                key = chance.randrange(30)
                if chance.random() < 0.5:
                    kept.put(key, found(100 + key))
                elif (got := kept.get(key)) is not None:
                    assert got.x.nelement() == 100 + key
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert 0 < sum(weight(kept.get(key)) for key in range(30)) <= 2000


def test_a_run_is_kept_and_yielded_at_once_the_next_time(tiny_eps, monkeypatch):
    kept, e = Results(), replace(E, model=tiny_eps.name)
    *steps, result = service.stream(e, tiny_eps, kept=kept)
    assert len(steps) == 2
    monkeypatch.setattr(lab, "stream", lambda *_: pytest.fail("computed again"))
    (again,) = service.stream(e, tiny_eps, kept=kept)
    assert again is result
    (once,) = service.stream(replace(e, revision="0" * 12), tiny_eps, kept=kept)  # made with other weights: what these give is shown
    assert once is result


def test_a_kept_result_equals_a_new_one(tiny_eps):
    kept, e = Results(), replace(E, model=tiny_eps.name)
    results = [list(service.stream(e, tiny_eps, kept=kept))[-1] for _ in range(2)]
    fresh = lab.run(e, tiny_eps)
    for result in results:
        assert torch.equal(result.reconstructions, fresh.reconstructions)
        assert result.experiment == fresh.experiment


def test_a_run_that_is_stopped_is_not_kept(tiny_eps):
    kept = Results()
    run = service.stream(replace(E, model=tiny_eps.name), tiny_eps, kept=kept)
    next(run)
    run.close()
    assert len(kept) == 0


def test_other_models_types_experiments_and_prompts_never_share(folders, tiny_eps):
    kept = Results()
    double = load_model(str(folders["epsilon"]), "cpu", "float64")
    models = (tiny_eps, double, replace(tiny_eps, revision="f" * 12), replace(tiny_eps, name="other"))
    results = [list(service.stream(replace(E, model=model.name), model, kept=kept))[-1] for model in models]
    results += [list(service.stream(replace(E, model=tiny_eps.name, **change), tiny_eps, kept=kept))[-1] for change in ({"n": 201}, {"seeds": (2,)})]
    assert len({id(result) for result in results}) == len(kept) == 6
    assert results[2].experiment.revision == "f" * 12


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return load_model(str(save_pipeline(tmp_path_factory.mktemp("large") / "large", size=32)), "cpu")


def test_nobody_sees_the_large_picture_of_somebody_else(large):
    mine, other = (Image.fromarray(np.random.default_rng(k).integers(0, 256, (32, 32, 3), dtype=np.uint8)) for k in (0, 1))
    kept, e = Results(), RoundTrip(large.name, lab.picture_text(large, mine), 100, (0,), 1)
    assert e.picture.startswith("sha256:")
    *_, result = service.stream(e, large, mine, kept)
    for given in (None, other):
        with pytest.raises(DiffdemoError, match="hash"):
            list(service.stream(e, large, given, kept))
    assert list(service.stream(e, large, mine, kept)) == [result]


def test_impossible_experiments_are_refused_before_anything_is_kept(tiny_eps):
    kept = Results()
    for e in (replace(E, model="no-such"), replace(E, model=tiny_eps.name, prompt="a cat"), replace(E, model=tiny_eps.name, picture="png:AAAA"),
              Belief(tiny_eps.name), Embedding(tiny_eps.name, other="png:AAAA", n=5, steps=2)):  # fmt: skip
        with pytest.raises(DiffdemoError):
            list(service.stream(e, tiny_eps, kept=kept))
    assert len(kept) == 0


def test_known_results_are_those_of_bundled_models_that_are_kept(faces_model, tiny_eps):
    kept = Results()
    assert service.known(E, kept) is None
    *_, result = service.stream(E, faces_model, kept=kept)
    assert service.known(E, kept) is result
    assert service.known(replace(E, revision=faces_model.revision), kept) is result
    assert service.known(replace(E, n=201), kept) is None
    list(service.stream(replace(E, model=tiny_eps.name), tiny_eps, kept=kept))
    assert service.known(replace(E, model=tiny_eps.name), kept) is None


def test_no_model_is_loaded_and_nothing_raised_to_know_a_result(monkeypatch):
    assert service.known(RoundTrip(prompt="a cat")) is None
    monkeypatch.setattr(lab, "resolve", lambda *_: pytest.fail("loaded"))
    assert service.known(RoundTrip("google/ddpm-cat-256")) is None


LENT = '''
import os, pickle
calls = []

def GPU(function=None, **_):
    """As on ZeroGPU: arguments, results and every yield are pickled, and the work is done in a forked process."""
    from inspect import isgeneratorfunction

    def lent(*args):
        args = pickle.loads(pickle.dumps(args))
        read, write = os.pipe()
        if not os.fork():
            with os.fdopen(write, "wb") as out:
                for item in function(*args) if isgeneratorfunction(function) else [function(*args)]:
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
    return lent if isgeneratorfunction(function) else lambda *args: next(lent(*args))
'''
ASKED = """
import torch; torch.set_num_threads(1)
import spaces
from diffdemo import lab, service
from diffdemo.experiment import Belief, RoundTrip
from diffdemo.models import load_model, loading
model, e = load_model("faces", "cpu"), RoundTrip(n=200, seeds=(1, 2), steps=2)
*progress, result = service.stream(e, model)
assert [item.done for item in progress] == [1, 2], progress
assert torch.equal(result.reconstructions, lab.run(e, model).reconstructions)
assert list(service.stream(e, model)) == [result]
assert [found.experiment.n for found in service.beliefs(Belief(), model, None, (0, 300))] == [0, 300]
assert spaces.calls == ["_work", "_beliefs"], spaces.calls
"""


def test_a_preview_is_made_where_it_is_worth_its_time(faces_model, monkeypatch):
    trip, kept = RoundTrip(seeds=(0, 1), steps=12), service.Results()
    assert service.preview(trip, faces_model, kept=kept).total == 12
    assert service.preview(replace(trip, steps=11), faces_model, kept=kept) is None
    assert service.preview(replace(trip, n=11), faces_model, kept=kept) is None
    monkeypatch.setattr(service, "PREVIEW_SECONDS", 0)
    assert service.preview(trip, faces_model, kept=kept) is None
    monkeypatch.undo()
    list(service.stream(trip, faces_model, kept=kept))
    assert service.preview(trip, faces_model, kept=kept) is None
    assert service.preview(replace(trip, n=300), faces_model, kept=kept) is not None
    monkeypatch.setattr(service.limits, "seconds", 1e-6)
    assert service.preview(replace(trip, n=300), faces_model, kept=kept) is None


def test_levels_of_a_flip_book_that_are_kept_are_not_computed_again(faces_model, caplog):
    e, kept = Belief(n=300, seed=4), service.Results()
    with caplog.at_level("INFO", "diffdemo"):
        first = service.beliefs(e, faces_model, None, [0, 300, 700], kept)
        again = service.beliefs(replace(e, n=500), faces_model, None, [0, 300, 500, 700], kept)
        service.beliefs(replace(e, seed=5), faces_model, None, [300], kept)
    assert [message.split(", ")[2] for message in caplog.messages] == ["2 calls", "1 calls", "1 calls"]
    assert [result.experiment.n for result in again] == [0, 300, 500, 700]
    assert [again[0], again[1], again[3]] == first
    assert service.beliefs(e, faces_model, None, [300], kept) == first[1:2]


def test_a_run_above_the_limit_is_refused_before_it_starts_with_its_number(monkeypatch, faces_model, caplog):
    monkeypatch.setattr(service.limits, "seconds", 2.0)
    monkeypatch.setattr(service, "estimate_seconds", lambda model, rows, calls: rows / 100)
    dear = RoundTrip(n=1000, seeds=range(16), steps=50)
    with caplog.at_level("INFO", "diffdemo"), pytest.raises(BudgetError, match=r"800 network calls would take about 8 s here, and at most 2 s"):
        next(service.stream(dear, faces_model, kept=Results()))
    assert caplog.messages == ["round-trip refused, 800 calls, about 8 s"]
    assert service.price(dear, faces_model).calls == 800
    *_, result = service.stream(E, faces_model, kept=Results())
    assert result.experiment.n == E.n


def broken(*_):
    yield from ()
    raise RuntimeError("broken")


def test_every_run_leaves_one_line_however_it_ends(monkeypatch, faces_model, caplog):
    with caplog.at_level("INFO", "diffdemo"):
        list(service.stream(E, faces_model, kept=Results()))
        stopped = service.stream(E, faces_model, kept=Results())
        next(stopped)
        stopped.close()
        monkeypatch.setattr(service, "_work", broken)
        with pytest.raises(RuntimeError):
            list(service.stream(E, faces_model, kept=Results()))
        service.beliefs(Belief(), faces_model, None, (0, 300), Results())
    assert [line.split(",")[0] for line in caplog.messages] == ["round-trip done", "round-trip stopped", "round-trip failed", "belief done"]
    assert ", 1 calls, " in caplog.messages[-1]


def test_a_model_that_is_not_used_any_more_is_not_held(tmp_path):
    model = load_model(str(save_pipeline(tmp_path / "passing")), device="cpu")
    list(service.stream(RoundTrip(model.name, n=2, seeds=(0,), steps=1), model))
    gone = weakref.ref(model)
    service.results.clear()
    loading._cache.clear()
    del model
    gc.collect()
    assert gone() is None


def test_where_a_gpu_is_lent_the_work_is_done_in_a_process_of_its_own(tmp_path):
    (tmp_path / "spaces.py").write_text(LENT)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parent.parent)])
    done = subprocess.run([sys.executable, "-c", ASKED], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
