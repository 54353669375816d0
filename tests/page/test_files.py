import base64
import io
import json
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from doubles import save_pipeline
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffdemo.errors import DiffdemoError
from diffdemo.experiments import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.lab.prepare import picture_text
from diffdemo.lab.runner import Runner
from diffdemo.models import load_model
from diffdemo.page import files
from diffdemo.pictures import decoding, images
from diffdemo.report import exports
from diffdemo.widgets.available import Models

TRIP = RoundTrip(n=150, seeds=(0, 1), steps=2)
SENTENCE = {"link": TRIP.to_query(), "text": "x"}
SMALL = {
    "round-trip": TRIP,
    "curve": Curve(levels=(0, 500), seeds=(0,), steps=1),
    "embed": Embedding(n=20, seeds=(0,), steps=2, methods=("random",)),
    "collide": Collision(n=50, steps=1),
    "belief": Belief(n=300),
    "branch": Branch(points=1, futures=2, steps=2),
}


@pytest.fixture(scope="module")
def saver(faces_model):
    return files.Saver(Models(faces_model, "cpu"), Runner())


def event(index="sheet", value=True):
    return SimpleNamespace(index=index, value=value)


def saved(saver, *values) -> tuple[dict, bytes]:
    found = saver.save(*values)
    assert json.dumps(found)
    return found, base64.b64decode(found["data"], validate=True)


def opens(kind: str, data: bytes) -> bool:
    if kind in ("sheet", "gif", "webp"):
        return (
            Image.open(io.BytesIO(data)).format
            == {"sheet": "PNG", "gif": "GIF", "webp": "WEBP"}[kind]
        )
    if kind == "zip":
        return zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    return isinstance(json.loads(data), dict) if kind == "json" else data.startswith(b"seed,")


@pytest.mark.parametrize("kind", exports.EXPORTS)
def test_a_run_is_saved_as_a_file_of_its_kind(saver, kind):
    found, data = saved(saver, SENTENCE, None, event(kind))
    assert opens(kind, data)
    assert found["name"] == f"diffdemo-round-trip{exports.SUFFIXES[kind]}"
    assert found["mime"] == files.MIME[kind]
    assert set(files.MIME) == set(exports.EXPORTS)


@pytest.mark.parametrize("kind", SMALL)
def test_every_experiment_can_be_saved_and_dropped_back(saver, kind):
    found, data = saved(saver, {"link": SMALL[kind].to_query()}, None, event())
    assert found["name"] == f"diffdemo-{kind}.png"
    brought = files.dropped(SimpleNamespace(value=found["data"]))
    assert brought.experiment.kind == kind
    assert brought.experiment.revision
    assert exports.read_experiment(data) == (brought.experiment, None)


def test_a_sheet_can_be_saved_without_its_experiment(saver):
    assert exports.read_experiment(saved(saver, SENTENCE, None, event(value=False))[1]) is None
    assert exports.read_experiment(saved(saver, SENTENCE, None, event(value=None))[1]) is not None


def test_a_file_is_that_of_the_same_run_every_time(saver):
    assert saver.save(SENTENCE, None, event("zip")) == saver.save(SENTENCE, None, event("zip"))


HUGE = "x" * 10**6


@pytest.mark.parametrize(
    "index",
    [None, "", "exe", "SHEET", "../sheet", 0, 1.5, True, ["sheet"], {"kind": "sheet"}, HUGE],
)
def test_a_file_of_an_unknown_kind_gets_one_sentence(saver, index):
    with pytest.raises(DiffdemoError, match="saved as one of") as caught:
        saver.save(SENTENCE, None, event(index))
    assert len(str(caught.value)) < 250
    with pytest.raises(DiffdemoError, match="saved as one of"):
        saver.save(SENTENCE, None, SimpleNamespace())


@pytest.mark.parametrize(
    "sentence",
    [
        None,
        {},
        [],
        "x",
        3,
        {"link": None},
        {"link": ["v=1"]},
        {"link": ""},
        {"link": "v=1&n=5000"},
        {"link": "v=2"},
        {"link": HUGE},
        {"link": "v=1&seeds=0-999999999"},
        {"link": "v=1&model=no-such"},
        {"link": "v=1&model=google/ddpm-cat-256"},
        {"link": "v=1&prompt=x"},
        {"link": "v=1&picture=png:AAAA"},
        {"link": "v=1&picture=sha256:" + "0" * 64},
    ],
    ids=lambda sentence: str(sentence)[:40],
)
def test_a_run_that_is_none_gets_one_sentence(saver, sentence):
    with pytest.raises(DiffdemoError) as caught:
        saver.save(sentence, None, event())
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["embed", "collide", "belief"])
def test_there_is_no_film_where_nothing_moves(saver, kind):
    with pytest.raises(DiffdemoError):
        saver.save({"link": SMALL[kind].to_query()}, None, event("gif"))


def test_a_file_that_is_too_large_is_not_handed_out(saver, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    with pytest.raises(DiffdemoError, match="Fewer seeds"):
        saver.save(SENTENCE, None, event())


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return load_model(
        str(save_pipeline(tmp_path_factory.mktemp("large") / "large", size=32)), "cpu"
    )


def test_a_large_picture_comes_from_the_page_and_travels_in_the_file(large):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    e = RoundTrip(large.name, picture_text(large, Image.fromarray(pixels)), 100, (0,), 1)
    sentence = {"link": e.to_query()}
    portrait = {"picture": e.picture, "src": images.data_uri(pixels)}
    saver = files.Saver(Models(large, "cpu"), Runner())
    found, _ = saved(saver, sentence, portrait, event())
    brought = files.dropped(SimpleNamespace(value=found["data"]))
    assert np.array_equal(np.asarray(brought.given), pixels)
    assert brought.experiment.picture == e.picture
    for other in (
        None,
        {"src": images.data_uri(pixels[::-1])},
        {"src": "data:image/png;base64,é"},
        {"src": "data:image/png;base64,AA"},
        {"src": 3},
    ):
        with pytest.raises(DiffdemoError):
            saver.save(sentence, other, event())


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize("kind", decoding.FORMATS)
def test_a_dropped_picture_is_taken_and_brings_no_experiment(kind):
    found = files.dropped(SimpleNamespace(value=encoded(Image.new("RGB", (20, 10), "red"), kind)))
    assert found.picture.size == (20, 10)
    assert found.experiment is None
    assert found.given is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "at most 8 MB"),
        (3, "at most 8 MB"),
        (["x"], "at most 8 MB"),
        (b"abc", "at most 8 MB"),
        ("A" * (decoding.MAX_BYTES * 4 // 3 + 5), "at most 8 MB"),
        ("", "empty"),
        ("A", "whole"),
        ("ABC", "whole"),
        ("AB C", "whole"),
        ("é", "whole"),
        ("\x00", "whole"),
        ("\ud800", "whole"),
        ("AA-_", "whole"),
        (base64.b64encode(b"not a picture").decode(), "readable picture"),
        (base64.b64encode(b"<svg/>").decode(), "an SVG drawing"),
    ],
    ids=lambda part: str(part)[:20].encode("unicode_escape").decode(),
)
def test_a_dropped_file_that_is_no_picture_gets_one_sentence(value, says):
    with pytest.raises(DiffdemoError, match=says):
        files.dropped(SimpleNamespace(value=value))
    with pytest.raises(DiffdemoError, match="at most 8 MB"):
        files.dropped(SimpleNamespace())


def test_half_a_picture_gets_one_sentence():
    whole = encoded(
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    )
    with pytest.raises(DiffdemoError, match="readable picture"):
        files.dropped(SimpleNamespace(value=whole[: len(whole) // 8 * 4]))


def test_a_dropped_picture_with_a_broken_experiment_says_what_is_wrong():
    info = PngInfo()
    info.add_text(exports.QUERY, "v=1&n=5000")
    with pytest.raises(DiffdemoError, match="Noise steps n"):
        files.dropped(SimpleNamespace(value=encoded(Image.new("RGB", (2, 2)), pnginfo=info)))
