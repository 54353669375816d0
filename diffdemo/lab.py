"""Run experiments: `stream` yields progress while the network works and ends with the result; `run` blocks.

Each network call is made under one lock, so that runs share the device fairly and a cancelled run frees it after the step
under way; no lock is held across a yield. Batches are cut into chunks of a constant size, so memory limits never change a picture.
"""

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffdemo import faces, images, matching, metrics
from diffdemo.errors import ExperimentError, ModelError, PictureError
from diffdemo.experiment import MAX_PNG, Experiment, RoundTrip, picture_from_png, png_from_picture
from diffdemo.models import BUNDLED, Model, load_model
from diffdemo.noise import noise
from diffdemo.sampling import Step, denoise_steps

CHUNK = 64  # rows in one network call at most; fewer for large pictures
FRAMES = 8  # states kept along each path, evenly spaced over the calls, the last one included
LINK_PIXELS = 64 * 64  # a picture inside a link is at most this large
CAME_BACK_SHARE = 0.4  # without a line-up: "came back" is an RMSE below this share of that between unrelated pictures
_lane = threading.Lock()


@dataclass(frozen=True, eq=False)
class Progress:
    """Where a run stands.

    Attributes:
        done, total: network calls made and planned.
        seconds: spent so far.
        x0: (1, C, H, W), the picture. x_n: (B, C, H, W), its noisy versions.
        x0_hat: (B, C, H, W), the latest estimate of each reconstruction; x_n where the row has not begun.
    """

    done: int
    total: int
    seconds: float
    x0: Tensor
    x_n: Tensor
    x0_hat: Tensor


@dataclass(frozen=True, eq=False)
class Path:
    """States kept along the way down, P of them: levels (P, B) at which x0_hat was predicted, x before that call and x0_hat, both (P, B, C, H, W)."""

    levels: Tensor
    x: Tensor
    x0_hat: Tensor


@dataclass(frozen=True, eq=False)
class RoundTripResult:
    """What a RoundTrip found.

    Attributes:
        experiment: what was run, with the revision of the weights that ran it.
        x0: (1, C, H, W). x_n, reconstructions: (B, C, H, W), one row a seed.
        rmse: (B,) between picture and reconstruction, on the [-1, 1] scale; unrelated: the same between unrelated pictures.
        came_back: (B,) bool, the original is the nearest to the reconstruction among itself and the line-up.
        kept: (B,) share of the attributes kept, over those that show in the picture; None without attributes.
        attributes: how many that is; 0 without.
        path: states along the way.
        seconds: how long it took.
    """

    experiment: RoundTrip
    x0: Tensor
    x_n: Tensor
    reconstructions: Tensor
    rmse: Tensor
    unrelated: float
    came_back: Tensor
    kept: Tensor | None
    attributes: int
    path: Path
    seconds: float


def run(experiment: Experiment, model: Model | None = None, given: Image.Image | None = None) -> RoundTripResult:
    """Run an experiment to its end; arguments and errors as in `stream`."""
    *_, result = stream(experiment, model, given)
    return result


def stream(experiment: Experiment, model: Model | None = None, given: Image.Image | None = None) -> Iterator[Progress | RoundTripResult]:
    """Run an experiment; yields Progress after every network call and last the result.

    Args:
        experiment: what to run.
        model: the model it names, where that is not a bundled one; an experiment can never name a folder by itself.
        given: the picture itself, where the experiment names only its hash.

    Raises:
        DiffdemoError: unknown model or picture, n beyond the model's T; raised before any work.
    """
    model = _model(experiment, model)
    if experiment.n > model.schedule.T:
        raise ExperimentError(f"The model {model.name} has {model.schedule.T} noise steps; n cannot be {experiment.n}.")
    x0 = picture(experiment.picture, model, given)
    return _round_trip(replace(experiment, revision=model.revision), model, x0)


def _model(experiment: Experiment, model: Model | None) -> Model:
    if not isinstance(experiment, RoundTrip):
        raise ExperimentError(f"An experiment is needed, such as RoundTrip, not {type(experiment).__name__}.")
    if model and model.name == experiment.model:
        return model
    if experiment.model not in BUNDLED:
        raise ModelError(f"There is no model {experiment.model!r} here; there is {', '.join([*BUNDLED, *([model.name] if model else [])])}.")
    return load_model(experiment.model, str(model.device) if model else None)


def picture(text: str, model: Model, given: Image.Image | None = None) -> Tensor:
    """The picture an experiment names, as the model sees it: (1, C, H, W) in [-1, 1].

    Raises:
        DiffdemoError: a picture inside the text is damaged or too large, or a hash is not that of the picture given.
    """
    if text.startswith("face:"):
        return model.encode(Image.fromarray(faces.sample(int(text[5:]))[0]))
    if text.startswith("png:"):
        return model.encode(images.load_picture(png_from_picture(text), LINK_PIXELS))
    if given is None or picture_text(x0 := model.encode(given)) != text:
        raise PictureError("This experiment names a picture by its hash only; please upload that picture.")
    return x0


def picture_text(x0: Tensor) -> str:
    """How an experiment names a visitor's picture, (1, C, H, W): itself as a PNG if it is small enough for a link, else its hash."""
    pixels = images.to_uint8(x0)[0]
    text = picture_from_png(images.png_bytes(pixels))
    return text if len(text) <= MAX_PNG else f"sha256:{hashlib.sha256(pixels.tobytes()).hexdigest()}"


def chunk_size(model: Model) -> int:
    """Rows in one network call: constant for a model, whatever is asked."""
    _, height, width = model.shape
    return max(1, min(CHUNK, 2**16 // (height * width)))


def _round_trip(experiment: RoundTrip, model: Model, x0: Tensor) -> Iterator[Progress | RoundTripResult]:
    began = time.monotonic()
    eps = noise(experiment.seeds, model.shape)
    x_n = eps if experiment.start == "noise" else model.schedule.add_noise(x0, eps, experiment.n)
    x0_hat, x, size = x_n.clone(), x_n.clone(), chunk_size(model)
    calls = min(experiment.n, experiment.steps)
    frames = sorted({round(k) for k in np.linspace(0, calls - 1, min(calls, FRAMES))})
    path = Path(torch.zeros(len(frames), len(x), dtype=torch.int64), *(torch.empty(2, len(frames), *x.shape)))
    chunks = [slice(first, first + size) for first in range(0, len(x), size)]
    for chunk, rows in enumerate(chunks):
        for k, step in enumerate(_steps(experiment, model, x[rows], experiment.seeds[rows])):
            if k in frames:
                frame = frames.index(k)
                path.levels[frame, rows], path.x[frame, rows], path.x0_hat[frame, rows] = step.n, x[rows], step.x0_hat
            x[rows], x0_hat[rows] = step.x, step.x0_hat
            yield Progress(chunk * calls + k + 1, calls * len(chunks), time.monotonic() - began, x0, x_n, x0_hat.clone())
    came_back, unrelated, kept, count = _judge(experiment, model, x0, x)
    seconds = time.monotonic() - began
    yield RoundTripResult(experiment, x0, x_n, x, metrics.rmse(x0, x), unrelated, came_back, kept, count, path, seconds)


def _steps(experiment: RoundTrip, model: Model, x_n: Tensor, seeds: tuple[int, ...]) -> Iterator[Step]:
    """The reverse loop of one chunk."""
    e = experiment
    return _in_lane(denoise_steps(model, x_n, e.n, e.steps, e.eta, e.solver, e.spacing, seeds))


def _in_lane(loop: Iterator[Step]) -> Iterator[Step]:
    """The same steps, each network call under the lane's lock."""
    while True:
        with _lane:
            step = next(loop, None)
        if step is None:
            return
        yield step


def _judge(experiment: RoundTrip, model: Model, x0: Tensor, x: Tensor) -> tuple[Tensor, float, Tensor | None, int]:
    """Whether each reconstruction came back, the RMSE between unrelated pictures, the share of attributes kept, and how many count."""
    if model.line_up != "faces":
        unrelated = _unrelated(model)
        return metrics.rmse(x0, x) < CAME_BACK_SHARE * unrelated, unrelated, None, 0
    line_up = face_line_up()
    came_back, unrelated = metrics.came_back(x0, x, line_up), metrics.unrelated_rmse(line_up[:200])
    if not experiment.picture.startswith("face:"):
        return came_back, unrelated, None, 0
    choices = faces.choose(np.array([int(experiment.picture[5:])]))
    seen = faces.seen(choices)[0]
    read = matching.read(images.to_pixels(x))
    kept = matching.kept(choices.repeat(len(x), 0), read.choices)[:, seen].mean(1)
    return came_back, unrelated, torch.from_numpy(kept), int(seen.sum())


@lru_cache(maxsize=1)
def face_line_up() -> Tensor:
    """The 10,000 faces of seeds 0..9,999: (N, 3, 16, 16) in [-1, 1]."""
    return images.from_uint8(faces.pictures(np.arange(faces.LINE_UP)))


@lru_cache(maxsize=4)
def _unrelated(model: Model) -> float:
    """The RMSE between unrelated pictures of a model without a line-up, from 16 of its own samples."""
    parts = noise(range(16), model.shape).split(chunk_size(model))
    samples = [list(_in_lane(denoise_steps(model, part, model.schedule.T)))[-1].x for part in parts]
    return metrics.unrelated_rmse(torch.cat(samples))
