"""Files in and out: what a visitor drops on the page, and a finished run as a file, made on request from its experiment."""

import base64
from typing import Any

import gradio as gr

from diffdemo import exports, images, service
from diffdemo.errors import ExperimentError, PictureError
from diffdemo.experiment import experiment_from_query
from diffdemo.fields import by_hash
from diffdemo.models import Model
from diffdemo.ui import views
from diffdemo.ui.shelf import Models
from diffdemo.ui.widgets import Uploaded, brought, sent

MIME = {"sheet": "image/png", "gif": "image/gif", "webp": "image/webp", "json": "application/json", "csv": "text/csv", "zip": "application/zip"}
MAX_BYTES = 20_000_000  # of a file that is handed to the browser


def dropped(event: gr.EventData) -> Uploaded:
    """What a file holds that was dropped on the page, from its content in base64.

    Raises:
        DiffdemoError: it is too large, or not a picture.
    """
    text = sent(event, "value")
    if not isinstance(text, str) or len(text) > images.MAX_BYTES * 4 // 3 + 4:
        raise PictureError(f"Please drop a picture of at most {images.MAX_BYTES // 1_000_000} MB.")
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise PictureError("The picture did not arrive whole; please drop it again.") from error
    return brought(data)


def save(models: Models, sentence: Any, portrait: Any, event: gr.EventData) -> dict[str, Any]:
    """A file for the browser to keep: its name, its kind and its content in base64.

    Args:
        models: the models at hand.
        sentence: the value of the sentence, whose `link` is the experiment.
        portrait: that of the picture, which a link may name by its hash only.
        event: `index` is one of `exports.EXPORTS`, `value` whether a PNG carries the experiment.

    Raises:
        DiffdemoError: the browser asked for something else, or there is nothing to save yet.
    """
    kind, remember = sent(event, "index"), sent(event, "value")
    if kind not in exports.EXPORTS:
        raise ExperimentError(f"A run is saved as one of {', '.join(exports.EXPORTS)}.")
    result, model, given = _finished(models, sentence, portrait)
    data = exports.export(result, kind, model.schedule, remember is not False, given=given)
    return _handed(f"{result.experiment.kind}{exports.suffix(kind)}", MIME[kind], data)


def save_tile(models: Models, sentence: Any, portrait: Any, event: gr.EventData) -> dict[str, Any]:
    """One picture of a run, for the browser to keep; `event.index` is its name. Other arguments and errors as in `save`."""
    result, _, given = _finished(models, sentence, portrait)
    name = sent(event, "index")
    return _handed(f"{name}.png", MIME["sheet"], exports.tile(result, name, given=given))


def _finished(models: Models, sentence: Any, portrait: Any) -> tuple[Any, Model, Any]:
    """The result that a sentence stands for, kept or computed again, its model, and its picture where a link holds only the hash."""
    link = sentence.get("link") if isinstance(sentence, dict) else None
    if not isinstance(link, str):
        raise ExperimentError("There is no finished run to save yet; please press Run.")
    e = experiment_from_query(link)
    model = models[e.model]
    given = views.given_picture(portrait) if by_hash(e.picture) else None
    return service.run(e, model, given), model, given


def _handed(name: str, mime: str, data: bytes) -> dict[str, Any]:
    """What the page's script makes a file of."""
    if len(data) > MAX_BYTES:
        raise ExperimentError(
            f"This file has {len(data) // 1_000_000} MB; at most {MAX_BYTES // 1_000_000} are handed out here. Fewer seeds make it smaller."
        )
    return {"name": f"diffdemo-{name}", "mime": mime, "data": base64.b64encode(data).decode()}
