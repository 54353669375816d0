import math
import subprocess
import sys

import pytest
import torch
from chromium import in_browser

from diffdemo.__main__ import main
from diffdemo.diffusion.noise import noise
from diffdemo.errors import DiffdemoError
from diffdemo.measure import bench
from diffdemo.measure.bench import browser, memory, page, peers, start, tables
from diffdemo.measure.bench.turns import take_turns, timings
from diffdemo.models import load_model

INSTALLED = [contender for contender in peers.CONTENDERS if peers.installed(contender)]


@pytest.mark.parametrize("contender", peers.CONTENDERS[1:], ids=lambda contender: contender.name)
def test_all_samplers_draw_the_same_pictures(contender, tiny):
    """Whatever the network predicts. With random weights, different maps would fall apart."""
    pytest.importorskip(contender.package)
    runs, left_out = peers.prepare(tiny, contender.name)
    if left_out:
        assert (contender.name, tiny.prediction_type) == ("k-diffusion", "sample")
        return
    x_T = noise([3, 7], tiny.shape)
    ours = peers.OURS.prepare(tiny)(x_T, 5)
    assert float((runs[contender.name](x_T, 5) - ours).abs().max()) < 1e-3 * float(ours.abs().max())


@pytest.mark.parametrize("contender", INSTALLED, ids=lambda contender: contender.name)
def test_no_sampler_changes_the_noise_or_carries_anything_over(contender, tiny_eps):
    """A second run gives the same bits from the same x_T, also after other steps between."""
    run = contender.prepare(tiny_eps)
    x_T = noise([0, 1], tiny_eps.shape)
    before = x_T.clone()
    first = run(x_T, 4)
    run(x_T, 2)
    assert torch.equal(run(x_T, 4), first)
    assert torch.equal(x_T, before)


def test_a_sampler_that_is_not_installed_is_left_out_with_a_line(tiny_eps, monkeypatch):
    missing = peers.Contender("somebody", None, "a_package_that_nobody_has")
    monkeypatch.setattr(peers, "CONTENDERS", (peers.OURS, peers.PLAIN, missing))
    runs, left_out = peers.prepare(tiny_eps)
    assert list(runs) == [peers.OURS.name, peers.PLAIN.name]
    assert left_out == [
        "somebody is left out: it is not installed (pip install -r .ci/bench-requirements.txt)."
    ]
    found = bench.compare(tiny_eps, seeds=1, steps=2, rounds=1)
    assert left_out[0] in list(tables.comparison_table([found], {}))


def test_a_comparison_counts_the_work_of_all_seeds_and_steps(tiny_eps):
    small = bench.compare(tiny_eps, seeds=1, steps=2, rounds=2)
    large = bench.compare(tiny_eps, seeds=3, steps=4, rounds=2)
    assert [t.name for t in large.timings] == [contender.name for contender in INSTALLED]
    assert large.flops == pytest.approx(6 * small.flops)
    ours = large.timings[0]
    assert ours.ratio == 1
    assert all(t.difference < 1e-3 for t in large.timings)
    assert large.share(ours) == pytest.approx(large.flops / ours.seconds / large.rate)


@pytest.mark.parametrize("bad", [{"steps": 7}, {"seeds": 0}, {"rounds": 0}])
def test_comparisons_that_would_be_unfair_are_refused(tiny_eps, bad):
    with pytest.raises(DiffdemoError):
        bench.compare(tiny_eps, **bad)


def test_the_best_other_is_compared_with_each_of_ours():
    ratios = {peers.OURS.name: 1.0, peers.PLAIN.name: 1.25, "quick": 1.5, "slow": 4.0}
    found = [bench.Timing(name, r, r, r, r, 0.0) for name, r in ratios.items()]
    comparison = bench.Comparison("m", 1, 20, found, found[0], 1.0, 1.0, [])
    assert comparison.against_best(peers.OURS.name) == 1.5
    assert comparison.against_best(peers.PLAIN.name) == 1.2


def test_a_curve_in_one_batch_is_the_curve_in_parts(tiny_eps):
    found = bench.compare_curve(tiny_eps, (0, 3, 500), seeds=2, steps=4, rounds=1)
    assert found[0].ratio == 1
    assert len(found) == 3
    assert all(t.difference < 1e-3 for t in found)
    with pytest.raises(DiffdemoError):
        bench.compare_curve(tiny_eps, ())


def test_ratios_are_taken_within_a_round():
    """A machine that becomes three times slower half-way changes no ratio."""
    times = {"a": [1.0, 1.0, 3.0, 3.0, 3.0], "b": [2.0, 2.0, 6.0, 6.0, 6.0]}
    a, b = timings(times)
    assert (a.seconds, b.seconds) == (3, 6)
    assert (b.ratio, b.low, b.high) == (2, 2, 2)
    assert math.isnan(b.difference)


def test_turns_end_when_the_first_has_had_its_time():
    calls = []
    runs = {"a": lambda: calls.append("a") or 1.0, "b": lambda: calls.append("b") or 5.0}
    assert take_turns(runs, 2, seconds=4) == {"a": [1.0] * 4, "b": [5.0] * 4}
    assert {tuple(calls[i : i + 2]) for i in range(0, 8, 2)} == {("a", "b"), ("b", "a")}
    assert len(take_turns(runs, 6, seconds=4)["a"]) == 6


MEASURES = """
import torch
from diffdemo.measure.bench import memory
memory.forget_peak()
before, peak = memory.resident()
block = torch.ones(2**24)
del block
print(memory.resident()[1] - before, peak - before)
"""


def test_the_memory_of_a_run_is_what_it_takes():
    """64 MB that are written and let go count; what was there before does not.

    In a new process, which holds no freed memory to use again.
    """
    command = [sys.executable, "-c", MEASURES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rise, at_first = map(int, done.stdout.split())
    assert 60 * memory.MB < rise < 90 * memory.MB
    assert at_first < 8 * memory.MB


def test_memory_is_measured_in_a_process_of_its_own(folders):
    one, many = memory.measure(str(folders["epsilon"]), [64, 1], 2, "diffdemo")
    assert one.before == many.before
    assert 0 < one.rise < many.rise


SERVER = """
import sys, http.server as h
h.HTTPServer(("127.0.0.1", int(sys.argv[-1])), h.SimpleHTTPRequestHandler).serve_forever()
"""


def test_the_start_is_timed_until_the_answer(monkeypatch, tmp_path):
    """On a page that only the standard library serves; one that ends at once is an error."""
    (tmp_path / "app.py").write_text(SERVER)
    monkeypatch.setattr(start, "APP", tmp_path / "app.py")
    monkeypatch.setattr(start, "IMPORTS", "print('ready', flush=True)")
    assert [t.seconds > 0 for t in start.measure(1)] == [True, True]
    (tmp_path / "app.py").write_text("raise SystemExit")
    with pytest.raises(DiffdemoError, match="did not come up"):
        start.seconds_to_answer()


def test_the_command_prints_and_writes_the_table(folders, tmp_path, capsys):
    out = tmp_path / "bench.md"
    folder = str(folders["v_prediction"])
    options = "--seeds 1 2 --steps 2 --rounds 1 --no-memory --out"
    command = ["bench", "--models", folder, *options.split(), str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "SECONDS", 0.0)
        assert main(command) == 0
    assert capsys.readouterr().out == out.read_text()
    rows = [line for line in out.read_text().splitlines() if line.startswith(("| 1 |", "| 2 |"))]
    samplers, _ = peers.prepare(load_model(folder, "cpu"))
    assert len(rows) == 2 * (len(samplers) + 1)


@pytest.mark.slow
@in_browser
def test_the_wait_after_the_dial_is_timed_to_the_first_picture_and_to_the_result():
    wait = page.measure(rounds=1)
    assert 0 < wait.picture < wait.result < 60


def test_without_a_browser_the_page_is_not_timed(monkeypatch):
    monkeypatch.setattr(browser, "chromium", lambda: None)
    with pytest.raises(DiffdemoError, match="playwright"):
        page.measure()
