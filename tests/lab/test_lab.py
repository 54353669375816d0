import threading
import weakref

import torch

from diffdemo import lab
from diffdemo.experiments import RoundTrip
from diffdemo.experiments.round_trip import run as module
from diffdemo.lab.progress import Progress

SMALL = {"seeds": (0, 1, 2), "steps": 4}


def test_a_run_yields_progress_and_last_its_result():
    *progress, result = lab.stream(RoundTrip(**SMALL))
    assert [(p.done, p.total) for p in progress] == [(k, 4) for k in range(1, 5)]
    assert {type(p) for p in progress} == {Progress}
    assert result.experiment.seeds == (0, 1, 2)


def test_a_run_that_is_waited_for_holds_nothing_of_what_was_shown_meanwhile(monkeypatch):
    items = []
    alive = []
    run = module.run

    def watched(e, ready):
        for item in run(e, ready):
            alive.append(sum(item() is not None for item in items))
            items.append(weakref.ref(item))
            yield item

    monkeypatch.setattr(module, "run", watched)
    lab.run(RoundTrip(n=300, seeds=(0,), steps=12))
    assert len(items) == 13
    assert max(alive) <= 2


def test_a_run_that_is_closed_frees_the_worker_and_leaves_gradients_on():
    run = lab.stream(RoundTrip(**SMALL))
    next(run)
    assert torch.is_grad_enabled()
    run.close()
    assert len(list(lab.stream(RoundTrip(**SMALL)))) == 5


def test_runs_in_many_threads_do_not_change_each_other():
    def reconstructions(n):
        return lab.run(RoundTrip(n=n, **SMALL)).reconstructions

    alone = {n: reconstructions(n) for n in (100, 500, 1000)}
    found = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: reconstructions(n)})) for n in alone
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, x in alone.items():
        assert float((found[n] - x).abs().max()) < 1 / 255
