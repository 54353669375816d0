import io
import json
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from doubles import save_pipeline
from PIL import Image

from diffdemo import lab
from diffdemo.errors import DiffdemoError
from diffdemo.experiment import Belief, Curve, RoundTrip
from diffdemo.models import load_model
from diffdemo.ui import belief_view, curve_view, handlers, round_trip_view, views, widgets
from diffdemo.ui.could_have_been import CouldHaveBeen
from diffdemo.ui.handlers import Models
from diffdemo.ui.no_return import NoReturn
from diffdemo.ui.there_and_back import ThereAndBack

VALUES = ("faces", {"picture": "face:17"}, 250, 0, 3, 4, 0, "ddim", "trailing", "picture", 2, [])
DIGITS = ("digits", {"picture": "digit:3"}, *VALUES[2:])


@pytest.fixture(scope="module")
def models():
    return Models(load_model("faces", "cpu"), load_model("digits", "cpu"))


def test_there_and_back_streams_and_ends_with_the_finished_map(models):
    *partial, (sentence, found) = ThereAndBack().run(models, VALUES)
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


def test_pictures_are_sent_now_and_then_but_every_call_can_be_stopped(models):
    *partial, _ = ThereAndBack().run(models, (*VALUES[:4], 2, 60, *VALUES[6:]))
    assert len(partial) == 60
    assert sum("items" in m for _, m in partial) <= ThereAndBack.updates + 1


def test_sentences_say_what_was_measured():
    def said(**options):
        return round_trip_view.sentence(lab.run(RoundTrip(seeds=(0, 1), steps=2, **options)))

    assert "untouched" in said(n=0)
    assert "Of 2 noises of 1000 steps, 0 brought your picture back" in said(n=1000)
    assert "no picture in them" in said(n=1000, start="noise")
    assert said(model="digits", picture="digit:3", n=50).endswith("2 still show the same digit.")


def test_the_curve_tab_shows_lines_tiles_and_a_sentence(models):
    *partial, (sentence, found) = NoReturn().run(models, VALUES)
    assert [s["done"] for s, _ in partial] == [1, 2, 3, 4]
    assert found["levels"] == list(range(0, 1001, 50))
    assert [line["key"] for line in found["lines"]] == ["bits", "kept", "rmse"]
    for line in found["lines"]:
        assert len(line["values"]) == len(line["texts"]) == 21
    kept = found["lines"][1]
    assert all(0 <= low <= v <= high <= 1 for low, v, high in zip(kept["low"], kept["values"], kept["high"], strict=True))
    assert len(found["tiles"]) == 2
    assert len(found["tiles"][0]) == len(found["noises"][1]) == 21
    assert found["tiles"][0][0]["back"] is True
    assert found["marks"][0]["text"] == "speciation 545"
    assert "bits that single this picture out are gone at n = 4" in sentence["text"]
    assert json.dumps(found)


def test_the_sentence_of_a_curve_names_the_crossings():
    result = lab.run(Curve(model="digits", picture="digit:3", levels=(0, 400, 500, 600, 1000), seeds=(0, 1), steps=3))
    text = curve_view.sentence(result)
    half = lab.crossing(result.experiment.levels, curve_view.means(result.bits_known), result.bits / 2)
    assert f"n = {half:.0f}" in text
    assert curve_view.sentence(lab.run(Curve(levels=(0, 1), seeds=(0,), steps=1))) == "Nothing is lost between the levels asked for."


def test_the_belief_tab_flips_through_all_levels_and_starts_at_the_dial(models):
    ((sentence, found),) = CouldHaveBeen().run(models, (*DIGITS[:2], 333, *DIGITS[3:]))
    frames = found["frames"]
    assert [frame["n"] for frame in frames] == sorted({*range(0, 1001, 25), 333})
    assert frames[found["start"]]["n"] == 333
    assert frames[found["start"]]["text"] in (
        "0.0 of 13.3 bits missing; the original has > 99.9 %.",
        "0.0 of 13.3 bits missing; the original has 100 %.",
    )
    assert "After 333 steps of noise" in sentence["text"]
    assert frames[0]["p_true"] == 1
    assert frames[-1]["entropy"] > 13
    for frame in frames:
        assert {entry["name"] for entry in frame["top"]} <= set(found["candidates"])
        assert [v["true"] for v in frame["marginals"][0]["values"]].count(True) == 1
    assert json.dumps(found)


def test_the_belief_sentence_says_when_another_picture_is_more_likely():
    assert belief_view.sentence(lab.run(Belief(n=0))).startswith("Without noise")
    assert "another picture, is more likely" in belief_view.sentence(lab.run(Belief(n=900)))
    assert "more likely" not in belief_view.sentence(lab.run(Belief(n=200)))


def test_a_tab_that_shows_what_the_rail_describes_is_not_run_again(models):
    for tab, values in ((ThereAndBack(), VALUES), (NoReturn(), VALUES), (CouldHaveBeen(), DIGITS)):
        *_, (sentence, _) = tab.run(models, values)
        assert list(tab.arrive(models, sentence, values)) == [(gr.skip(), gr.skip())]
        assert len(next(iter(tab.arrive(models, sentence, (*values[:3], 9, *values[4:]))))) == 2
        assert len(list(tab.arrive(models, None, values))) >= 1


def test_pictures_too_large_for_a_link_are_sent_along_and_checked(tmp_path):
    model = load_model(str(save_pipeline(tmp_path / "large", size=32)), device="cpu")
    loud = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    value = handlers.choose_upload(Models(model), "large", loud)
    assert value["picture"].startswith("sha256:")
    *_, (sentence, found) = ThereAndBack().run(Models(model), ("large", value, *VALUES[2:]))
    assert "unrelated pictures" in sentence["text"]
    assert found["picture"]["src"] == value["src"]
    for src in (None, "data:image/png;base64,AAAA", "data:image/png;base64,A", "file:///etc/passwd", 3):
        with pytest.raises(DiffdemoError):
            next(ThereAndBack().run(Models(model), ("large", {**value, "src": src}, *VALUES[2:])))
    with pytest.raises(DiffdemoError, match="not a readable picture"):
        views.given_picture({"src": "data:image/png;base64,AAAA"})
    assert views.given_picture({"src": 3}) is None


def test_a_model_of_unknown_pictures_has_curves_without_bits_and_no_candidates(folders):
    model = load_model(str(folders["epsilon"]), device="cpu")
    values = (model.name, *VALUES[1:])
    ((sentence, found),) = CouldHaveBeen().run(Models(model), values)
    assert "Nothing is known of the pictures" in sentence["text"]
    assert found is None
    *_, (sentence, found) = NoReturn().run(Models(model), values)
    assert [line["key"] for line in found["lines"]] == ["rmse"]
    assert sentence["text"]


def test_only_uploaded_files_are_opened(tmp_path):
    outside = tmp_path / "secret.png"
    Image.new("RGB", (4, 4)).save(outside)
    for path in (str(outside), "/etc/passwd", "../x.png", "", None, 5):
        with pytest.raises(DiffdemoError):
            widgets.uploaded(path)
    inside = Path(gr.utils.get_upload_folder())
    inside.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(buffer, "PNG")
    (inside / "diffdemo-test.png").write_bytes(buffer.getvalue())
    assert widgets.uploaded(str(inside / "diffdemo-test.png")).getpixel((0, 0)) == (255, 0, 0)


def test_told_keeps_the_signature_and_turns_errors_into_one_sentence(models):
    import inspect

    handler = widgets.told(handlers.choose_example, models)
    assert list(inspect.signature(handler).parameters) == ["name", "event"]
    with pytest.raises(gr.Error, match="First seed"):
        next(widgets.told(ThereAndBack().run, models)((*VALUES[:3], -5, *VALUES[4:])))
