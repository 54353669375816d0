"""Links of version 1 work for ever: what they led to stands in golden/, and leads there still.

`python tests/test_golden.py` draws the pictures anew. That is right only after a bundled model was trained anew; then the links keep
their settings and get the new revision.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffdemo import exports, lab, report
from diffdemo.experiment import experiment_from_query
from diffdemo.images import sheet

FOLDER = Path(__file__).parent / "golden"
LINKS = dict(line.split(" ") for line in (FOLDER / "links.txt").read_text().splitlines())


def drawn(result) -> np.ndarray:
    """All pictures of a result at their own size, in one."""
    tiles = np.stack([tile.picture for row in report.tiles(result) for tile in row.tiles])
    return sheet(tiles, columns=8)


@pytest.mark.parametrize("name", LINKS)
def test_a_golden_link_leads_to_its_pictures(name):
    e = experiment_from_query(LINKS[name])
    result = lab.run(e)
    assert result.experiment.to_query() == LINKS[name], "the weights are others: see the top of this file"
    found, kept = drawn(result), np.asarray(Image.open(FOLDER / f"{name}.png")).reshape(drawn(result).shape)
    assert int(np.abs(found.astype(int) - kept.astype(int)).max()) <= 1


def test_every_kind_of_experiment_has_a_golden_link():
    from diffdemo.experiment import KINDS

    assert {experiment_from_query(query).kind for query in LINKS.values()} == set(KINDS)


def test_old_links_keep_the_meaning_of_what_they_leave_out():
    e = experiment_from_query("v=1")
    assert e.to_query() == (
        "v=1&kind=round-trip&model=faces&picture=face:17&n=250&seeds=0-15&steps=20&eta=0&solver=ddim&spacing=trailing&start=picture"
    )


def test_a_link_gives_the_same_bytes_in_another_process_and_another_clone(tmp_path):
    """A second checkout, a second process: byte for byte the same PNG, ZIP and JSON."""
    root = Path(__file__).parent.parent
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--shared", str(root), str(clone)], check=True)
    link = f"https://example.org/page?{LINKS['round-trip-fresh']}#here"
    sheets = []
    for number, where in enumerate((root, clone)):
        outs = [tmp_path / f"{number}{ending}" for ending in (".png", ".json", ".zip")]
        command = [sys.executable, "-m", "diffdemo", "link", link, "--quiet", *(part for out in outs for part in ("--out", str(out)))]
        subprocess.run(command, cwd=where, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(where)})
        sheets.append([out.read_bytes() for out in outs])
    assert sheets[0] == sheets[1]
    here = lab.run(experiment_from_query(LINKS["round-trip-fresh"]))
    assert exports.export(here, "sheet") == sheets[0][0]
    assert exports.read_experiment(sheets[0][0]) == (replace(here.experiment), None)


if __name__ == "__main__":
    for name, query in LINKS.items():
        Image.fromarray(drawn(lab.run(experiment_from_query(query))).squeeze()).save(FOLDER / f"{name}.png", optimize=True)
