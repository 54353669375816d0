"""The README's header, commands and snippets, and the examples, are what they say."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
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


@pytest.mark.parametrize("snippet", [snippet for snippet in SNIPPETS if "gradio_client" not in snippet])  # that one runs in ui/test_page.py
def test_every_snippet_runs(snippet):
    exec(compile(snippet, "README.md", "exec"), {})


def test_every_path_the_readme_names_exists():
    for path in re.findall(r"[`(]((?:diffdemo|examples|tests)/[\w./]*)[`)]", README):
        assert (ROOT / path).exists(), path


def test_every_command_of_the_readme_is_known():
    for line in re.findall(r"python -m (diffdemo [\w-]+)", README):
        command = [sys.executable, "-m", *line.split(), "--help"]
        assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0, line


def test_every_command_shown_runs(tmp_path):
    shown = re.search(r"<!-- commands -->\n```bash\n(.*?)```", README, re.DOTALL)[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for line in shown.splitlines():
        command = [sys.executable, *shlex.split(line)[1:]]
        assert subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True).returncode == 0, line
    assert {path.name for path in tmp_path.iterdir()} == {"examples", "sheet.png", "film.gif", "again.csv", "study"}


def run_example(name: str, *arguments: str, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, ROOT / "examples" / name, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_the_round_trip_example_runs(tmp_path):
    said = run_example("round_trip.py", cwd=tmp_path)
    assert "n = 100: 6 of 6 came back" in said
    assert "n = 1000: 0 of 6 came back" in said
    assert (tmp_path / "round_trip.png").stat().st_size > 1000


def test_the_curve_example_writes_its_files(tmp_path):
    said = run_example("curve.py", str(tmp_path), cwd=tmp_path)
    assert "n =  500:" in said
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".png", ".webp"}


def test_the_exact_example_is_exact():
    said = run_example("exact_round_trip.py", cwd=ROOT)
    assert float(re.search(r"largest error is ([\d.e-]+)", said)[1]) < 1e-4


def test_the_study_example_runs_and_goes_on(tmp_path):
    said = run_example("study.py", str(tmp_path / "study"), cwd=tmp_path)
    assert "n =    0: 100 % came back" in said
    again = run_example("study.py", str(tmp_path / "study"), cwd=tmp_path)
    assert again.splitlines()[-5:] == said.splitlines()[-5:]
    assert "64 of 80" not in again
