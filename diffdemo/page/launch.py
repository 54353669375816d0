"""How the page is served: theme, limits, middleware, and the folder of uploads."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from diffdemo.page import answer, look
from diffdemo.page.controls import only_used, opening_trip
from diffdemo.page.exhibit import Exhibit
from diffdemo.serving.guard import Guard
from diffdemo.serving.health import Health
from diffdemo.serving.previews import Previews
from diffdemo.serving.stories import Stories
from diffdemo.widgets.components import STATIC

# Visitors whose last values Gradio keeps: a quarter of a megabyte each, also for API calls.
SESSIONS = 100
COMPRESSED = 10_000  # bytes from which on an answer is compressed: the page is a megabyte
FIRST = ("first", "bounds", "waiting", "toasts")  # scripts that run before Gradio's own


@cache
def uploads() -> Path:
    """Return the folder of this process for what visitors upload, removed at its end.

    Nobody else writes to it, so its size can be bounded.
    """
    parent = os.environ.get("GRADIO_TEMP_DIR")
    if parent:
        Path(parent).mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="diffdemo-", dir=parent)
    os.environ["GRADIO_TEMP_DIR"] = folder  # Gradio reads it when a component is made
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def launch_options(exhibit: Exhibit) -> dict[str, Any]:
    """Return the settings for `Blocks.launch` that the page relies on."""
    first = "".join((STATIC / f"{script}.js").read_text() for script in FIRST)
    models = exhibit.models
    stories = Stories(exhibit.runner, opening_trip(models), models.first)
    used = {tab.place(): tab.uses for tab in exhibit.tabs}
    middleware = [
        Middleware(GZipMiddleware, minimum_size=COMPRESSED, compresslevel=5),
        Middleware(Guard, uploads=uploads()),
        Middleware(Health),
        Middleware(Previews, stories=stories, script=first),
    ]
    return {
        "theme": look.theme(),
        "css": look.css() + only_used({**used, answer.PLACE: ()}, exhibit.tabs[0].place()),
        "ssr_mode": False,
        "show_error": False,
        "max_file_size": "8mb",
        "run_history": False,
        "enable_monitoring": False,
        "footer_links": ["api"],
        "pwa": False,
        "state_session_capacity": SESSIONS,
        "mcp_server": _has_mcp(),
        "app_kwargs": {"middleware": middleware},
    }


def _has_mcp() -> bool:
    """Whether Gradio's extra for MCP is installed, in a version it works with."""
    try:
        return version("mcp").startswith("1.")
    except PackageNotFoundError:
        return False
