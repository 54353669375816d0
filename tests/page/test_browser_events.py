"""What a visitor hears in headless Chromium: each mistake once, and how long a run waits."""

import pytest
from chromium import WAIT, expect, in_browser, sentence, set_number
from visitors import Visitor

from diffdemo.widgets.events import AT_ONCE

pytestmark = in_browser
TOAST = ".toast-body"
HEARD = "window.heard = []; document.addEventListener('diffdemo:waiting', e => heard.push(e.detail))"


def said_once(page, words):
    """Wait for the one message on the page, and dismiss it."""
    toast = page.locator(TOAST)
    expect(toast.first).to_contain_text(words, timeout=WAIT)
    page.wait_for_timeout(1500)
    assert toast.count() == 1, toast.all_inner_texts()
    toast.get_by_test_id("toast-close").click()
    expect(toast).to_have_count(0)


def test_no_event_is_outside_the_queue(exhibit):
    """Gradio's page shows no error of such an event."""
    events = exhibit.demo.config["dependencies"]
    outside = [event["id"] for event in events if event["backend_fn"] and event["queue"] is False]
    assert outside == []
    assert AT_ONCE["concurrency_limit"] is None


def test_a_picture_that_cannot_be_read_is_said_once(page, tmp_path):
    (tmp_path / "not.png").write_bytes(b"hello")
    page.get_by_text("Your own picture").click()
    page.set_input_files("#upload input[type=file]", tmp_path / "not.png")
    said_once(page, "picture")


def test_stop_says_that_nothing_was_running(page):
    page.click("#stop")
    said_once(page, "Nothing was running.")


@pytest.mark.parametrize("way", ["run", "blur", "enter", "dial"])
def test_a_typed_list_of_seeds_that_is_wrong_is_said_once(page, way):
    page.click("#advanced button")
    box = page.locator("#listed input, #listed textarea")
    box.fill("1,x")
    if way == "blur":
        box.blur()
        page.click("#run")
    elif way == "enter":
        box.press("Enter")
        page.click("#run")
    elif way == "dial":
        set_number(page, "#dial", 300)
    else:
        page.click("#run")
    said_once(page, "Seeds")
