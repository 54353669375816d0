"""What a link preview tells: the result of the link as far as it is known, or soon found."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from starlette.datastructures import QueryParams

from diffdemo.errors import DiffdemoError, ModelError
from diffdemo.experiments import RoundTrip
from diffdemo.lab.experiment import MAX_QUERY, Experiment
from diffdemo.lab.prepare import Ready, prepare
from diffdemo.lab.runner import Runner
from diffdemo.models import BUNDLED, Model
from diffdemo.report import cards
from diffdemo.serving.addresses import OPENING, linked_experiment

__all__ = ["MAX_QUERY", "Stories", "Story"]
MAX_CARDS = 64  # held in memory
CARD_SECONDS = 5.0  # that the run for a card may take, as estimated


@dataclass(frozen=True)
class Story:
    """What a preview says of a link.

    Attributes:
        query: of the link, as the page writes it; "" for the page itself.
        title, description, alt: of the preview, and of its picture.
    """

    query: str
    title: str
    description: str
    alt: str


class Stories:
    """Tells of links.

    A card shows what came back, so it may run a few seeds of a round trip, as far as that is quick.
    A page is served at once, and says what is known already.

    Args:
        runner: runs, and holds results.
        opening: what the page opens with.
        first: the model that it opens with; None is a bundled one.
    """

    def __init__(self, runner: Runner, opening: RoundTrip = OPENING, first: Model | None = None):
        self.runner = runner
        self.opening = opening
        self.first = first
        self.card = lru_cache(MAX_CARDS)(self._card)
        self._begun = False  # to compute what the page's own card shows

    def experiment(self, query: str) -> Experiment | None:
        """Return the experiment of a link; None for the page itself, or a broken link."""
        parameters: Mapping[str, str] = QueryParams(query)
        try:
            return linked_experiment(parameters, self.opening)
        except DiffdemoError:
            return None

    def story(self, query: str) -> Story:
        """Return what there is to tell of a link: anything, also a broken one."""
        e = self.experiment(query)
        if e is None:
            return self._opening_story()
        result = self._known(e)
        return Story(
            e.to_query(), cards.title(e), cards.description(e, result), cards.alt(e, result)
        )

    def _opening_story(self) -> Story:
        """Tell of the page itself; what its card shows is computed meanwhile, for the next."""
        trips = self._compared()
        found = [self._known(trip) for trip in trips]
        results = found if all(found) else []
        if not results and not self._begun:
            self._begun = True
            threading.Thread(target=self._compute, name="preview", daemon=True).start()
        text = cards.opening_description(self.opening, results)
        return Story("", cards.title(self.opening), text, cards.opening_alt(self.opening, trips))

    def _compute(self) -> None:
        with suppress(DiffdemoError):
            self._comparison()

    def _compared(self) -> list[RoundTrip]:
        """Return the round trips of the page's own card: the opening, and all noise."""
        most = self.first.schedule.T if self.first else 1000
        return [replace(self.opening, n=n) for n in (self.opening.n, most)]

    def _comparison(self) -> tuple[Ready, list[Any]]:
        """Run what the page's own card compares.

        Raises:
            DiffdemoError: it takes too long here.
        """
        readies = [self._ready(trip) for trip in self._compared()]
        results = [self._result(ready) for ready in readies]
        if None in results:
            raise ModelError("The first example takes too long here for a card.")
        return readies[0], results

    def _card(self, query: str) -> bytes:
        """Draw the card of a link as a PNG file."""
        e = self.experiment(query)
        try:
            if e is None:
                return cards.draw_comparison(*self._comparison())
            ready = self._ready(e)
            return cards.draw(e, ready, self._result(ready))
        except DiffdemoError:
            return cards.draw_words(e or self.opening)

    def _ready(self, e: Experiment) -> Ready:
        """Prepare an experiment with a model at hand.

        Raises:
            DiffdemoError: its picture is not in the link, or its model is not at hand.
        """
        if self.first and e.model == self.first.name:
            return prepare(e, self.first)
        if e.model not in BUNDLED:
            only = "only models at hand are run for one"
            raise ModelError(f"There is no preview of {e.model}: {only}.")
        return prepare(e, self.first)

    def _known(self, e: Experiment) -> Any:
        """Return the result of an experiment, or of its first seeds, if it is held; else None."""
        with suppress(DiffdemoError):
            ready = self._ready(e)
            return self._held(ready) or self._held(_fewer(ready))
        return None

    def _held(self, ready: Ready) -> Any:
        return self.runner.cache.get(ready.key)

    def _result(self, ready: Ready) -> Any:
        """Return the same as `_known`; a round trip of few seeds that is quick is run."""
        few = _fewer(ready)
        found = self._held(ready) or self._held(few)
        quick = isinstance(few.experiment, RoundTrip)
        if found is not None or not quick or self.runner.price(few).seconds > CARD_SECONDS:
            return found
        return self.runner.run(few)


def _fewer(ready: Ready) -> Ready:
    """Return the same experiment with the seeds that a card has room for."""
    e = ready.experiment
    if not isinstance(e, RoundTrip) or len(e.seeds) <= cards.SHOWN:
        return ready
    return replace(ready, experiment=replace(e, seeds=e.seeds[: cards.SHOWN]))
