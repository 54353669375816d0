"""Gradio components made from the field table, strict about what they let in, and the page's own small components.

Gradio's checks let NaN, null and other people's files through, so the form widgets hand the raw value on and the experiment's
field table decides. The HTML components get data only; their scripts in static/ build the page with textContent.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from inspect import isgeneratorfunction, signature
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from PIL import Image

from diffdemo import exports, images
from diffdemo.errors import UNFORESEEN, DiffdemoError, PictureError
from diffdemo.experiment import Experiment
from diffdemo.fields import FIELDS

log = logging.getLogger("diffdemo")
STATIC = Path(__file__).parent / "static"
# no progress shown, on no component: Gradio would copy the value of every output at each step, and run a clock in it, a third of a core
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "show_progress_on": []}
# beside dom.js, what the scripts of some components share
SHARED = {**dict.fromkeys(("chart", "embed", "collide", "belief", "branch"), "lines"), **dict.fromkeys(("sentence", "answer", "leads"), "runs")}


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    """Whatever is raised inside reaches the visitor as one sentence; what nobody foresaw is written to the log."""
    try:
        yield
    except DiffdemoError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except gr.Error:
        raise
    except Exception as error:
        log.exception("%s failed", name)
        raise gr.Error(UNFORESEEN, print_exception=False) from error


def told(handler: Callable, *bound: Any) -> Callable:
    """The handler with its first arguments bound, and every error shown to the visitor as one sentence.

    Gradio reads a handler's signature and annotations, so the wrapper carries those that are left.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        with _in_words(handler.__name__):
            return handler(*bound, *args, **kwargs)

    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with _in_words(handler.__name__):
            yield from handler(*bound, *args, **kwargs)

    wrapped = stream if isgeneratorfunction(handler) else call
    left = signature(partial(handler, *bound))
    wrapped.__signature__ = left  # type: ignore[union-attr]
    wrapped.__annotations__ = {name: hint for name, hint in handler.__annotations__.items() if name in left.parameters or name == "return"}
    wrapped.__name__, wrapped.__doc__ = handler.__name__, handler.__doc__
    return wrapped


def _as_sent(component: type) -> type:
    """The component with the front end of its parent, but handing values on as they were sent; the experiment checks them."""
    component.is_template, component.preprocess = True, lambda _, payload: payload  # type: ignore[attr-defined]
    return component


@_as_sent
class RawSlider(gr.Slider):
    """A slider whose value reaches the experiment as it was sent."""


@_as_sent
class RawNumber(gr.Number):
    """A number box whose value reaches the experiment as it was sent."""


@_as_sent
class RawRadio(gr.Radio):
    """A choice whose value reaches the experiment as it was sent."""


@_as_sent
class RawChoices(gr.CheckboxGroup):
    """Some of several words, which reach the experiment as they were sent."""


@_as_sent
class RawDropdown(gr.Dropdown):
    """A choice from a list whose value reaches its handler as it was sent."""


@_as_sent
class RawText(gr.Textbox):
    """A line of text that reaches the experiment as it was sent."""


class Upload(gr.Image):
    """A picture from a file or the clipboard; only files that this visitor's browser uploaded are opened."""

    is_template = True
    data_model = None  # type: ignore[assignment]  # Gradio's would refuse what is no file without a word

    def api_info(self) -> dict[str, Any]:
        """What is sent: an uploaded file, as Gradio's clients describe one."""
        return {"type": "object"}

    def preprocess(self, payload: Any) -> "Uploaded | None":  # type: ignore[override]
        """The picture, checked and flattened (see `images.load_picture`), and the experiment it may bring along."""
        return None if payload is None else told(uploaded)(payload.get("path") if isinstance(payload, dict) else None)


def sent(event: gr.EventData, name: str) -> Any:
    """What the browser sent along with an event under a name; None where it sent nothing of the kind."""
    try:
        return getattr(event, name, None)
    except TypeError:  # Gradio looks the name up in whatever was sent
        return None


@dataclass(frozen=True)
class Uploaded:
    """What an uploaded file holds: a picture; where diffdemo saved it, its experiment; and the picture that one is about, if it is not named."""

    picture: Image.Image
    experiment: Experiment | None = None
    given: Image.Image | None = None


def uploaded(path: Any) -> Uploaded:
    """The picture in an uploaded file.

    Raises:
        PictureError: the path is not in the upload folder, or the file is not a picture.
    """
    if not isinstance(path, str) or not _was_uploaded(path):
        raise PictureError("Please upload the picture as a file.")
    return brought(images.read_file(Path(path)))


def _was_uploaded(path: str) -> bool:
    try:
        return Path(path).resolve().is_relative_to(Path(get_upload_folder()).resolve())
    except ValueError:  # no file can have such a name
        return False


def brought(data: bytes) -> Uploaded:
    """What a file holds.

    Raises:
        DiffdemoError: it is not a picture, or the experiment in it is damaged.
    """
    return Uploaded(images.load_picture(data), *(exports.read_experiment(data) or ()))


def bar(what: str) -> str:
    """The markup of a progress bar that static/dom.js fills; `what` says what it measures."""
    return f'<div class="bar" role="progressbar" aria-label="{what}" aria-valuemin="0" aria-valuemax="100"><div class="fill"></div></div>'


def slider(name: str, step: float = 1, **options: Any) -> RawSlider:
    """A slider for a numeric field; `options` override what the table says."""
    field = FIELDS[name]
    known = {"label": field.label, "minimum": field.minimum, "maximum": field.maximum, "value": field.default, "step": step}
    return RawSlider(**{**known, "buttons": [], **options})


def choice(name: str, **options: Any) -> RawRadio:
    """A choice among the words of a field."""
    field = FIELDS[name]
    return RawRadio(**{"label": field.label, "choices": list(field.choices), "value": field.default, **options})


def choices(name: str, **options: Any) -> RawChoices:
    """Some of the words of a field."""
    field = FIELDS[name]
    return RawChoices(**{"label": field.label, "choices": list(field.choices), "value": list(field.default), **options})


def line(name: str, **options: Any) -> RawText:
    """A field in its written form; empty at first."""
    field = FIELDS[name]
    return RawText(**{"label": field.label, "max_lines": 1, "value": "", **options})


def html(script: str, template: str, style: str, value: Any, **options: Any) -> gr.HTML:
    """One of the page's own components: its script and style from static/, its markup a constant, its value data only."""
    shared = [SHARED[script]] if script in SHARED else []
    return gr.HTML(
        value,
        html_template=template,
        js_on_load="".join((STATIC / f"{part}.js").read_text() for part in ("dom", *shared, script)),
        css_template=(STATIC / f"{style}.css").read_text(),
        **{"elem_id": script, "elem_classes": "part", **options},
    )
