"""What the tabs open with: an example each, precomputed while nobody waits."""

import threading
from collections.abc import Sequence
from typing import Any

from diffdemo.lab.experiment import Experiment
from diffdemo.lab.prepare import prepare
from diffdemo.lab.runner import Runner
from diffdemo.models import Model
from diffdemo.page.controls import Controls
from diffdemo.widgets.available import Models
from diffdemo.widgets.controls import Settings
from diffdemo.widgets.tab import Tab
from diffdemo.widgets.views import too_long


def dial_after_opening(tabs: Sequence[Tab], tab: Tab, model: Model, n: Any) -> Any:
    """Return where the dial is once a tab is opened.

    It moves to the tab's own example, unless somebody has put it elsewhere than at an example.
    """
    at_example = n in [example_level(each, model) for each in tabs]
    return example_level(tab, model) if at_example else n


def example_level(tab: Tab, model: Model) -> int:
    """Return the n of a tab's example, as the same share of the model's T."""
    return tab.n * model.schedule.T // 1000


def example(tab: Tab, controls: Controls, models: Models) -> Experiment:
    """Return what a tab shows when it is opened on a page that nobody has touched."""
    values = {name: widget.value for name, widget in controls.settings.items()}
    values["n"] = example_level(tab, models.first)
    own = {name: widget.value for name, widget in tab.own.items()}
    return tab.experiment(Settings.read(models, values), own)


def precompute(
    tabs: Sequence[Tab], controls: Controls, models: Models, runner: Runner
) -> threading.Thread:
    """Compute the examples of tabs, one after the other, in a thread of their own.

    Examples that take too long to run unasked are left out.
    """
    model = models.first
    examples = [example(tab, controls, models) for tab in tabs]
    wanted = [(e, model) for e in examples if not too_long(prepare(e, model), runner)]
    thread = threading.Thread(
        target=runner.precompute, args=(wanted,), name="precompute", daemon=True
    )
    thread.start()
    return thread
