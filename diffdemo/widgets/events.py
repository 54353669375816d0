"""Connect functions to Gradio's events, so that every error reaches the visitor as one sentence."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import isgeneratorfunction, signature
from typing import Any

import gradio as gr

from diffdemo.errors import UNFORESEEN, DiffdemoError

log = logging.getLogger("diffdemo")
Options = dict[str, Any]  # keyword arguments of Gradio's functions
Events = list[Any]  # of Gradio, to listen to
Raw = Any  # a value as the browser sent it
Raws = dict[Any, Raw]  # by component

# Options of most events. No progress is shown on any component: Gradio would copy the value of
# every output at each step and run a clock in it, which takes a third of a core.
QUIET: Options = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "show_progress_on": [],
}
ONE_RUN: Options = {"concurrency_id": "model", "concurrency_limit": 1}
# Options of events that wait for no run. They go through the queue all the same, without a limit:
# Gradio's page shows no error of an event outside it (seen in 6.31; tests/page/test_browser_events
# tells), and gr.Info needs it.
AT_ONCE: Options = {"concurrency_id": "at once", "concurrency_limit": None, **QUIET}
LEAVE = "() => document.activeElement.blur()"  # in the browser: leave the box that is typed in


def typed(box: Any) -> Any:
    """Return the listener to a line of text that was typed: one event, by Enter or by leaving it.

    Both by themselves would say a mistake twice.

    Args:
        box: a Textbox of the page under construction.
    """
    box.submit(None, js=LEAVE, **AT_ONCE)
    return box.blur


@contextmanager
def _errors_as_sentences(name: str) -> Iterator[None]:
    """Show any error as one sentence; an unforeseen one is logged with its traceback."""
    try:
        yield
    except DiffdemoError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except gr.Error:
        raise
    except Exception as error:
        log.exception("%s failed", name)
        raise gr.Error(UNFORESEEN, print_exception=False) from error


def safely(function: Callable, *bound: Any) -> Callable:
    """Bind a function's first arguments, and show every error of it as one sentence.

    Gradio reads signature and annotations, so the wrapper carries those that are left.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        with _errors_as_sentences(function.__name__):
            return function(*bound, *args, **kwargs)

    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with _errors_as_sentences(function.__name__):
            yield from function(*bound, *args, **kwargs)

    wrapped = stream if isgeneratorfunction(function) else call
    left = signature(partial(function, *bound))
    hints = function.__annotations__
    wrapped.__signature__ = left  # type: ignore[union-attr]
    wrapped.__annotations__ = {
        name: hint for name, hint in hints.items() if name in left.parameters or name == "return"
    }
    wrapped.__name__ = function.__name__
    wrapped.__doc__ = function.__doc__
    return wrapped


def sent(event: gr.EventData, name: str) -> Any:
    """Return what the browser sent with an event under a name; None where there is nothing."""
    try:
        return getattr(event, name, None)
    except TypeError:  # Gradio looks the name up in whatever was sent
        return None
