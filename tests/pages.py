"""Pages in the tests' own process: built so that their parts can be reached, and served."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def build(name: str = "faces") -> tuple[Any, Any]:
    """The page for a model as Gradio sees it, and the Page in it."""
    from diffdemo.ui import build_demo

    demo = build_demo(name, "cpu")
    return demo, demo.exhibit


@contextmanager
def launched(demo: Any) -> Iterator[str]:
    """Where a page is served, with the app's own settings, and its first result if it is the exhibit."""
    from diffdemo.ui import launch_options, warm

    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
    if hasattr(demo, "exhibit"):
        warm(demo)
    yield url
    demo.close(verbose=False)


def tab_of(kind: type) -> Any:
    """The class of the tab that shows a kind of experiments."""
    from diffdemo.ui.page import Tab

    return next(each for each in Tab.__subclasses__() if each.kind is kind)
