import io
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from doubles import save_pipeline
from PIL import Image

from diffdemo import exports, lab
from diffdemo.__main__ import build_parser, main
from diffdemo.experiment import KINDS, RoundTrip, experiment_from_query
from diffdemo.fields import FIELDS

ROOT = Path(__file__).parent.parent


def query(said: str) -> str:
    return said.strip().splitlines()[-1]


@pytest.fixture
def tiny(folders) -> list[str]:
    return ["--model", str(folders["epsilon"]), "--device", "cpu", "--quiet"]


@pytest.mark.parametrize("kind", KINDS)
def test_help_names_every_field_with_its_bounds_and_default(kind, capsys):
    with pytest.raises(SystemExit) as left:
        main([kind, "--help"])
    assert left.value.code == 0
    said = "".join(capsys.readouterr().out.split())
    for item in fields(KINDS[kind]):
        field = FIELDS[item.name]
        assert f"--{item.name}{item.name.upper()}" in said
        assert "".join(field.help.split()) in said
        assert "".join(f"(default {field.write(item.default) or 'nothing'})".split()) in said


@pytest.mark.parametrize("command", ["round-trip --n 9 --seeds 0,3", "curve --levels 0,9 --seeds 2", "embed --n 6 --seeds 1 --methods random,ddim",
                                     "collide --n 5 --other face:2", "branch --points 2 --futures 2"])  # fmt: skip
def test_every_experiment_runs_and_tells_its_query(command, tiny, capsys):
    assert main([*command.split(), "--steps", "2", *tiny]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    sentence, note, link = said.out.strip().splitlines()
    assert sentence.endswith(".")
    assert note.startswith("Model epsilon")
    found = experiment_from_query(link)
    assert found.kind == command.split()[0]
    assert found.revision
    assert f"&{command.split()[1][2:]}={command.split()[2]}&" in link


def test_options_are_spelled_with_either_line(capsys):
    for option in ("--line_up", "--line-up"):
        assert main(["belief", "--n", "700", option, "face:1,face:2", "--quiet"]) == 0
        assert "among 3;" in capsys.readouterr().out


def test_files_are_written_by_their_endings(tiny, tmp_path, capsys):
    paths = [tmp_path / f"x{ending}" for ending in exports.SUFFIXES.values()]
    assert main(["round-trip", "--n", "5", "--seeds", "0", *tiny, *(word for path in paths for word in ("--out", str(path)))]) == 0
    assert [path.exists() for path in paths] == [True] * len(paths)
    assert capsys.readouterr().out.count("Written: ") == len(paths)


def test_a_link_and_a_png_run_again_byte_for_byte_in_another_process(folders, tiny, tmp_path, capsys):
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    sheet = tmp_path / "sheet.png"
    assert main(["round-trip", "--n", "40", "--seeds", "2,5", "--steps", "3", "--eta", "0.5", *tiny, "--out", str(first), "--out", str(sheet)]) == 0
    link = "https://example.org/?__theme=light&" + exports.read_experiment(sheet.read_bytes())[0].to_query() + "#top"
    command = [sys.executable, "-m", "diffdemo", "link", link, "--model", str(folders["epsilon"]), "--device", "cpu", "--out", str(second)]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "3/3" in done.stderr
    assert second.read_bytes() == first.read_bytes()
    again = tmp_path / "again.zip"
    assert main(["link", str(sheet), *tiny, "--out", str(again)]) == 0
    assert again.read_bytes() == first.read_bytes()


def test_options_change_a_link(tiny, capsys):
    link = RoundTrip("epsilon", n=7, seeds=(1,), steps=2).to_query()
    assert main(["round-trip", "--link", f"/?{link}", "--seeds", "4-5", *tiny]) == 0
    assert "&n=7&seeds=4-5&steps=2&" in query(capsys.readouterr().out)


def test_other_weights_are_said(tiny, capsys):
    link = RoundTrip("epsilon", n=0, seeds=(1,), revision="0123456789ab").to_query()
    assert main(["link", link, *tiny]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("diffdemo: The link was made with the weights 0123456789ab and the model epsilon here has ")
    assert said.err.count("\n") == 1
    assert "revision=0123456789ab" not in said.out


def test_pictures_on_the_disk(tiny, tmp_path, capsys):
    rng, small, large = np.random.default_rng(0), tmp_path / "small.png", tmp_path / "large.png"
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(small)
    Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(large)
    assert main(["collide", "--n", "3", "--steps", "1", "--picture", str(small), "--other", str(large), *tiny]) == 0
    assert query(capsys.readouterr().out).count("=png:") == 2
    model = ["--model", str(save_pipeline(tmp_path / "large", size=32)), "--device", "cpu", "--quiet"]
    sheet = tmp_path / "sheet.png"
    command = ["round-trip", "--n", "3", "--seeds", "0", "--steps", "1", "--picture", str(large), *model]
    assert main([*command, "--out", str(sheet)]) == 0
    capsys.readouterr()
    assert main(["link", str(sheet), *model]) == 0
    assert "picture=sha256:" in query(capsys.readouterr().out)
    assert main(["link", exports.read_experiment(sheet.read_bytes())[0].to_query(), *model]) == 2
    assert "please upload that picture" in capsys.readouterr().err


BAD = """
round-trip --n 1001
round-trip --n x
round-trip --seeds 3-1
curve --levels 5,4
embed --methods magic
collide --n 0
branch --futures 1
belief --picture cat:1
belief --picture nothing.png
belief --model cats
belief --device abacus
belief --out x.gif
belief --out x.doc
belief --out no/x.png
belief --link v=1&kind=curve
belief --link hello
link v=2
link nothing.png
link v=1&model=secret
round-trip --solver dpm++2m --eta 1
link README.md
"""


@pytest.mark.parametrize("command", BAD.strip().splitlines())
def test_bad_input_gets_one_sentence_and_exit_code_2(command, capsys, tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("hello")
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("diffdemo: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("command", ["round-trip --frob 1", "round-trip --see 1", "magic", "link", "round-trip --n"])
def test_unknown_options_get_one_sentence_and_exit_code_2(command, capsys):
    with pytest.raises(SystemExit) as left:
        main(command.split())
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("diffdemo: ")
    assert said.count("\n") == 1


def test_ctrl_c_leaves_with_130(tiny, monkeypatch, capsys, tmp_path):
    def interrupted(*_):
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr(lab, "stream", interrupted)
    assert main(["round-trip", *tiny, "--out", str(tmp_path / "x.png")]) == 130
    assert "Traceback" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_progress_is_shown_on_stderr(tiny, capsys):
    assert main(["round-trip", "--n", "9", "--seeds", "0", "--steps", "4", *tiny[:-1]]) == 0
    assert "4/4" in capsys.readouterr().err


def test_every_command_is_listed():
    out = io.StringIO()
    build_parser().print_help(out)
    assert all(f" {name} " in out.getvalue() or f" {name}\n" in out.getvalue() for name in (*KINDS, "link", "train", "evaluate", "curves", "bench"))
