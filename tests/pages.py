"""Pages in the tests' own process: built so that their parts can be reached, and served."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr


def build(name: str = "faces") -> Any:
    """The Exhibit for a model."""
    from diffdemo.page import build

    return build(name, "cpu")


@contextmanager
def served(exhibit: Any) -> Iterator[str]:
    """Serve an exhibit with the app's own settings and its first result; yields its address."""
    from diffdemo.page import launch_options

    with launched(exhibit.demo, **launch_options(exhibit)) as url:
        exhibit.warm()
        yield url


@contextmanager
def launched(demo: gr.Blocks, **options: Any) -> Iterator[str]:
    """Serve any Blocks; yields its address."""
    where = {"prevent_thread_lock": True, "quiet": True, "server_name": "127.0.0.1"}
    _, url, _ = demo.launch(**where, **options)
    try:
        yield url
    finally:
        demo.close(verbose=False)
