"""What a visitor hears in headless Chromium: each mistake once, and how long a run waits."""

import gradio as gr
import pages
import pytest
from chromium import (
    WAIT,
    choose_picture,
    expect,
    in_browser,
    open_settings,
    run,
    sentence,
    set_dial,
    set_number,
)
from visitors import Visitor, queue_run

from diffdemo.errors import DiffdemoError
from diffdemo.experiments import RoundTrip
from diffdemo.widgets.events import AT_ONCE, safely, typed

pytestmark = in_browser
TOAST = ".toast-body"
LISTEN = (
    "window.heard = []; document.addEventListener('diffdemo:waiting', e => heard.push(e.detail))"
)


def said_once(page, words):
    """Wait for the one message on the page, and dismiss it."""
    toast = page.locator(TOAST)
    expect(toast.first).to_contain_text(words, timeout=WAIT)
    page.wait_for_timeout(1500)
    seen = [one for one in toast.all() if one.is_visible()]
    assert len(seen) == 1, toast.all_inner_texts()
    seen[0].get_by_test_id("toast-close").click()


def test_no_event_is_outside_the_queue(exhibit):
    """Gradio's page shows no error of such an event."""
    events = exhibit.demo.config["dependencies"]
    outside = [event["id"] for event in events if event["backend_fn"] and event["queue"] is False]
    assert outside == []
    assert AT_ONCE["concurrency_limit"] is None


def test_a_picture_that_cannot_be_read_is_said_once(page, tmp_path):
    (tmp_path / "not.png").write_bytes(b"hello")
    choose_picture(page)
    page.set_input_files("#upload input[type=file]", tmp_path / "not.png")
    said_once(page, "picture")


def test_stop_says_that_nothing_was_running(page):
    expect(page.locator("#dial .stop")).to_be_hidden()
    page.evaluate("document.getElementById('stop').click()")
    said_once(page, "Nothing is running now.")


def test_passing_through_the_list_of_other_models_is_no_mistake(page):
    page.locator("#others button.label-wrap").click()
    page.locator("#other input").focus()
    page.keyboard.press("Tab")
    page.wait_for_timeout(1500)
    expect(page.locator(TOAST)).to_have_count(0)


@pytest.mark.parametrize("way", ["run", "blur", "enter", "dial"])
def test_a_typed_list_of_seeds_that_is_wrong_is_said_once(page, way):
    open_settings(page)
    box = page.locator("#listed input, #listed textarea")
    box.fill("1,x")
    if way == "blur":
        box.blur()
        run(page)
    elif way == "enter":
        box.press("Enter")
        run(page)
    elif way == "dial":
        set_dial(page, 300)
    else:
        run(page)
    said_once(page, "Seeds")


def refuse(text):
    raise DiffdemoError(f"This cannot be {text}.")


@pytest.mark.parametrize("way", ["Enter", "Tab"])
def test_a_mistake_in_a_line_of_text_is_said_once(browser, way):
    with gr.Blocks(analytics_enabled=False) as demo:
        box = gr.Textbox(elem_id="box")
        typed(box)(safely(refuse), box, None, **AT_ONCE)
    with pages.launched(demo.queue()) as url:
        page = browser.new_page()
        page.goto(url)
        page.locator("#box textarea, #box input").fill("x")
        page.keyboard.press(way)
        page.mouse.click(5, 5)
        said_once(page, "This cannot be x.")
        page.close()


def test_a_number_beyond_the_bounds_is_said_and_nothing_runs(page):
    before = sentence(page).text_content()
    set_number(page, "#count", 100)
    said_once(page, "How many seeds cannot be 100: a whole number from 1 to 64.")
    assert sentence(page).text_content() == before


def test_a_number_beyond_a_slider_that_the_field_takes_is_run(page):
    open_settings(page)
    set_number(page, "#count", 1)
    set_number(page, "#steps", 500)
    set_dial(page, 300)
    run(page)
    page.wait_for_url("**steps=500**", timeout=WAIT)
    expect(page.locator(TOAST)).to_have_count(0)


@pytest.fixture
def busy(page, address):
    """Two long runs of others, of which one waits; returns how to end one of them."""
    page.evaluate(LISTEN)
    others = [Visitor(address.rstrip("/")) for _ in range(2)]
    long = [RoundTrip(n=1000, seeds=range(64), steps=steps) for steps in (400, 401)]
    left = [
        (other, queue_run(other, "round_trip", e)) for other, e in zip(others, long, strict=True)
    ]

    def end_one():
        other, event = left.pop()
        other.cancel("round_trip", event)

    yield end_one
    while left:
        end_one()


def test_a_run_that_waits_says_how_many_are_before_it(page, busy):
    set_number(page, "#count", 3)
    page.wait_for_function("heard.length")
    first = page.evaluate("heard[0]")
    assert first["before"] >= 2
    assert first["seconds"] is None or first["seconds"] >= 1
    expect(page.locator("#dial .status")).to_contain_text("runs before yours")
    busy()
    busy()
    page.wait_for_url("**seeds=0-2**", timeout=WAIT)
    page.wait_for_function("diffdemoWaiting.before === 0")
    assert page.evaluate("diffdemoWaiting") == {"before": 0, "seconds": 0}
    expect(page.locator("#dial .stop")).to_be_hidden()


def test_a_run_that_is_stopped_while_it_waits_waits_no_longer(page, busy):
    set_dial(page, 333)
    page.wait_for_function("heard.length")
    expect(page.locator("#dial .status")).to_contain_text("before yours")
    page.click("#dial .stop")
    page.wait_for_function("heard.at(-1).before === 0")
    expect(page.locator("#dial .stop")).to_be_hidden()
