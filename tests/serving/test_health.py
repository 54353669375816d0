import json
import urllib.request
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from doubles import finished
from PIL import Image

from diffdemo.errors import ModelError
from diffdemo.models import BUNDLED
from diffdemo.serving import health


def test_this_copy_is_in_order():
    assert list(health.check("cpu")) == list(BUNDLED)


def test_another_picture_than_the_stored_one_fails_the_check(monkeypatch, tmp_path):
    for name in BUNDLED:
        picture = np.asarray(Image.open(health.ASSETS / f"check-{name}.png")).copy()
        picture[3, 3] = (picture[3, 3].astype(int) + 128) % 256
        Image.fromarray(picture).save(tmp_path / f"check-{name}.png")
    monkeypatch.setattr(health, "ASSETS", tmp_path)
    sentence = "self-check failed: the model faces gives a picture that is off by"
    with pytest.raises(ModelError, match=sentence):
        health.check("cpu")


def test_the_app_ends_with_one_sentence_if_the_check_fails(monkeypatch, capsys):
    import app
    import diffdemo.page

    def fail(*_):
        raise ModelError("The self-check failed.")

    done = []
    demo = SimpleNamespace(
        launch=lambda **_: done.append("served"),
        close=lambda **_: done.append("closed"),
    )
    exhibit = SimpleNamespace(demo=demo, warm=lambda: health.start("cpu"))
    monkeypatch.setattr(diffdemo.page, "build", lambda *_: exhibit)
    monkeypatch.setattr(diffdemo.page, "launch_options", lambda _: {})
    monkeypatch.setattr(health, "check", fail)
    monkeypatch.setitem(health.state, "status", "starting")
    assert app.main([]) == 2
    assert capsys.readouterr().err == "diffdemo: The self-check failed.\n"
    assert done == ["served", "closed"]
    assert health.state["status"] == "failed"


def ask_health() -> tuple[int, dict]:
    sent = []

    async def send(message):
        sent.append(message)

    finished(health.Health(None)({"type": "http", "path": "/health"}, None, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_health_is_ok_only_after_a_check_that_succeeded(monkeypatch):
    starting = {"status": "starting", "models": {}}
    monkeypatch.setattr(health, "state", starting)
    assert ask_health() == (503, starting)
    health.start("cpu")
    status, found = ask_health()
    assert status == 200
    assert found["status"] == "ok"
    monkeypatch.setitem(health.RUNS, "faces", replace(health.RUNS["faces"], n=400))
    with pytest.raises(ModelError, match="self-check failed"):
        health.start("cpu")
    assert ask_health()[0] == 503


def test_health_is_served_beside_the_page(address):
    with urllib.request.urlopen(f"{address}health") as answer:
        found = json.load(answer)
    assert found["status"] == "ok"
    assert list(found["models"]) == list(BUNDLED)
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200
