"""One browser for all tests of this folder, and the page that they share."""

import chromium
import pytest


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(chromium.WAIT)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request",
        lambda request: (
            request.url.startswith((address, "data:", "blob:"))
            or problems.append(f"outside request: {request.url}")
        ),
    )
    page.goto(address)
    page.wait_for_selector("#stage .pair")
    page.wait_for_selector("html[data-arrived]")  # the load event has come back
    yield page
    page.close()
    assert problems == []
