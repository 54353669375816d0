import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from doubles import save_pipeline
from PIL import Image

from diffdemo import lab
from diffdemo.__main__ import build_parser, main
from diffdemo.experiments import RoundTrip
from diffdemo.lab.experiment import KINDS, experiment_from_query
from diffdemo.report import exports

ROOT = Path(__file__).parents[2]


def query(printed: str) -> str:
    return printed.strip().splitlines()[-1]


@pytest.fixture
def tiny(folders) -> list[str]:
    return ["--model", str(folders["epsilon"]), "--device", "cpu", "--quiet"]


def test_help_needs_no_torch():
    code = "import sys, diffdemo.__main__ as m; m.build_parser(); print('torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("kind", KINDS)
def test_help_names_every_field_with_its_bounds_and_default(kind, capsys):
    with pytest.raises(SystemExit) as left:
        main([kind, "--help"])
    assert left.value.code == 0
    printed = "".join(capsys.readouterr().out.split())
    assert "".join(KINDS[kind].about().split()) in printed
    for name, field in KINDS[kind].fields().items():
        default = field.write(field.default) or field.default or "nothing"
        assert f"--{name}{name.upper()}" in printed
        assert "".join(field.help.split()) in printed
        assert f"(default{default})" in printed


@pytest.mark.parametrize(
    "command",
    [
        "round-trip --n 9 --seeds 0,3",
        "curve --levels 0,9 --seeds 2",
        "embed --n 6 --seeds 1 --methods random,ddim",
        "collide --n 5 --other face:2",
        "branch --points 2 --futures 2",
    ],
)
def test_every_experiment_runs_and_prints_its_query(command, tiny, capsys):
    kind, option, value, *_ = command.split()
    assert main([*command.split(), "--steps", "2", *tiny]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    sentence, note, link = printed.out.strip().splitlines()
    assert sentence.endswith(".")
    assert note.startswith("Model epsilon")
    found = experiment_from_query(link)
    assert found.kind == kind
    assert found.revision
    assert f"&{option[2:]}={value}&" in link


def test_options_are_spelled_with_underscores_or_dashes(capsys):
    for option in ("--line_up", "--line-up"):
        assert main(["belief", "--n", "700", option, "face:1,face:2", "--quiet"]) == 0
        assert "knows all 3 pictures" in capsys.readouterr().out


def test_files_are_written_by_their_suffixes(tiny, tmp_path, capsys):
    paths = [tmp_path / f"x{suffix}" for suffix in exports.SUFFIXES.values()]
    out = [word for path in paths for word in ("--out", str(path))]
    assert main(["round-trip", "--n", "5", "--seeds", "0", *tiny, *out]) == 0
    assert [path.exists() for path in paths] == [True] * len(paths)
    assert capsys.readouterr().out.count("Written: ") == len(paths)


def test_a_link_and_a_png_run_again_byte_for_byte_in_another_process(tiny, tmp_path):
    first, second, again = (tmp_path / f"{name}.zip" for name in ("first", "second", "again"))
    sheet = tmp_path / "sheet.png"
    out = ["--out", str(first), "--out", str(sheet)]
    options = "--n 40 --seeds 2,5 --steps 3 --eta 0.5"
    assert main(["round-trip", *options.split(), *tiny, *out]) == 0
    experiment, _ = exports.read_experiment(sheet.read_bytes())
    link = f"https://example.org/?__theme=light&{experiment.to_query()}#top"
    command = [sys.executable, "-m", "diffdemo", "link", link, *tiny[:-1], "--out", str(second)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "3/3" in done.stderr
    assert second.read_bytes() == first.read_bytes()
    assert main(["link", str(sheet), *tiny, "--out", str(again)]) == 0
    assert again.read_bytes() == first.read_bytes()


def test_options_change_a_link(tiny, capsys):
    link = RoundTrip("epsilon", n=7, seeds=(1,), steps=2).to_query()
    assert main(["round-trip", "--link", f"/?{link}", "--seeds", "4-5", *tiny]) == 0
    assert "&n=7&seeds=4-5&steps=2&" in query(capsys.readouterr().out)


def test_a_link_of_other_weights_is_run_with_a_warning(tiny, capsys):
    link = RoundTrip("epsilon", n=0, seeds=(1,), revision="0123456789ab").to_query()
    assert main(["link", link, *tiny]) == 0
    printed = capsys.readouterr()
    made = "diffdemo: The link was made with the weights 0123456789ab and the model epsilon here"
    assert printed.err.startswith(f"{made} has ")
    assert printed.err.count("\n") == 1
    assert "revision=0123456789ab" not in printed.out


@pytest.fixture
def files(tmp_path):
    """Two pictures on the disk, one small enough for a link and one too large."""
    rng = np.random.default_rng(0)
    paths = tmp_path / "small.png", tmp_path / "large.png"
    for path, side in zip(paths, (8, 32), strict=True):
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)
    return [str(path) for path in paths]


def test_pictures_on_the_disk_are_written_into_the_link(tiny, files, capsys):
    small, large = files
    pictures = ["--picture", small, "--other", large]
    assert main(["collide", "--n", "3", "--steps", "1", *pictures, *tiny]) == 0
    assert query(capsys.readouterr().out).count("=png:") == 2


def test_a_large_picture_on_the_disk_is_named_by_its_hash(files, tmp_path, capsys):
    folder = str(save_pipeline(tmp_path / "large", size=32))
    model = ["--model", folder, "--device", "cpu", "--quiet"]
    sheet = tmp_path / "sheet.png"
    options = "--n 3 --seeds 0 --steps 1 --picture"
    command = ["round-trip", *options.split(), files[1], *model]
    assert main([*command, "--out", str(sheet)]) == 0
    capsys.readouterr()
    assert main(["link", str(sheet), *model]) == 0
    assert "picture=sha256:" in query(capsys.readouterr().out)
    experiment, _ = exports.read_experiment(sheet.read_bytes())
    assert main(["link", experiment.to_query(), *model]) == 2
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
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("diffdemo: ")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    "command", ["round-trip --frob 1", "round-trip --see 1", "magic", "link", "round-trip --n"]
)
def test_unknown_options_get_one_sentence_and_exit_code_2(command, capsys):
    with pytest.raises(SystemExit) as left:
        main(command.split())
    assert left.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("diffdemo: ")
    assert printed.count("\n") == 1


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
    listed = out.getvalue().split()
    assert {*KINDS, "link", "train", "evaluate", "curves", "bench", "study"} <= set(listed)
