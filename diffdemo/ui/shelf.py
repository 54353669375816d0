"""The models that the page can switch between: the one it was started with, the bundled ones, and those of the table once somebody loads them."""

from collections.abc import Iterator
from typing import Any

from diffdemo import models
from diffdemo.errors import ModelError
from diffdemo.models import BUNDLED, Entry, Loading, Model


def listed(name: Any) -> Entry:
    """The entry of the table that a browser named.

    Raises:
        ModelError: there is none.
    """
    entry = models.find(name) if isinstance(name, str) else None
    if entry is None:
        raise ModelError("There is no such model in the table.")
    return entry


class Models:
    """The models at hand.

    Args:
        first: the one that is shown when the page opens.
        device: a torch device name for the others; None chooses.
    """

    def __init__(self, first: Model, device: str | None = None):
        self.first, self.device = first, device
        self.names = list(dict.fromkeys([first.name, *BUNDLED]))  # what the switch offers
        self._fetched = set(BUNDLED)  # these load without a download

    def __getitem__(self, name: Any) -> Model:
        """The model of that name; one that left the memory is read again from the disk.

        Raises:
            ModelError: the browser named one that is not there, or has not been loaded yet.
        """
        if name == self.first.name:
            return self.first
        if not isinstance(name, str) or name not in self._fetched:
            known = isinstance(name, str) and models.find(name)
            raise ModelError(
                f"The model {name} is not loaded yet; choose it under Other models." if known
                else f"There is no such model here; there is {', '.join(self.names)}."
            )  # fmt: skip
        return models.load_model(name, self.device)

    def missing(self, name: str) -> bool:
        """A model of the table that has to be loaded first."""
        return name != self.first.name and name not in self._fetched and models.find(name) is not None

    def fetch(self, name: Any) -> Iterator[Loading]:
        """Load a model of the table; yields where that stands.

        Raises:
            ModelError: it is not in the table, or cannot be loaded.
        """
        for state in models.load_steps(listed(name).name, self.device):
            if isinstance(state, Loading):
                yield state
        self._fetched.add(name)
        if name not in self.names:
            self.names.append(name)
