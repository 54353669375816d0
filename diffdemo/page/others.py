"""The fold "Use your own model": the command for it, and models of the Hub to load here."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from diffdemo import models
from diffdemo.errors import ModelError
from diffdemo.models import Loading, estimate_seconds
from diffdemo.report.presenter import Row
from diffdemo.widgets.available import Models
from diffdemo.widgets.components import RawDropdown, html, progress_bar
from diffdemo.widgets.events import AT_ONCE, QUIET, Options, safely
from diffdemo.widgets.tab import Updates

ROWS = 4  # seeds and ...
CALLS = 20  # ... steps of the run whose time is estimated
CARD = f'<p class="text"></p><p class="note"></p>{progress_bar("Loading")}'
COMMAND = "python app.py --model NAME"
ABOUT = f"""Run the same experiments on a model of your own: `{COMMAND}` on your machine, where
NAME is a folder that diffusers saved or a model of the Hugging Face Hub. Here you can load one of
the models below; nothing is loaded before you ask for it."""
MEGA = 1_000_000
LONGEST = 100  # characters of a name that are repeated


class OtherModels:
    """The controls of the fold.

    Args:
        available: the models at hand, which a loaded model joins.
    """

    def __init__(self, available: Models):
        self.available = available

    def layout(self) -> None:
        """Build the controls."""
        names = [entry.name for entry in models.TABLE if not entry.bundled]
        with gr.Accordion("Use your own model", open=False, elem_id="others") as self.fold:
            gr.Markdown(ABOUT)
            with gr.Row(elem_classes="own"):
                self.name = RawDropdown(
                    label="Choose a model, or type the name of another",
                    choices=names,
                    value=None,
                    elem_id="other",
                    min_width=260,
                    allow_custom_value=True,
                )
                self.load = gr.Button(
                    "Load and use", size="sm", elem_id="load", min_width=120, scale=0
                )
            self.card = html("card", CARD, "card", {})

    def wire(self, switch: gr.Radio) -> Any:
        """Connect the events; returns the one after which `switch` names the loaded model."""
        self.name.input(safely(chosen_card), self.name, self.card, **AT_ONCE)
        limit: Options = {"concurrency_id": "load", "concurrency_limit": 1}
        outputs = [self.card, switch]
        return self.load.click(safely(fetch, self.available), self.name, outputs, **limit, **QUIET)

    def offer(self, name: str) -> Updates:
        """Return what the controls show to offer a model."""
        return {self.fold: gr.Accordion(open=True), self.name: name, self.card: card(name)}


def chosen_card(name: object) -> Row:
    """Return the card of the model that is chosen; an empty one where none is, as on leaving it.

    Raises:
        ModelError: it is not in the table.
    """
    return {} if name is None else card(name)


def card(name: object) -> Row:
    """Return what to know of a model before it is loaded, or how to run one that is not listed.

    Raises:
        ModelError: the browser sent something else than a name.
    """
    if not isinstance(name, str):
        raise ModelError("The name of a model is text.")
    if not name.strip():
        return {}
    entry = models.find(name.strip())
    if entry is None:
        return unlisted(name.strip())
    if entry.bundled:
        text = f"The model {entry.name} is here already: choose it in Settings."
        return {"text": text, "note": ""}
    width, height = entry.picture
    size = "size of the download unknown"
    if entry.megabytes:
        size = f"{entry.megabytes:,.0f} MB to download"
    revision = entry.revision if entry.verified else f"{entry.revision}, not verified"
    takes = models.duration(estimate_seconds(entry, ROWS, CALLS))
    return {
        "text": entry.description,
        "note": f"{width} x {height} pixels, {size}, licence {entry.licence}, revision {revision}. "
        f"On this machine {ROWS} seeds with {CALLS} steps take about {takes}.",
    }


def unlisted(name: str) -> Row:
    """Say how to run a model that is not in the table."""
    shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}…"
    command = COMMAND.replace("NAME", shown)
    return {
        "text": f"{shown} is not one of the models that this page can load.",
        "note": f"Run it on your own machine: {command}",
    }


def loading(state: Loading, shown: Options) -> Row:
    """Return the card while the model loads."""
    done = f"{state.done / MEGA:,.0f}"
    total = f" of {state.total / MEGA:,.0f}" if state.total else ""
    note = f"{state.what[:1].upper()}{state.what[1:]}: {done}{total} MB."
    return {**shown, "note": note, "done": state.done, "total": state.total}


def fetch(available: Models, name: object) -> Iterator[tuple[Row, Any]]:
    """Load a model; yields the card, and last the model switch, which then offers it.

    Raises:
        ModelError: it cannot be loaded.
    """
    shown = card(name)
    try:
        for state in available.fetch(name):
            yield loading(state, shown), gr.skip()
    except ModelError as error:
        yield {**shown, "note": str(error)}, gr.skip()
        raise
    yield shown, gr.update(choices=available.names, value=name)
