"""Words that all experiments share: counts, pictures, attributes kept, settings in one line."""

from typing import Any

from torch import Tensor

from diffdemo.pictures import digits

YOURS = "your picture"
MY_OWN = "a picture of my own"
ONES_OWN = "a picture of one's own"


def counted(count: int, noun: str) -> str:
    """Write a count with its noun, as "1 seed" or "16 seeds"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def picture_words(picture: str, own: str = YOURS) -> str:
    """Write a picture that an experiment names: "face 17", "a 0 (image 3)", or `own`.

    Args:
        picture: as the experiment names it; a digit is an image of the MNIST test set.
        own: what to call a picture without a name.
    """
    kind, _, number = picture.partition(":")
    if kind == "face":
        return f"face {number}"
    if kind == "digit":
        return f"{class_words(int(digits.line_up()[1][int(number)]))} (image {number})"
    return own


def class_words(digit: int) -> str:
    """Write the class of a digit: "a 7", "an 8"."""
    return f"{'an' if digit == 8 else 'a'} {digit}"


def attributes_kept(kept: Tensor | None, row: tuple[int, ...] | int, count: int) -> str:
    """Write how much of a picture was kept: "12 of 14", "same digit", or "" where nobody knows.

    Args:
        kept: shares of the attributes kept; None where nothing can be read.
        row: which of them.
        count: how many attributes show in the picture.
    """
    if kept is None:
        return ""
    share = float(kept[row])
    if count == 1:
        return "same digit" if share else "another digit"
    return f"{round(share * count)} of {count}"


def sampling(eta: float) -> str:
    """Write eta: "deterministic" or "eta 0.5"."""
    return f"eta {eta:g}" if eta else "deterministic"


def settings(experiment: Any, own: str = ONES_OWN) -> str:
    """Write all fields in one line, as "model faces (…), face 17, n = 250, seeds 0-15, …".

    Args:
        experiment: of any kind.
        own: what to call a picture that somebody brought.
    """
    e = experiment
    revision = f" ({e.revision})" if e.revision else ""
    parts = [f"model {e.model}{revision}", picture_words(e.picture, own)]
    for name, field in e.fields().items():
        text = field.write(getattr(e, name))
        if text and name not in ("model", "revision", "picture"):
            parts.append(_setting(name, text, own))
    return ", ".join(parts)


def _setting(name: str, text: str, own: str) -> str:
    match name:
        case "n":
            return f"n = {text}"
        case "line_up":
            return f"a line-up of {len(set(text.split(',')))}"
        case "other":
            return f"second picture {picture_words(text, own)}"
        case "prompt":
            return f'prompt "{text}"'
        case "methods":
            return f"methods {text.replace(',', ' ')}"
        case _:
            return f"{name} {text}"
