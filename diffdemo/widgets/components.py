"""Gradio components that pass values on as they were sent, and the page's own HTML components.

Gradio's checks let NaN, null and other visitors' files through, so the form components pass the raw
value on and the experiment's field checks it. The HTML components get data only; their scripts
build the page with textContent.
"""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from diffdemo.errors import PictureError
from diffdemo.lab.field import Field
from diffdemo.pictures import decoding
from diffdemo.widgets.events import Options, safely
from diffdemo.widgets.uploads import Upload, read_upload

STATIC = Path(__file__).parent / "static"


def _passes_on(component: type) -> type:
    """Let a component keep its parent's front end, but pass values on as they were sent."""
    component.is_template = True  # type: ignore[attr-defined]
    component.preprocess = lambda _, payload: payload  # type: ignore[attr-defined]
    return component


@_passes_on
class RawSlider(gr.Slider):
    """A slider that passes its value on as it was sent."""


@_passes_on
class RawNumber(gr.Number):
    """A number box that passes its value on as it was sent."""


@_passes_on
class RawRadio(gr.Radio):
    """A choice that passes its value on as it was sent."""


@_passes_on
class RawChoices(gr.CheckboxGroup):
    """Several words to choose from, passed on as they were sent."""


@_passes_on
class RawDropdown(gr.Dropdown):
    """A choice from a list that passes its value on as it was sent."""


@_passes_on
class RawText(gr.Textbox):
    """A line of text that is passed on as it was sent."""


class UploadBox(gr.Image):
    """Takes a picture from a file or the clipboard; opens only files that a browser uploaded."""

    is_template = True
    data_model = None  # type: ignore[assignment]  # Gradio's refuses other values without a word

    def api_info(self) -> dict[str, Any]:
        """Describe what is sent: an uploaded file, as Gradio's clients describe one."""
        return {"type": "object"}

    def preprocess(self, payload: object) -> Upload | None:  # type: ignore[override]
        """Read and check the file; None where nothing was sent."""
        if payload is None:
            return None
        path = payload.get("path") if isinstance(payload, dict) else None
        upload: Upload = safely(_open_upload)(path)
        return upload


def _open_upload(path: object) -> Upload:
    """Read an uploaded file.

    Raises:
        PictureError: the path is not in the upload folder, or the file is not a picture.
    """
    if not isinstance(path, str) or not _in_upload_folder(path):
        raise PictureError("Please upload the picture as a file.")
    return read_upload(decoding.read_file(Path(path)))


def _in_upload_folder(path: str) -> bool:
    try:
        return Path(path).resolve().is_relative_to(Path(get_upload_folder()).resolve())
    except ValueError:  # no file can have such a name
        return False


def slider(field: Field, step: float = 1, **options: Any) -> RawSlider:
    """Make a slider for a field of numbers; `options` override what the field says."""
    known: Options = {
        "label": field.label,
        "minimum": field.minimum,
        "maximum": field.maximum,
        "value": field.default,
        "step": step,
        "buttons": [],
    }
    return RawSlider(**{**known, **options})


def choice(field: Field, **options: Any) -> RawRadio:
    """Make a choice among the words of a field."""
    known: Options = {"label": field.label, "value": field.default}
    return RawRadio(choices=list(field.choices), **{**known, **options})


def choices(field: Field, **options: Any) -> RawChoices:
    """Make boxes to choose some of the words of a field."""
    known: Options = {
        "label": field.label,
        "choices": list(field.choices),
        "value": list(field.default),
    }
    return RawChoices(**{**known, **options})


def line(field: Field, **options: Any) -> RawText:
    """Make a line of text for the written form of a field; empty at first."""
    known: Options = {"label": field.label, "max_lines": 1, "value": ""}
    return RawText(**{**known, **options})


def progress_bar(label: str) -> str:
    """Write the markup of a progress bar, which static/dom.js fills."""
    role = f'role="progressbar" aria-label="{label}" aria-valuemin="0" aria-valuemax="100"'
    return f'<div class="bar" {role}><div class="fill"></div></div>'


def html(
    script: str,
    template: str,
    style: str,
    value: Any,
    shared: tuple[str, ...] = (),
    folder: Path = STATIC,
    **options: Any,
) -> gr.HTML:
    """Make one of the page's own components: markup and script are constants, its value is data.

    Args:
        script: name of its script, and its id on the page.
        template: its markup.
        style: name of its style sheet.
        value: data for the script.
        shared: names of scripts in static/ that its script needs, beside dom.js.
        folder: where script and style sheet are.
        options: of gr.HTML.
    """
    before = [STATIC / f"{name}.js" for name in ("dom", *shared)]
    scripts = [*before, folder / f"{script}.js"]
    return gr.HTML(
        value,
        html_template=template,
        js_on_load="".join(path.read_text() for path in scripts),
        css_template=(folder / f"{style}.css").read_text(),
        **{"elem_id": script, "elem_classes": "part", **options},
    )
