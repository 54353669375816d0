import errno
import os

import pytest

from diffdemo.errors import DiffdemoError
from diffdemo.measure.study.shards import Shards

NOTE = {"version": "1", "steps": "20"}


KEYS = (["0a,", "0b,"], ["1a,", "1b,"], ["2a,"])


@pytest.fixture
def shards(tmp_path):
    return Shards(tmp_path / "new" / "folder", ("name", "value"), 3, KEYS.__getitem__)


def fill(shards):
    shards.begin(NOTE)
    for number in (2, 0, 1):
        shards.put(number, [f"{key}0.5" for key in shards.keys(number)])
    return shards


def test_shards_are_joined_in_order_of_their_numbers(shards):
    fill(shards).join()
    assert shards.table.read_bytes() == b"name,value\n0a,0.5\n0b,0.5\n1a,0.5\n1b,0.5\n2a,0.5\n"
    names = sorted(path.name for path in shards.folder.iterdir())
    assert names == ["shards", "study.csv", "study.json"]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"name,value\n",
        b"name,value\n0a,0.5\n",
        b"name,value\n0a,0.5\n0b,0.",
        b"name,value\n0a,0.5\n1b,0.5\n",
        b"name,value\n0a,0.5\n0b\n",
        b"name,value\n0a,0.5\n0b,0.5\n0c,0.5\n",
        b"value\n0a,0.5\n0b,0.5\n",
        b"\xff\x00",
    ],
)
def test_a_damaged_shard_does_not_count_and_is_cleared_away(shards, damage):
    fill(shards).path(0).write_bytes(damage)
    assert shards.read(0) is None
    with pytest.raises(DiffdemoError, match="missing or damaged"):
        shards.join()
    assert not shards.table.exists()
    shards.begin(NOTE)
    assert shards.finished() == [1, 2]


def test_a_second_start_keeps_what_is_whole_and_removes_half_written_files(shards):
    fill(shards)
    beside = shards.path(1).with_name("chunk-00001.csv.7.part")
    leftovers = [shards.folder / "study.csv.7.part", beside]
    for part in leftovers:
        part.write_text("half")
    shards.begin(NOTE)
    assert shards.finished() == [0, 1, 2]
    assert not any(part.exists() for part in leftovers)


def test_another_study_is_refused_naming_the_first_difference(shards):
    fill(shards)
    with pytest.raises(DiffdemoError, match="steps = 20, not 50;"):
        shards.begin({**NOTE, "steps": "50", "eta": "1"})
    with pytest.raises(DiffdemoError, match="version = 1, not 2;"):
        shards.begin({"version": "2", "steps": "50"})
    with pytest.raises(DiffdemoError, match="eta = None, not 0;"):
        shards.begin({**NOTE, "eta": "0"})
    assert shards.finished() == [0, 1, 2]


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
def test_a_damaged_description_is_refused(shards, text):
    fill(shards)
    (shards.folder / "study.json").write_text(text)
    with pytest.raises(DiffdemoError, match="damaged"):
        shards.begin(NOTE)


def test_results_without_a_description_are_not_overwritten(shards, tmp_path):
    fill(shards)
    (shards.folder / "study.json").unlink()
    with pytest.raises(DiffdemoError, match=r"no study\.json"):
        shards.begin(NOTE)
    (tmp_path / "study.csv").write_text("mine")
    with pytest.raises(DiffdemoError, match=r"no study\.json"):
        Shards(tmp_path, ("a",), 1, lambda number: []).begin(NOTE)


def test_a_full_disk_gets_one_sentence_and_leaves_nothing_half_written(shards, monkeypatch):
    fill(shards).path(1).unlink()
    whole = shards.path(0).read_bytes()

    def full(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for number in (0, 1):
        with pytest.raises(DiffdemoError, match=r"^The disk of .* is full; .*\.$"):
            shards.put(number, ["x"])
    assert shards.path(0).read_bytes() == whole
    names = sorted(path.name for path in shards.path(0).parent.iterdir())
    assert names == ["chunk-00000.csv", "chunk-00002.csv"]


def test_a_folder_that_cannot_be_made_gets_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DiffdemoError, match="cannot be used"):
            Shards(folder, ("a",), 1, lambda number: []).begin(NOTE)
