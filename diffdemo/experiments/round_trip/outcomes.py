"""Outcomes: what one picture and its noises lead to at many levels n.

The page draws them as a strip over the dial, and shows them while the dial is dragged. Each level
is an ordinary round trip. Those of the examples are shipped as one PNG a picture: a row of pictures
a level, a column a seed, and the verdicts as text. `python -m diffdemo outcomes` makes the files.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

from diffdemo.diffusion.noise import noise
from diffdemo.experiments.round_trip import RoundTrip
from diffdemo.experiments.round_trip.headline import short
from diffdemo.experiments.round_trip.run import Path as PathDown
from diffdemo.experiments.round_trip.run import RoundTripResult
from diffdemo.experiments.round_trip.words import Words
from diffdemo.lab.prepare import Ready
from diffdemo.pictures import images
from diffdemo.report.pictures import shrunk

COUNTS = (41, 21, 11, 5)  # levels: as many as can be computed in SECONDS
SECONDS = 40.0
NOISE_VALUES = 200_000  # more of them are not sent: the noisy pictures are
SHIPPED = Path(__file__).parent / "shipped"
TEXT = "diffdemo-outcomes"  # name of the text in a shipped PNG
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Verdicts and pictures of one picture and S noises at L levels.

    Attributes:
        key: what they belong to, see `key`.
        revision: of the weights that computed them.
        levels: L noise levels.
        back: (L, S) bool, whether it came back.
        kept: (L, S) attributes kept; None where nothing can be read.
        pictures: (L, S, H, W, C) uint8, the reconstructions.
    """

    key: str
    revision: str
    levels: tuple[int, ...]
    back: np.ndarray
    kept: np.ndarray | None
    pictures: np.ndarray


def key(e: RoundTrip) -> str:
    """Return what all levels of a round trip have in common: its link without n and weights."""
    return replace(e, n=0, revision="").to_query()


def levels(T: int, count: int = COUNTS[0]) -> tuple[int, ...]:
    """Return `count` evenly spaced levels from 0 to T, fewer where T is small."""
    return tuple(sorted({round(k * T / (count - 1)) for k in range(count)}))


def affordable_levels(ready: Ready, seconds_per_call: float) -> tuple[int, ...]:
    """Return the levels that a machine computes in SECONDS; none where not even five are.

    Args:
        ready: the round trip, at any n.
        seconds_per_call: what one network call for one picture takes.
    """
    e = ready.experiment
    for count in COUNTS:
        asked = levels(ready.model.schedule.T, count)
        calls = sum(replace(e, n=n).calls(ready.model.schedule) for n in asked)
        if calls * seconds_per_call <= SECONDS:
            return asked
    return ()


def drawable(ready: Ready) -> bool:
    """Whether the browser can draw the noisy pictures itself, from the noises."""
    values = len(ready.experiment.seeds) * int(np.prod(ready.model.shape))
    return ready.model.kind == "pixel" and values <= NOISE_VALUES


def base(ready: Ready, asked: Sequence[int]) -> Row:
    """Return what the browser needs to draw noisy pictures itself, and the levels there will be.

    Returns:
        key; levels; shape [C, H, W]; seeds; `noise`, the (S, C, H, W) noises as float16 in base64,
        or None where noisy pictures are sent instead; `pure`, whether x_n is noise alone.
    """
    e = ready.experiment
    shape = ready.model.shape
    return {
        "key": key(e),
        "levels": list(asked),
        "shape": list(shape),
        "seeds": list(e.seeds),
        "pure": e.start == "noise",
        "noise": _float16(noise(e.seeds, shape)) if drawable(ready) else None,
    }


def level_row(result: RoundTripResult) -> Row:
    """Return one level as the page draws it, without its pictures."""
    return {
        "n": result.experiment.n,
        "back": result.came_back.tolist(),
        "kept": counts(result),
        "said": Words(result).sentence(),
        "short": short(result),
    }


def level_pictures(result: RoundTripResult, noisy: bool) -> Row:
    """Return the pictures of one level, side by side.

    Args:
        result: of the round trip at that level.
        noisy: whether the noisy pictures are sent along.
    """
    return {
        "src": _strip(result.reconstructions),
        "x_n": _strip(result.x_n) if noisy else None,
    }


def counts(result: RoundTripResult) -> list[int] | None:
    """Return how many attributes each row kept; None where nothing can be read."""
    if result.kept is None:
        return None
    return [round(float(share) * result.attributes) for share in result.kept]


def join(results: Iterable[RoundTripResult]) -> Outcomes:
    """Join the results of one round trip at several levels."""
    found = list(results)
    kept = [counts(result) for result in found]
    first = found[0].experiment
    return Outcomes(
        key=key(first),
        revision=first.revision,
        levels=tuple(result.experiment.n for result in found),
        back=np.array([result.came_back.tolist() for result in found]),
        kept=None if None in kept else np.array(kept),
        pictures=np.stack([images.to_uint8(result.reconstructions) for result in found]),
    )


def at_level(outcomes: Outcomes, place: int, ready: Ready) -> RoundTripResult:
    """Return one shipped level as a result without pictures and distances, to put it into words.

    Args:
        outcomes: of the picture.
        place: which level.
        ready: the round trip, at any n.
    """
    judge = ready.judge
    empty = torch.zeros(0, *ready.model.shape)
    kept = None
    if outcomes.kept is not None and judge.attributes:
        kept = torch.from_numpy(outcomes.kept[place]).float() / judge.attributes
    n = outcomes.levels[place]
    path = PathDown(torch.zeros(0, 0, dtype=torch.int64), empty, empty)
    return RoundTripResult(
        experiment=replace(ready.experiment, n=n),
        x0=ready.x0,
        x_n=empty,
        reconstructions=empty,
        rmse=torch.zeros(len(outcomes.back[place])),
        unrelated=judge.unrelated,
        came_back=torch.from_numpy(outcomes.back[place]),
        line_up=judge.line_up.name if judge.line_up else None,
        foreign=judge.foreign,
        kept=kept,
        chance=judge.chance,
        attributes=judge.attributes,
        original=judge.original,
        values=None,
        path=path,
        seconds=0.0,
    )


def write(outcomes: Outcomes, path: Path) -> None:
    """Write outcomes as a PNG file, which `read` reads back."""
    count, seeds, height, width, channels = outcomes.pictures.shape
    sheet = outcomes.pictures.swapaxes(1, 2).reshape(count * height, seeds * width, channels)
    kept = None if outcomes.kept is None else outcomes.kept.tolist()
    facts = {
        "key": outcomes.key,
        "revision": outcomes.revision,
        "levels": outcomes.levels,
        "back": outcomes.back.astype(int).tolist(),
        "kept": kept,
    }
    text = PngImagePlugin.PngInfo()
    text.add_text(TEXT, json.dumps(facts, separators=(",", ":")))
    picture = Image.fromarray(sheet.squeeze(-1) if channels == 1 else sheet)
    picture.save(path, "PNG", optimize=True, pnginfo=text)


def read(path: Path) -> Outcomes:
    """Read what `write` wrote."""
    with Image.open(path) as picture:
        facts = json.loads(picture.text[TEXT])  # type: ignore[attr-defined]
        sheet = np.asarray(picture)
    count = len(facts["levels"])
    seeds = len(facts["back"][0])
    channels = sheet.shape[2] if sheet.ndim == 3 else 1
    shape = (count, sheet.shape[0] // count, seeds, sheet.shape[1] // seeds, channels)
    kept = facts["kept"]
    return Outcomes(
        key=facts["key"],
        revision=facts["revision"],
        levels=tuple(facts["levels"]),
        back=np.array(facts["back"], dtype=bool),
        kept=None if kept is None else np.array(kept),
        pictures=sheet.reshape(shape).swapaxes(1, 2),
    )


def shipped_path(e: RoundTrip) -> Path:
    """Return where the outcomes of an example are shipped, whether there are any or not."""
    return SHIPPED / f"{e.picture.replace(':', '-')[:40]}.png"


def shipped(ready: Ready) -> Outcomes | None:
    """Return the shipped outcomes of a round trip, if they are of these very weights."""
    e = ready.experiment
    path = shipped_path(e)
    known = e.picture.startswith(("face:", "digit:"))
    if not known or ready.model.device.type != "cpu" or not path.is_file():
        return None
    found = read(path)
    same = found.key == key(e) and found.revision == ready.model.revision
    return found if same else None


def sprite(e: RoundTrip) -> str:
    """Return the shipped pictures of a round trip as a data URI: levels down, seeds across."""
    return images.DATA_URI + base64.b64encode(shipped_path(e).read_bytes()).decode()


def _float16(values: Tensor) -> str:
    return base64.b64encode(values.numpy().astype(np.float16).tobytes()).decode()


def _strip(x: Tensor) -> str:
    """Write (S, C, H, W) as one PNG data URI, side by side."""
    return images.data_uri(np.concatenate(list(images.visualise(shrunk(x))), axis=1))
