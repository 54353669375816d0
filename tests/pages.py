"""Pages in the tests' own process: built so that their parts can be reached, and served."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


def build(name: str = "faces") -> tuple[Any, Any]:
    """The page for a model as Gradio sees it, and the Page in it."""
    from diffdemo.ui import page

    made = []

    class Kept(page.Page):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "Page", Kept)
        return page.build_demo(name, "cpu"), *made


@contextmanager
def launched(demo: Any) -> Iterator[str]:
    """Where a page is served, with the app's own settings."""
    from diffdemo.ui import launch_options

    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
    yield url
    demo.close(verbose=False)
