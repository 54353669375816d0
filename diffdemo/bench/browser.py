"""A headless Chromium, for what is measured or photographed on the page; needs playwright and a Chromium, which the page itself does not."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from diffdemo.errors import DiffdemoError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
PATIENCE = 120_000  # milliseconds


def chromium() -> str | None:
    """Where Chromium is; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def opened() -> Iterator["Browser"]:
    """The browser; it is closed at the end.

    Raises:
        DiffdemoError: there is no Chromium or no playwright.
    """
    found = chromium()
    if not found or not find_spec("playwright"):
        raise DiffdemoError("A look at the page needs playwright (pip install playwright) and a Chromium on the path.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()
