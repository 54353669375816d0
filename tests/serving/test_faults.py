"""Faults below the page: a network that breaks or hangs, and a full disk.

Each is one sentence, and everything else goes on.
"""

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pages
import pytest
from doubles import Breaks, Stalls
from gradio_client import Client
from gradio_client.exceptions import AppError
from raw_visitor import RawVisitor
from served import run_app

from diffdemo.errors import UNFORESEEN
from diffdemo.lab import runner, worker

ROOT = Path(__file__).parents[2]
SMALL = {"picture": "face:17", "n": 50, "steps": 4, "api_name": "/round_trip"}


@pytest.fixture(scope="module")
def faulty(folders):
    """A page with a tiny model whose network can be broken: the exhibit, the model, a client."""
    with pytest.MonkeyPatch.context() as patch:
        # The doubles below are no networks whose cost could be estimated.
        patch.setattr(runner, "estimate_seconds", lambda *_: 0.0)
        exhibit = pages.build(str(folders["v_prediction"]))
        with pages.served(exhibit) as url:
            yield exhibit, exhibit.models.first, Client(url, verbose=False)


def refusal(client: Client, **arguments) -> str:
    """Return the one sentence that a caller hears."""
    with pytest.raises(AppError) as caught:
        client.predict(**SMALL, **arguments)
    sentence = str(caught.value)
    assert sentence.count(".") == 1 + sentence.count("...")
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "not finite"),
        (float("inf"), "not finite"),
        (RuntimeError("a secret of /the/inside"), UNFORESEEN),
    ],
    ids=["nan", "inf", "raises"],
)
def test_a_network_that_breaks_is_one_sentence_and_the_next_run_is_right(
    faulty, caplog, value, words, after
):
    exhibit, model, client = faulty
    run = {**SMALL, "model": model.name, "seeds": "1"}
    first = client.predict(**run)["reconstructions"]
    exhibit.models.first = replace(model, network=Breaks(model.network, value, after))
    try:
        seed = 1000 + after + 10 * len(words)
        sentence = refusal(client, model=model.name, seeds=str(seed))
    finally:
        exhibit.models.first = model
    assert words in sentence
    assert "secret" not in sentence
    assert ("a secret" in caplog.text) == isinstance(value, Exception)
    exhibit.runner.cache.clear()
    assert client.predict(**run)["reconstructions"] == first


def test_a_network_that_hangs_is_given_up_and_other_runs_go_on(faulty, monkeypatch):
    exhibit, model, client = faulty
    monkeypatch.setattr(worker, "CALL_SECONDS", 1.0)
    stalls = Stalls(model.network)
    exhibit.models.first = replace(model, network=stalls)
    try:
        assert "did not answer within 1 s" in refusal(client, model=model.name, seeds="77")
        assert "has not answered" in refusal(client, model=model.name, seeds="77")
        assert client.predict(n=50, seeds="2", steps=2, api_name="/round_trip")["sentence"]
    finally:
        exhibit.models.first = model
        stalls.gate.set()
    assert run_until_it_succeeds(client, model.name)["sentence"]


def run_until_it_succeeds(client: Client, name: str) -> dict:
    """Run again and again until the call that hung has ended."""
    for _ in range(100):
        try:
            return client.predict(**SMALL, model=name, seeds="78")
        except AppError:
            continue
    pytest.fail("the model was never asked again")


LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
arguments = "round-trip --quiet --n 50 --seeds 0-7 --steps 1 --out".split()
sys.argv = ["diffdemo", *arguments, sys.argv[1]]
runpy.run_module("diffdemo", run_name="__main__")
"""


def test_an_export_to_a_full_disk_ends_with_one_sentence_and_leaves_nothing(tmp_path):
    """Files may grow to four kilobytes only, as on a disk that is nearly full."""
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "sheet.png")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.startswith("diffdemo: ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_with_a_full_disk_uploads_are_refused_and_runs_and_exports_go_on():
    with run_app() as server:
        limit = server.log_file.stat().st_size + 300_000
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        answer = RawVisitor(server, server.log_file).upload(bytes(2_000_000))
        assert answer.status == 507
        assert answer.text == "This could not be stored here; please try again later."
        client = Client(server.url, verbose=False)
        found = client.predict(n=50, seeds="0-3", steps=2, api_name="/round_trip")
        assert len(found["reconstructions"]) == 4
