import io
import json
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from doubles import save_pipeline
from PIL import Image

from diffdemo import lab, report, service
from diffdemo.errors import DiffdemoError
from diffdemo.experiment import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.models import load_model
from diffdemo.report.curve import means
from diffdemo.terms import CODES
from diffdemo.ui import branch_view, embed_view, handlers, views, widgets
from diffdemo.ui.could_have_been import CouldHaveBeen
from diffdemo.ui.embedding import IsAnEmbedding
from diffdemo.ui.no_return import NoReturn
from diffdemo.ui.paths_split import PathsSplit
from diffdemo.ui.second import Second
from diffdemo.ui.shelf import Models
from diffdemo.ui.tab import Tab
from diffdemo.ui.there_and_back import ThereAndBack
from diffdemo.ui.two_pictures import TwoPictures

VALUES = ("faces", {"picture": "face:17"}, 250, 0, 3, 4, 0, "ddim", "trailing", "picture", 2, "", "", 1, [])
DIGITS = ("digits", {"picture": "digit:3"}, *VALUES[2:])


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    service.results.clear()
    monkeypatch.setattr(Tab, "pause", 0)


@pytest.fixture(scope="module")
def models():
    return Models(load_model("faces", "cpu"), "cpu")


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
        assert len(json.loads(item["path"])) == 4
    assert json.dumps(found)
    assert found["items"][0]["noise"] == partial[0][1]["items"][0]["noise"]


def test_a_preview_comes_first_and_only_sharper_estimates_take_its_place(models):
    *partial, (sentence, found) = ThereAndBack().run(models, (*VALUES[:4], 2, 60, *VALUES[6:]))
    assert [s["done"] for s, _ in partial] == list(range(61))
    assert "preview, of 4 network calls" in partial[0][0]["note"]
    shown = [s["done"] for s, m in partial if "items" in m]
    assert shown[0] == 0
    assert min(shown[1:]) >= 45
    assert len(shown) <= ThereAndBack.updates + 1
    first, last = ([item["reconstruction"] for item in m["items"]] for m in (partial[0][1], found))
    assert first != last
    assert partial[0][1]["items"][0]["noise"] == found["items"][0]["noise"]
    again = list(ThereAndBack().run(models, (*VALUES[:4], 2, 60, *VALUES[6:])))
    assert len(again) == 1
    assert sentence["note"].endswith("In float32 by diffdemo's own forward pass.")


def test_what_is_quick_passes_unseen_but_for_the_first_and_the_last(models, monkeypatch):
    monkeypatch.setattr(Tab, "pause", 1000)
    (first, partial), (sentence, found) = ThereAndBack().run(models, VALUES)
    assert (first["done"], len(partial["items"])) == (1, 3)
    assert "query" in sentence
    assert len(found["items"]) == 3


def test_sentences_say_what_was_measured():
    def said(**options):
        return report.sentence(lab.run(RoundTrip(seeds=(0, 1), steps=2, **options)))

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
    text = report.sentence(result)
    half = lab.crossing(result.experiment.levels, means(result.bits_known), result.bits / 2)
    assert f"n = {half:.0f}" in text
    assert report.sentence(lab.run(Curve(levels=(0, 1), seeds=(0,), steps=1))) == "Nothing is lost between the levels asked for."


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
    assert report.sentence(lab.run(Belief(n=0))).startswith("Without noise")
    assert "another picture, is more likely" in report.sentence(lab.run(Belief(n=900)))
    assert "more likely" not in report.sentence(lab.run(Belief(n=200)))


def test_the_embedding_tab_shows_codes_table_charts_and_swap(models):
    tab = IsAnEmbedding(Second(models))
    *partial, (sentence, found) = tab.run(models, (*VALUES[:14], "all noise, n = T", 5, 0, list(CODES), {"picture": "face:4"}))
    assert all(part == gr.skip() for _, part in partial)
    assert [column["method"] for column in found["columns"]] == ["random", "ddim", "fixed-point", "edit-friendly", "dpm-encoder"]
    assert [len(column["rows"]) for column in found["columns"]] == [2, 1, 1, 2, 2]
    assert found["columns"][3]["verdict"] == "✓ comes back exactly"
    assert found["columns"][0]["facts"][-1]["value"] == "yes"
    assert found["table"]["rows"][0]["label"] == "mean"
    assert all(len(row["cells"]) == 5 for row in found["table"]["rows"])
    assert {cell["side"] for row in found["table"]["rows"] for cell in row["cells"]} <= {"", "above", "below"}
    assert [line["key"] for line in found["errors"]["series"]] == ["ddim", "fixed-point"]
    assert [line["key"] for line in found["paths"]["variance"]] == ["edit-friendly", "dpm-encoder", "theory"]
    assert [entry["share"] for entry in found["swap"]["mixtures"]][::4] == ["0 %", "50 %", "100 %"]
    assert "4 of 4 noises gave back the very same picture: one picture, many codes" in sentence["text"]
    assert sentence["text"].startswith("Of 2 random noises 2 passed as Gaussian and 0 led back; DDIM inversion led back to RMSE ")
    assert json.dumps(found)


def test_a_few_codes_alone_are_shown_too():
    result = lab.run(Embedding(n=3, seeds=(0,), steps=2, methods=("dpm-encoder",)))
    assert "1 of 1 noise gave back the very same picture." in report.sentence(result)
    shown = embed_view.columns(result)
    assert shown["errors"] is None
    assert shown["paths"] is None
    assert shown["swap"] is None


def test_the_collision_tab_draws_both_equations(models):
    tab = TwoPictures(Second(models))
    *partial, (sentence, found) = tab.run(models, (*VALUES[:2], 600, *VALUES[3:14], {"picture": "face:4"}, 3, 1))
    assert len(partial) == 3
    assert (found["signal"], found["spread"]) == ("0.161", "0.987")
    assert [fact["term"] for fact in found["facts"]][-1] == "exact odds A : B"
    assert len(found["ways"]) == 8
    assert all(way["who"] in ("A", "B", "") and way["verdict"] for way in found["ways"])
    assert found["odds"][0][0] == 1
    assert sentence["text"].startswith("At n = 600 the noise that B needs is ")
    assert json.dumps(found)


def test_the_odds_are_said_in_words(models):
    def said(**options):
        return report.sentence(lab.run(Collision(steps=1, **options)))

    assert "far longer than true noise, and A is 10^" in said(n=100)
    assert "as long as true noise, and A is 1.38 times less likely than B to be" in said(n=1000)
    assert "the same picture" in said(other="face:17")
    assert "of 1 ways back" in said(eta=0)


def test_the_branch_tab_draws_a_tree(models):
    *partial, (sentence, found) = PathsSplit().run(models, (*VALUES[:14], 3, 4, 6, 0))
    assert [s["done"] for s, _ in partial] == list(range(1, 13))
    tiles = [part for _, part in partial if part != gr.skip()]
    assert all(len(row["tiles"]) == 4 for part in tiles for row in part["rows"])
    assert [row["n"] for row in found["rows"]] == [1000, 667, 167]
    assert all(len(row["tiles"]) == 4 for row in found["rows"])
    assert found["rows"][2]["share"] == 1
    assert [step["n"] for step in found["rows"][0]["tiles"][1]["frames"]] == [1000, 833, 667, 333, 167]
    assert [line["key"] for line in found["lines"]] == ["kept", "rmse"]
    assert sentence["text"].startswith("From n = 1000, 4 futures share ")
    assert json.dumps(found)


def test_the_branch_sentence_suits_digits_and_models_of_unknown_pictures(folders):
    assert "of the pairs among 2 futures show the same digit" in report.sentence(
        lab.run(Branch(model="digits", picture="digit:3", points=2, futures=2, steps=2))
    )
    model = load_model(str(folders["epsilon"]), device="cpu")
    result = lab.run(Branch(model=model.name, points=2, futures=2, steps=2), model)
    assert "% as far apart as unrelated pictures" in report.sentence(result)
    assert [line["key"] for line in branch_view.tree(result)["lines"]] == ["rmse"]


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
    assert "There is no line-up of the pictures" in sentence["text"]
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
    assert widgets.uploaded(str(inside / "diffdemo-test.png")).picture.getpixel((0, 0)) == (255, 0, 0)


def test_told_keeps_the_signature_and_turns_errors_into_one_sentence(models):
    import inspect

    handler = widgets.told(handlers.choose_example, models)
    assert list(inspect.signature(handler).parameters) == ["name", "event"]
    with pytest.raises(gr.Error, match="First seed"):
        next(widgets.told(ThereAndBack().run, models)((*VALUES[:3], -5, *VALUES[4:])))
