"""Files in and out: what a visitor drops on the page, and a finished run to save."""

import base64

import gradio as gr

from diffdemo.errors import ExperimentError, PictureError
from diffdemo.lab.experiment import experiment_from_query
from diffdemo.lab.fields import by_hash
from diffdemo.lab.prepare import Ready, prepare
from diffdemo.lab.runner import Runner
from diffdemo.pictures import decoding
from diffdemo.report import exports
from diffdemo.report.portraits import image_of
from diffdemo.report.presenter import Row
from diffdemo.widgets.available import Models
from diffdemo.widgets.events import sent
from diffdemo.widgets.uploads import Upload, read_upload

MIME = {
    "sheet": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "json": "application/json",
    "csv": "text/csv",
    "zip": "application/zip",
}
MAX_BYTES = 20_000_000  # of a file for the browser to save


def dropped(event: gr.EventData) -> Upload:
    """Read a file that was dropped on the page, from its content in base64.

    Raises:
        DiffdemoError: it is too large, or not a picture.
    """
    text = sent(event, "value")
    if not isinstance(text, str) or len(text) > decoding.MAX_BYTES * 4 // 3 + 4:
        megabytes = decoding.MAX_BYTES // 1_000_000
        raise PictureError(f"Please drop a picture of at most {megabytes} MB.")
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise PictureError("The picture did not arrive whole; please drop it again.") from error
    return read_upload(data)


class Saver:
    """Makes files of finished runs, from their links.

    Args:
        models: those at hand.
        runner: runs an experiment again whose result is not cached.
    """

    def __init__(self, models: Models, runner: Runner):
        self.models = models
        self.runner = runner

    def save(self, sentence: object, portrait: object, event: gr.EventData) -> Row:
        """Make a file of a run for the browser to save.

        Args:
            sentence: value of the sentence, whose `link` is the experiment.
            portrait: that of the picture, which a link may name by its hash only.
            event: `index` is one of `exports.EXPORTS`, `value` whether a PNG holds the experiment.

        Returns:
            Its name, its MIME type and its content in base64.

        Raises:
            DiffdemoError: the browser asked for something else, or there is nothing to save yet.
        """
        kind = sent(event, "index")
        if kind not in exports.EXPORTS:
            raise ExperimentError(f"A run is saved as one of {', '.join(exports.EXPORTS)}.")
        ready = self._ready(sentence, portrait)
        remember = sent(event, "value") is not False
        schedule = ready.model.schedule
        result = self.runner.run(ready)
        data = exports.export(result, kind, schedule, remember, given=ready.given)
        name = f"{ready.experiment.kind}{exports.suffix(kind)}"
        return _download(name, MIME[kind], data)

    def save_tile(self, sentence: object, portrait: object, event: gr.EventData) -> Row:
        """Make a PNG of one picture of a run; `event.index` is its name. Otherwise as `save`."""
        ready = self._ready(sentence, portrait)
        name = sent(event, "index")
        data = exports.tile(self.runner.run(ready), name, given=ready.given)
        return _download(f"{name}.png", MIME["sheet"], data)

    def _ready(self, sentence: object, portrait: object) -> Ready:
        """Return the experiment of a sentence, ready to run."""
        link = sentence.get("link") if isinstance(sentence, dict) else None
        if not isinstance(link, str):
            raise ExperimentError("There is no finished run to save yet; please press Run.")
        e = experiment_from_query(link)
        given = image_of(portrait) if by_hash(e.picture) else None
        return prepare(e, self.models[e.model], given)


def _download(name: str, mime: str, data: bytes) -> Row:
    """Return a file as the page's script takes it."""
    if len(data) > MAX_BYTES:
        size = f"This file has {len(data) // 1_000_000} MB"
        limit = f"at most {MAX_BYTES // 1_000_000} are handed out here"
        raise ExperimentError(f"{size}; {limit}. Fewer seeds make it smaller.")
    content = base64.b64encode(data).decode()
    return {"name": f"diffdemo-{name}", "mime": mime, "data": content}
