"""What breaks below: a network that raises, gives no numbers or does not answer, and a full disk. Each is one sentence; all else goes on."""

import contextlib
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
from raw_visitor import Visitor
from served import served

from diffdemo import service
from diffdemo.errors import UNFORESEEN
from diffdemo.lab import worker

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def faulty(folders):
    """A page on a tiny model whose network can be broken: the Page's models, the sound model, and a client."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "estimate_seconds", lambda *_: 0.0)  # the doubles below are no networks that could be priced
        demo, page = pages.build(str(folders["v_prediction"]))
        with pages.launched(demo) as url:
            yield page.models, page.models.first, Client(url, verbose=False)


def ask(client, model, seed, **change):
    return client.predict(**{"model": model.name, "picture": "face:17", "n": 50, "seeds": str(seed), "steps": 4, "api_name": "/round_trip"} | change)


def refused(client, model, seed, **change):
    """The sentence that a caller gets."""
    with pytest.raises(AppError) as caught:
        ask(client, model, seed, **change)
    said = str(caught.value)
    assert said.count(".") == 1 + said.count("...")
    assert said.endswith(".")
    return said


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize(
    ("value", "words"),
    [(float("nan"), "not finite"), (float("inf"), "not finite"), (RuntimeError("a secret of /the/inside"), UNFORESEEN)],
    ids=["nan", "inf", "raises"],
)  # fmt: skip
def test_a_network_that_breaks_is_said_so_and_the_next_run_is_right(faulty, caplog, value, words, after):
    models, sound, client = faulty
    first = ask(client, sound, 1)["reconstructions"]
    models.first = replace(sound, network=Breaks(sound.network, value, after))
    try:
        said = refused(client, sound, 1000 + after + 10 * len(words))
    finally:
        models.first = sound
    assert words in said
    assert "secret" not in said
    assert ("a secret" in caplog.text) == isinstance(value, Exception)  # the log has what the visitor is spared
    service.results.clear()
    assert ask(client, sound, 1)["reconstructions"] == first


def test_a_network_that_does_not_answer_is_given_up_and_other_runs_go_on(faulty, monkeypatch):
    models, sound, client = faulty
    monkeypatch.setattr(worker, "PATIENCE", 1.0)
    stalls = Stalls(sound.network)
    models.first = replace(sound, network=stalls)
    try:
        assert "did not answer within 1 s" in refused(client, sound, 77)
        assert "has not answered" in refused(client, sound, 77)
        assert client.predict(n=50, seeds="2", steps=2, api_name="/round_trip")["sentence"]
    finally:
        models.first = sound
        stalls.gate.set()
    for _ in range(100):  # until the call that hung has ended
        with contextlib.suppress(AppError):
            assert ask(client, sound, 78)["sentence"]
            break
    else:
        pytest.fail("never asked again")


def test_a_full_disk_ends_an_export_with_one_sentence_and_leaves_nothing(tmp_path):
    """Files may grow to four kilobytes only, which is how a disk that is nearly full feels."""
    limited = f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, {resource.RLIM_INFINITY}));"
    begin = "sys.argv = ['diffdemo', 'round-trip', '--quiet', '--n', '50', '--seeds', '0-7', '--steps', '1', '--out', sys.argv[1]];"
    command = [sys.executable, "-c", f"{limited}{begin} runpy.run_module('diffdemo', run_name='__main__')", str(tmp_path / "sheet.png")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.startswith("diffdemo: ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_with_a_full_disk_uploads_are_refused_and_runs_and_exports_go_on():
    with served() as server:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (server.said.stat().st_size + 300_000, resource.RLIM_INFINITY))
        answer = Visitor(server, server.said).upload(bytes(2_000_000))
        assert (answer.status, answer.text) == (507, "This could not be stored here; please try again later.")
        found = Client(server.url, verbose=False).predict(n=50, seeds="0-3", steps=2, api_name="/round_trip")
        assert len(found["reconstructions"]) == 4
