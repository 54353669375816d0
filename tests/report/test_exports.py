import base64
import csv
import errno
import io
import json
import os
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from art import art
from doubles import png, png_with_chunk
from PIL import Image

from diffdemo import lab
from diffdemo.errors import DiffdemoError
from diffdemo.experiments import RoundTrip
from diffdemo.lab.experiment import KINDS
from diffdemo.lab.prepare import picture_text
from diffdemo.pictures import images
from diffdemo.report import exports
from diffdemo.report.exports import export, read_experiment
from diffdemo.report.presenter import film, present

FILMS = ("round-trip", "curve", "branch")
QUERY = RoundTrip(n=3).to_query()
HASH = "sha256:" + "0" * 64
HASHED = RoundTrip(n=3, picture=HASH).to_query()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_png_remembers_its_experiment(runs, kind):
    result, _ = runs[kind]
    data = export(result, "sheet")
    plain = export(result, "sheet", remember=False)
    assert read_experiment(data) == (result.experiment, None)
    assert Image.open(io.BytesIO(data)).text == {"diffdemo": result.experiment.to_query()}
    assert read_experiment(plain) is None
    assert np.array_equal(pixels(data), pixels(plain))


def in_csv(value) -> str:
    """How a value stands in a CSV file: nothing for what is not known, 1 and 0 for yes and no."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("kind", KINDS)
def test_data_and_tables_are_read_back(runs, kind):
    result, _ = runs[kind]
    words = present(result)
    data = json.loads(export(result, "json"))
    assert data["sentence"] == words.sentence()
    assert "seconds" not in data
    rows = list(csv.DictReader(io.StringIO(export(result, "csv").decode())))
    assert rows == [{name: in_csv(value) for name, value in row.items()} for row in words.table()]
    assert list(rows[0]) == list(words.table()[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_zip_holds_everything(runs, kind):
    result, model = runs[kind]
    data = export(result, "zip", model.schedule, link="https://example.org/?v=1")
    archive = zipfile.ZipFile(io.BytesIO(data))
    rows = present(result).tiles()
    tiles = {f"tiles/{tile.name}.png": tile.picture for row in rows for tile in row.tiles}
    names = {"sheet.png", "result.json", "table.csv", "link.txt", *tiles}
    if kind in FILMS:
        names.add("film.webp")
    assert archive.testzip() is None
    assert set(archive.namelist()) == names
    assert archive.read("link.txt") == b"https://example.org/?v=1\n"
    assert read_experiment(archive.read("sheet.png"))[0] == result.experiment
    for name, picture in tiles.items():
        assert np.array_equal(pixels(archive.read(name)), picture.squeeze())


@pytest.mark.parametrize("kind", FILMS)
@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_a_film_plays_all_its_stills(runs, kind, suffix):
    result, model = runs[kind]
    played = Image.open(io.BytesIO(export(result, suffix, model.schedule)))
    frames = film(result, model.schedule)
    times = []
    for number, frame in enumerate(frames):
        played.seek(number)
        played.load()
        times.append(played.info["duration"])
        error = np.abs(np.asarray(played.convert("RGB")).astype(int) - frame).mean()
        assert error < (1e-9 if suffix == "webp" else 6)
    assert played.n_frames == len(frames)
    assert times == [exports.FRAME_MS] * (len(frames) - 1) + [exports.LAST_FRAME_MS]
    assert played.info["loop"] == 0


@pytest.mark.parametrize("kind", ["embed", "collide", "branch"])
def test_a_second_run_gives_the_same_bytes(runs, kind):
    result, model = runs[kind]
    again = lab.run(replace(result.experiment, revision=""), model)
    assert again.seconds != result.seconds
    for what in exports.EXPORTS if kind in FILMS else ("sheet", "json", "csv", "zip"):
        files = [export(each, what, model.schedule) for each in (again, result)]
        assert files[0] == files[1], what


def test_a_picture_that_has_only_a_hash_travels_in_the_png(large):
    picture = Image.fromarray(art(50)[:40])
    e = RoundTrip("large", picture_text(large, picture), n=20, seeds=(0,), steps=1)
    result = lab.run(e, large, picture)
    read, held = read_experiment(export(result, "sheet"))
    assert e.picture.startswith("sha256:")
    assert read == result.experiment
    assert torch.equal(lab.run(read, large, held).reconstructions, result.reconstructions)
    assert read_experiment(export(result, "sheet", remember=False)) is None


def test_a_picture_that_the_result_only_has_decoded_is_saved_as_it_was_given(runs):
    result, _ = runs["collide"]
    e = replace(result.experiment, picture=HASH, prompt="ein Mädchen")
    hashed = replace(result, experiment=e)
    picture = Image.fromarray(art(8))
    read, held = read_experiment(export(hashed, "sheet", given=picture))
    assert read == e
    assert np.array_equal(np.asarray(held), np.asarray(picture))
    assert read_experiment(export(hashed, "sheet")) == (e, None)


def test_a_tile_is_saved_large_with_its_experiment(runs):
    result, _ = runs["round-trip"]
    data = exports.tile(result, "seed-3-x_n")
    picture = images.to_uint8(result.x_n)[1]
    assert read_experiment(data) == (result.experiment, None)
    assert np.array_equal(pixels(data)[::32, ::32], picture)
    with pytest.raises(DiffdemoError, match="no picture of that name"):
        exports.tile(result, "../x0")


def test_films_find_the_schedule_of_bundled_models_only(runs):
    result, model = runs["round-trip"]
    assert export(result, "webp") == export(result, "webp", model.schedule)
    with pytest.raises(DiffdemoError, match="no model 'epsilon'"):
        export(runs["branch"][0], "gif")


def test_numbers_that_json_lacks_become_null(runs):
    result, _ = runs["collide"]
    data = json.loads(export(replace(result, log_odds=float("inf")), "json"))
    assert data["log_odds"] is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x89PNG\r\n\x1a\n",
        png({}),
        png({"Title": QUERY}),
        png({"diffdemo": QUERY})[:60],
    ],
)
def test_other_files_remember_nothing(data):
    assert read_experiment(data) is None


LONG = zlib.compress(bytes(50_000_000))
HUGE = base64.b64encode(png({}, (9000, 9000))).decode()
BAD_QUERIES = (
    "",
    "hello",
    "v=1&kind=belief&n=1001",
    QUERY + "&__x=" + "a" * 9000,
    "v=1&model=" + "é" * 20,
)
HOSTILE = [
    *(png({"diffdemo": query}) for query in BAD_QUERIES),
    *(png({"diffdemo": HASHED, "diffdemo-picture": text}) for text in ("!", "AAAA", HUGE)),
    png_with_chunk(b"zTXt", b"diffdemo\0\0" + LONG),
    png_with_chunk(b"iTXt", b"diffdemo\0\1\0\0\0" + LONG),
]


@pytest.mark.parametrize("data", HOSTILE)
def test_a_damaged_or_hostile_text_gets_one_sentence(data):
    with pytest.raises(DiffdemoError) as caught:
        read_experiment(data)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_large_picture_in_a_png_is_read_back():
    picture = art(512)
    text = base64.b64encode(images.png_bytes(picture)).decode()
    _, read = read_experiment(png({"diffdemo": HASHED, "diffdemo-picture": text}))
    assert np.array_equal(np.asarray(read), picture)


def test_a_file_is_of_the_kind_that_its_suffix_says(runs, tmp_path):
    result, model = runs["branch"]
    for kind in exports.EXPORTS:
        path = tmp_path / f"result{exports.suffix(kind)}"
        exports.write(result, path, model.schedule)
        assert path.read_bytes() == export(result, kind, model.schedule)
    exports.write(result, str(tmp_path / "UPPER.PNG"))
    assert len(list(tmp_path.iterdir())) == len(exports.EXPORTS) + 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x.jpg", "ends in none of .png"),
        ("no/x.png", "no folder"),
        ("x.gif", "no path to"),
        ("folder.png", "could not be written"),
    ],
)
def test_what_cannot_be_written_gets_one_sentence(runs, tmp_path, name, words):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(DiffdemoError, match=words):
        exports.write(runs["belief"][0], tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_an_unknown_kind_of_export_is_refused(runs):
    with pytest.raises(DiffdemoError, match="one of sheet, gif"):
        export(runs["belief"][0], "pdf")


def test_a_full_disk_leaves_the_old_file_and_nothing_else(runs, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    old = tmp_path / "old.csv"
    old.write_text("old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DiffdemoError, match="no space left on device"):
        exports.write(runs["belief"][0], old)
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]
