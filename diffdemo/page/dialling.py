"""The dial and the dice: how many noise steps, and which noise."""

import base64
import random

import gradio as gr
import numpy as np

from diffdemo.errors import ExperimentError
from diffdemo.lab import fields
from diffdemo.models import Model
from diffdemo.report.presenter import Row
from diffdemo.widgets.components import html
from diffdemo.widgets.events import Raw, sent

# In the browser: eta above 0 chooses the one solver that draws fresh noise.
SOLVER_FOR_ETA = "(eta, solver) => eta > 0 ? 'ddim' : solver"
LANDMARKS = (250, 1000)  # of 1000 noise steps
MARKUP = """
<div class="dial">
  <div class="status-bar" aria-hidden="true"><i></i></div>
  <p class="status" aria-hidden="true" hidden></p>
  <div class="level">
    <div class="levels" hidden><canvas aria-hidden="true"></canvas>
      <div class="outcome-bar" role="img" aria-label="Outcomes"></div></div>
    <div class="track">
      <input type="range" min="0" max="1000" step="1" aria-label="Noise steps"></div>
    <div class="ticks" aria-hidden="true"></div>
  </div>
  <div class="acts">
    <button type="button" class="play for-stage" aria-label="Play"><span>Play</span></button>
    <button type="button" class="for-level" data-n="250">250</button>
    <button type="button" class="for-level" data-n="1000">1000</button>
    <button type="button" class="compare for-stage" aria-pressed="false">Compare</button>
    <button type="button" class="share-result">Share</button>
    <label class="exact for-level">Noise steps <input type="number" min="0" max="1000" step="1">
    </label>
    <span class="space"></span>
    <button type="button" class="run">Run</button>
    <button type="button" class="stop" hidden>Stop</button>
  </div>
</div>
"""


def dial(model: Model, n: int) -> gr.HTML:
    """Make the dial; its value holds n, and its `select` event says that it was set."""
    return html("dial", MARKUP, "dial", dial_value(model, n), ("outcomes-store",))


def dial_value(model: Model, n: int) -> Row:
    """Return what the dial shows: n, T, its landmarks, and alpha_bar as float32 in base64."""
    T = model.schedule.T
    alpha_bar = model.schedule.alpha_bar.numpy().astype(np.float32)
    return {
        "n": n,
        "T": T,
        "marks": [level * T // 1000 for level in LANDMARKS],
        "alpha_bar": base64.b64encode(alpha_bar.tobytes()).decode(),
    }


def n_of(dial: Raw) -> Raw:
    """Return the n of the dial, as the browser sent it.

    Raises:
        ExperimentError: the browser sent something else than the dial's value.
    """
    if not isinstance(dial, dict) or "n" not in dial:
        raise ExperimentError(f"The number of noise steps n is {fields.N.help}.")
    return dial["n"]


def chosen_n(dial: Raw, event: gr.EventData) -> Row:
    """Return the dial at the n that was pressed in a chart.

    Raises:
        ExperimentError: the browser sent something else.
    """
    n_of(dial)
    return {**dial, "n": fields.N.accept(sent(event, "index"))}


def throw_dice() -> tuple[int, str]:
    """Return a random first seed, and no listed ones."""
    return random.randrange(10_000), ""
