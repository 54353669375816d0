"""The fold "Other models": the table of what the Hugging Face Hub offers, what each is and takes, and loading one."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from diffdemo import models
from diffdemo.errors import ModelError
from diffdemo.models import Loading, estimate_seconds
from diffdemo.ui.shelf import Models, listed
from diffdemo.ui.widgets import QUIET, RawDropdown, bar, html, told

ROWS, CALLS = 4, 20  # of the run whose time is told
CARD = f'<p class="text"></p><p class="note"></p>{bar("Loading")}'
ABOUT = "Pixel and latent diffusion models from the Hugging Face Hub, for machines with time or a GPU. Nothing is loaded before you ask for it."


class Others:
    """The widgets of the fold.

    Args:
        shelf: the models at hand.
    """

    def __init__(self, shelf: Models):
        self.shelf = shelf

    def layout(self) -> None:
        """Build the widgets."""
        names = [entry.name for entry in models.TABLE if entry.hub]
        with gr.Accordion("Other models", open=False, elem_id="others") as self.fold:
            gr.Markdown(ABOUT)
            with gr.Row(elem_classes="own"):
                self.name = RawDropdown(label="Model", choices=names, value=None, elem_id="other", min_width=260)
                self.load = gr.Button("Load and use", size="sm", elem_id="load", min_width=120, scale=0)
            self.card = html("card", CARD, "rail", {})

    def wire(self, switch: gr.Radio) -> Any:
        """Connect the events; returns the one after which the model switch names the model that was loaded."""
        self.name.input(told(card), self.name, self.card, queue=False, **QUIET)
        outputs = [self.card, switch]
        return self.load.click(told(fetch, self.shelf), self.name, outputs, concurrency_id="load", concurrency_limit=1, **QUIET)

    def offer(self, name: str) -> dict[Any, Any]:
        """Widget → what it shows to offer a model."""
        return {self.fold: gr.Accordion(open=True), self.name: name, self.card: card(name)}


def card(name: Any) -> dict[str, Any]:
    """What to know of a model before it is loaded.

    Raises:
        ModelError: it is not in the table.
    """
    entry = listed(name)
    size = f"{entry.megabytes:,.0f} MB to download" if entry.megabytes else "size of the download unknown"
    pinned = entry.revision if entry.verified else f"{entry.revision}, not verified"
    seconds = estimate_seconds(entry, ROWS, CALLS)
    return {
        "text": entry.card,
        "note": f"{entry.picture[0]} x {entry.picture[1]} pixels, {size}, licence {entry.licence}, revision {pinned}. "
        f"On this machine {ROWS} seeds with {CALLS} steps take about {models.duration(seconds)}.",
    }  # fmt: skip


def loading(state: Loading, told: dict[str, Any]) -> dict[str, Any]:
    """The card while the model loads."""
    mega = 1_000_000
    of = f" of {state.total / mega:,.0f}" if state.total else ""
    return {**told, "note": f"{state.what[:1].upper()}{state.what[1:]}: {state.done / mega:,.0f}{of} MB.", "done": state.done, "total": state.total}


def fetch(shelf: Models, name: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """Load a model; yields the card and last the model switch, which then offers it.

    Raises:
        ModelError: it cannot be loaded.
    """
    said = card(name)
    try:
        for state in shelf.fetch(name):
            yield loading(state, said), gr.skip()
    except ModelError as error:
        yield {**said, "note": str(error)}, gr.skip()
        raise
    yield said, gr.update(choices=shelf.names, value=name)
