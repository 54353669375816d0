import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from diffdemo import images, lab, report
from diffdemo.errors import DiffdemoError
from diffdemo.experiment import KINDS, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.letters import check_letters
from diffdemo.noise import noise
from diffdemo.report.round_trip import _noising
from diffdemo.schedule import Schedule

ROWS = {"round-trip": 2, "curve": 6, "embed": 8, "collide": 8, "belief": 8, "branch": 6}
TILES = {"round-trip": 1 + 4, "curve": 1 + 12, "embed": 1 + 16 + 1 + 2 + 9, "collide": 5 + 8, "belief": 4 + 8, "branch": 2 + 3 * 4}


@pytest.mark.parametrize("kind", KINDS)
def test_everything_there_is_to_say(runs, kind):
    result, _ = runs[kind]
    assert report.sentence(result).endswith(".")
    assert re.search(r"[\d.]+ s\.", report.note(result))
    assert f"{result.experiment.model} {result.experiment.revision}" in report.note(result)
    found = report.as_json(result)
    assert found["query"] == result.experiment.to_query()
    json.dumps(found)


@pytest.mark.parametrize(
    "experiment",
    [
        RoundTrip(n=1, seeds=(0,), steps=1),
        Curve(levels=(1,), seeds=(0,), steps=1),
        Embedding(n=1, seeds=(0,), steps=1, methods=("random", "ddim", "dpm-encoder")),
        Collision(n=1, steps=1),
        Branch(points=2, futures=2, steps=2, jump=1),
    ],
    ids=lambda e: e.kind,
)
def test_what_is_there_once_is_said_of_one(tiny_eps, experiment):
    result = lab.run(replace(experiment, model=tiny_eps.name), tiny_eps)
    said = f"{report.sentence(result)} {report.note(result)}"
    assert re.findall(r"\b1 (?:[a-z]+ )?[a-z]+s\b", said) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_has_plain_values_and_the_same_columns_everywhere(runs, kind):
    rows = report.table(runs[kind][0])
    assert len(rows) == ROWS[kind]
    assert len({tuple(row) for row in rows}) == 1
    assert {type(value) for row in rows for value in row.values()} <= {int, float, str, bool, type(None)}


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_are_all_pictures_with_names_for_files_and_words_the_font_has(runs, kind):
    result, _ = runs[kind]
    rows = report.tiles(result)
    tiles = [tile for row in rows for tile in row.tiles]
    assert len(tiles) == TILES[kind]
    assert len({tile.name for tile in tiles}) == len(tiles)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,60}", tile.name) for tile in tiles)
    assert tiles[0].name == "x0"
    assert np.array_equal(tiles[0].picture, images.to_uint8(result.x0)[0])
    for text in [*(row.label for row in rows), *(tile.label for tile in tiles)]:
        check_letters(text)
        assert len(text) < 60


def test_numbers_and_pictures_belong_together(runs):
    result, _ = runs["curve"]
    rows, tiles = report.table(result), {tile.name: tile for row in report.tiles(result) for tile in row.tiles}
    for row in rows:
        i, j = result.experiment.levels.index(row["n"]), result.experiment.seeds.index(row["seed"])
        assert row["rmse"] == float(result.rmse[i, j])
        back = tiles[f"seed-{row['seed']}-n-{row['n']}-reconstruction"]
        assert back.back == row["came_back"] == bool(result.came_back[i, j])
        assert np.array_equal(back.picture, images.to_uint8(result.reconstructions[i, j][None])[0])


def test_codes_that_are_drawn_from_nothing_have_no_seed(runs):
    result, _ = runs["embed"]
    assert [(row["method"], row["seed"]) for row in report.table(result)] == [
        ("random", 1), ("random", 2), ("ddim", None), ("fixed-point", None), ("edit-friendly", 1), ("edit-friendly", 2),
        ("dpm-encoder", 1), ("dpm-encoder", 2)]  # fmt: skip


def test_ways_back_and_futures_say_where_they_went(runs):
    result, _ = runs["collide"]
    ended = [row["ended"] for row in report.table(result)]
    assert [who == "A" for who in ended] == result.a.tolist()
    assert [who == "B" for who in ended] == result.b.tolist()
    result, _ = runs["branch"]
    row = report.table(result)[-1]
    assert row["rmse_to_end"] == pytest.approx(float((result.futures[-1, -1] - result.path.end[0]).square().mean().sqrt()), rel=1e-5)
    assert row["diversity"] == float(result.diversity[-1])


def test_the_way_up_is_the_picture_with_the_very_noise_of_x_n(runs):
    result, model = runs["round-trip"]
    up = _noising(result, model.schedule, 2)
    assert [n for n, _ in up][:1] + [n for n, _ in up][-1:] == [0, 300]
    assert torch.equal(up[0][1], result.x0.expand(2, -1, -1, -1))
    assert torch.equal(up[-1][1], result.x_n)
    n, x = up[3]
    assert torch.equal(x, model.schedule.add_noise(result.x0, noise((0, 3), model.shape), n))


def coded(n: int = 1000) -> tuple[lab.RoundTripResult, torch.Tensor]:
    """A result of a latent model: x0 is a picture of 3 channels, the noisy ones are codes of 4; and the clean code."""
    seeds, shape = (0, 1), (4, 8, 8)
    code = torch.linspace(-1, 1, 256).reshape(1, *shape)
    x_n = Schedule.linear().add_noise(code, noise(seeds, shape), n)
    path = lab.Path(torch.full((1, 2), n), x_n[None], x_n[None])
    pictures, back = torch.zeros(2, 3, 32, 32), torch.tensor([True, False])
    e = RoundTrip("latent", "png:AAAA", n=n, seeds=seeds)
    return lab.RoundTripResult(e, pictures[:1], x_n, pictures, torch.zeros(2), 0.5, back, None, 0, path, 1.0), code


def test_codes_of_latent_models_are_shown_as_mosaics_and_their_way_up_is_recovered():
    result, code = coded()
    tiles = [tile for row in report.tiles(result) for tile in row.tiles]
    assert [tile.picture.shape for tile in tiles] == [(32, 32, 3), (16, 16, 1), (32, 32, 3), (16, 16, 1), (32, 32, 3)]
    up = _noising(result, Schedule.linear(), 2)
    assert torch.allclose(up[0][1], code.expand(2, -1, -1, -1), atol=1e-3)
    assert len(report.film(result, Schedule.linear())) == 8 + 1 + 1
    assert report.as_json(result)["x_n"][0].startswith("data:image/png")


@pytest.mark.parametrize(("kind", "count"), [("round-trip", 8 + 3 + 1), ("curve", 3), ("branch", 3 + 1)])
def test_films_have_a_still_for_every_level(runs, kind, count):
    result, model = runs[kind]
    frames = report.film(result, model.schedule)
    assert len(frames) == count
    assert len({(frame.shape, frame.dtype) for frame in frames}) == 1
    assert all(not np.array_equal(a, b) for a, b in pairwise(frames))


def test_films_of_the_ends(runs, tiny_eps):
    for options, count in (({"n": 0}, 1), ({"n": 1}, 2 + 1 + 1), ({"n": 9, "start": "noise", "seeds": tuple(range(10))}, 3 + 1)):
        result = lab.run(RoundTrip(tiny_eps.name, **{"seeds": (0,), "steps": 3, **options}), tiny_eps)
        assert len(report.film(result, tiny_eps.schedule)) == count


@pytest.mark.parametrize("kind", ["embed", "collide", "belief"])
def test_what_follows_no_path_is_not_animated(runs, kind):
    with pytest.raises(DiffdemoError, match="has no path to animate"):
        report.film(runs[kind][0], Schedule.linear())


def test_words_for_a_forum(runs):
    result, _ = runs["round-trip"]
    text = report.markdown(result, "https://example.org/?v=1")
    assert "brought face 17 back" in text
    assert "your picture" not in text
    assert f"model faces ({result.experiment.revision}), face 17, n = 300, seeds 0,3, steps 3, eta 0, solver ddim" in text
    assert text.endswith("\n\n[Open this experiment](https://example.org/?v=1)\n")
    own = replace(result, experiment=replace(result.experiment, picture="png:AAAA"))
    assert "brought a picture of my own back" in report.markdown(own)
    assert "png:" not in report.markdown(own)
    assert "Open this" not in report.markdown(own)


def test_a_prompt_does_no_harm_in_a_forum(runs):
    result, _ = runs["round-trip"]
    own = replace(result, experiment=replace(result.experiment, prompt="a *cat* [x](y) <b>"))
    assert r'prompt "a \*cat\* \[x\](y) \<b\>"' in report.markdown(own)


def test_settings_name_every_field(runs):
    assert report.settings(runs["embed"][0].experiment).endswith(
        "n = 60, seeds 1-2, steps 3, methods random ddim fixed-point edit-friendly dpm-encoder, warm 0, second picture face 4"
    )
    belief = replace(runs["belief"][0].experiment, line_up="face:1,face:2,png:AAAA")
    assert report.settings(belief).endswith("n = 400, seed 0, a line-up of 3")


def test_only_results_are_reported():
    with pytest.raises(DiffdemoError, match="not RoundTrip"):
        report.sentence(RoundTrip())
