import io
import json
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from diffdemo import lab
from diffdemo.errors import DiffdemoError
from diffdemo.experiment import RoundTrip
from diffdemo.ui import handlers, views, widgets

VALUES = ({"picture": "face:17"}, 250, 0, 3, 4, 0, "ddim", "trailing", "picture")


def test_the_widgets_describe_an_experiment(faces_model):
    found = handlers.experiment(faces_model, *VALUES)
    assert found == RoundTrip(picture="face:17", n=250, seeds=(0, 1, 2), steps=4)


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, None), (0, {"picture": "/etc/passwd"}), (0, [1]), (1, float("nan")), (1, 5000), (1, None), (2, -1), (2, "x"), (2, 2**31), (3, 0), (3, 10**9),
     (3, None), (4, 0), (5, 7), (6, "euler"), (7, None), (8, {})],
)  # fmt: skip
def test_hostile_widget_values_get_one_sentence(faces_model, place, value):
    values = list(VALUES)
    values[place] = value
    with pytest.raises(DiffdemoError) as caught:
        next(handlers.work(faces_model, *values))
    assert len(str(caught.value)) < 250


def test_work_streams_and_ends_with_the_finished_map(faces_model):
    *partial, (sentence, found) = handlers.work(faces_model, *VALUES)
    assert partial
    assert [s["done"] for s, _ in partial] == [1, 2, 3, 4]
    assert all(len(m["items"]) == 3 for _, m in partial)
    assert sentence["text"].startswith("Of 3 noises of 250 steps, ")
    assert [item["seed"] for item in found["items"]] == [0, 1, 2]
    for item in found["items"]:
        assert item["back"] in (True, False)
        assert item["label"][0] in "✓≠"
        assert "attributes kept" in item["reconstruction_alt"]
        assert len(item["path"]) == 4
    assert json.dumps(found)
    assert found["items"][0]["noise"] == partial[0][1]["items"][0]["noise"]


def test_pictures_are_sent_now_and_then_but_every_call_can_be_stopped(faces_model):
    values = (*VALUES[:3], 2, 60, *VALUES[5:])
    *partial, _ = handlers.work(faces_model, *values)
    assert len(partial) == 60
    assert sum("items" in m for _, m in partial) <= handlers.UPDATES + 1


def test_sentences_say_what_was_measured(faces_model):
    def said(**options):
        return views.sentence(lab.run(RoundTrip(seeds=(0, 1), steps=2, **options)))

    assert "untouched" in said(n=0)
    assert "Of 2 noises of 1000 steps, 0 brought your picture back" in said(n=1000)
    assert "no picture in them" in said(n=1000, start="noise")


def test_readouts_name_what_is_left(faces_model):
    rows = {row["term"]: row["value"] for row in handlers.read_dial(faces_model, 1000)["rows"]}
    assert rows["picture left in x_n"] == "0.635 %"
    assert {row["term"]: row["value"] for row in handlers.read_dial(faces_model, 0)["rows"]}["signal to noise, SNR"] == "no noise"
    with pytest.raises(DiffdemoError):
        handlers.read_dial(faces_model, float("nan"))


def test_choosing_pictures(faces_model):
    assert handlers.choose_example(faces_model, SimpleNamespace(index=1))["picture"] == f"face:{handlers.EXAMPLES[1]}"
    for index in (-1, 99, "0", None, {"a": 1}, True):
        with pytest.raises(DiffdemoError):
            handlers.choose_example(faces_model, SimpleNamespace(index=index))
    seed = int(handlers.random_face(faces_model)["picture"][5:])
    assert 100 <= seed < 1_000_000
    assert handlers.choose_landmark(SimpleNamespace(index=1000)) == 1000
    assert 0 <= handlers.throw_dice() < 10_000


def test_an_uploaded_picture_is_what_the_model_sees(faces_model):
    value = handlers.choose_upload(faces_model, Image.new("RGB", (300, 200), (10, 200, 30)))
    x0 = lab.picture(value["picture"], faces_model)
    assert np.allclose(np.asarray(faces_model.decode(x0)[0]), (10, 200, 30), atol=1)
    loud = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    assert len(handlers.choose_upload(faces_model, loud)["picture"]) <= 1600


def test_pictures_too_large_for_a_link_are_named_by_their_hash(folders, tmp_path):
    from doubles import save_pipeline

    from diffdemo.models import load_model

    model = load_model(str(save_pipeline(tmp_path / "large", size=32)), device="cpu")
    loud = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    value = handlers.choose_upload(model, loud)
    assert value["picture"].startswith("sha256:")
    *_, (sentence, found) = handlers.work(model, value, *VALUES[1:])
    assert "unrelated pictures" in sentence["text"]
    assert found["picture"]["src"] == value["src"]
    for src in (None, "data:image/png;base64,AAAA", "file:///etc/passwd", 3):
        hostile = {**value, "src": src}
        with pytest.raises(DiffdemoError):
            next(handlers.work(model, hostile, *VALUES[1:]))


def test_only_uploaded_files_are_opened(tmp_path):
    outside = tmp_path / "secret.png"
    Image.new("RGB", (4, 4)).save(outside)
    for path in (str(outside), "/etc/passwd", "../x.png", "", None, 5):
        with pytest.raises(DiffdemoError):
            widgets.uploaded(path)
    inside = gr.utils.get_upload_folder()
    from pathlib import Path

    Path(inside).mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(buffer, "PNG")
    (Path(inside) / "diffdemo-test.png").write_bytes(buffer.getvalue())
    assert widgets.uploaded(str(Path(inside) / "diffdemo-test.png")).getpixel((0, 0)) == (255, 0, 0)


def test_stop_says_where_it_stopped():
    assert handlers.stopped({"done": 3, "total": 20})["text"].startswith("Stopped after step 3 of 20")
    for value in (None, {}, {"done": "<b>", "total": 2}, [1]):
        assert handlers.stopped(value)["text"] == "Nothing was running."


def test_told_keeps_the_signature_and_turns_errors_into_one_sentence(faces_model):
    import inspect

    handler = widgets.told(handlers.choose_example, faces_model)
    assert list(inspect.signature(handler).parameters) == ["event"]
    with pytest.raises(gr.Error, match="no such example"):
        handler(SimpleNamespace(index=-1))
    with pytest.raises(gr.Error, match="First seed"):
        next(widgets.told(handlers.work, faces_model)({"picture": "face:1"}, 1, -5, 1, 1, 0, "ddim", "trailing", "picture"))
