"""What the page shows of an experiment, as plain data: pictures as PNG data URIs, labels, alt texts and the one sentence."""

import base64
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from diffdemo import faces, images
from diffdemo.errors import PictureError
from diffdemo.experiment import RoundTrip
from diffdemo.lab import Path, Progress, RoundTripResult
from diffdemo.models import Model

LANDMARKS = ((0, "untouched"), (250, "the thread: it comes back"), (1000, "the thread: another picture"))


def uris(x: Tensor, largest: int = 96) -> list[str]:
    """(B, C, H, W) → one PNG data URI a row; pictures of more than `largest` pixels a side are averaged down to be shown."""
    if max(x.shape[-2:]) > largest:
        x = torch.nn.functional.adaptive_avg_pool2d(x, largest)
    return [images.data_uri(picture) for picture in images.to_uint8(x)]


def portrait(picture: str, x0: Tensor) -> dict[str, str]:
    """The chosen picture: its text form, (1, C, H, W) as a data URI, and its words."""
    if picture.startswith("face:"):
        seed = int(picture[5:])
        name, fresh = f"face {seed}", ", never shown to the model in training" if seed < faces.TRAINING_SEED else ""
        caption = f"Face {seed}{fresh}."
    else:
        name, caption = "your picture", "Your picture as the model sees it."
    return {"picture": picture, "src": uris(x0, max(x0.shape))[0], "alt": name, "caption": caption}


def given_picture(portrait: Any) -> Image.Image | None:
    """The picture a portrait shows, as the browser sent it back; None where it holds none.

    Raises:
        PictureError: what it holds is not a picture.
    """
    src = portrait.get("src") if isinstance(portrait, dict) else None
    if not isinstance(src, str) or not src.startswith(images.DATA_URI):
        return None
    try:
        return images.load_picture(base64.b64decode(src.removeprefix(images.DATA_URI), validate=True))
    except ValueError as error:
        raise PictureError("The picture on the page could not be read; please choose it again.") from error


def readouts(model: Model, n: int) -> dict[str, Any]:
    """Landmarks and what n steps of noise mean."""
    T, alpha_bar = model.schedule.T, float(model.schedule.alpha_bar[n])
    snr = float(model.schedule.snr[n])
    rows = [
        ("strength n / T", f"{n / T:.3f}", "the same dial as in img2img"),
        ("signal kept, alpha_bar", f"{alpha_bar:.3g}", "share of the variance that is still the picture's"),
        ("signal to noise, SNR", "no noise" if n == 0 else f"{snr:.3g}", "alpha_bar / (1 - alpha_bar)"),
        ("picture left in x_n", f"{100 * alpha_bar**0.5:.3g} %", "its amplitude, the square root of alpha_bar"),
    ]
    marks = [{"n": level * T // 1000, "text": text} for level, text in LANDMARKS]
    return {"T": T, "marks": marks, "rows": [{"term": t, "value": v, "help": h} for t, v, h in rows]}


def sentence(result: RoundTripResult) -> str:
    """The result in plain words, with its numbers."""
    e, count, back = result.experiment, len(result.x_n), int(result.came_back.sum())
    if e.n == 0:
        return "No noise was added, so the picture is untouched: every seed gives back the very same pixels."
    noises = "1 noise" if count == 1 else f"{count} noises"
    what = f"Of {noises} of {e.n} steps, {back} brought your picture back"
    if e.start == "noise":
        what = f"Of {noises} with no picture in them at all, {back} led to your picture"
    if result.kept is None:
        return f"{what}; the average distance to it is {_share(result)} of that between unrelated pictures."
    return f"{what}; on average {float(result.kept.mean()) * result.attributes:.1f} of its {result.attributes} visible attributes survived."


def _share(result: RoundTripResult) -> str:
    return f"{100 * float(result.rmse.mean()) / result.unrelated:.0f} %"


def note(result: RoundTripResult) -> str:
    """The settings in small print."""
    e = result.experiment
    how = "deterministic" if e.eta == 0 else f"eta {e.eta:g}"
    calls = min(e.n, e.steps)
    setting = f"Model {e.model} {e.revision}, {calls} network calls, {e.solver}, {how}, float32, {result.seconds:.1f} s."
    return f"{setting} Mean RMSE {float(result.rmse.mean()):.3f}, unrelated pictures {result.unrelated:.3f}."


def running(progress: Progress, experiment: RoundTrip) -> dict[str, Any]:
    """The sentence while the network works."""
    left = progress.seconds / progress.done * (progress.total - progress.done)
    return {
        "text": f"Adding {experiment.n} steps of noise with {len(experiment.seeds)} seeds, and going back.",
        "note": f"Step {progress.done} of {progress.total}, about {max(left, 0.1):.1f} s left.",
        "done": progress.done,
        "total": progress.total,
    }


def partial_map(progress: Progress, experiment: RoundTrip, noises: list[str], picture: dict[str, str]) -> dict[str, Any]:
    """The map while the network works: the noises, and the latest estimates in the places of the reconstructions."""
    items = [
        {"seed": seed, "noise": noise, "reconstruction": guess, "back": None, "kept": None, "label": "…",
         "noise_alt": _noise_alt(seed, experiment), "reconstruction_alt": f"seed {seed}, estimate so far"}
        for seed, noise, guess in zip(experiment.seeds, noises, uris(progress.x0_hat), strict=True)
    ]  # fmt: skip
    return {"picture": picture, "items": items}


def full_map(result: RoundTripResult, picture: dict[str, str]) -> dict[str, Any]:
    """The finished map with the path of every seed."""
    noises, reconstructions = uris(result.x_n), uris(result.reconstructions)
    items = [_item(result, row, noises[row], reconstructions[row]) for row in range(len(noises))]
    legend = [{"kind": "back", "text": "✓ came back"}, {"kind": "changed", "text": "≠ another picture"}]
    if result.attributes:
        legend.append({"kind": "", "text": f"number: how many of its {result.attributes} visible attributes were kept"})
    return {"picture": picture, "items": items, "legend": legend}


def _item(result: RoundTripResult, row: int, noise: str, reconstruction: str) -> dict[str, Any]:
    e, back = result.experiment, bool(result.came_back[row])
    seed, count = e.seeds[row], result.attributes
    share = None if result.kept is None else float(result.kept[row])
    kept = "" if share is None else f"{round(share * count)}"
    words = (f"{kept} of {count} attributes kept, " if kept else "") + f"RMSE {float(result.rmse[row]):.3f}"
    verdict = "came back" if back else "another picture"
    return {
        "seed": seed, "noise": noise, "reconstruction": reconstruction, "back": back,
        "kept": 1 - min(1.0, float(result.rmse[row]) / result.unrelated) if share is None else share,
        "label": f"{'✓' if back else '≠'} {kept}".strip(),
        "noise_alt": _noise_alt(seed, e), "reconstruction_alt": f"seed {seed}, reconstruction, {words}, {verdict}",
        "summary": f"{verdict.capitalize()}: {words}.", "path": _frames(result.path, row),
    }  # fmt: skip


def _noise_alt(seed: int, experiment: RoundTrip) -> str:
    return f"seed {seed}, the picture with {experiment.n} steps of noise" if experiment.start == "picture" else f"seed {seed}, pure noise"


def _frames(path: Path, row: int) -> list[dict[str, Any]]:
    states, guesses = (uris(x[:, row], largest=48) if len(x) else [] for x in (path.x, path.x0_hat))
    return [{"n": int(n), "x": x, "x0_hat": guess} for n, x, guess in zip(path.levels[:, row], states, guesses, strict=True)]


def as_json(result: RoundTripResult) -> dict[str, Any]:
    """The result for the API: the sentence, the link's query, numbers by seed, pictures as data URIs."""
    with torch.no_grad():
        return {
            "sentence": sentence(result), "query": result.experiment.to_query(), "seeds": list(result.experiment.seeds),
            "came_back": result.came_back.tolist(), "rmse": result.rmse.tolist(), "unrelated_rmse": result.unrelated,
            "kept": None if result.kept is None else result.kept.tolist(), "attributes": result.attributes, "seconds": result.seconds,
            "x0": uris(result.x0)[0], "x_n": uris(result.x_n), "reconstructions": uris(result.reconstructions),
        }  # fmt: skip
