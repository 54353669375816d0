"""Commands that measure and time, and the options of app.py."""

from functools import partial
from types import SimpleNamespace

import pytest
from PIL import Image

import app
import diffdemo.page
from diffdemo.__main__ import main
from diffdemo.measure import charts, evaluation, exactness, samples


@pytest.mark.parametrize(
    "command",
    [
        "bench --model cats",
        "bench --steps 7",
        "train cats",
        "evaluate cats",
        "curves --levels 5,4",
        "curves --pictures cat:1",
        "exactness cats",
        "exactness faces --steps 0",
        "exactness faces --steps x",
        "exactness faces --steps= --fixed-point=",
        "exactness faces --fixed-point 1001",
        "exactness faces --pictures cat:1",
        "exactness faces --pictures png:AAAA",
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(command, capsys):
    assert main(command.split()) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("diffdemo: ")
    assert printed.count("\n") == 1


def test_bench_prints_ratios(capsys, folders):
    options = "--seeds 2 --steps 2 --rounds 1 --levels 0,5"
    assert main(["bench", "--model", str(folders["epsilon"]), *options.split()]) == 0
    printed = capsys.readouterr().out
    assert "| diffdemo, one batch of rows with their own n |" in printed
    assert "| picture by picture |" in printed


def test_evaluate_prints_its_tables(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "LEVELS", (1000,))
    monkeypatch.setattr(samples, "sheet", partial(samples.sheet, count=8))
    sheet = tmp_path / "sheet.png"
    options = f"--samples 4 --guesses 2 --faces 2 --sheet {sheet}"
    assert main(["evaluate", "faces", *options.split()]) == 0
    printed = capsys.readouterr().out
    assert "are legal faces" in printed
    assert "| hair style |" in printed
    assert Image.open(sheet).width > 500


def test_evaluate_prints_tables_of_digits(capsys, monkeypatch):
    monkeypatch.setattr(samples, "draw_samples", partial(samples.draw_samples, steps=2))
    assert main(["evaluate", "digits", "--samples", "4", "--guesses", "2"]) == 0
    printed = capsys.readouterr().out
    assert "the reader is more than 90% sure of" in printed
    assert "| n | P(true picture) |" in printed


def test_curves_write_a_table_and_a_picture(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "new" / "curves"
    options = "--model digits --pictures digit:3-4 --levels 0,500,1000 --seeds 0-1 --steps 2"
    assert main(["curves", *options.split(), "--out", str(out)]) == 0
    lines = out.with_suffix(".csv").read_text().splitlines()
    assert lines[0] == "picture,n,seed,bits_known,p_true,kept,came_back,rmse"
    assert len(lines) == 1 + 2 * 3 * 2
    assert lines[1].startswith("digit:3,0,0,13.28")
    assert lines[1].split(",")[5:] == ["1", "1", "0"]
    assert Image.open(out.with_suffix(".png")).width >= 800
    assert "half of the bits: n = " in capsys.readouterr().out


@pytest.mark.parametrize("command", ["curves", "scale --out x"])
def test_charts_without_matplotlib_are_refused_before_any_work(command, capsys, monkeypatch):
    monkeypatch.setattr(charts, "find_spec", lambda name: None)
    assert main(command.split()) == 2
    assert "matplotlib" in capsys.readouterr().err


def test_exactness_prints_a_table(capsys, folders, monkeypatch):
    monkeypatch.setattr(exactness, "REFERENCE", 4)
    options = "--pictures face:17,face:4 --steps 12,4 --fixed-point"
    command = ["exactness", str(folders["epsilon"]), *options.split()]
    assert main([*command, "4"]) == 0
    printed = capsys.readouterr().out.splitlines()
    rows = [line for line in printed if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert [row.split("|")[1].strip() for row in rows] == ["steps", "---", "4", "12"]
    assert "–" in rows[3]
    assert printed[0].endswith(": 2 pictures from n = 1000")
    assert any(line.startswith("At 4 steps the RMSE of DDIM is") for line in printed)
    paths = "Kept paths, 4 steps from n = 1000, 16 seeds of face:17"
    assert any(line.startswith(paths) for line in printed)
    assert main([*command, ""]) == 0
    assert "times that of the fixed point" not in capsys.readouterr().out


def test_a_taken_port_gets_one_sentence(monkeypatch, capsys):
    class Taken:
        def launch(self, **options):
            raise OSError("Cannot find empty port")

    exhibit = SimpleNamespace(demo=Taken())
    monkeypatch.setattr(diffdemo.page, "build", lambda *_: exhibit)
    monkeypatch.setattr(diffdemo.page, "launch_options", lambda _: {})
    assert app.main(["--port", "80"]) == 2
    expected = "diffdemo: port 80 is taken or not allowed; choose another with --port\n"
    assert capsys.readouterr().err == expected


def test_options_of_the_app(capsys):
    address = "--server-name 0.0.0.0 --port 1 --share"
    args = app.parse(f"--model m {address} --device cpu --limit 9 --lazy".split())
    assert vars(args) == {
        "lazy": True,
        "limit": 9.0,
        "model": "m",
        "device": "cpu",
        "server_name": "0.0.0.0",
        "port": 1,
        "share": True,
    }
    assert app.main(["--model", "cats"]) == 2
    assert "no model 'cats'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        app.parse(["--port", "x"])
