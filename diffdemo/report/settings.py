"""The settings of an experiment in one line, made from the table of fields."""

from dataclasses import fields
from typing import Any

from diffdemo.fields import FIELDS
from diffdemo.report.pictures import words


def settings(experiment: Any, own: str = "a picture of one's own") -> str:
    """Model and weights, picture, and every other field with its value, as "model faces (…), face 17, n = 250, seeds 0-15, …".

    Args:
        experiment: any of the six.
        own: what to call a picture that somebody brought.
    """
    e = experiment
    parts = [f"model {e.model}{f' ({e.revision})' if e.revision else ''}", words(e.picture, own)]
    for field in fields(e):
        if field.name not in ("model", "revision", "picture") and (text := FIELDS[field.name].write(getattr(e, field.name))):
            parts.append(_part(field.name, text, own))
    return ", ".join(parts)


def _part(name: str, text: str, own: str) -> str:
    if name == "line_up":
        return f"a line-up of {len(set(text.split(',')))}"
    if name == "other":
        return f"second picture {words(text, own)}"
    if name == "prompt":
        return f'prompt "{text}"'
    return f"n = {text}" if name == "n" else f"{name} {text.replace(',', ' ') if name == 'methods' else text}"
