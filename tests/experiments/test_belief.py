import json
import math
import re

import gradio as gr
import numpy as np
import pytest
import torch
from art import art
from raw_values import SHARED

from diffdemo import lab
from diffdemo.diffusion import metrics
from diffdemo.errors import BudgetError, DiffdemoError, ExperimentError
from diffdemo.experiments import Belief
from diffdemo.experiments.belief import BeliefSweep
from diffdemo.experiments.belief.tab import collect, collected_names
from diffdemo.experiments.belief.words import flipbook_note, percent
from diffdemo.lab.experiment import MAX_QUERY
from diffdemo.lab.notation import picture_from_png
from diffdemo.lab.prepare import prepare
from diffdemo.lab.runner import Runner
from diffdemo.models import load_model
from diffdemo.pictures import images
from diffdemo.pictures.images import png_bytes
from diffdemo.report.letters import check_letters
from diffdemo.report.presenter import animated, film, present
from diffdemo.report.words import settings
from diffdemo.widgets import views
from diffdemo.widgets.controls import ControlValues, Settings, even_levels

BOOK = tuple(range(0, 1001, 25))  # levels of the flip-book
PHOTO = picture_from_png(png_bytes(art(16, 3, 1)))
HASH = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def found(faces_model):
    return lab.run(Belief(n=400), faces_model)


def test_early_the_picture_is_certain(faces_model):
    found = lab.run(Belief(n=150, seed=3), faces_model)
    assert found.experiment.revision == faces_model.revision
    assert (found.top[0].name, found.top[0].own) == ("face:17", True)
    assert found.p_true > 0.999
    assert found.entropy_bits < 0.01
    assert float((found.posterior_mean - found.x0).abs().max()) < 0.01


def test_late_any_picture_is_possible(faces_model):
    found = lab.run(Belief(n=1000, seed=3), faces_model)
    assert found.count == 10_000
    assert 13.2 < found.entropy_bits <= math.log2(10_000)
    assert found.p_true < 0.001
    shares = {word: p for word, p, _ in found.marginals["hat"]}
    assert shares["no hat"] == pytest.approx(0.85, abs=0.03)


def test_the_probabilities_of_each_attribute_sum_to_one(found):
    assert len(found.marginals) == 14
    for values in found.marginals.values():
        probabilities = [p for _, p, _ in values]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=1e-9)
        assert sum(true for _, _, true in values) <= 1


@pytest.mark.parametrize(("name", "picture"), [("faces", "face:17"), ("digits", "digit:3")])
def test_the_network_agrees_with_the_exact_mean_where_the_line_up_is_dense(name, picture):
    """Late, who knows 10,000 pictures and who knows the distribution say nearly the same."""
    found = lab.run(Belief(name, picture, n=800))
    alpha_bar = load_model(name, "cpu").schedule.alpha_bar[800]
    naive = metrics.rmse(found.x_n / alpha_bar**0.5, found.posterior_mean)
    apart = metrics.rmse(found.x0_hat, found.posterior_mean)
    assert float(apart) < min(0.2, float(naive) / 20)


def test_chosen_pictures_count_once_each_and_the_original_always(faces_model):
    found = lab.run(Belief(n=900, line_up="face:1,face:2,face:2,face:17"), faces_model)
    assert found.count == 3
    assert sorted(one.name for one in found.top) == ["face:1", "face:17", "face:2"]
    outside = lab.run(Belief(picture="face:900001", n=900, line_up="face:1"), faces_model)
    assert outside.count == 2
    assert [one.name for one in outside.top if one.own] == ["face:900001"]


@pytest.mark.parametrize(
    "names", [{"picture": "digit:3"}, {"line_up": "face:1,digit:7"}, {"picture": PHOTO}]
)
def test_among_foreign_pictures_no_attributes_are_read(names, faces_model):
    found = lab.run(Belief(**{"n": 900, **names}), faces_model)
    assert found.marginals == {}
    assert sum(one.own for one in found.top) <= 1
    assert 0 <= found.p_true <= 1


def test_a_model_without_line_up_takes_chosen_pictures_alone(tiny_eps):
    with pytest.raises(ExperimentError, match="collect pictures for a line-up of your own"):
        lab.run(Belief(tiny_eps.name), tiny_eps)
    found = lab.run(Belief(tiny_eps.name, n=300, line_up="face:1,face:17"), tiny_eps)
    assert found.marginals == {}
    assert sum(one.probability for one in found.top) == pytest.approx(1)


def test_a_sweep_is_the_beliefs_of_its_levels_and_certain_without_noise(faces_model):
    e = Belief(n=500, seed=2)
    sweep = BeliefSweep.over(e, (0, 300, 700))
    found = lab.run(sweep, faces_model)
    assert found.experiment.revision == faces_model.revision
    assert sweep.calls(faces_model.schedule) == 2
    for n, frame in zip((0, 300, 700), found.frames, strict=True):
        alone = lab.run(Belief(n=n, seed=2), faces_model)
        assert frame.experiment == alone.experiment
        assert torch.equal(frame.x_n, alone.x_n)
        assert float((frame.x0_hat - alone.x0_hat).abs().max()) < 1e-4
        assert frame.p_true == pytest.approx(alone.p_true)
        assert frame.entropy_bits == pytest.approx(alone.entropy_bits)
        assert [one.name for one in frame.top] == [one.name for one in alone.top]
    untouched = found.frames[0]
    assert (untouched.p_true, untouched.entropy_bits) == (1, 0)
    assert torch.equal(untouched.x0_hat, untouched.x0)


def test_a_sweep_is_one_question_wherever_the_dial_is():
    levels = (0, 300, 700)
    sweep = BeliefSweep.over(Belief(n=500, seed=2), levels)
    assert sweep == BeliefSweep.over(Belief(n=9, seed=2), levels)
    assert sweep != BeliefSweep.over(Belief(n=500, seed=3), levels)
    assert [sweep.at(n) for n in levels] == [Belief(n=n, seed=2) for n in levels]


def test_a_sweep_is_as_long_as_the_link_that_it_belongs_to():
    line_up = ",".join([f"png:{'A' * 1400}"] * 4)
    prompt = "猫" * 240  # nine characters each in a link
    spare = MAX_QUERY - len(Belief(prompt=prompt, line_up=line_up).to_query())
    longest = Belief(prompt=f"{prompt}{'a' * (spare % 9)}{'猫' * (spare // 9)}", line_up=line_up)
    assert len(longest.to_query()) == MAX_QUERY
    assert len(BeliefSweep.over(longest, BOOK).to_query()) < MAX_QUERY


@pytest.mark.parametrize(
    "e",
    [
        Belief("short", n=101, line_up="face:1"),
        BeliefSweep("short", line_up="face:1", levels=(0, 101)),
    ],
)
def test_levels_beyond_the_model_are_refused_before_any_work(short, e):
    with pytest.raises(ExperimentError, match="100 noise steps"):
        next(lab.stream(e, short))


def test_the_sentence_says_how_sure_anyone_can_be(faces_model):
    def words(**options):
        return present(lab.run(Belief(**options), faces_model))

    assert words(n=0).sentence().startswith("At n = 0 there is no noise and nothing to guess")
    observer = "someone who knows all 10,000 pictures would guess"
    early = words(n=200)
    sure = f"At n = 200: {observer} your picture, with a probability of more than 99.9 %."
    assert early.sentence() == sure
    assert early.sentence_for_others() == sure.replace("your picture", "face 17")
    late = words(n=900).sentence()
    guess = r"face \d+ \((less than )?[\d.]+ %\); your picture has less than 0\.1 %\."
    assert re.fullmatch(rf"At n = 900: {observer} {guess}", late)


def test_a_line_up_of_one_picture_leaves_nothing_to_guess(faces_model):
    alone = present(lab.run(Belief(n=450, line_up="face:17"), faces_model))
    nothing = "with one picture in the line-up there is nothing to guess. Add another."
    assert alone.sentence() == f"At n = 450: {nothing}"


def test_the_note_lists_the_settings(found):
    note = present(found).note()
    wanted = r"Model faces \w+, n = 400, seed 0, 10,000 candidates, [\d.]+ s\."
    assert re.fullmatch(wanted, note)
    own = Belief(n=400, line_up="face:1,face:2,png:AAAA")
    assert settings(own).endswith("n = 400, seed 0, a line-up of 3")


SURE = [(0, "0 %"), (1e-9, "< 0.1 %"), (0.25, "25.0 %"), (1 - 1e-9, "> 99.9 %"), (1, "100 %")]


@pytest.mark.parametrize(("p", "text"), SURE)
def test_a_probability_is_never_rounded_to_certainty(p, text):
    assert percent(p) == text


def test_numbers_and_table_name_the_candidates(found):
    words = present(found)
    data = words.as_json()
    assert data["query"] == found.experiment.to_query()
    assert (data["count"], data["p_true"]) == (10_000, found.p_true)
    assert [one["picture"] for one in data["top"]] == [one.name for one in found.top]
    assert {v["value"]: v["probability"] for v in data["marginals"]["hat"]} == {
        word: p for word, p, _ in found.marginals["hat"]
    }
    pictures = [data[name] for name in ("x_n", "posterior_mean", "x0_hat")]
    assert all(uri.startswith("data:image/png") for uri in pictures)
    assert json.dumps(data)
    table = words.table()
    assert [row["rank"] for row in table] == list(range(1, 9))
    assert [row["probability"] for row in table] == [one["probability"] for one in data["top"]]


def test_tiles_are_the_picture_both_guesses_and_the_candidates(found):
    rows = present(found).tiles()
    names = [[tile.name for tile in row.tiles] for row in rows]
    candidates = [f"candidate-{rank}" for rank in range(1, 9)]
    assert names == [["x0", "x_n"], ["posterior_mean", "x0_hat"], candidates]
    assert np.array_equal(rows[0].tiles[0].picture, images.to_uint8(found.x0)[0])
    assert any(tile.label.startswith("the original, ") for tile in rows[2].tiles)
    for text in [tile.label for row in rows for tile in row.tiles]:
        check_letters(text)


def test_a_belief_follows_no_path(found, faces_model):
    assert not animated(Belief)
    with pytest.raises(DiffdemoError, match="has no path to animate"):
        film(found, faces_model.schedule)


def test_the_page_of_a_single_belief_is_a_flip_book_of_one_frame(found):
    page = present(found).page()
    assert [frame["n"] for frame in page["frames"]] == [400]
    assert page["start"] == 0
    assert (page["count"], page["bits"]) == (10_000, math.log2(10_000))


def test_the_note_of_a_flip_book_says_where_the_guesses_part(faces_model, tiny_eps):
    def note(model, **options):
        e = Belief(model.name, **options)
        frames = list(lab.run(BeliefSweep.over(e, (0, 400, 1000)), model).frames)
        return flipbook_note(frames, 1.25)

    far = note(faces_model)
    assert far.startswith(
        "Above n = 400 the model's guess and the best possible one agree to RMSE 0.1."
    )
    assert re.search(r" Model faces \w+, seed 0, 1\.2 s for all levels\.$", far)
    wrong = "The model's guess and the best possible one differ at every high level: this picture "
    assert note(tiny_eps, line_up="face:17").startswith(wrong)
    frames = [lab.run(Belief(n=0), faces_model)]
    assert flipbook_note(frames, 1).startswith("The two guesses agree at every level. ")


@pytest.mark.parametrize("n", [333, 450])
def test_the_tab_flips_through_all_levels_and_starts_at_the_dial(tab_of, n):
    ready = prepare(Belief("digits", "digit:3", n=n))
    tab = tab_of(Belief)
    (updates,) = tab.run(ready)
    sentence = updates[tab.sentence]
    assert sentence["text"].startswith(f"At n = {n}: someone who knows all 10,000 pictures")
    assert sentence["note"].endswith(f" s for all levels. In {ready.model.engine}.")
    assert sentence["link"] == ready.experiment.to_query()
    assert views.answers(sentence, ready.experiment)
    page = updates[tab.shown]
    frames = page["frames"]
    assert [frame["n"] for frame in frames] == sorted({*BOOK, n})
    assert frames[page["start"]]["n"] == n
    assert frames[0]["text"] == "Your picture: 100 %."
    last = (
        r"Your picture: less than 0\.1 %\. The best guess, an? \d \(image \d+\): less than 0\.1 %\."
    )
    assert re.fullmatch(last, frames[-1]["text"])
    assert page["x0"]["alt"] == "a 0 (image 3)"
    for frame in frames:
        assert {one["name"] for one in frame["top"]} <= set(page["candidates"])
        values = frame["marginals"][0]["values"]
        assert [value["true"] for value in values].count(True) == 1
    assert json.dumps(page)


def test_a_moved_dial_computes_at_most_its_own_level(faces_model, tab_of, caplog):
    tab = tab_of(Belief)
    with caplog.at_level("INFO", "diffdemo"):
        for n in (450, 333, 333, 25):
            list(tab.run(prepare(Belief(n=n, seed=4), faces_model)))
    assert [line.split(", ")[2] for line in caplog.messages] == ["40 calls", "1 calls"]


@pytest.mark.parametrize("n", [333, 450])
def test_what_the_tab_shows_is_there_to_be_saved(faces_model, tab_of, n):
    runner = Runner()
    tab = tab_of(Belief, runner)
    ready = prepare(Belief(n=n), faces_model)
    (updates,) = tab.run(ready)
    held = runner.cache.get(ready.key)
    page = updates[tab.shown]
    assert held.experiment == ready.experiment
    assert present(held).page()["frames"] == [page["frames"][page["start"]]]


def test_a_flip_book_above_the_limit_is_refused_before_any_work(faces_model, tab_of):
    tab = tab_of(Belief, Runner(limit=0))
    with pytest.raises(BudgetError, match="This run of 40 network calls"):
        list(tab.run(prepare(Belief(), faces_model)))


def test_the_flip_book_of_a_short_schedule_has_its_levels(short, tab_of):
    tab = tab_of(Belief)
    ready = prepare(Belief("short", n=100, line_up="face:1"), short)
    (updates,) = tab.run(ready)
    frames = updates[tab.shown]["frames"]
    assert [frame["n"] for frame in frames] == list(even_levels(short, 41))
    assert frames[-1]["n"] == 100


def test_without_any_line_up_the_tab_says_so_and_runs_nothing(tiny_eps, tab_of, caplog):
    tab = tab_of(Belief)
    ready = prepare(Belief(tiny_eps.name), tiny_eps)
    with caplog.at_level("INFO", "diffdemo"):
        (updates,) = tab.run(ready)
    sentence = updates[tab.sentence]
    assert sentence["text"].startswith("There is no line-up of the pictures epsilon was trained on")
    assert views.answers(sentence, ready.experiment)
    assert updates[tab.shown] is None
    assert caplog.messages == []
    (updates,) = tab.run(prepare(Belief(tiny_eps.name, line_up="face:1,face:2"), tiny_eps))
    assert "knows all 3 pictures" in updates[tab.sentence]["text"]


ONE = {"picture": "face:1"}
TWO = {"picture": "face:2"}
SIXTEEN = [{"picture": f"face:{seed}"} for seed in range(16)]


def test_a_line_up_of_ones_own_holds_each_picture_once():
    assert collect(None, ONE) == collect([], ONE) == [ONE]
    assert collect([ONE], TWO) == [ONE, TWO]
    assert collect([ONE, TWO], {"picture": "face:1", "src": "x"}) == [ONE, TWO]
    assert collected_names([ONE, TWO]) == "face:1,face:2"
    assert collected_names(None) == collected_names([]) == ""


@pytest.mark.parametrize(
    ("collected", "portrait"),
    [
        (SIXTEEN, {"picture": "face:99"}),
        ([], {"picture": HASH}),
        ([], None),
        ("x", ONE),
        ([1], ONE),
        ({"a": 1}, ONE),
    ],
)
def test_what_cannot_be_collected_gets_one_sentence(collected, portrait):
    with pytest.raises(DiffdemoError) as caught:
        collect(collected, portrait)
    assert len(str(caught.value)) < 250


def test_the_controls_describe_an_experiment_and_an_experiment_the_controls(faces_model, tab_of):
    tab = tab_of(Belief)
    shared = Settings.read(tab.second.models, SHARED)
    assert tab.experiment(shared, {"line_up": []}) == Belief()
    e = tab.experiment(shared, {"line_up": [ONE, TWO]})
    assert e == Belief(line_up="face:1,face:2")
    values = tab.values(e, faces_model)
    assert values == ControlValues({"n": 250, "first": 0}, {"line_up": ["face:1", "face:2"]})
    shown = tab.updates(values, faces_model)[tab.own["line_up"]]
    assert [portrait["picture"] for portrait in shown] == ["face:1", "face:2"]
    assert tab.values(Belief(), faces_model).own == {"line_up": []}
    assert tab.cleared() == {tab.own["line_up"]: []}


def test_adding_and_clearing_run_the_tab(tab_of):
    with gr.Blocks():
        tab = tab_of(Belief)
        assert len(tab.wire(tab.second.portrait)) == 2


def test_a_run_of_the_tab_reads_its_picture_once(faces_model, tab_of, monkeypatch):
    ready = prepare(Belief(n=333), faces_model)
    monkeypatch.setattr("diffdemo.lab.prepare.original_picture", None)
    assert len(list(tab_of(Belief).run(ready))) == 1
