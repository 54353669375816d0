"""The models that the page can switch between."""

from collections.abc import Iterator

from diffdemo import models
from diffdemo.errors import ModelError
from diffdemo.models import BUNDLED, Loading, Model, TableEntry


def entry_of(name: object) -> TableEntry:
    """Return the entry of the model table that a browser named.

    Raises:
        ModelError: there is none.
    """
    entry = models.find(name) if isinstance(name, str) else None
    if entry is None:
        raise ModelError("There is no such model in the table.")
    return entry


class Models:
    """The model the page was started with, the bundled ones, and those that visitors load.

    Args:
        first: the one that is shown when the page opens.
        device: a torch device name for the others; None chooses.
    """

    def __init__(self, first: Model, device: str | None = None):
        self.first = first
        self.device = device
        self.names = list(dict.fromkeys([first.name, *BUNDLED]))  # that the switch offers
        self._on_disk = set(BUNDLED)  # models that load without a download

    def __getitem__(self, name: object) -> Model:
        """Return a model; one that left the memory is read again from the disk.

        Raises:
            ModelError: the browser named one that does not exist or is not loaded yet.
        """
        if name == self.first.name:
            return self.first
        if isinstance(name, str) and name in self._on_disk:
            return models.load_model(name, self.device)
        if isinstance(name, str) and models.find(name):
            raise ModelError(f"The model {name} is not loaded yet; choose it under Other models.")
        raise ModelError(f"There is no such model here; there is {', '.join(self.names)}.")

    def missing(self, name: str) -> bool:
        """Whether a model is in the table but has to be loaded first."""
        at_hand = name == self.first.name or name in self._on_disk
        return not at_hand and models.find(name) is not None

    def fetch(self, name: object) -> Iterator[Loading]:
        """Load a model of the table; yields how far it is.

        Raises:
            ModelError: it is not in the table, or cannot be loaded.
        """
        found = entry_of(name).name
        for state in models.load_steps(found, self.device):
            if isinstance(state, Loading):
                yield state
        self._on_disk.add(found)
        if found not in self.names:
            self.names.append(found)
