"""What all tabs show, as plain data: pictures as PNG data URIs, the portrait, the read-outs of the dial, where a run stands."""

import base64
from typing import Any

import numpy as np
from PIL import Image

from diffdemo import digits, faces, images
from diffdemo.errors import PictureError
from diffdemo.lab import PREVIEW_CALLS, Progress
from diffdemo.models import Model
from diffdemo.report.pictures import words

NO_PICTURE = {"picture": "", "src": "", "alt": "", "caption": "No second picture."}
LANDMARKS = ((0, "untouched"), (250, "the thread: it comes back"), (1000, "the thread: another picture"))


def portrait(picture: str, pixels: np.ndarray) -> dict[str, str]:
    """The chosen picture: its text form, (H, W, C) uint8 as a data URI, and its words."""
    fresh, kind, number = ", never shown to the model in training", *_parts(picture)
    if kind == "face":
        caption = f"Face {number}{fresh if number < faces.TRAINING_SEED else ''}."
    elif kind == "digit":
        caption = f"Digit {number} of the MNIST test set, a {digits.line_up()[1][number]}{fresh}."
    else:
        caption = "Your picture as the model sees it."
    return {"picture": picture, "src": images.data_uri(pixels), "alt": words(picture), "caption": caption}


def _parts(picture: str) -> tuple[str, int]:
    kind, _, rest = picture.partition(":")
    return kind, int(rest) if kind in ("face", "digit") else 0


def wanted(picture: str) -> dict[str, str]:
    """The portrait of a picture of which only the hash is known."""
    return {"picture": picture, "src": "", "alt": "", "caption": "A larger picture, not in the link. Please upload it below."}


def given_picture(portrait: Any) -> Image.Image | None:
    """The picture a portrait shows, as the browser sent it back; None where it holds none.

    Raises:
        PictureError: what it holds is not a picture.
    """
    src = portrait.get("src") if isinstance(portrait, dict) else None
    if not isinstance(src, str) or not src.startswith(images.DATA_URI):
        return None
    try:
        data = base64.b64decode(src.removeprefix(images.DATA_URI), validate=True)
    except ValueError as error:
        raise PictureError("The picture on the page could not be read; please choose it again.") from error
    return images.load_picture(data)


def readouts(model: Model, n: int) -> dict[str, Any]:
    """Landmarks and what n steps of noise mean."""
    T, alpha_bar = model.schedule.T, float(model.schedule.alpha_bar[n])
    snr = float(model.schedule.snr[n])
    rows = [
        ("strength n / T", f"{n / T:.3f}", "the same dial as in img2img"),
        ("signal kept, alpha_bar", f"{alpha_bar:.3g}", "share of the variance that is still the picture's"),
        ("signal to noise, SNR", "no noise" if n == 0 else f"{snr:.3g}", "alpha_bar / (1 - alpha_bar)"),
        ("picture left in x_n", f"{100 * alpha_bar**0.5:.3g} %", "its amplitude, the square root of alpha_bar"),
    ]
    marks = [{"n": level * T // 1000, "text": text} for level, text in LANDMARKS]
    return {"n": n, "T": T, "marks": marks, "rows": [{"term": t, "value": v, "help": h} for t, v, h in rows]}


def running(progress: Progress, text: str) -> dict[str, Any]:
    """The sentence while the network works."""
    left = progress.seconds / progress.done * (progress.total - progress.done)
    return {
        "text": text,
        "note": f"Step {progress.done} of {progress.total}, about {max(left, 0.1):.1f} s left.",
        "done": progress.done,
        "total": progress.total,
    }


def previewed(progress: Progress, text: str) -> dict[str, Any]:
    """The sentence under a preview, before the run begins."""
    note = f"A preview, of {PREVIEW_CALLS} network calls each; the run of {progress.total} follows."
    return {"text": text, "note": note, "done": progress.done, "total": progress.total}


def stopped(value: Any) -> Any:
    """The sentence after Stop, from the one that was on the page; nothing changes where nothing was running."""
    done, total = (value.get("done"), value.get("total")) if isinstance(value, dict) else (None, None)
    if type(done) is not int or type(total) is not int:
        return None
    return {"text": f"Stopped after step {done} of {total}. What is shown are the estimates so far.", "note": ""}
