import json
import urllib.request

import numpy as np
import pytest
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

    def broken():
        raise ModelError("The self-check failed.")

    monkeypatch.setattr(diffdemo.ui, "build_demo", lambda *_: None)
    monkeypatch.setattr(diffdemo.ui, "launch_options", broken)
    assert app.main([]) == 2
    assert capsys.readouterr().err == "diffdemo: The self-check failed.\n"


def test_health_is_served(address):
    with urllib.request.urlopen(f"{address}health") as answer:
        found = json.load(answer)
    assert found["status"] == "ok"
    assert list(found["models"]) == list(BUNDLED)
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200
