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

from diffdemo import exports, images, lab
from diffdemo.errors import DiffdemoError
from diffdemo.experiment import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.models import load_model
from diffdemo.ui import files, views
from diffdemo.ui.shelf import Models

TRIP = RoundTrip(n=150, seeds=(0, 1), steps=2)
SENTENCE = {"link": TRIP.to_query(), "text": "x"}
SMALL = {
    "round-trip": TRIP, "curve": Curve(levels=(0, 500), seeds=(0,), steps=1), "embed": Embedding(n=20, seeds=(0,), steps=2, methods=("random",)),
    "collide": Collision(n=50, steps=1), "belief": Belief(n=300), "branch": Branch(points=1, futures=2, steps=2),
}  # fmt: skip


@pytest.fixture(scope="module")
def models(faces_model):
    return Models(faces_model, "cpu")


def event(index="sheet", value=True):
    return SimpleNamespace(index=index, value=value)


def saved(models, *args, **kwargs) -> tuple[dict, bytes]:
    found = files.save(models, *args, **kwargs)
    assert json.dumps(found)
    return found, base64.b64decode(found["data"], validate=True)


def opens(kind: str, data: bytes) -> bool:
    if kind in ("sheet", "gif", "webp"):
        return Image.open(io.BytesIO(data)).format == {"sheet": "PNG", "gif": "GIF", "webp": "WEBP"}[kind]
    if kind == "zip":
        return zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    return isinstance(json.loads(data), dict) if kind == "json" else data.startswith(b"seed,")


@pytest.mark.parametrize("kind", exports.EXPORTS)
def test_a_run_is_saved_as_a_file_of_its_kind(models, kind):
    found, data = saved(models, SENTENCE, None, event(kind))
    assert opens(kind, data)
    assert found["name"] == f"diffdemo-round-trip{exports.SUFFIXES[kind]}"
    assert found["mime"] == files.MIME[kind]
    assert set(files.MIME) == set(exports.EXPORTS)


@pytest.mark.parametrize("kind", SMALL)
def test_every_experiment_can_be_saved_and_dropped_back(models, kind):
    found, data = saved(models, {"link": SMALL[kind].to_query()}, None, event())
    assert found["name"] == f"diffdemo-{kind}.png"
    brought = files.dropped(SimpleNamespace(value=found["data"]))
    assert brought.experiment.kind == kind
    assert brought.experiment.revision
    assert exports.read_experiment(data) == (brought.experiment, None)


def test_a_sheet_can_be_saved_without_its_experiment(models):
    assert exports.read_experiment(saved(models, SENTENCE, None, event(value=False))[1]) is None
    assert exports.read_experiment(saved(models, SENTENCE, None, event(value=None))[1]) is not None


def test_a_file_is_that_of_the_same_run_every_time(models):
    assert files.save(models, SENTENCE, None, event("zip")) == files.save(models, SENTENCE, None, event("zip"))


HUGE = "x" * 10**6


@pytest.mark.parametrize("index", [None, "", "exe", "SHEET", "../sheet", 0, 1.5, True, ["sheet"], {"kind": "sheet"}, HUGE])
def test_a_file_of_an_unknown_kind_gets_one_sentence(models, index):
    with pytest.raises(DiffdemoError, match="saved as one of") as caught:
        files.save(models, SENTENCE, None, event(index))
    assert len(str(caught.value)) < 250
    with pytest.raises(DiffdemoError, match="saved as one of"):
        files.save(models, SENTENCE, None, SimpleNamespace())


@pytest.mark.parametrize(
    "sentence",
    [None, {}, [], "x", 3, {"link": None}, {"link": ["v=1"]}, {"link": ""}, {"link": "v=1&n=5000"}, {"link": "v=2"}, {"link": HUGE},
     {"link": "v=1&seeds=0-999999999"}, {"link": "v=1&model=no-such"}, {"link": "v=1&model=google/ddpm-cat-256"}, {"link": "v=1&prompt=x"},
     {"link": "v=1&picture=png:AAAA"}, {"link": "v=1&picture=sha256:" + "0" * 64}],
    ids=lambda sentence: str(sentence)[:40],
)  # fmt: skip
def test_a_run_that_is_none_gets_one_sentence(models, sentence):
    with pytest.raises(DiffdemoError) as caught:
        files.save(models, sentence, None, event())
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["embed", "collide", "belief"])
def test_there_is_no_film_where_nothing_moves(models, kind):
    with pytest.raises(DiffdemoError):
        files.save(models, {"link": SMALL[kind].to_query()}, None, event("gif"))


def test_a_file_that_is_too_large_is_not_handed_out(models, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    with pytest.raises(DiffdemoError, match="Fewer seeds"):
        files.save(models, SENTENCE, None, event())


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return load_model(str(save_pipeline(tmp_path_factory.mktemp("large") / "large", size=32)), "cpu")


def test_a_large_picture_comes_from_the_page_and_travels_in_the_file(large):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    e = RoundTrip(large.name, lab.picture_text(large, Image.fromarray(pixels)), 100, (0,), 1)
    sentence, portrait = {"link": e.to_query()}, {"picture": e.picture, "src": images.data_uri(pixels)}
    found, _ = saved(Models(large, "cpu"), sentence, portrait, event())
    brought = files.dropped(SimpleNamespace(value=found["data"]))
    assert np.array_equal(np.asarray(brought.given), pixels)
    assert brought.experiment.picture == e.picture
    for other in (None, {"src": images.data_uri(pixels[::-1])}, {"src": "data:image/png;base64,é"}, {"src": "data:image/png;base64,AA"}, {"src": 3}):
        with pytest.raises(DiffdemoError):
            files.save(Models(large, "cpu"), sentence, other, event())


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize("kind", images.FORMATS)
def test_a_dropped_picture_is_taken_and_brings_no_experiment(kind):
    found = files.dropped(SimpleNamespace(value=encoded(Image.new("RGB", (20, 10), "red"), kind)))
    assert found.picture.size == (20, 10)
    assert found.experiment is None
    assert found.given is None


@pytest.mark.parametrize(
    ("value", "says"),
    [(None, "at most 8 MB"), (3, "at most 8 MB"), (["x"], "at most 8 MB"), (b"abc", "at most 8 MB"),
     ("A" * (images.MAX_BYTES * 4 // 3 + 5), "at most 8 MB"),
     ("", "empty"), ("A", "whole"), ("ABC", "whole"), ("AB C", "whole"), ("é", "whole"), ("\x00", "whole"), ("\ud800", "whole"), ("AA-_", "whole"),
     (base64.b64encode(b"not a picture").decode(), "readable picture"), (base64.b64encode(b"<svg/>").decode(), "an SVG drawing")],
    ids=lambda part: str(part)[:20].encode("unicode_escape").decode(),
)  # fmt: skip
def test_a_dropped_file_that_is_no_picture_gets_one_sentence(value, says):
    with pytest.raises(DiffdemoError, match=says):
        files.dropped(SimpleNamespace(value=value))
    with pytest.raises(DiffdemoError, match="at most 8 MB"):
        files.dropped(SimpleNamespace())


def test_half_a_picture_gets_one_sentence():
    whole = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)))
    with pytest.raises(DiffdemoError, match="readable picture"):
        files.dropped(SimpleNamespace(value=whole[: len(whole) // 8 * 4]))


def test_a_dropped_picture_with_a_broken_experiment_says_what_is_wrong():
    info = PngInfo()
    info.add_text(exports.QUERY, "v=1&n=5000")
    with pytest.raises(DiffdemoError, match="Noise steps n"):
        files.dropped(SimpleNamespace(value=encoded(Image.new("RGB", (2, 2)), pnginfo=info)))


@pytest.mark.parametrize("src", ["data:image/png;base64,é", "data:image/png;base64,A", "data:image/png;base64,AAAA", "data:image/png;base64,"])
def test_a_damaged_portrait_gets_one_sentence(src):
    with pytest.raises(DiffdemoError):
        views.given_picture({"src": src})


@pytest.mark.parametrize(
    "portrait", [None, {}, [], "x", {"src": None}, {"src": 3}, {"src": "data:image/svg+xml,x"}, {"src": "/etc/passwd"}, {"src": "http://x"}]
)
def test_a_portrait_without_a_picture_gives_none_and_opens_nothing(portrait):
    assert views.given_picture(portrait) is None
