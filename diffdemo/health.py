"""Is this copy in order? A check when it starts, and /health for whoever watches over it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diffdemo import images, lab
from diffdemo.asgi import App, Message, Receive, Send, answer
from diffdemo.errors import ModelError
from diffdemo.experiment import RoundTrip
from diffdemo.models import BUNDLED, Model, load_model

PATH = "/health"
ASSETS = Path(__file__).parent / "assets"
PROBES = {"faces": RoundTrip("faces", "face:17", n=500, seeds=(0,), steps=1), "digits": RoundTrip("digits", "digit:3", n=500, seeds=(0,), steps=1)}


state: dict[str, Any] = {"status": "starting", "models": {}}  # what /health tells


def start(device: str | None = None) -> None:
    """Check this copy and tell /health.

    Raises:
        ModelError: as `check`.
    """
    try:
        state.update(status="ok", models=check(device))
    except ModelError:
        state.update(status="failed")
        raise


def check(device: str | None = None) -> dict[str, str]:
    """Let every bundled model do one step and compare the picture with the one that is stored; returns the revision of each.

    Raises:
        ModelError: a model cannot be loaded, or gives another picture.
    """
    revisions = {}
    for name in BUNDLED:
        model = load_model(name, device)
        found = draw(model).astype(int)
        off = int(np.abs(found - np.asarray(Image.open(_stored(name))).reshape(found.shape).astype(int)).max())
        if off > 1:
            raise ModelError(
                f"The self-check failed: the model {name} gives a picture that is off by {off} of 255; weights or libraries are not right."
            )
        revisions[name] = model.revision
    return revisions


def draw(model: Model) -> np.ndarray:
    """The picture of a bundled model's probe, (H, W, C) uint8."""
    return images.to_uint8(lab.run(PROBES[model.name], model).reconstructions)[0]


def write() -> None:
    """Store the pictures anew; right only after a bundled model was trained anew."""
    for name in BUNDLED:
        _stored(name).write_bytes(images.png_bytes(draw(load_model(name, "cpu"))))


def _stored(name: str) -> Path:
    return ASSETS / f"check-{name}.png"


class Health:
    """ASGI middleware that answers GET /health with `state`, 503 unless all is in order, and hands everything else on.

    Args:
        app: the application it wraps.
    """

    def __init__(self, app: App):
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self.app(scope, receive, send)
        else:
            await answer(send, json.dumps(state).encode(), b"application/json", b"no-store", 200 if state["status"] == "ok" else 503)
