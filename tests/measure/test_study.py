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

from diffdemo import lab
from diffdemo.__main__ import main
from diffdemo.diffusion.schedule import Schedule
from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.experiments import Curve, RoundTrip
from diffdemo.lab import fields
from diffdemo.lab.notation import MAX_PICTURES, format_pictures, parse_pictures
from diffdemo.measure import study
from diffdemo.measure.study import Study, processes, run
from diffdemo.measure.study.report import Mean, means, report

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small(monkeypatch, tiny_eps):
    """A study of 2 x 3 x 2 rows in three chunks, the last of them short, and its model."""
    monkeypatch.setattr(study, "CHUNK", 5)
    settings = Study(tiny_eps.name, ("face:17", "face:4"), (0, 20, 1000), (3, 0), steps=2)
    return settings, tiny_eps


def finish(small, out):
    return list(run.run(*small, out))


def rows(out):
    with (out / "study.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def computed(monkeypatch):
    """The numbers of the chunks that are computed."""
    seen = []
    compute = run.compute

    def spy(settings, model, chunk):
        seen.append(chunk)
        return compute(settings, model, chunk)

    monkeypatch.setattr(run, "compute", spy)
    return seen


def test_the_rows_are_those_of_the_curve_and_the_round_trip_bit_for_bit(faces_model, tmp_path):
    options = {"steps": 2, "eta": 0.5, "spacing": "logsnr"}
    face = ("faces", "face:900000")
    settings = Study(*face, (0, 300, 700), (5, 2), **options)
    assert [(p.done, p.total) for p in finish((settings, faces_model), tmp_path)] == [
        (0, 6),
        (6, 6),
    ]
    found = rows(tmp_path)
    cells = [(row["picture"], row["n"], row["seed"]) for row in found]
    assert cells[:3] == [(face[1], "0", "5"), (face[1], "0", "2"), (face[1], "300", "5")]
    with run.one_thread():
        curve = lab.run(Curve(*face, (0, 300, 700), (5, 2), **options), faces_model)
        trip = lab.run(RoundTrip(*face, 300, (5, 2), **options), faces_model)
    for name in ("rmse", "came_back", "kept", "bits_known", "p_true"):
        expected = getattr(curve, name).double().flatten().tolist()
        assert [float(row[name]) for row in found] == expected, name
    assert [float(row["rmse"]) for row in found[2:4]] == pytest.approx(trip.rmse.tolist(), rel=1e-4)
    assert [row["came_back"] for row in found[2:4]] == [str(int(back)) for back in trip.came_back]
    assert found[0]["sha256"] == found[1]["sha256"] != found[2]["sha256"]
    assert len({row["sha256"] for row in found}) == 5


def test_a_model_without_a_line_up_leaves_the_cells_empty(small, tmp_path):
    finish(small, tmp_path)
    found = rows(tmp_path)
    assert {(row["kept"], row["bits_known"], row["p_true"]) for row in found} == {("", "", "")}
    assert [float(row["rmse"]) for row in found if row["n"] == "0"] == [0] * 4
    expected = []
    for text in ("face:17", "face:4"):
        for n in (0, 20, 1000):
            trip = lab.run(RoundTrip(small[1].name, text, n, (3, 0), 2), small[1])
            expected += trip.rmse.tolist()
    assert [float(row["rmse"]) for row in found] == pytest.approx(expected, rel=1e-4)


def test_the_bytes_do_not_depend_on_the_number_of_processes_or_of_threads(small, tmp_path):
    finish(small, tmp_path / "whole")
    before = torch.get_num_threads()
    for count in (1, 2, 3):
        shards = run.shards_of(small[0], tmp_path / str(count))
        shards.begin({})
        torch.set_num_threads(count)
        for process in reversed(range(count)):
            list(run.fill(*small, shards, process, count))
            assert torch.get_num_threads() == count
        shards.join()
        assert shards.table.read_bytes() == (tmp_path / "whole" / "study.csv").read_bytes()
    torch.set_num_threads(before)


def test_a_second_start_computes_only_what_is_missing_or_damaged(small, tmp_path, computed):
    finish(small, tmp_path)
    whole = (tmp_path / "study.csv").read_bytes()
    shards = run.shards_of(small[0], tmp_path)
    assert computed == [0, 1, 2]
    shards.path(0).unlink()
    shards.path(2).write_bytes(shards.path(2).read_bytes()[:-30])
    shards.path(0).with_name("chunk-00000.csv.1.part").write_text("half")
    (tmp_path / "study.csv").unlink()
    del computed[:]
    assert [p.done for p in finish(small, tmp_path)] == [5, 10, 12]
    assert computed == [0, 2]
    assert (tmp_path / "study.csv").read_bytes() == whole
    assert not list(tmp_path.rglob("*.part"))
    assert [p.done for p in finish(small, tmp_path)] == [12]
    assert computed == [0, 2]


def test_a_study_stopped_in_the_middle_resumes(small, tmp_path, computed):
    finish(small, tmp_path / "whole")
    del computed[:]
    progress = run.run(*small, tmp_path / "stopped")
    assert next(progress).done == 0
    assert next(progress).done == 5
    progress.close()
    assert not (tmp_path / "stopped" / "study.csv").exists()
    finish(small, tmp_path / "stopped")
    assert computed == [0, 1, 2]
    whole = (tmp_path / "whole" / "study.csv").read_bytes()
    assert (tmp_path / "stopped" / "study.csv").read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"steps": 3}, "steps = 2, not 3"),
        ({"seeds": (3,)}, "seeds = 3,0, not 3"),
        ({"levels": (0, 20)}, "levels = 0,20,1000, not 0,20"),
        (
            {"pictures": ("face:17", "face:5")},
            "pictures = face:17,face:4, not face:17,face:5",
        ),
        ({"eta": 1}, "eta = 0, not 1"),
        ({"solver": "dpm++2m"}, r"solver = ddim, not dpm\+\+2m"),
        ({"spacing": "logsnr"}, "spacing = trailing, not logsnr"),
    ],
)
def test_other_settings_are_refused(small, tmp_path, change, named):
    finish(small, tmp_path)
    with pytest.raises(ExperimentError, match=named):
        run.run(replace(small[0], **change), small[1], tmp_path)


def test_other_weights_chunks_and_engines_are_refused(small, tmp_path, monkeypatch):
    settings, model = small
    finish(small, tmp_path)
    with pytest.raises(ExperimentError, match="revision = "):
        run.run(settings, replace(model, revision="0" * 12), tmp_path)
    with pytest.raises(ExperimentError, match=r"engine = .*float32, not .*bfloat16"):
        run.run(settings, replace(model, dtype=torch.bfloat16), tmp_path)
    monkeypatch.setattr(study, "CHUNK", 6)
    with pytest.raises(ExperimentError, match="chunk = 5, not 6"):
        run.run(*small, tmp_path)


HUGE = {"pictures": "face:0-999", "levels": range(64), "seeds": range(64)}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"pictures": f"face:0-{MAX_PICTURES}"}, "at most 1000"),
        ({"pictures": ()}, "1 to 1000"),
        ({"pictures": "face:1,face:1"}, "different"),
        ({"pictures": [f"face:{i}" for i in range(MAX_PICTURES + 1)]}, "1 to 1000"),
        ({"pictures": 7}, "Pictures cannot be 7"),
        ({"pictures": "sha256:" + "0" * 64}, "none of them sha256"),
        ({"pictures": [["face:1"]]}, "Picture cannot be"),
        (HUGE, "4,096,000 rows; a study has at most 1,000,000"),
        ({"levels": "0:1001:1"}, "At most 64 levels"),
        ({"seeds": "0-64"}, "At most 64 seeds"),
        ({"eta": 1, "solver": "dpm++2m"}, "deterministic"),
        ({"steps": 0}, "Denoising steps"),
    ],
)
def test_an_impossible_study_is_refused_in_one_sentence(wrong, named):
    with pytest.raises(ExperimentError, match=named):
        Study(**wrong)


def test_what_depends_on_the_model_is_checked_before_any_work(small, tmp_path):
    settings, model = small
    with pytest.raises(DiffdemoError, match="n cannot be 1000"):
        run.run(settings, replace(model, schedule=Schedule.linear(T=500)), tmp_path / "a")
    with pytest.raises(DiffdemoError, match="picture"):
        run.run(replace(settings, pictures=("face:1", "png:AAAA")), model, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_written_pictures_are_read_back():
    for text in (
        "face:0-3",
        "face:7",
        "digit:3,digit:7,face:8-9,digit:10-11",
        "png:12,png:13,face:2,face:1",
    ):
        assert format_pictures(parse_pictures(text)) == text
    assert fields.PICTURES.accept("face:0-1") == ("face:0", "face:1")


def test_a_failure_of_one_process_is_reported_by_the_first(monkeypatch):
    class Team:
        is_main_process = True

    def fail():
        raise DiffdemoError("mine")

    monkeypatch.setattr(processes, "team", lambda: Team)
    monkeypatch.setattr(processes.time, "sleep", lambda _: None)
    assert processes.together(lambda: 7) == 7
    with pytest.raises(DiffdemoError, match="mine"):
        processes.together(fail)
    others = [DiffdemoError("theirs")]
    monkeypatch.setattr(processes, "gather_object", lambda mine: others + mine)
    with pytest.raises(DiffdemoError, match="theirs"):
        processes.together(lambda: 7)
    Team.is_main_process = False
    with pytest.raises(SystemExit, match="2"):
        processes.together(fail)

    def lost(mine):
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(processes, "gather_object", lost)
    with pytest.raises(DiffdemoError, match="ended too early"):
        processes.together(lambda: 7)


def test_a_process_without_its_launcher_ends(small, tmp_path, monkeypatch):
    parents = iter((7, 7, 1))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setattr(processes.os, "getppid", lambda: next(parents))
    progress = run.run(*small, tmp_path)
    assert [next(progress).done, next(progress).done] == [0, 5]
    with pytest.raises(DiffdemoError, match="launcher"):
        next(progress)


FOUND = """
face:1,0,0,0.0,1,1.0,13.0,1.0,a
face:1,100,0,0.5,1,0.5,3.0,1.0,b
face:2,100,0,0.25,0,,1.0,1.0,c
"""


def test_the_report_holds_the_means_of_the_rows(tmp_path):
    path = tmp_path / "study.csv"
    path.write_text(",".join(study.COLUMNS) + FOUND)
    found = means(path)
    assert found == [Mean(0, 1, 1.0, 1.0, 0.0, 13.0), Mean(100, 2, 0.5, 0.5, 0.375, 2.0)]
    lines = report(Study(pictures="face:1-2", levels=(0, 100), seeds=(0,)), found)
    grid = "4 rows, 2 pictures x 2 levels x 1 seeds"
    assert lines[0].startswith(f"faces: {grid}, 20 steps, eta 0: ")
    assert lines[-1] == "| 100 | 50.0% | 50.0% | 0.375 | 2.00 |"
    unknown = replace(found[0], kept=None, bits_known=None)
    assert report(Study(), [unknown])[-1] == "| 0 | 100.0% | – | 0.000 | – |"


def test_the_command_writes_a_table_and_prints_the_means(folders, tmp_path, capsys):
    grid = "--pictures face:3-4 --n 0:40:20 --seeds 0-1 --steps 2"
    command = ["study", "--model", str(folders["epsilon"]), *grid.split(), "--out", str(tmp_path)]
    assert main(command) == 0
    printed = capsys.readouterr().out.splitlines()
    size = "epsilon: 12 rows, 2 pictures x 3 levels x 2 seeds, 2 steps, eta 0: "
    assert printed[0].startswith(size)
    assert "| 0 | 100.0% | – | 0.000 | – |" in printed
    assert printed[-1] == f"Written: {tmp_path / 'study.csv'}"
    for wrong in ("--steps 3", "--n 5,4", "--pictures cat:1", "--model cats", "--solver x"):
        assert main([*command, *wrong.split()]) == 2
        error = capsys.readouterr().err
        assert error.startswith("diffdemo: ")
        assert error.count("\n") == 1


# 420 rows, 7 chunks
GRID = "--pictures face:17,face:900000 --n 0:1000:150 --seeds 0-29 --steps 2 --eta 0.5"
TWO = (
    "--multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no "
    "--main_process_port 0"
)
LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", *TWO.split()]


def start(launcher, out, threads="1"):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": threads}
    return subprocess.Popen(
        [*launcher, "-m", "diffdemo", "study", *GRID.split(), "--out", str(out)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def launch(launcher, out, threads="1"):
    """Run a study to its end; returns its table."""
    started = start(launcher, out, threads)
    printed, errors = started.communicate(timeout=300)
    assert started.returncode == 0, errors[-2000:]
    assert printed.startswith("faces: 420 rows")  # one process alone prints
    assert printed.count("420 rows") == 1
    return (out / "study.csv").read_bytes()


def kill_in_the_middle(started, out):
    """Send SIGKILL to the launcher's group and to the workers, which have their own sessions."""
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
    killed = tmp_path / "killed"
    whole = launch([sys.executable], tmp_path / "one", threads="2")
    assert whole.count(b"\n") == 421
    assert launch(LAUNCH, tmp_path / "two") == whole
    kill_in_the_middle(start(LAUNCH, killed), killed)
    times = {path: path.stat().st_mtime_ns for path in killed.glob("shards/*.csv")}
    assert launch(LAUNCH, killed) == whole
    # finished shards were not made again
    assert {path: path.stat().st_mtime_ns for path in times} == times
