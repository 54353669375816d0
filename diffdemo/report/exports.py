"""Results as files: a contact sheet that remembers its experiment, tables, data, films, a ZIP.

The same result gives the same bytes, so times are left out.
"""

import base64
import binascii
import csv
import hashlib
import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffdemo.diffusion.schedule import Schedule
from diffdemo.errors import DiffdemoError, ExperimentError, PictureError
from diffdemo.lab.experiment import MAX_QUERY, Experiment, Result, experiment_from_query
from diffdemo.lab.fields import by_hash
from diffdemo.lab.prepare import resolve
from diffdemo.pictures import decoding, images
from diffdemo.report import sheets
from diffdemo.report.canvas import scaled
from diffdemo.report.disk import write_whole
from diffdemo.report.letters import spelled
from diffdemo.report.presenter import Presenter, animated, check_film, film, present
from diffdemo.report.words import settings

SUFFIXES = {
    "sheet": ".png",
    "gif": ".gif",
    "webp": ".webp",
    "json": ".json",
    "csv": ".csv",
    "zip": ".zip",
}
EXPORTS = tuple(SUFFIXES)
KINDS = {suffix: kind for kind, suffix in SUFFIXES.items()}
QUERY = "diffdemo"  # name of the text inside a PNG that holds the query ...
PICTURE = "diffdemo-picture"  # ... and of the one that holds a picture
TILE = 512  # pixels a side of a single picture, or less: a whole multiple of its own
FRAME_MS = 400  # milliseconds
LAST_FRAME_MS = 2000
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # of every file in a ZIP


def suffix(kind: str) -> str:
    """Return the suffix of a kind of export, as ".png".

    Raises:
        DiffdemoError: there is no such kind.
    """
    if kind not in SUFFIXES:
        kinds = ", ".join(EXPORTS)
        raise DiffdemoError(f"A result is exported as one of {kinds}, not {str(kind)[:40]!r}.")
    return SUFFIXES[kind]


def export(
    result: Result,
    kind: str,
    schedule: Schedule | None = None,
    remember: bool = True,
    link: str = "",
    given: Image.Image | None = None,
) -> bytes:
    """Return a result as the content of a file.

    Args:
        result: what a run ended with.
        kind: one of EXPORTS.
        schedule: that of the model, for films; None looks it up among the bundled models.
        remember: write the experiment into a PNG, and the picture that is named by its hash only.
        link: where to open the experiment, for the ZIP; its query if there is none.
        given: the picture that a hash names, fitted to the model; for a result that holds it
            decoded from a latent, so not pixel for pixel.

    Raises:
        DiffdemoError: there is no such kind, or no path to animate.
    """
    suffix(kind)
    presenter = present(result)
    if kind == "json":
        return _json(presenter)
    if kind == "csv":
        return _csv(presenter)
    if kind in ("gif", "webp"):
        return _film(result, kind, schedule)
    sheet = _sheet(presenter, remember, given)
    if kind == "sheet":
        return sheet
    return _zip(presenter, schedule, sheet, link)


def write(
    result: Result,
    path: str | Path,
    schedule: Schedule | None = None,
    given: Image.Image | None = None,
) -> None:
    """Export a result to a file, of the kind that its suffix says; other arguments as `export`.

    Raises:
        DiffdemoError: an unknown suffix, no such folder, a full disk, or what `export` raises.
    """
    path = Path(path)
    kind = check(path, type(result.experiment))
    save(export(result, kind, schedule, given=given), path)


def check(path: Path, experiment: type[Experiment]) -> str:
    """Return the kind of export that a file's suffix asks for, before anything is run.

    Raises:
        DiffdemoError: no kind has this suffix, the file's folder does not exist, or there is no
            film of such an experiment.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        suffixes = ", ".join(KINDS)
        name = f"The file {path.name!r} ends in none of {suffixes}"
        raise DiffdemoError(f"{name}, so it is not clear what to write.")
    if not path.parent.is_dir():
        missing = f"There is no folder {str(path.parent)!r} to write {path.name!r} to"
        raise DiffdemoError(f"{missing}; please make it first.")
    if kind in ("gif", "webp"):
        check_film(experiment)
    return kind


def save(data: bytes, path: Path) -> None:
    """Write a file under another name and rename it, so that it is there whole or not at all.

    Raises:
        DiffdemoError: it cannot be written.
    """
    try:
        write_whole(path, [data])
    except OSError as error:
        cause = (error.strerror or "unknown reason").lower()
        raise DiffdemoError(f"The file {str(path)!r} could not be written: {cause}.") from error


def tile(
    result: Result, name: str, remember: bool = True, given: Image.Image | None = None
) -> bytes:
    """Return one picture of a result as a PNG file, enlarged to TILE pixels if it is smaller.

    Args:
        result: what a run ended with.
        name: that of a tile.
        remember: as in `export`.
        given: as in `export`.

    Raises:
        DiffdemoError: the result has no such picture.
    """
    presenter = present(result)
    found = [one for row in presenter.tiles() for one in row.tiles if one.name == name]
    if not found:
        raise DiffdemoError("This run has no picture of that name.")
    picture = found[0].picture
    edge = max(TILE, *picture.shape[:2])
    return _png(presenter, scaled(picture, edge), remember, given)


def _sheet(presenter: Presenter, remember: bool, given: Image.Image | None) -> bytes:
    title = spelled(presenter.sentence_for_others("the picture"))
    foot = spelled(f"diffdemo: {settings(presenter.experiment)}.")
    page = Image.fromarray(sheets.sheet(title, presenter.tiles(), foot))
    return _png(presenter, page, remember, given)


def _png(
    presenter: Presenter, page: Image.Image, remember: bool, given: Image.Image | None
) -> bytes:
    info = PngInfo()
    if remember:
        info.add_text(QUERY, presenter.experiment.to_query())
        pixels = _hashed_picture(presenter, given)
        if pixels is not None:
            info.add_text(PICTURE, base64.b64encode(images.png_bytes(pixels)).decode())
    buffer = io.BytesIO()
    page.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _hashed_picture(presenter: Presenter, given: Image.Image | None) -> np.ndarray | None:
    """Return the (H, W, C) uint8 picture that the experiment names by its hash.

    It is that of the result, or the one given; None where neither is at hand.
    """
    kind, _, wanted = presenter.experiment.picture.partition(":")
    if kind != "sha256":
        return None
    pixels = images.visualise(presenter.result.x0)[0]
    if hashlib.sha256(pixels.tobytes()).hexdigest() == wanted:
        return pixels
    return None if given is None else np.asarray(images.flatten(given))


def _json(presenter: Presenter) -> bytes:
    found = presenter.as_json()
    del found["seconds"]
    return (json.dumps(_finite(found), indent=1, allow_nan=False) + "\n").encode()


def _finite(value: Any) -> Any:
    """Return the same data with null for numbers that JSON cannot write."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(presenter: Presenter) -> bytes:
    """Write the table: nothing for what is not known; 1 and 0 for yes and no, to be averaged."""
    rows = presenter.table()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        numbers = {name: int(v) if isinstance(v, bool) else v for name, v in row.items()}
        writer.writerow(numbers)
    return text.getvalue().encode()


def _film(result: Result, kind: str, schedule: Schedule | None) -> bytes:
    check_film(type(result.experiment))
    schedule = schedule or resolve(result.experiment, None).schedule
    frames = [Image.fromarray(frame) for frame in film(result, schedule)]
    options: dict[str, Any] = {
        "save_all": True,
        "duration": [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS],
        "loop": 0,
    }
    if kind == "gif":
        median_cut = Image.Quantize.MEDIANCUT
        frames = [frame.quantize(256, median_cut, dither=Image.Dither.NONE) for frame in frames]
        options |= {"format": "GIF", "disposal": 1}
    else:
        options |= {"format": "WEBP", "lossless": True, "quality": 60, "method": 3}
    buffer = io.BytesIO()
    frames[0].save(buffer, append_images=frames[1:], **options)
    return buffer.getvalue()


def _zip(presenter: Presenter, schedule: Schedule | None, sheet: bytes, link: str) -> bytes:
    experiment = presenter.experiment
    files: dict[str, bytes] = {
        "sheet.png": sheet,
        "result.json": _json(presenter),
        "table.csv": _csv(presenter),
        "link.txt": f"{link or experiment.to_query()}\n".encode(),
    }
    if animated(type(experiment)):
        files["film.webp"] = _film(presenter.result, "webp", schedule)
    for row in presenter.tiles():
        for each in row.tiles:
            files[f"tiles/{each.name}.png"] = images.png_bytes(each.picture)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, ZIP_TIME)
            info.external_attr = 0o644 << 16
            text = name.endswith((".json", ".csv", ".txt"))
            archive.writestr(info, data, zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED)
    return buffer.getvalue()


def read_experiment(data: bytes) -> tuple[Experiment, Image.Image | None] | None:
    """Return the experiment that a PNG saved by diffdemo remembers; None from any other file.

    Returns:
        The experiment, and its picture where the experiment names that by its hash.

    Raises:
        DiffdemoError: what the PNG says is damaged, too long, or no experiment.
    """
    texts = _texts(data)
    query = texts.get(QUERY)
    if query is None:
        return None
    if not isinstance(query, str) or len(query) > MAX_QUERY:
        damaged = f"it has more than {MAX_QUERY} characters"
        raise ExperimentError(f"The experiment inside this PNG is damaged: {damaged}.")
    experiment = experiment_from_query(str(query))
    picture = texts.get(PICTURE)
    if picture is None or not by_hash(experiment.picture):
        return experiment, None
    return experiment, _read_picture(picture)


def _texts(data: bytes) -> dict[str, Any]:
    """Return the texts before the pixels of a PNG, without decoding the pixels."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return {}
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            return {name: text for name, text in picture.info.items() if isinstance(name, str)}
    except (OSError, SyntaxError, EOFError):
        return {}
    except Exception as error:  # Pillow's readers raise anything at all on a damaged file
        damaged = "it is damaged, or what is written in it is too long"
        raise PictureError(f"This PNG cannot be opened: {damaged}.") from error


def _read_picture(text: Any) -> Image.Image:
    """Read the picture in a PNG's text."""
    try:
        longest = decoding.MAX_BYTES * 4 // 3 + 4
        data = base64.b64decode(text[:longest], validate=True)
        return decoding.load_picture(data, decoding.REDUCED_PIXELS)
    except (binascii.Error, ValueError, TypeError) as error:
        damaged = "The picture inside this PNG is damaged; please choose the picture itself."
        raise PictureError(damaged) from error
