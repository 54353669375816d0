"""What the tabs open with: an example each, at an n chosen for it, computed ahead while nobody waits."""

import threading
from collections.abc import Sequence
from typing import Any

from diffdemo import service
from diffdemo.experiment import Experiment
from diffdemo.models import Model
from diffdemo.ui.rail import Rail
from diffdemo.ui.shelf import Models
from diffdemo.ui.tab import Tab, long


def dial(tabs: Sequence[Tab], tab: Tab, model: Model, n: Any) -> Any:
    """Where the dial stands once a tab is opened: at the tab's own example, unless somebody has put it elsewhere than at one of those."""
    return level(tab, model) if n in [level(each, model) for each in tabs] else n


def level(tab: Tab, model: Model) -> int:
    """The n of a tab's example, as the same share of the model's T."""
    return tab.n * model.schedule.T // 1000


def example(tab: Tab, rail: Rail, models: Models) -> Experiment:
    """What a tab shows when it is opened on a page that nobody has touched."""
    values = [widget.value for widget in rail.inputs]
    place = rail.inputs.index(rail.n)
    values[place] = level(tab, models.first)
    return tab.experiment(models, (*values, *(widget.value for widget in tab.own)))


def ahead(tabs: Sequence[Tab], rail: Rail, models: Models) -> threading.Thread:
    """Begin to compute the examples of tabs, one after the other, in a thread of its own; not what takes so long that it would not run unasked."""
    examples = [example(tab, rail, models) for tab in tabs]
    wanted = [(e, models.first) for e in examples if not long(e, models.first)]
    thread = threading.Thread(target=service.ahead, args=(wanted,), name="ahead", daemon=True)
    thread.start()
    return thread
