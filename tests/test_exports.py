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
from doubles import png, png_with_chunk, save_pipeline
from PIL import Image

from diffdemo import exports, images, lab, report
from diffdemo.errors import DiffdemoError
from diffdemo.experiment import KINDS, RoundTrip
from diffdemo.models import load_model

FILMS = ("round-trip", "curve", "branch")


@pytest.mark.parametrize("kind", KINDS)
def test_a_png_remembers_its_experiment(runs, kind):
    result, _ = runs[kind]
    data = exports.export(result, "sheet")
    assert exports.read_experiment(data) == (result.experiment, None)
    assert Image.open(io.BytesIO(data)).text == {"diffdemo": result.experiment.to_query()}
    plain = exports.export(result, "sheet", remember=False)
    assert exports.read_experiment(plain) is None
    assert np.array_equal(*(np.asarray(Image.open(io.BytesIO(d))) for d in (data, plain)))


@pytest.mark.parametrize("kind", KINDS)
def test_data_and_tables_are_read_back(runs, kind):
    result, _ = runs[kind]
    found = json.loads(exports.export(result, "json"))
    assert found["sentence"] == report.sentence(result)
    assert "seconds" not in found
    rows = list(csv.DictReader(io.StringIO(exports.export(result, "csv").decode())))
    table = report.table(result)
    assert [list(row) for row in rows] == [list(row) for row in table]
    for row, expected in zip(rows, table, strict=True):
        for name, value in expected.items():
            assert row[name] == (
                "" if value is None else value if isinstance(value, str) else str(int(value)) if isinstance(value, bool) else repr(value)
            )


@pytest.mark.parametrize("kind", KINDS)
def test_a_zip_holds_everything(runs, kind):
    result, model = runs[kind]
    archive = zipfile.ZipFile(io.BytesIO(exports.export(result, "zip", model.schedule, link="https://example.org/?v=1")))
    assert archive.testzip() is None
    tiles = {f"tiles/{tile.name}.png": tile.picture for row in report.tiles(result) for tile in row.tiles}
    expected = {"sheet.png", "result.json", "table.csv", "link.txt", *tiles, *(("film.webp",) if kind in FILMS else ())}
    assert set(archive.namelist()) == expected
    assert archive.read("link.txt") == b"https://example.org/?v=1\n"
    assert exports.read_experiment(archive.read("sheet.png"))[0] == result.experiment
    for name, picture in tiles.items():
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(archive.read(name)))), picture.squeeze())


@pytest.mark.parametrize("kind", FILMS)
@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_films_play_all_their_stills(runs, kind, ending):
    result, model = runs[kind]
    film, times = Image.open(io.BytesIO(exports.export(result, ending, model.schedule))), []
    frames = report.film(result, model.schedule)
    assert film.n_frames == len(frames)
    for number, frame in enumerate(frames):
        film.seek(number)
        film.load()
        times.append(film.info["duration"])
        shown = np.asarray(film.convert("RGB")).astype(int)
        assert np.abs(shown - frame).mean() < (1e-9 if ending == "webp" else 6)
    assert times == [exports.FRAME] * (len(frames) - 1) + [exports.LAST]
    assert film.info["loop"] == 0


def test_a_second_run_gives_the_same_bytes(runs):
    for kind in ("embed", "collide", "branch"):
        result, model = runs[kind]
        again = lab.run(replace(result.experiment, revision=""), model)
        assert again.seconds != result.seconds
        for what in exports.EXPORTS if kind in FILMS else ("sheet", "json", "csv", "zip"):
            assert exports.export(again, what, model.schedule) == exports.export(result, what, model.schedule), (kind, what)


def test_a_picture_that_has_only_a_hash_travels_in_the_png(tmp_path):
    model = load_model(str(save_pipeline(tmp_path / "large", size=32)), device="cpu")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))
    text = lab.picture_text(model, picture)
    assert text.startswith("sha256:")
    result = lab.run(RoundTrip("large", text, n=20, seeds=(0,), steps=1), model, picture)
    e, held = exports.read_experiment(exports.export(result, "sheet"))
    assert e == result.experiment
    assert torch.equal(lab.run(e, model, held).reconstructions, result.reconstructions)
    assert exports.read_experiment(exports.export(result, "sheet", remember=False)) is None


def test_a_picture_that_the_result_only_has_decoded_is_taken_as_it_was_given(runs):
    result, _ = runs["collide"]
    hashed = replace(result, experiment=replace(result.experiment, picture="sha256:" + "0" * 64, prompt="ein Mädchen"))
    assert exports.read_experiment(exports.export(hashed, "sheet")) == (hashed.experiment, None)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    e, held = exports.read_experiment(exports.export(hashed, "sheet", given=picture))
    assert e == hashed.experiment
    assert np.array_equal(np.asarray(held), np.asarray(picture))


def test_films_find_the_schedule_of_bundled_models_only(runs):
    result, model = runs["round-trip"]
    assert exports.export(result, "webp") == exports.export(result, "webp", model.schedule)
    with pytest.raises(DiffdemoError, match="no model 'epsilon'"):
        exports.export(runs["branch"][0], "gif")


def test_numbers_that_json_lacks_become_null(runs):
    result, _ = runs["collide"]
    found = json.loads(exports.export(replace(result, log_odds=float("inf")), "json"))
    assert found["log_odds"] is None


QUERY = RoundTrip(n=3).to_query()
HASHED = RoundTrip(n=3, picture="sha256:" + "0" * 64).to_query()
HUGE = base64.b64encode(png({}, (9000, 9000))).decode()


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", png({}), png({"Title": QUERY}), png({"diffdemo": QUERY})[:60]])
def test_other_files_remember_nothing(data):
    assert exports.read_experiment(data) is None


LONG = zlib.compress(bytes(50_000_000))
BAD_QUERIES = ["", "hello", "v=1&kind=belief&n=1001", QUERY + "&__x=" + "a" * 9000, "v=1&model=" + "é" * 20]
BAD_PICTURES = ["!", "AAAA", HUGE]
HOSTILE = [
    *(png({"diffdemo": query}) for query in BAD_QUERIES),
    *(png({"diffdemo": HASHED, "diffdemo-picture": picture}) for picture in BAD_PICTURES),
    png_with_chunk(b"zTXt", b"diffdemo\0\0" + LONG),
    png_with_chunk(b"iTXt", b"diffdemo\0\1\0\0\0" + LONG),
]


@pytest.mark.parametrize("data", HOSTILE)
def test_damaged_and_hostile_texts_get_one_sentence(data):
    with pytest.raises(DiffdemoError) as caught:
        exports.read_experiment(data)
    assert str(caught.value).count("\n") == 0
    assert len(str(caught.value)) < 300


def test_a_file_is_of_the_kind_that_its_ending_says(runs, tmp_path):
    result, model = runs["branch"]
    for kind in exports.EXPORTS:
        path = tmp_path / f"result{exports.suffix(kind)}"
        exports.write(result, path, model.schedule)
        assert path.read_bytes() == exports.export(result, kind, model.schedule)
    exports.write(result, str(tmp_path / "UPPER.PNG"))
    assert len(list(tmp_path.iterdir())) == len(exports.EXPORTS) + 1


def test_what_cannot_be_written_gets_one_sentence_and_leaves_nothing(runs, tmp_path, monkeypatch):
    result, _ = runs["belief"]
    (tmp_path / "folder.png").mkdir()
    for name, words in (
        ("x.jpg", "ends in none of .png"),
        ("no/x.png", "no folder"),
        ("x.gif", "no path to"),
        ("folder.png", "could not be written"),
    ):
        with pytest.raises(DiffdemoError, match=words):
            exports.write(result, tmp_path / name)
    with pytest.raises(DiffdemoError, match="one of sheet, gif"):
        exports.export(result, "pdf")
    old = tmp_path / "old.csv"
    old.write_text("old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DiffdemoError, match="no space left on device"):
        exports.write(result, old)
    assert old.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.png", "old.csv"]


def test_large_pictures_in_a_png_are_found_again():
    picture = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    data = png({"diffdemo": HASHED, "diffdemo-picture": base64.b64encode(images.png_bytes(picture)).decode()})
    assert np.array_equal(np.asarray(exports.read_experiment(data)[1]), picture)
