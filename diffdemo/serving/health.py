"""Check that this copy is in order when it starts, and answer /health."""

from pathlib import Path

import numpy as np
from PIL import Image
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from diffdemo import lab
from diffdemo.errors import ModelError
from diffdemo.experiments import RoundTrip
from diffdemo.models import BUNDLED, Model, load_model
from diffdemo.pictures import images

PATH = "/health"
ASSETS = Path(__file__).parent.parent / "assets"
# One network call of each bundled model; assets/ holds the picture that it must give.
RUNS = {
    "faces": RoundTrip("faces", "face:17", n=500, seeds=(0,), steps=1),
    "digits": RoundTrip("digits", "digit:3", n=500, seeds=(0,), steps=1),
}
state: dict[str, object] = {"status": "starting", "models": {}}  # what /health answers


def start(device: str | None = None) -> None:
    """Check this copy, and let /health answer what was found.

    Raises:
        ModelError: as `check`.
    """
    try:
        state.update(status="ok", models=check(device))
    except ModelError:
        state.update(status="failed")
        raise


def check(device: str | None = None) -> dict[str, str]:
    """Compare a picture by every bundled model with the stored one; return their revisions.

    Raises:
        ModelError: a model cannot be loaded, or gives another picture.
    """
    revisions = {}
    for name in BUNDLED:
        model = load_model(name, device)
        found = picture(model).astype(int)
        stored = np.asarray(Image.open(_stored(name))).reshape(found.shape)
        error = np.abs(found - stored).max()
        if error > 1:
            wrong = f"the model {name} gives a picture that is off by {error} of 255"
            raise ModelError(f"The self-check failed: {wrong}; weights or libraries are not right.")
        revisions[name] = model.revision
    return revisions


def picture(model: Model) -> np.ndarray:
    """Run a bundled model for the check; returns its picture, (H, W, C) uint8."""
    return images.to_uint8(lab.run(RUNS[model.name], model).reconstructions)[0]


def store_pictures() -> None:
    """Store the pictures anew; right only after a bundled model was trained anew."""
    for name in BUNDLED:
        _stored(name).write_bytes(images.png_bytes(picture(load_model(name, "cpu"))))


def _stored(name: str) -> Path:
    return ASSETS / f"check-{name}.png"


class Health:
    """ASGI middleware that answers /health with `state`, and with 503 unless all is in order.

    Args:
        app: the application it wraps, which answers everything else.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        app = self.app
        if scope["type"] == "http" and scope["path"] == PATH:
            status = 200 if state["status"] == "ok" else 503
            app = JSONResponse(state, status, {"cache-control": "no-store"})
        await app(scope, receive, send)
