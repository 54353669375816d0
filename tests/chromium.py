"""Headless Chromium for browser tests.

Without a browser they are skipped, or fail where DIFFDEMO_NEEDS_BROWSER is set.
"""

import os
import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    expect = sync_playwright = None

missing = "no Chromium" if not CHROMIUM else "no playwright" if sync_playwright is None else ""
if missing and os.environ.get("DIFFDEMO_NEEDS_BROWSER"):
    pytest.fail(f"The browser tests must run here, but there is {missing}.", pytrace=False)
in_browser = pytest.mark.skipif(
    bool(missing), reason=f"browser tests need Chromium and playwright: {missing}"
)
FLAGS = (
    "no-sandbox",
    "disable-gpu",
    "disable-background-networking",
    "disable-features=LocalNetworkAccessChecks",
)  # frames may ask 127.0.0.1
WAIT = 60_000  # a limit on two busy cores, not a measure


# What was opened has come: nothing was added for a while.
STILL = """() => {
  const count = () => document.querySelectorAll('*').length, before = count();
  return new Promise(done => setTimeout(() => done(count() === before), 700));
}"""


def start():
    """Yields one browser, as a fixture does."""
    with sync_playwright() as play:
        started = play.chromium.launch(
            executable_path=CHROMIUM, args=[f"--{flag}" for flag in FLAGS]
        )
        yield started
        started.close()


def pictures(page, kind):
    """The pictures of the stage: "noise" or "reconstruction", as PNG data URIs."""
    return page.eval_on_selector_all(
        f"#stage canvas.{kind}", "nodes => nodes.map(node => node.toDataURL())"
    )


def sentence(page, tab="round-trip"):
    return page.locator(f"#{tab}-sentence .text")


def open_tab(page, title):
    page.locator("#contents .step").filter(has_text=title).click()


def open_settings(page):
    drawer = page.locator("#settings > button")
    if "open" not in (drawer.get_attribute("class") or "").split():
        drawer.click()
    expect(page.locator("#count input, #per-level input, #first input").first).to_be_attached()
    page.wait_for_function(STILL)


def unfold(page, title):
    """Open a fold, and wait until what is in it has come."""
    page.get_by_text(title).click()
    page.wait_for_function(STILL)


def choose_picture(page):
    page.locator("#stage .change:visible, #portrait .change:visible").first.click()
    expect(page.locator("#picker")).to_be_visible()


def set_dial(page, n):
    box = page.locator("#dial .exact input")
    box.fill(str(n))
    box.press("Enter")


def finished(page, n, tab="round-trip"):
    """Wait until the stage shows a finished result at n."""
    page.wait_for_function(
        "n => { const {link} = document.querySelector('#round-trip-sentence .share').dataset;"
        " const items = document.querySelectorAll('#stage .pair.back, #stage .pair.changed');"
        " const here = location.search.includes(`&n=${n}&`);"
        " return here && items.length && link.includes(`&n=${n}&`); }",
        arg=n,
        timeout=WAIT,
    )


def set_number(page, selector, value):
    """Type a number into a control; the settings open for it, if it is there."""
    box = page.locator(f"{selector} input[type=number]")
    if not box.count():
        open_settings(page)
    box.fill(str(value))
    box.blur()


def run(page):
    page.click("#dial .run")
