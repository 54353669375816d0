"""Pictures of every tab with its finished result, on a desk and on a phone, light and dark."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from diffdemo.bench.browser import PATIENCE, opened
from diffdemo.bench.start import served

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZES = {1280: 900, 390: 844}  # pixels: width and height
THEMES = ("light", "dark")
TABS = "[role=tablist] button, .overflow-dropdown button"
# the open tab's result can be shared, so it is finished; a tab without a result has nothing to wait for
_FINISHED = """() => {
  const seen = selector => [...document.querySelectorAll(selector)].filter(node => node.checkVisibility());
  return seen('#main .question').length && seen('[id$=-sentence] .share').every(node => node.querySelector('button'));
}"""
_SETTLE = 600  # milliseconds for what follows the width: charts, Gradio's tabs


def take(out: Path) -> Iterator[Path]:
    """Photograph each tab at each width and in each theme, full page; yields the files TAB-WIDTH-THEME.png as they are written to `out`.

    Raises:
        DiffdemoError: there is no Chromium or no playwright, or the page does not come up.
    """
    out.mkdir(parents=True, exist_ok=True)
    with opened() as browser, served() as address:
        for width, height in SIZES.items():
            for theme in THEMES:
                page = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
                page.set_default_timeout(PATIENCE)
                page.goto(f"{address}?__theme={theme}")
                for name in _walk(page):
                    path = out / f"{name}-{width}-{theme}.png"
                    page.screenshot(path=path, full_page=True)
                    yield path
                page.close()


def _walk(page: "Page") -> Iterator[str]:
    """Opens the tabs in turn; yields the name of each for files once its result is there."""
    page.wait_for_selector("#map .tile")
    page.wait_for_timeout(_SETTLE)
    for title in dict.fromkeys(page.locator(TABS).all_inner_texts()):
        page.locator(TABS).filter(has_text=title).click()
        page.wait_for_timeout(_SETTLE)
        page.wait_for_function(_FINISHED, polling=250)
        page.wait_for_timeout(_SETTLE)
        page.evaluate("scrollTo(0, 0)")
        yield re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
