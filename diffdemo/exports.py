"""Results as files: a contact sheet that remembers its experiment, tables, data, films, and a ZIP of everything.

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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffdemo import images, report, sheets
from diffdemo.disk import write_whole
from diffdemo.errors import DiffdemoError, ExperimentError, PictureError
from diffdemo.experiment import MAX_QUERY, Experiment, experiment_from_query
from diffdemo.fields import by_hash
from diffdemo.lab import resolve
from diffdemo.letters import spelled
from diffdemo.schedule import Schedule
from diffdemo.sheets import TileRow

SUFFIXES = {"sheet": ".png", "gif": ".gif", "webp": ".webp", "json": ".json", "csv": ".csv", "zip": ".zip"}
EXPORTS = tuple(SUFFIXES)
QUERY, PICTURE = "diffdemo", "diffdemo-picture"  # the texts inside a PNG
TILE = 512  # pixels a side of a single picture, or less: whole multiples of its own
FRAME, LAST = 400, 2000  # milliseconds
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of every file in a ZIP


def suffix(kind: str) -> str:
    """The ending of a kind of export, as ".png".

    Raises:
        DiffdemoError: there is no such kind.
    """
    if kind not in SUFFIXES:
        raise DiffdemoError(f"A result is exported as one of {', '.join(EXPORTS)}, not {str(kind)[:40]!r}.")
    return SUFFIXES[kind]


def export(
    result: Any, kind: str, schedule: Schedule | None = None, remember: bool = True, link: str = "", given: Image.Image | None = None
) -> bytes:
    """A result as the content of a file.

    Args:
        result: what a run ended with.
        kind: one of EXPORTS.
        schedule: that of the model, for films; None looks the model up among the bundled ones.
        remember: write the experiment into the PNG, and where it names its picture by a hash only, the picture too.
        link: where to open the experiment, for the ZIP; its query if there is none.
        given: the picture that a hash names, fitted to the model; needed where the result holds it decoded from a code, so not pixel for pixel.

    Raises:
        DiffdemoError: there is no such kind, or no path to animate.
    """
    suffix(kind)
    if kind in ("json", "csv"):
        return _json(result) if kind == "json" else _csv(result)
    if kind in ("gif", "webp"):
        return _film(result, kind, schedule)
    tiles = report.tiles(result)
    sheet = _sheet(result, tiles, remember, given)
    return sheet if kind == "sheet" else _zip(result, schedule, tiles, sheet, link)


def write(
    result: Any, path: str | Path, schedule: Schedule | None = None, remember: bool = True, link: str = "", given: Image.Image | None = None
) -> None:
    """Export a result to a file, of the kind that its ending says; the file is there whole or not at all.

    Raises:
        DiffdemoError: an unknown ending, no such folder, a full disk, or what `export` raises.
    """
    path = Path(path)
    save(export(result, check(path, result.experiment), schedule, remember, link, given), path)


def check(path: Path, experiment: Experiment) -> str:
    """The kind of export that a file's ending asks for; so that nobody waits for a run whose result cannot be written.

    Raises:
        DiffdemoError: no kind has this ending, the file's folder does not exist, or there is no film of such an experiment.
    """
    kinds = {ending: kind for kind, ending in SUFFIXES.items()}
    if (kind := kinds.get(path.suffix.lower())) is None:
        raise DiffdemoError(f"The file {path.name!r} ends in none of {', '.join(kinds)}, so it is not clear what to write.")
    if not path.parent.is_dir():
        raise DiffdemoError(f"There is no folder {str(path.parent)!r} to write {path.name!r} to; please make it first.")
    if kind in ("gif", "webp"):
        report.check_film(experiment)
    return kind


def save(data: bytes, path: Path) -> None:
    """Write a file beside its place and move it there in one stroke.

    Raises:
        DiffdemoError: it cannot be written.
    """
    try:
        write_whole(path, [data])
    except OSError as error:
        raise DiffdemoError(f"The file {str(path)!r} could not be written: {(error.strerror or 'unknown reason').lower()}.") from error


def tile(result: Any, name: str, remember: bool = True, given: Image.Image | None = None) -> bytes:
    """One picture of a result as a PNG file, enlarged to TILE pixels if it is smaller; `name` is that of a tile of `report.tiles`.

    Raises:
        DiffdemoError: the result has no such picture.
    """
    found = [one for row in report.tiles(result) for one in row.tiles if one.name == name]
    if not found:
        raise DiffdemoError("This run has no picture of that name.")
    return _png(result, sheets.scaled(found[0].picture, max(TILE, *found[0].picture.shape[:2])), remember, given)


def _sheet(result: Any, tiles: Sequence[TileRow], remember: bool, given: Image.Image | None) -> bytes:
    title, foot = report.told(result, "the picture"), f"diffdemo: {report.settings(result.experiment)}."
    return _png(result, Image.fromarray(sheets.sheet(spelled(title), tiles, spelled(foot))), remember, given)


def _png(result: Any, page: Image.Image, remember: bool, given: Image.Image | None) -> bytes:
    info = PngInfo()
    if remember:
        info.add_text(QUERY, result.experiment.to_query())
        if (pixels := _hashed(result, given)) is not None:
            info.add_text(PICTURE, base64.b64encode(images.png_bytes(pixels)).decode())
    buffer = io.BytesIO()
    page.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _hashed(result: Any, given: Image.Image | None) -> np.ndarray | None:
    """(H, W, C) uint8, the picture that the experiment names by its hash, from the result or as it was given; None where neither has it."""
    kind, _, wanted = result.experiment.picture.partition(":")
    if kind != "sha256":
        return None
    pixels = images.shown(result.x0)[0]
    if hashlib.sha256(pixels.tobytes()).hexdigest() == wanted:
        return pixels
    return None if given is None else np.asarray(images.flatten(given))


def _json(result: Any) -> bytes:
    found = {name: value for name, value in report.as_json(result).items() if name != "seconds"}
    return (json.dumps(_finite(found), indent=1, allow_nan=False) + "\n").encode()


def _finite(value: Any) -> Any:
    """The same data with null for what JSON cannot write as a number."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(result: Any) -> bytes:
    """The table; nothing for what is not known, 1 and 0 for yes and no, so that they can be averaged."""
    rows, text = report.table(result), io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: int(value) if isinstance(value, bool) else value for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def _film(result: Any, kind: str, schedule: Schedule | None) -> bytes:
    frames = [Image.fromarray(frame) for frame in _frames(result, schedule)]
    times, buffer = [FRAME] * (len(frames) - 1) + [LAST], io.BytesIO()
    if kind == "gif":
        colours = [frame.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE) for frame in frames]
        colours[0].save(buffer, "GIF", save_all=True, append_images=colours[1:], duration=times, loop=0, disposal=1)
    else:
        frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], duration=times, loop=0, lossless=True, quality=60, method=3)
    return buffer.getvalue()


def _frames(result: Any, schedule: Schedule | None) -> list[np.ndarray]:
    report.check_film(result.experiment)
    return report.film(result, schedule or resolve(result.experiment, None).schedule)


def _zip(result: Any, schedule: Schedule | None, tiles: Sequence[TileRow], sheet: bytes, link: str) -> bytes:
    files: dict[str, bytes] = {"sheet.png": sheet, "result.json": _json(result), "table.csv": _csv(result)}
    files["link.txt"] = f"{link or result.experiment.to_query()}\n".encode()
    if report.animated(result.experiment):
        files["film.webp"] = _film(result, "webp", schedule)
    files |= {f"tiles/{tile.name}.png": images.png_bytes(tile.picture) for row in tiles for tile in row.tiles}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED if name.endswith((".json", ".csv", ".txt")) else zipfile.ZIP_STORED)
    return buffer.getvalue()


def read_experiment(data: bytes) -> tuple[Experiment, Image.Image | None] | None:
    """The experiment that a PNG of ours remembers, and its picture where the experiment names that by its hash; None from any other file.

    Raises:
        DiffdemoError: what the PNG says is damaged, too long, or no experiment.
    """
    texts = _texts(data)
    if (query := texts.get(QUERY)) is None:
        return None
    if not isinstance(query, str) or len(query) > MAX_QUERY:
        raise ExperimentError(f"The experiment inside this PNG is damaged: it has more than {MAX_QUERY} characters.")
    experiment = experiment_from_query(str(query))
    held = texts.get(PICTURE)
    if held is None or not by_hash(experiment.picture):
        return experiment, None
    return experiment, _held_picture(held)


def _texts(data: bytes) -> dict[str, Any]:
    """The texts that stand before the pixels of a PNG, without decoding these; nothing from what is no PNG."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return {}
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            return {name: text for name, text in picture.info.items() if isinstance(name, str)}
    except (OSError, SyntaxError, EOFError):
        return {}
    except Exception as error:  # Pillow's readers raise anything at all on a damaged file
        raise PictureError("This PNG cannot be opened: it is damaged, or what is written in it is too long.") from error


def _held_picture(held: Any) -> Image.Image:
    try:
        return images.load_picture(base64.b64decode(held[: images.MAX_BYTES * 4 // 3 + 4], validate=True), images.KEPT_PIXELS)
    except (binascii.Error, ValueError, TypeError) as error:
        raise PictureError("The picture inside this PNG is damaged; please choose the picture itself.") from error
