from functools import partial

import pytest

import app
from diffdemo.__main__ import main


def test_bad_input_gets_one_sentence_and_exit_code_2(capsys):
    assert main(["bench", "--model", "cats"]) == 2
    assert main(["bench", "--steps", "7"]) == 2
    assert main(["train", "cats"]) == 2
    assert main(["evaluate", "cats"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert [line.startswith("diffdemo: ") for line in lines] == [True] * 4


def test_bench_prints_ratios(capsys, folders):
    assert main(["bench", "--model", str(folders["epsilon"]), "--seeds", "2", "--steps", "2", "--rounds", "1", "--levels", "0,5"]) == 0
    said = capsys.readouterr().out
    assert "| diffdemo, one batch of rows with their own n |" in said
    assert "| picture by picture |" in said


def test_evaluate_prints_its_tables(capsys, tmp_path, monkeypatch):
    from PIL import Image

    from diffdemo import evaluation

    monkeypatch.setattr(evaluation, "LEVELS", (1000,))
    monkeypatch.setattr(evaluation, "sheet", partial(evaluation.sheet, count=8))
    assert main(["evaluate", "faces", "--samples", "4", "--guesses", "2", "--faces", "2", "--sheet", str(tmp_path / "sheet.png")]) == 0
    said = capsys.readouterr().out
    assert "are legal faces" in said
    assert "| hair style |" in said
    assert Image.open(tmp_path / "sheet.png").width > 500


def test_evaluate_prints_what_it_says_of_digits(capsys, tmp_path, monkeypatch):
    from diffdemo import grading

    draw = grading.sample_digits
    monkeypatch.setattr(grading, "sample_digits", lambda model, count: draw(model, count, steps=2))
    assert main(["evaluate", "digits", "--samples", "4", "--guesses", "2"]) == 0
    said = capsys.readouterr().out
    assert "the reader is more than 90% sure of" in said
    assert "| n | P(true picture) |" in said


def test_curves_write_a_table_and_a_picture(capsys, tmp_path):
    from PIL import Image

    out = tmp_path / "new" / "curves"
    options = {"model": "digits", "pictures": "digit:3-4", "levels": "0,500,1000", "seeds": "0-1", "steps": "2", "out": str(out)}
    command = ["curves", *(word for name, value in options.items() for word in (f"--{name}", value))]
    assert main(command) == 0
    lines = out.with_suffix(".csv").read_text().splitlines()
    assert lines[0] == "picture,n,seed,bits_known,p_true,kept,came_back,rmse"
    assert len(lines) == 1 + 2 * 3 * 2
    assert lines[1].startswith("digit:3,0,0,13.28")
    assert lines[1].split(",")[5:] == ["1", "1", "0"]
    assert Image.open(out.with_suffix(".png")).width >= 800
    assert "half of the bits: n = " in capsys.readouterr().out
    assert main(["curves", "--levels", "5,4"]) == 2
    assert main(["curves", "--pictures", "cat:1"]) == 2


def test_exactness_prints_a_table(capsys, folders, monkeypatch):
    from diffdemo import exactness

    monkeypatch.setattr(exactness, "REFERENCE", 4)
    command = ["exactness", str(folders["epsilon"]), "--pictures", "face:17,face:4", "--steps", "12,4", "--fixed-point", "4"]
    assert main(command) == 0
    said = capsys.readouterr().out.splitlines()
    rows = [line for line in said if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert [row.split("|")[1].strip() for row in rows] == ["steps", "---", "4", "12"]
    assert "–" in rows[3]
    assert said[0].endswith(": 2 pictures from n = 1000")
    assert any(line.startswith("At 4 steps the RMSE of DDIM is") for line in said)
    assert any(line.startswith("Kept paths, 4 steps from n = 1000, 16 seeds of face:17") for line in said)
    assert main([*command[:-1], ""]) == 0
    assert "times that of the fixed point" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong", [["cats"], ["faces", "--steps", "0"], ["faces", "--steps", "x"], ["faces", "--pictures", "cat:1"], ["faces", "--fixed-point", "1001"],
              ["faces", "--steps", "", "--fixed-point", ""], ["faces", "--pictures", "png:AAAA"]],
)  # fmt: skip
def test_exactness_refuses_what_cannot_be_measured_in_one_sentence(capsys, wrong):
    assert main(["exactness", *wrong]) == 2
    said = capsys.readouterr().err
    assert said.startswith("diffdemo: ")
    assert said.count("\n") == 1


def test_a_taken_port_gets_one_sentence(monkeypatch, capsys):
    import diffdemo.ui

    class Taken:
        def launch(self, **options):
            raise OSError("Cannot find empty port")

    monkeypatch.setattr(diffdemo.ui, "build_demo", lambda *_: Taken())
    assert app.main(["--port", "80"]) == 2
    assert capsys.readouterr().err == "diffdemo: port 80 is taken or not allowed; choose another with --port\n"


def test_flags_of_the_app(capsys):
    args = app.parse(["--model", "m", "--server-name", "0.0.0.0", "--port", "1", "--share", "--device", "cpu", "--limit", "9", "--lazy"])
    assert vars(args) == {"lazy": True, "limit": 9.0, "model": "m", "device": "cpu", "server_name": "0.0.0.0", "port": 1, "share": True}
    assert app.main(["--model", "cats"]) == 2
    assert "no model 'cats'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        app.parse(["--port", "x"])
