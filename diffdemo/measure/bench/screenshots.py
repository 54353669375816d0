"""Pictures of every tab with its finished result, on a desk and on a phone, light and dark."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from diffdemo.measure.bench.browser import PATIENCE, opened
from diffdemo.measure.bench.start import served

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZES = {1920: 1080, 1280: 800, 820: 1180, 390: 844}  # pixels: width and height
THEMES = ("light", "dark")
TABS = "#contents .step"
# The open tab's result can be shared, so it is finished. A tab without a result is finished.
FINISHED = """() => {
  const visible = selector => [...document.querySelectorAll(selector)]
    .filter(node => node.checkVisibility());
  const shared = visible('[id$=-sentence]').every(node => node.querySelector('.share button'));
  return visible('[role=tabpanel]').length && shared;
}"""
SETTLE = 600  # milliseconds for what follows the width: charts, Gradio's tabs
POLLING = 250  # milliseconds


def take(out: Path) -> Iterator[Path]:
    """Photograph each tab at each width and in each theme, full page.

    Yields:
        The files TAB-WIDTH-THEME.png as they are written to `out`.

    Raises:
        DiffdemoError: there is no Chromium or no playwright, or the page does not come up.
    """
    out.mkdir(parents=True, exist_ok=True)
    looks = [(*size, theme) for size in SIZES.items() for theme in THEMES]
    with opened() as browser, served() as address:
        for width, height, theme in looks:
            page = browser.new_page(
                viewport={"width": width, "height": height}, reduced_motion="reduce"
            )
            page.set_default_timeout(PATIENCE)
            page.goto(f"{address}?__theme={theme}")
            for name in _walk(page):
                path = out / f"{name}-{width}-{theme}.png"
                page.screenshot(path=path, full_page=True)
                yield path
            page.close()


def _walk(page: "Page") -> Iterator[str]:
    """Open the tabs in turn; yields a name for files once the tab's result is there."""
    page.wait_for_selector("#stage .pair")
    page.wait_for_timeout(SETTLE)
    for title in page.locator(f"{TABS} .name").all_inner_texts():
        page.locator(TABS).filter(has_text=title).click()
        page.wait_for_timeout(SETTLE)
        page.wait_for_function(FINISHED, polling=POLLING)
        page.wait_for_timeout(SETTLE)
        page.evaluate("scrollTo(0, 0)")
        yield re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
