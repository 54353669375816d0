"""Present a result: its sentence, note, numbers, tiles and film, and what its tab shows.

Each experiment's package has a module `words` with a `Presenter` of its own, called `Words`.
"""

import re
from typing import Any, ClassVar

import numpy as np

from diffdemo.diffusion.schedule import Schedule
from diffdemo.errors import DiffdemoError
from diffdemo.lab.experiment import KINDS, Experiment, Result
from diffdemo.lab.fields import by_hash
from diffdemo.pictures.images import data_uri
from diffdemo.report.sheets import TileRow
from diffdemo.report.words import MY_OWN, YOURS

Row = dict[str, Any]


class Presenter:
    """Presents the result of one run; a subclass for each kind of experiment.

    A subclass that can be shown as a film has a method `film(schedule)`, see `film`.

    Args:
        result: what the run ended with.

    Attributes:
        returns: what the API gives beside sentence and query, in words.
    """

    returns: ClassVar[str]

    def __init__(self, result: Result):
        self.result = result
        self.experiment = result.experiment

    def sentence(self) -> str:
        """Say the result in one plain sentence with numbers, to the owner of the picture."""
        raise NotImplementedError

    def sentence_for_others(self, own: str = MY_OWN) -> str:
        """Say the same for other readers, who do not own the picture."""
        return self.sentence().replace(YOURS, own)

    def details(self) -> str:
        """List the settings that matter, in small print."""
        raise NotImplementedError

    def note(self) -> str:
        """Write model, weights, settings and seconds, in small print."""
        e = self.experiment
        seconds = f"{self.result.seconds:.1f} s"
        return f"Model {e.model} {e.revision}, {self.details()}, {seconds}."

    def data(self) -> Row:
        """Return numbers, and pictures as PNG data URIs, for `as_json`."""
        raise NotImplementedError

    def as_json(self) -> Row:
        """Return the result as plain data: sentence, query, numbers, pictures, seconds."""
        start = {"sentence": self.sentence(), "query": self.experiment.to_query()}
        return {**start, **self.data(), "seconds": self.result.seconds}

    def table(self) -> list[Row]:
        """Return the numbers as rows of plain values, with the same names in each."""
        raise NotImplementedError

    def tiles(self) -> list[TileRow]:
        """Return all pictures of the result with their words, the picture itself first."""
        raise NotImplementedError

    def page(self) -> Row:
        """Return what the experiment's tab shows, as plain data for its script.

        By default it is all tiles, row by row, for tabs without a script of their own.
        """
        rows = []
        for row in self.tiles():
            tiles = [
                {"src": data_uri(tile.picture), "text": tile.label, "back": tile.back}
                for tile in row.tiles
            ]
            rows.append({"label": row.label, "tiles": tiles})
        return {"rows": rows}

    def markdown(self, link: str = "", card: str = "") -> str:
        """Write the result for a forum: its picture, the link, and the sentence.

        The link has a line of its own, so that a forum shows a preview of it.

        Args:
            link: where to open the experiment.
            card: the address of its picture; left out where nobody else has the visitor's picture.
        """
        parts = []
        if card and not by_hash(self.experiment.picture):
            parts.append(f"![{_escaped(self.experiment.question)}]({card})")
        if link:
            parts.append(link)
        parts.append(_escaped(self.sentence_for_others()))
        return "\n\n".join(parts) + "\n"


def _escaped(text: str) -> str:
    """Write a text so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]<>|~#])", r"\\\1", text)


def present(result: Result) -> Presenter:
    """Return the presenter of a result.

    Raises:
        DiffdemoError: it is not the result of an experiment.
    """
    experiment = getattr(result, "experiment", None)
    if not isinstance(experiment, Experiment):
        kind = type(result).__name__
        raise DiffdemoError(f"A result of an experiment is needed, not {kind}.")
    return presenter(type(experiment))(result)


def presenter(kind: type[Experiment]) -> type[Presenter]:
    """Return the presenter class of a kind of experiment."""
    words: type[Presenter] = kind.part("words").Words
    return words


def animated(kind: type[Experiment]) -> bool:
    """Whether results of a kind can be shown as a film."""
    return hasattr(presenter(kind), "film")


def check_film(kind: type[Experiment]) -> None:
    """Refuse a kind of experiment that has no film.

    Raises:
        DiffdemoError: it follows no path.
    """
    if not animated(kind):
        able = ", ".join(name for name, each in KINDS.items() if animated(each))
        raise DiffdemoError(
            f"The experiment {kind.kind} has no path to animate; films are made of {able}."
        )


def film(result: Result, schedule: Schedule) -> list[np.ndarray]:
    """Draw the stills of a film, (H, W, 3) uint8 each, all of one size, no two in a row alike.

    Args:
        result: of an experiment that follows a path.
        schedule: that of its model.

    Raises:
        DiffdemoError: the experiment follows no path.
    """
    check_film(type(result.experiment))
    stills: list[np.ndarray] = present(result).film(schedule)  # type: ignore[attr-defined]
    return stills
