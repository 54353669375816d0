import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from diffdemo import lab
from diffdemo.diffusion.schedule import Schedule
from diffdemo.errors import DiffdemoError
from diffdemo.experiments import Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.lab.experiment import KINDS
from diffdemo.pictures import images
from diffdemo.report.letters import check_letters
from diffdemo.report.presenter import animated, film, present

ROWS = {"round-trip": 2, "curve": 6, "embed": 8, "collide": 8, "belief": 8, "branch": 6}
TILES = {
    "round-trip": 1 + 4,
    "curve": 1 + 12,
    "embed": 1 + 16 + 1 + 2 + 9,
    "collide": 5 + 8,
    "belief": 4 + 8,
    "branch": 2 + 3 * 4,
}
STILLS = {"round-trip": 8 + 3 + 1, "curve": 3, "branch": 3 + 1}


@pytest.fixture
def words(runs, kind):
    result, _ = runs[kind]
    return present(result)


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_has_a_sentence_a_note_and_data(words):
    e = words.experiment
    data = words.as_json()
    assert words.sentence().endswith(".")
    assert re.search(r"[\d.]+ s\.", words.note())
    assert words.note().startswith(f"Model {e.model} {e.revision}, ")
    assert (data["sentence"], data["query"]) == (words.sentence(), e.to_query())
    assert data["seconds"] == words.result.seconds
    assert json.dumps(data)
    assert json.dumps(words.page())


@pytest.mark.parametrize(
    "e",
    [
        RoundTrip(n=1, seeds=(0,), steps=1),
        Curve(levels=(1,), seeds=(0,), steps=1),
        Embedding(n=1, seeds=(0,), steps=1, methods=("random", "ddim", "dpm-encoder")),
        Collision(n=1, steps=1),
        Branch(points=2, futures=2, steps=2, jump=1),
    ],
    ids=lambda e: e.kind,
)
def test_one_of_a_thing_is_not_written_as_many(tiny_eps, e):
    words = present(lab.run(replace(e, model=tiny_eps.name), tiny_eps))
    text = f"{words.sentence()} {words.note()}"
    assert re.findall(r"\b1 (?:[a-z]+ )?[a-z]+s\b", text) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_has_plain_values_and_the_same_columns_in_each_row(words, kind):
    rows = words.table()
    assert len(rows) == ROWS.get(kind, len(rows)) > 0
    assert len({tuple(row) for row in rows}) == 1
    plain = {int, float, str, bool, type(None)}
    assert {type(value) for row in rows for value in row.values()} <= plain


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_are_all_pictures_with_names_for_files_and_words_the_font_has(words, kind):
    rows = words.tiles()
    tiles = [tile for row in rows for tile in row.tiles]
    assert len(tiles) == TILES.get(kind, len(tiles)) > 0
    assert len({tile.name for tile in tiles}) == len(tiles)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,60}", tile.name) for tile in tiles)
    assert tiles[0].name == "x0"
    assert np.array_equal(tiles[0].picture, images.to_uint8(words.result.x0)[0])
    for text in [*(row.label for row in rows), *(tile.label for tile in tiles)]:
        check_letters(text)
        assert len(text) < 60


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_result_that_follows_a_path_has_a_film(runs, kind):
    result, model = runs[kind]
    assert animated(KINDS[kind]) == (kind in STILLS)
    if kind not in STILLS:
        with pytest.raises(DiffdemoError, match=r"has no path to animate; .* round-trip, curve"):
            film(result, Schedule.linear())
        return
    frames = film(result, model.schedule)
    assert len(frames) == STILLS[kind]
    assert {frame.dtype for frame in frames} == {np.dtype(np.uint8)}
    assert len({frame.shape for frame in frames}) == 1
    assert all(not np.array_equal(a, b) for a, b in pairwise(frames))


def test_words_for_a_forum(runs):
    result, _ = runs["round-trip"]
    text = present(result).markdown("https://example.org/?v=1", "https://example.org/card.png?v=1")
    picture, link, sentence = text.rstrip("\n").split("\n\n")
    assert picture == f"![{RoundTrip.question}](https://example.org/card.png?v=1)"
    assert link == "https://example.org/?v=1"
    assert sentence == present(result).sentence_for_others()
    assert "your picture" not in text


def test_words_for_a_forum_do_not_hold_a_picture_or_a_missing_link(runs):
    result, _ = runs["round-trip"]
    own = replace(result, experiment=replace(result.experiment, picture="png:AAAA"))
    text = present(own).markdown()
    assert "a picture of my own" in text
    assert "png:" not in text
    assert "![" not in text
    assert text.count("\n") == 1


def test_words_for_a_forum_have_no_picture_that_others_cannot_see(runs):
    result, _ = runs["round-trip"]
    own = replace(result, experiment=replace(result.experiment, picture="sha256:" + "0" * 64))
    assert "![" not in present(own).markdown("https://x.y", "https://x.y/card.png")


def test_a_sentence_is_escaped_in_the_words_for_a_forum(runs, monkeypatch):
    result, _ = runs["round-trip"]
    words = present(result)
    monkeypatch.setattr(type(words), "sentence_for_others", lambda self: "a *cat* [x](y) <b>")
    assert words.markdown() == "a \\*cat\\* \\[x\\](y) \\<b\\>\n"


def test_only_results_are_presented():
    with pytest.raises(DiffdemoError, match="not RoundTrip"):
        present(RoundTrip())
