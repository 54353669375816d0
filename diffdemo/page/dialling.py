"""What the dial, the landmarks and the dice of the rail do."""

import random
from typing import Any

import gradio as gr

from diffdemo.lab import fields
from diffdemo.report.presenter import Row
from diffdemo.widgets import views
from diffdemo.widgets.available import Models
from diffdemo.widgets.events import sent

# In the browser: the dial stays within its bounds ...
CLAMP = "(name, n) => [name, Number.isFinite(n) ? Math.min(1000, Math.max(0, Math.round(n))) : 0]"
# ... and eta above 0 chooses the one solver that draws fresh noise.
SOLVER_FOR_ETA = "(eta, solver) => eta > 0 ? 'ddim' : solver"


def chosen_n(event: gr.EventData) -> int:
    """Return the n that was pressed, of a landmark or in a chart.

    Raises:
        ExperimentError: the browser sent something else.
    """
    n: int = fields.N.accept(sent(event, "index"))
    return n


def read_dial(models: Models, name: object, n: Any) -> Row:
    """Return the read-outs of the dial.

    Raises:
        ExperimentError: n is out of bounds.
    """
    model = models[name]
    return views.readouts(model, int(model.schedule.levels(fields.N.accept(n), 1)))


def throw_dice() -> tuple[int, str]:
    """Return a random first seed, and no listed ones."""
    return random.randrange(10_000), ""
