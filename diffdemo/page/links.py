"""Links into the page: what an address asks for, and what the page says about it."""

import secrets

import torch

from diffdemo.errors import DiffdemoError
from diffdemo.lab.experiment import Experiment
from diffdemo.lab.fields import by_hash
from diffdemo.models import Model
from diffdemo.report.presenter import Row


def remark(e: Experiment, model: Model, here: bool) -> str:
    """Say what matters about a link: other weights, another dtype, or a missing picture.

    Args:
        e: its experiment.
        model: the model here.
        here: whether its picture is here.
    """
    remarks = []
    if e.revision and e.revision != model.revision:
        made = f"This link was made with the weights {e.revision} of {e.model}"
        remarks.append(f"{made}; here they are {model.revision}, so pictures may differ.")
    if model.dtype != torch.float32:
        computes = f"This copy computes in {model.engine}"
        remarks.append(f"{computes}; a link promises the same pixels in float32 only.")
    if not here:
        too_large = "This link names a picture that is too large to travel in it"
        remarks.append(f"{too_large}; upload that picture and it runs.")
    return " ".join(remarks)


def needs_model(name: str) -> str:
    """Say that the model of a link is not loaded."""
    missing = f"This link uses the model {name}, which is not loaded here yet."
    return f"{missing} Press Load and use above if you want to, and it runs."


def other_picture(before: object, after: dict[str, str]) -> str:
    """Say so where an uploaded picture is not the one that a link wants.

    Args:
        before: the portrait on the page, which may want a picture.
        after: the portrait of the upload.
    """
    if not isinstance(before, dict) or before.get("src"):
        return ""
    wanted = str(before.get("picture"))
    if not by_hash(wanted) or wanted == after["picture"]:
        return ""
    return "This is another picture than the link names; what follows is about the one uploaded."


def broken_link(error: DiffdemoError) -> str:
    """Say what is wrong with a link that cannot be opened."""
    return f"{error} The page shows its first example instead."


def notice(text: str, run: str = "") -> Row:
    """Return the notice above the tabs.

    Args:
        text: one sentence, or nothing.
        run: the kind of experiment that runs as soon as its tab is open.
    """
    token = secrets.token_hex(4) if run else ""
    return {"text": text, "run": token, "place": f"{run}-sentence" if run else ""}
