"""The house is kept as its style says: what stands where, how long it is, what is said of it and what it hands out."""

import ast
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "diffdemo").rglob("*.py"))
PACKAGES = [".".join(path.relative_to(ROOT).parts[:-1]) for path in MODULES if path.name == "__init__.py"]
LONGEST_MODULE = 350  # lines
LONGEST_FUNCTION = 60  # lines, its docstring not counted
LARGEST_FILE = 20_000_000  # bytes

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tracked() -> list[str]:
    return subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """What a module or a class offers by a name without an underscore, the same of its classes, and nothing inside functions."""
    for item in body:
        if isinstance(item, Function | ast.ClassDef) and not item.name.startswith("_"):
            yield prefix + item.name, item
            if isinstance(item, ast.ClassDef):
                yield from public(item.body, f"{prefix}{item.name}.")


def lines(function: Function) -> int:
    first = function.body[0]
    said = first.end_lineno - first.lineno + 1 if ast.get_docstring(function) is not None else 0
    return function.end_lineno - function.lineno + 1 - said


def test_a_docstring_is_not_counted_and_an_inner_function_is():
    tree = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    def g():\n        return 1\n    return g\n')
    assert lines(tree.body[0]) == 4


def test_the_top_level_holds_nothing_else():
    allowed = {"app.py", "requirements.txt", "README.md", "LICENSE", "diffdemo", "examples", "tests"}
    assert {path.split("/")[0] for path in tracked() if not path.startswith(".")} <= allowed


def test_no_large_file_is_tracked():
    assert [path for path in tracked() if (ROOT / path).is_file() and (ROOT / path).stat().st_size >= LARGEST_FILE] == []


def test_examples_are_short():
    assert [path.name for path in (ROOT / "examples").glob("*.py") if len(path.read_text().splitlines()) > 40] == []


def test_no_module_is_too_long():
    assert [path.name for path in MODULES if len(path.read_text().splitlines()) > LONGEST_MODULE] == []


@pytest.mark.parametrize("path", [*MODULES, ROOT / "app.py"], ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_short_and_what_is_public_is_described(path):
    tree = ast.parse(path.read_text())
    functions = [item for item in ast.walk(tree) if isinstance(item, Function)]
    assert [item.name for item in functions if lines(item) > LONGEST_FUNCTION] == []
    assert ast.get_docstring(tree)
    assert [name for name, item in public(tree.body) if not ast.get_docstring(item)] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_hands_out_what_it_lists_and_nothing_private(name):
    package = import_module(name)
    listed = getattr(package, "__all__", [])
    assert len(set(listed)) == len(listed)
    assert [item for item in listed if item.startswith("_")] == []
    assert [item for item in listed if not hasattr(package, item)] == []


def test_the_package_lists_all_that_it_hands_out():
    import diffdemo

    assert sorted(diffdemo._PUBLIC) == diffdemo.__all__
    unlisted = {name for name, value in vars(diffdemo).items() if not name.startswith("_") and getattr(value, "__module__", "") == "diffdemo"}
    assert unlisted <= set(diffdemo.__all__)
