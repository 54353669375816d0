"""What the tabs open with, and the last tab."""

import threading

import pytest
from chromium import WAIT, expect, in_browser, open_tab, sentence, set_number

from diffdemo import lab, service
from diffdemo.experiment import Belief, RoundTrip
from diffdemo.ui import answer, opening, tab


@pytest.fixture
def page_of(built):
    return built[1]


def test_a_tab_moves_a_dial_that_nobody_touched_to_its_own_example(page_of):
    tabs, model = page_of.tabs, page_of.models.first
    levels = [opening.level(each, model) for each in tabs]
    assert len(set(levels)) > 1
    for before in levels:
        assert [opening.dial(tabs, each, model, before) for each in tabs] == levels
    for chosen in (0, 333, 1000, "x", None):
        assert {opening.dial(tabs, each, model, chosen) for each in tabs} == {chosen}


def test_a_tab_that_a_link_opened_leaves_the_dial_alone(page_of):
    number = next(place for place, each in enumerate(page_of.tabs) if each.kind is Belief)
    assert page_of._opened(number, 0, None, "faces", 250)[1] == page_of.tabs[number].n
    assert isinstance(page_of._opened(number, 0, (Belief(), None), "faces", 250)[1], dict)  # gr.skip
    assert isinstance(page_of._opened(number, number, None, "faces", 250)[1], dict)


def test_the_examples_are_what_an_untouched_page_asks_for(page_of):
    for each in page_of.tabs:
        e = opening.example(each, page_of.rail, page_of.models)
        assert type(e) is each.kind
        assert e.picture == "face:17"
        lab.suited(e, page_of.models.first)
    belief = next(each for each in page_of.tabs if each.kind is Belief)
    assert opening.example(belief, page_of.rail, page_of.models).n == belief.n


def test_what_is_computed_ahead_is_kept_and_waits_for_others(faces_model, monkeypatch, caplog):
    caplog.set_level("INFO", "diffdemo")
    monkeypatch.setattr(service, "BREATH", 0.01)
    kept, wanted = service.Results(), RoundTrip(n=300, seeds=(0,), steps=6)
    other = service.stream(RoundTrip(n=100, seeds=(0,), steps=3), faces_model, kept=service.Results())
    next(other)
    thread = threading.Thread(target=service.ahead, args=([(wanted, faces_model)], kept), daemon=True)
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    assert len(kept) == 0
    other.close()
    thread.join(60)
    assert not thread.is_alive()
    assert len(kept) == 1
    assert [message.split(",")[0] for message in caplog.messages] == ["round-trip stopped", "round-trip done"]
    assert [type(item).__name__ for item in service.stream(wanted, faces_model, kept=kept)] == ["RoundTripResult"]


def test_what_cannot_be_run_ahead_is_left_out(faces_model, monkeypatch):
    kept, good = service.Results(), RoundTrip(n=50, seeds=(0,), steps=2)
    monkeypatch.setattr(service.limits, "seconds", 30.0)
    service.ahead([(RoundTrip(n=1000, seeds=tuple(range(64)), steps=1000), faces_model), (good, faces_model)], kept)
    assert len(kept) == 1


def test_what_takes_too_long_is_not_computed_ahead(page_of, monkeypatch):
    asked = []
    monkeypatch.setattr(service, "ahead", asked.extend)
    opening.ahead(page_of.tabs, page_of.rail, page_of.models).join()
    assert [type(e) for e, _ in asked] == [each.kind for each in page_of.tabs]
    asked.clear()
    monkeypatch.setattr(tab, "PATIENCE", 0)
    opening.ahead(page_of.tabs, page_of.rail, page_of.models).join()
    assert asked == []


@in_browser
def test_each_tab_leads_to_the_next_and_the_last_collects_what_was_found(page):
    page.add_init_script("sessionStorage.clear()")
    set_number(page, "#count", 2)
    set_number(page, "#dial", 900)
    page.click("#run")
    expect(sentence(page)).to_contain_text("Of 2 noises of 900 steps", timeout=WAIT)
    open_tab(page, answer.TITLE)
    said = page.locator("#answer section").first
    expect(said.locator("li")).to_have_count(2)
    expect(said.locator("li").last).to_contain_text("Of 2 noises of 900 steps")
    page.evaluate("() => { navigator.clipboard.writeText = async words => { window.copied = words; }; }")
    page.click("#answer .share button")
    page.wait_for_function("window.copied")
    copied = page.evaluate("window.copied")
    assert "n=900" in copied
    assert "n=250" in copied
    assert copied.count("### ") == 1  # only what was looked at
    said.locator("li button").first.click()
    expect(said.locator("li")).to_have_count(1)
    missing = page.locator("#answer .missing button").last
    missing.click()
    expect(page.locator("[role=tab][aria-selected=true]")).to_have_text("Where paths split")
    page.locator("#branch-leads button").click()
    expect(page.locator("[role=tab][aria-selected=true]")).to_have_text(answer.TITLE)
