"""Links into the page: what an address asks for, and what the page's controls show of it."""

import secrets
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import torch

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.experiment import Experiment, experiment_from_query
from diffdemo.fields import by_hash
from diffdemo.models import Model
from diffdemo.ui import handlers, views


def asked(parameters: dict[str, str]) -> Experiment | None:
    """The experiment that an address asks for; None where it asks for none.

    Args:
        parameters: of the address, as the browser sent them.

    Raises:
        ExperimentError: it asks for something, but not for an experiment.
    """
    if "v" not in parameters and "kind" not in parameters:
        return None
    try:
        query = urlencode(parameters)
    except UnicodeError as error:
        raise ExperimentError("This link is damaged: it holds letters that are none.") from error
    return experiment_from_query(query)


def control(widget: Any, value: Any, model: Model) -> Any:
    """How a control shows a value: sliders stretch for it, portraits show the picture that an experiment names.

    Args:
        widget: the control.
        value: as in `controls.Stand`.
        model: the model that is shown.
    """
    if isinstance(widget, gr.Slider):
        return gr.update(value=value, minimum=min(widget.minimum, value), maximum=max(widget.maximum, value))
    if isinstance(widget, gr.HTML):
        return [handlers.choose(model, name) for name in value] if isinstance(value, list) else portrait(model, value)
    return value


def portrait(model: Model, picture: str) -> dict[str, str]:
    """The portrait of a picture in a link: none, wanted where the link holds only its hash, else the picture."""
    if not picture:
        return views.NO_PICTURE
    return views.wanted(picture) if by_hash(picture) else handlers.choose(model, picture)


def remark(e: Any, model: Model, here: bool) -> str:
    """What to say of a link beside running it: other weights, or that its picture is not here."""
    said = []
    if e.revision and e.revision != model.revision:
        said.append(f"This link was made with the weights {e.revision} of {e.model}; here they are {model.revision}, so pictures may differ.")
    if model.dtype != torch.float32:
        said.append(f"This copy computes in {model.engine}; a link promises the same pixels in float32 only.")
    if not here:
        said.append("This link names a picture that is too large to travel in it; upload that picture and it runs.")
    return " ".join(said)


def needs(name: str) -> str:
    """What to say of a link whose model is not loaded."""
    return f"This link uses the model {name}, which is not loaded here yet. Press Load and use above if you want to, and it runs."


def mistaken(before: Any, after: dict[str, str]) -> str:
    """What to say of a picture that was uploaded where a link wants one, from the portraits before and after."""
    wanted = isinstance(before, dict) and by_hash(str(before.get("picture"))) and not before.get("src")
    return (
        "This is another picture than the link names; what follows is about the one uploaded."
        if wanted and before["picture"] != after["picture"]
        else ""
    )


def said(text: str, run: str = "") -> dict[str, Any]:
    """The notice above the tabs; `run` is the kind of experiment that is to run as soon as its tab stands."""
    return {"text": text, "run": secrets.token_hex(4) if run else "", "place": f"{run}-sentence" if run else ""}


def broken(error: DiffdemoError) -> str:
    """What to say of a link that cannot be followed."""
    return f"{error} The page shows its first example instead."
