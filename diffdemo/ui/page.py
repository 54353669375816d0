"""Put the page together: header, tabs, endpoints, theme and launch settings."""

import os
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read by gradio when it is imported

import gradio as gr

from diffdemo.experiment import FIELDS, RoundTrip, format_seeds
from diffdemo.lab import run
from diffdemo.models import Model, load_model
from diffdemo.ui import handlers, views
from diffdemo.ui.there_and_back import LANE, ThereAndBack
from diffdemo.ui.widgets import STATIC, told

TITLE = "diffdemo: what noise does in a diffusion model"
HEADER = """
<h1>diffdemo</h1>
<p>Add noise to a picture, let a diffusion model take it away again, and see what comes back. It answers
<a href="https://discuss.huggingface.co/t/23593">a thread that asked how diffusion works</a>, with a real model, on this machine.</p>
"""
QUEUE = 24  # runs that may wait


def build_demo(name: str = "faces", device: str | None = None) -> gr.Blocks:
    """The page for one model, with its queue set up and a finished result on it.

    Args:
        name: a bundled name, or a local diffusers folder.
        device: a torch device name; None chooses.

    Raises:
        ModelError: the model cannot be loaded.
    """
    model = load_model(name, device)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 3600)) as demo:
        gr.HTML(HEADER, elem_id="header")
        with gr.Tabs(), gr.Tab("There and back"):
            ThereAndBack(model, handlers.opening(model))
        gr.api(told(round_trip, model), api_name="round_trip", **LANE)
    return demo.queue(max_size=QUEUE, default_concurrency_limit=1, api_open=False)


def round_trip(
    loaded: Model,
    model: str = FIELDS["model"].default,
    picture: str = FIELDS["picture"].default,
    n: int = FIELDS["n"].default,
    seeds: str = format_seeds(FIELDS["seeds"].default),
    steps: int = FIELDS["steps"].default,
    eta: float = FIELDS["eta"].default,
    solver: str = FIELDS["solver"].default,
    spacing: str = FIELDS["spacing"].default,
    start: str = FIELDS["start"].default,
) -> dict[str, Any]:
    """Add n steps of noise to a picture with each seed, denoise, and tell what came back.

    Returns the sentence, the experiment as a query string, came_back, rmse and kept by seed, and all pictures as PNG data URIs.
    """
    return views.as_json(run(RoundTrip(model, picture, n, seeds, steps, eta, solver, spacing, start), loaded))


def launch_options() -> dict[str, Any]:
    """Settings for `Blocks.launch` that the page relies on."""
    neutral = gr.themes.colors.slate
    return {
        "theme": gr.themes.Base(primary_hue=neutral, secondary_hue=neutral, neutral_hue=neutral, font=("system-ui", "sans-serif")),
        "css": (STATIC / "page.css").read_text(),
        "ssr_mode": False,
        "show_error": False,
        "max_file_size": "8mb",
        "run_history": False,
        "enable_monitoring": False,
        "footer_links": ["api"],
        "pwa": False,
    }
