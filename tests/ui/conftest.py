"""One page and one browser for all tests of this folder; the page is served on 127.0.0.1 from this process."""

import chromium
import pytest


@pytest.fixture(scope="session")
def address():
    from diffdemo.ui import build_demo, launch_options

    demo = build_demo("faces", "cpu")
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
    yield url
    demo.close(verbose=False)


@pytest.fixture(scope="session")
def browser():
    yield from chromium.start()
