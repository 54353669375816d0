"""The models that the page can switch between."""

from typing import Any

from diffdemo.errors import ModelError
from diffdemo.models import Model


class Models:
    """The models that the page can switch between; the first one is shown when it opens."""

    def __init__(self, *models: Model):
        self.by_name = {model.name: model for model in models}
        self.first = models[0]

    def __getitem__(self, name: Any) -> Model:
        """The model of that name.

        Raises:
            ModelError: the browser named one that is not there.
        """
        if not isinstance(name, str) or name not in self.by_name:
            raise ModelError(f"There is no such model here; there is {', '.join(self.by_name)}.")
        return self.by_name[name]
