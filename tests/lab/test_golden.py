"""Links of version 1 work for ever: each leads to the pictures in golden/.

`python tests/lab/test_golden.py` draws the pictures anew. That is right only after a bundled model
was trained anew; then the links keep their settings and get the new revision.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffdemo import lab
from diffdemo.lab.experiment import KINDS, experiment_from_query
from diffdemo.pictures.images import sheet
from diffdemo.report import exports
from diffdemo.report.presenter import present

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "golden"
LINKS = dict(line.split(" ") for line in (FOLDER / "links.txt").read_text().splitlines())


def drawn(result) -> np.ndarray:
    """Draw all pictures of a result at their own size, in one."""
    tiles = [tile.picture for row in present(result).tiles() for tile in row.tiles]
    return sheet(np.stack(tiles), columns=8)


@pytest.mark.parametrize("name", LINKS)
def test_a_golden_link_leads_to_its_pictures(name):
    result = lab.run(experiment_from_query(LINKS[name]))
    assert result.experiment.to_query() == LINKS[name], "other weights: see the top of this file"
    found = drawn(result).astype(int)
    golden = np.asarray(Image.open(FOLDER / f"{name}.png")).reshape(found.shape)
    assert int(np.abs(found - golden).max()) <= 1


def test_every_kind_of_the_first_version_has_a_golden_link():
    kinds = {experiment_from_query(query).kind for query in LINKS.values()}
    assert kinds == {"round-trip", "collide", "embed", "curve", "belief", "branch"} <= set(KINDS)


def test_a_link_gives_the_same_bytes_in_another_process_and_another_clone(tmp_path):
    """A second checkout, a second process: byte for byte the same PNG, ZIP and JSON."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--shared", str(ROOT), str(clone)], check=True)
    query = LINKS["round-trip-fresh"]
    saved = []
    for number, folder in enumerate((ROOT, clone)):
        paths = [tmp_path / f"{number}{suffix}" for suffix in (".png", ".json", ".zip")]
        outs = [part for path in paths for part in ("--out", str(path))]
        link = f"https://example.org/page?{query}#here"
        subprocess.run(
            [sys.executable, "-m", "diffdemo", "link", link, "--quiet", *outs],
            cwd=folder,
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(folder)},
        )
        saved.append([path.read_bytes() for path in paths])
    assert saved[0] == saved[1]
    here = lab.run(experiment_from_query(query))
    assert exports.export(here, "sheet") == saved[0][0]
    assert exports.read_experiment(saved[0][0]) == (here.experiment, None)


if __name__ == "__main__":
    for name, query in LINKS.items():
        picture = drawn(lab.run(experiment_from_query(query))).squeeze()
        Image.fromarray(picture).save(FOLDER / f"{name}.png", optimize=True)
