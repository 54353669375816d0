"""One browser for all tests of this folder; the page that they share is served on 127.0.0.1 from this process."""

import chromium
import pytest


@pytest.fixture(scope="session")
def browser():
    yield from chromium.start()
