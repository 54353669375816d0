"""What the tabs open with, and the last tab."""

import threading

import pytest
from chromium import WAIT, expect, in_browser, open_tab, run, sentence, set_dial, set_number

from diffdemo.experiments import Belief, RoundTrip
from diffdemo.lab import runner as runners
from diffdemo.lab.prepare import prepare
from diffdemo.lab.runner import Runner
from diffdemo.page import answer, opening
from diffdemo.widgets import views


@pytest.fixture
def tabs(exhibit):
    return exhibit.tabs


def test_a_tab_moves_a_dial_that_nobody_touched_to_its_own_example(exhibit, tabs):
    model = exhibit.models.first
    levels = [opening.example_level(each, model) for each in tabs]
    assert len(set(levels)) > 1
    for before in levels:
        moved = [opening.dial_after_opening(tabs, each, model, before) for each in tabs]
        assert moved == levels
    for chosen in (0, 333, 1000, "x", None):
        moved = {opening.dial_after_opening(tabs, each, model, chosen) for each in tabs}
        assert moved == {chosen}


def test_a_tab_that_a_link_opened_leaves_the_dial_alone(exhibit, tabs):
    tab = exhibit.tab_of(Belief())
    number = tabs.index(tab)
    assert exhibit._opened(number, 0, None, "faces", {"n": 250})[1]["n"] == tab.n
    for before, pending in ((0, (Belief(), None)), (number, None)):
        skipped = exhibit._opened(number, before, pending, "faces", {"n": 250})[1]
        assert isinstance(skipped, dict)  # gr.skip()


def test_the_examples_are_what_an_untouched_page_describes(exhibit, tabs):
    for each in tabs:
        e = opening.example(each, exhibit.controls, exhibit.models)
        assert type(e) is each.kind
        assert prepare(e, exhibit.models.first).experiment.picture == "face:17"
    belief = exhibit.tab_of(Belief())
    assert opening.example(belief, exhibit.controls, exhibit.models).n == belief.n


def test_precomputed_results_are_held_and_wait_for_visitors(faces_model, monkeypatch, caplog):
    caplog.set_level("INFO", "diffdemo")
    monkeypatch.setattr(runners, "POLL_SECONDS", 0.01)
    runner = Runner()
    wanted = RoundTrip(n=300, seeds=(0,), steps=6)
    visitor = runner.stream(prepare(RoundTrip(n=100, seeds=(0,), steps=3), faces_model))
    next(visitor)
    work = ([(wanted, faces_model)],)
    thread = threading.Thread(target=runner.precompute, args=work, daemon=True)
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    assert len(runner.cache) == 0
    visitor.close()
    thread.join(60)
    assert not thread.is_alive()
    assert len(runner.cache) == 1
    lines = [message.split(",")[0] for message in caplog.messages]
    assert lines == ["round-trip stopped", "round-trip done"]
    (again,) = runner.stream(prepare(wanted, faces_model))
    assert again.experiment.n == 300


def test_what_cannot_be_run_is_not_precomputed(faces_model):
    runner = Runner(limit=30)
    large = RoundTrip(n=1000, seeds=tuple(range(64)), steps=1000)
    small = RoundTrip(n=50, seeds=(0,), steps=2)
    runner.precompute([(large, faces_model), (small, faces_model)])
    assert len(runner.cache) == 1


def test_what_takes_too_long_is_not_precomputed(exhibit, tabs, monkeypatch):
    wanted = []
    runner = Runner()
    monkeypatch.setattr(runner, "precompute", wanted.extend)
    opening.precompute(tabs, exhibit.controls, exhibit.models, runner).join()
    assert [type(e) for e, _ in wanted] == [each.kind for each in tabs]
    wanted.clear()
    monkeypatch.setattr(views, "UNASKED_SECONDS", 0)
    opening.precompute(tabs, exhibit.controls, exhibit.models, runner).join()
    assert wanted == []


@in_browser
def test_each_tab_leads_to_the_next_and_the_last_collects_what_was_found(page):
    page.add_init_script("sessionStorage.clear()")
    set_number(page, "#count", 2)
    page.wait_for_url("**&seeds=0-1&**")
    set_dial(page, 900)
    run(page)
    expect(sentence(page)).to_contain_text("After 900 steps of noise", timeout=WAIT)
    open_tab(page, answer.TITLE)
    found = page.locator("#answer section").first
    expect(found.locator("li")).to_have_count(3)  # as opened, with 2 seeds, and at 900
    expect(found.locator("li").last).to_contain_text("After 900 steps of noise")
    page.evaluate(
        "() => { navigator.clipboard.writeText = async words => { window.copied = words; }; }"
    )
    page.locator("#answer .share button").click()
    page.wait_for_function("window.copied")
    copied = page.evaluate("window.copied")
    assert "n=900" in copied
    assert "n=250" in copied
    assert copied.count("### ") == 1  # only what was looked at
    found.locator("li button").first.click()
    expect(found.locator("li")).to_have_count(2)
    page.locator("#answer .missing button").last.click()
    expect(page.locator("[role=tab][aria-selected=true]")).to_have_text("Is x_T an embedding?")
    page.locator("#embed-leads button").click()
    expect(page.locator("[role=tab][aria-selected=true]")).to_have_text(answer.TITLE)
