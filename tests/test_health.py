import json
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest
from doubles import finished
from PIL import Image

from diffdemo import health
from diffdemo.errors import ModelError
from diffdemo.models import BUNDLED


def test_this_copy_is_in_order():
    assert list(health.check("cpu")) == list(BUNDLED)


def test_a_picture_that_is_off_stops_the_start_with_one_sentence(monkeypatch, tmp_path):
    for name in BUNDLED:
        picture = np.asarray(Image.open(health.ASSETS / f"check-{name}.png")).copy()
        picture[3, 3] = (picture[3, 3].astype(int) + 128) % 256
        Image.fromarray(picture).save(tmp_path / f"check-{name}.png")
    monkeypatch.setattr(health, "ASSETS", tmp_path)
    with pytest.raises(ModelError, match="self-check failed: the model faces gives a picture that is off by"):
        health.check("cpu")


def test_the_app_says_so_and_ends(monkeypatch, capsys):
    import app
    import diffdemo.ui

    def broken(*_):
        raise ModelError("The self-check failed.")

    done = []
    demo = SimpleNamespace(launch=lambda **_: done.append("served"), close=lambda **_: done.append("closed"), block_thread=None)
    monkeypatch.setattr(diffdemo.ui, "build_demo", lambda *_: demo)
    monkeypatch.setattr(health, "check", broken)
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


def test_health_is_not_well_before_the_check_is_over_or_where_it_failed(monkeypatch):
    monkeypatch.setattr(health, "state", {"status": "starting", "models": {}})
    assert ask_health() == (503, {"status": "starting", "models": {}})
    health.start("cpu")
    status, found = ask_health()
    assert status == 200
    assert found["status"] == "ok"
    monkeypatch.setitem(health.PROBES, "faces", health.PROBES["faces"].__class__(n=400, seeds=(0,), steps=1))
    with pytest.raises(ModelError, match="self-check failed"):
        health.start("cpu")
    assert ask_health()[0] == 503


def test_health_is_served(address):
    with urllib.request.urlopen(f"{address}health") as answer:
        found = json.load(answer)
    assert found["status"] == "ok"
    assert list(found["models"]) == list(BUNDLED)
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200
