import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from diffdemo import lab, study
from diffdemo.__main__ import main
from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.experiment import Curve, RoundTrip
from diffdemo.fields import FIELDS, MAX_PICTURES, format_pictures, parse_pictures
from diffdemo.schedule import Schedule

ROOT = Path(__file__).parent.parent


@pytest.fixture
def small(monkeypatch, tiny_eps):
    """A study of 2 x 3 x 2 rows in three chunks, the last of them short, and its model."""
    monkeypatch.setattr(study, "CHUNK", 5)
    return study.Study(tiny_eps.name, ("face:17", "face:4"), (0, 20, 1000), (3, 0), steps=2), tiny_eps


def run(small, out):
    return list(study.study(*small, out))


def rows(out):
    with (out / "study.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def computed(monkeypatch):
    """The numbers of the chunks that are computed."""
    seen, compute = [], study.compute
    monkeypatch.setattr(study, "compute", lambda settings, model, chunk: seen.append(chunk) or compute(settings, model, chunk))
    return seen


def test_the_rows_are_those_of_the_curve_and_the_round_trip_bit_for_bit(faces_model, tmp_path):
    settings = study.Study("faces", "face:900000", (0, 300, 700), (5, 2), steps=2, eta=0.5, spacing="logsnr")
    assert [(p.done, p.total) for p in run((settings, faces_model), tmp_path)] == [(0, 6), (6, 6)]
    found = rows(tmp_path)
    assert [(row["picture"], row["n"], row["seed"]) for row in found[:3]] == [
        ("face:900000", "0", "5"),
        ("face:900000", "0", "2"),
        ("face:900000", "300", "5"),
    ]
    with study._one_thread():
        curve = lab.run(Curve("faces", "face:900000", (0, 300, 700), (5, 2), 2, 0.5, spacing="logsnr"), faces_model)
        trip = lab.run(RoundTrip("faces", "face:900000", 300, (5, 2), 2, 0.5, spacing="logsnr"), faces_model)
    for name in ("rmse", "came_back", "kept", "bits_known", "p_true"):
        assert [float(row[name]) for row in found] == getattr(curve, name).double().flatten().tolist(), name
    assert [float(row["rmse"]) for row in found[2:4]] == pytest.approx(trip.rmse.tolist(), rel=1e-4)
    assert [row["came_back"] for row in found[2:4]] == [str(int(back)) for back in trip.came_back]
    assert found[0]["sha256"] == found[1]["sha256"] != found[2]["sha256"]
    assert len({row["sha256"] for row in found}) == 5


def test_a_model_without_a_line_up_leaves_the_cells_empty(small, tmp_path):
    run(small, tmp_path)
    found = rows(tmp_path)
    assert {(row["kept"], row["bits_known"], row["p_true"]) for row in found} == {("", "", "")}
    assert [float(row["rmse"]) for row in found if row["n"] == "0"] == [0] * 4
    trips = [lab.run(RoundTrip(small[1].name, text, n, (3, 0), 2), small[1]) for text in ("face:17", "face:4") for n in (0, 20, 1000)]
    assert [float(row["rmse"]) for row in found] == pytest.approx([float(value) for trip in trips for value in trip.rmse], rel=1e-4)


def test_the_bytes_do_not_depend_on_the_number_of_processes_or_of_threads(small, tmp_path):
    run(small, tmp_path / "whole")
    before = torch.get_num_threads()
    for processes in (1, 2, 3):
        shards = small[0].shards(tmp_path / str(processes))
        shards.begin({})
        torch.set_num_threads(processes)
        for process in reversed(range(processes)):
            list(study.fill(*small, shards, process, processes))
            assert torch.get_num_threads() == processes
        shards.join()
        assert shards.table.read_bytes() == (tmp_path / "whole" / "study.csv").read_bytes()
    torch.set_num_threads(before)


def test_a_second_start_makes_only_what_is_missing_or_damaged(small, tmp_path, computed):
    run(small, tmp_path)
    whole, shards = (tmp_path / "study.csv").read_bytes(), small[0].shards(tmp_path)
    assert computed == [0, 1, 2]
    shards.path(0).unlink()
    shards.path(2).write_bytes(shards.path(2).read_bytes()[:-30])
    shards.path(0).with_name("chunk-00000.csv.1.part").write_text("half")
    (tmp_path / "study.csv").unlink()
    del computed[:]
    assert [p.done for p in run(small, tmp_path)] == [5, 10, 12]
    assert computed == [0, 2]
    assert (tmp_path / "study.csv").read_bytes() == whole
    assert not list(tmp_path.rglob("*.part"))
    assert [p.done for p in run(small, tmp_path)] == [12]
    assert computed == [0, 2]


def test_a_study_stopped_in_the_middle_goes_on(small, tmp_path, computed):
    run(small, tmp_path / "whole")
    del computed[:]
    progress = study.study(*small, tmp_path / "stopped")
    assert next(progress).done == 0
    assert next(progress).done == 5
    progress.close()
    assert not (tmp_path / "stopped" / "study.csv").exists()
    run(small, tmp_path / "stopped")
    assert computed == [0, 1, 2]
    assert (tmp_path / "stopped" / "study.csv").read_bytes() == (tmp_path / "whole" / "study.csv").read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [({"steps": 3}, "steps = 2, not 3"), ({"seeds": (3,)}, "seeds = 3,0, not 3"), ({"levels": (0, 20)}, "levels = 0,20,1000, not 0,20"),
     ({"pictures": ("face:17", "face:5")}, "pictures = face:17,face:4, not face:17,face:5"), ({"eta": 1}, "eta = 0, not 1"),
     ({"solver": "dpm++2m"}, r"solver = ddim, not dpm\+\+2m"), ({"spacing": "logsnr"}, "spacing = trailing, not logsnr")],
)  # fmt: skip
def test_other_settings_are_refused(small, tmp_path, change, said):
    run(small, tmp_path)
    with pytest.raises(ExperimentError, match=said):
        study.study(replace(small[0], **change), small[1], tmp_path)


def test_other_weights_chunks_and_engines_are_refused(small, tmp_path, monkeypatch):
    run(small, tmp_path)
    with pytest.raises(ExperimentError, match="revision = "):
        study.study(small[0], replace(small[1], revision="0" * 12), tmp_path)
    with pytest.raises(ExperimentError, match=r"engine = .*float32, not .*bfloat16"):
        study.study(small[0], replace(small[1], dtype=torch.bfloat16), tmp_path)
    monkeypatch.setattr(study, "CHUNK", 6)
    with pytest.raises(ExperimentError, match="chunk = 5, not 6"):
        study.study(*small, tmp_path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"pictures": f"face:0-{MAX_PICTURES}"}, "at most 1000"), ({"pictures": ()}, "1 to 1000"), ({"pictures": "face:1,face:1"}, "different"),
     ({"pictures": [f"face:{i}" for i in range(MAX_PICTURES + 1)]}, "1 to 1000"), ({"pictures": 7}, "Pictures cannot be 7"),
     ({"pictures": "sha256:" + "0" * 64}, "none of them sha256"), ({"pictures": [["face:1"]]}, "Picture cannot be"),
     ({"pictures": "face:0-999", "levels": range(64), "seeds": range(64)}, "4,096,000 rows; a study has at most 1,000,000"),
     ({"levels": "0:1001:1"}, "At most 64 levels"), ({"seeds": "0-64"}, "At most 64 seeds"), ({"eta": 1, "solver": "dpm++2m"}, "deterministic"),
     ({"steps": 0}, "Denoising steps")],
)  # fmt: skip
def test_an_impossible_study_is_refused_in_one_sentence(wrong, said):
    with pytest.raises(ExperimentError, match=said):
        study.Study(**wrong)


def test_what_depends_on_the_model_is_checked_before_any_work(small, tmp_path):
    settings, model = small
    with pytest.raises(DiffdemoError, match="n cannot be 1000"):
        study.study(settings, replace(model, schedule=Schedule.linear(T=500)), tmp_path / "a")
    with pytest.raises(DiffdemoError, match="picture"):
        study.study(replace(settings, pictures=("face:1", "png:AAAA")), model, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_written_pictures_are_read_back():
    for text in ("face:0-3", "face:7", "digit:3,digit:7,face:8-9,digit:10-11", "png:12,png:13,face:2,face:1"):
        assert format_pictures(parse_pictures(text)) == text
    assert FIELDS["pictures"].accept("face:0-1") == ("face:0", "face:1")


def test_a_failure_of_one_process_is_said_by_the_first(monkeypatch):
    class Team:
        is_main_process = True

    def fail():
        raise DiffdemoError("mine")

    monkeypatch.setattr(study, "team", lambda: Team)
    monkeypatch.setattr(study.time, "sleep", lambda _: None)
    assert study.together(lambda: 7) == 7
    with pytest.raises(DiffdemoError, match="mine"):
        study.together(fail)
    monkeypatch.setattr(study, "gather_object", lambda mine: [DiffdemoError("theirs"), *mine])
    with pytest.raises(DiffdemoError, match="theirs"):
        study.together(lambda: 7)
    Team.is_main_process = False
    with pytest.raises(SystemExit, match="2"):
        study.together(fail)

    def lost(mine):
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(study, "gather_object", lost)
    with pytest.raises(DiffdemoError, match="ended too early"):
        study.together(lambda: 7)


def test_a_process_without_its_launcher_ends(small, tmp_path, monkeypatch):
    parents = iter((7, 7, 1))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setattr(study.os, "getppid", lambda: next(parents))
    progress = study.study(*small, tmp_path)
    assert [next(progress).done, next(progress).done] == [0, 5]
    with pytest.raises(DiffdemoError, match="launcher"):
        next(progress)


def test_the_report_holds_the_means_of_the_rows(tmp_path):
    path = tmp_path / "study.csv"
    path.write_text(",".join(study.COLUMNS) + "\nface:1,0,0,0.0,1,1.0,13.0,1.0,a\nface:1,100,0,0.5,1,0.5,3.0,1.0,b\nface:2,100,0,0.25,0,,1.0,1.0,c\n")
    found = study.means(path)
    assert found == [study.Mean(0, 1, 1.0, 1.0, 0.0, 13.0), study.Mean(100, 2, 0.5, 0.5, 0.375, 2.0)]
    lines = study.report(study.Study(pictures="face:1-2", levels=(0, 100), seeds=(0,)), found)
    assert lines[0].startswith("faces: 4 rows, 2 pictures x 2 levels x 1 seeds, 20 steps, eta 0: ")
    assert lines[-1] == "| 100 | 50.0% | 50.0% | 0.375 | 2.00 |"
    assert study.report(study.Study(), [replace(found[0], kept=None, bits_known=None)])[-1] == "| 0 | 100.0% | – | 0.000 | – |"


def test_the_command_writes_a_table_and_prints_the_means(folders, tmp_path, capsys):
    command = ["study", "--model", str(folders["epsilon"]), "--pictures", "face:3-4", "--n", "0:40:20", "--seeds", "0-1", "--steps", "2"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("epsilon: 12 rows, 2 pictures x 3 levels x 2 seeds, 2 steps, eta 0: ")
    assert "| 0 | 100.0% | – | 0.000 | – |" in said
    assert said[-1] == f"Written: {tmp_path / 'study.csv'}"
    for wrong in (["--steps", "3"], ["--n", "5,4"], ["--pictures", "cat:1"], ["--model", "cats"], ["--solver", "x"]):
        assert main([*command, "--out", str(tmp_path), *wrong]) == 2
        error = capsys.readouterr().err
        assert error.startswith("diffdemo: ")
        assert error.count("\n") == 1


GRID = ["--pictures", "face:17,face:900000", "--n", "0:1000:150", "--seeds", "0-29", "--steps", "2", "--eta", "0.5"]  # 420 rows, 7 chunks
TWO = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", *TWO]


def start(launcher, out, threads="1"):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": threads}
    command = [*launcher, "-m", "diffdemo", "study", *GRID, "--out", str(out)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(launcher, out, threads="1"):
    started = start(launcher, out, threads)
    said, errors = started.communicate(timeout=300)
    assert started.returncode == 0, errors[-2000:]
    assert said.startswith("faces: 420 rows")  # one process alone speaks
    assert said.count("420 rows") == 1
    return (out / "study.csv").read_bytes()


def kill_in_the_middle(started, out):
    """SIGKILL to the launcher's group and to the workers, which it starts in sessions of their own."""
    deadline = time.monotonic() + 120
    while not (made := list(out.glob("shards/*.csv"))):
        assert started.poll() is None, started.stderr.read()[-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    workers = psutil.Process(started.pid).children(recursive=True)
    os.killpg(started.pid, signal.SIGKILL)
    for worker in workers:
        worker.kill()
    psutil.wait_procs(workers, timeout=10)
    started.communicate()
    assert len(workers) == 2
    assert 1 <= len(made) <= len(list(out.glob("shards/*.csv"))) < 7
    assert not (out / "study.csv").exists()


@pytest.mark.slow
def test_one_process_two_and_a_kill_in_the_middle_give_the_same_bytes(tmp_path):
    whole = finish([sys.executable], tmp_path / "one", threads="2")
    assert whole.count(b"\n") == 421
    assert finish(LAUNCH, tmp_path / "two") == whole
    kill_in_the_middle(start(LAUNCH, tmp_path / "killed"), tmp_path / "killed")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("shards/*.csv")}
    assert finish(LAUNCH, tmp_path / "killed") == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # finished shards were not made again
