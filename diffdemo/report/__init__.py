"""What there is to say and to show of a finished run, for whatever shows it: the page, the API, a file, the command line, a forum."""

import re
from types import ModuleType
from typing import Any

import numpy as np

from diffdemo.errors import DiffdemoError
from diffdemo.experiment import Belief, Branch, Collision, Curve, Embedding, Experiment, RoundTrip
from diffdemo.report import belief, branch, collide, curve, embed, round_trip
from diffdemo.report.pictures import words
from diffdemo.report.settings import settings
from diffdemo.schedule import Schedule
from diffdemo.sheets import TileRow

__all__ = ["animated", "as_json", "check_film", "film", "markdown", "note", "returns", "sentence", "settings", "table", "tiles", "told"]

OWN = "a picture of my own"
_ROOMS: dict[type[Experiment], ModuleType] = {
    RoundTrip: round_trip,
    Curve: curve,
    Embedding: embed,
    Collision: collide,
    Belief: belief,
    Branch: branch,
}


def sentence(result: Any) -> str:
    """The result in one plain sentence with its numbers, said to whoever chose the picture."""
    return _room(result).sentence(result)


def told(result: Any, own: str = OWN) -> str:
    """The same sentence for others to read: the picture by its name, and where it is somebody's own, as `own`."""
    e = result.experiment
    return sentence(result).replace("your picture", words(e.picture, own) if isinstance(e, RoundTrip) else own)


def note(result: Any) -> str:
    """The settings in small print, and how long it took."""
    return _room(result).note(result)


def as_json(result: Any) -> dict[str, Any]:
    """The result as plain data: the sentence, the link's query, the numbers, the pictures as PNG data URIs."""
    return _room(result).as_json(result)


def returns(kind: type[Experiment]) -> str:
    """What a caller of the API gets of an experiment beside its sentence and query, in words."""
    return _ROOMS[kind].RETURNS


def table(result: Any) -> list[dict[str, Any]]:
    """The numbers as rows of plain values with the same names in each: one a seed, level and seed, method and seed, future or candidate."""
    return _room(result).table(result)


def tiles(result: Any) -> list[TileRow]:
    """All pictures of the result with their words, the picture itself first."""
    return _room(result).tiles(result)


def check_film(experiment: Experiment) -> None:
    """Refuse an experiment of which there is no film.

    Raises:
        DiffdemoError: it follows no path.
    """
    if not animated(experiment):
        able = ", ".join(kind.kind for kind, room in _ROOMS.items() if hasattr(room, "film"))
        raise DiffdemoError(f"The experiment {experiment.kind} has no path to animate; films are made of {able}.")


def animated(experiment: Experiment) -> bool:
    """Whether there are films of this kind of experiment."""
    return hasattr(_ROOMS[type(experiment)], "film")


def film(result: Any, schedule: Schedule) -> list[np.ndarray]:
    """The stills of a film, (H, W, 3) uint8 each and all of one size, no two in a row alike.

    Args:
        result: of a RoundTrip, Curve or Branch.
        schedule: that of its model.

    Raises:
        DiffdemoError: the experiment follows no path.
    """
    check_film(result.experiment)
    return _room(result).film(result, schedule)


def markdown(result: Any, link: str = "") -> str:
    """The result for a forum: the sentence, the settings, and the link to open it with."""
    parts = [f"**{told(result)}**", re.sub(r"([\\`*_\[\]<>|~#])", r"\\\1", f"diffdemo: {settings(result.experiment, OWN)}.")]
    return "\n\n".join([*parts, *([f"[Open this experiment]({link})"] if link else [])]) + "\n"


def _room(result: Any) -> ModuleType:
    experiment: Any = getattr(result, "experiment", None)
    if type(experiment) not in _ROOMS:
        raise DiffdemoError(f"A result of an experiment is needed, not {type(result).__name__}.")
    return _ROOMS[type(experiment)]
