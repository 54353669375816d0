"""A headless Chromium for the page; needs playwright, which the page itself does not."""

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
    """Return the path of Chromium; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def opened() -> Iterator["Browser"]:
    """Open the browser, and close it at the end.

    Raises:
        DiffdemoError: there is no Chromium or no playwright.
    """
    path = chromium()
    if not path or not find_spec("playwright"):
        needed = "playwright (pip install playwright) and a Chromium on the path"
        raise DiffdemoError(f"A look at the page needs {needed}.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()
