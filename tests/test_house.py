"""The style of the code: files, lengths, docstrings, density, and what packages export."""

import ast
import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "diffdemo").rglob("*.py"))
PACKAGES = [
    ".".join(path.relative_to(ROOT).parts[:-1]) for path in MODULES if path.name == "__init__.py"
]
ROOMS = 12
LONGEST_MODULE = 350  # lines
LONGEST_FUNCTION = 40  # lines, its docstring not counted
LARGEST_FILE = 20_000_000  # bytes
MOST_SKIPS = 5  # of the formatter, for tables of numbers
DENSEST = 10.5  # nodes of the syntax tree a line of code

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return listed.stdout.split()


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Functions and classes without an underscore, and those of classes; none inside functions."""
    for item in body:
        if isinstance(item, Function | ast.ClassDef) and not item.name.startswith("_"):
            yield prefix + item.name, item
            if isinstance(item, ast.ClassDef):
                yield from public(item.body, f"{prefix}{item.name}.")


def docstring_lines(item: ast.AST) -> int:
    if ast.get_docstring(item) is None:
        return 0
    first = item.body[0]
    return first.end_lineno - first.lineno + 1


def lines(function: Function) -> int:
    return function.end_lineno - function.lineno + 1 - docstring_lines(function)


def is_packed(node: ast.AST) -> bool:
    """Whether a statement assigns several values at once, other than a swap."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return False
    values = {ast.unparse(value) for value in node.value.elts}
    targets = [target for target in node.targets if isinstance(target, ast.Tuple)]
    return any({ast.unparse(part) for part in target.elts} != values for target in targets)


def is_nested(node: ast.AST) -> bool:
    """Whether a conditional expression holds another one."""
    if not isinstance(node, ast.IfExp):
        return False
    return any(isinstance(part, ast.IfExp) for part in (node.body, node.orelse, node.test))


def nodes_a_line(path: Path) -> tuple[int, int]:
    """Nodes of the syntax tree, and lines of code: no blanks, comments or docstrings."""
    text = path.read_text()
    tree = ast.parse(text)
    written = [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
    documented = [item for item in ast.walk(tree) if isinstance(item, Documented)]
    docstrings = sum(
        len(
            [
                line
                for line in ast.get_source_segment(text, item.body[0]).splitlines()
                if line.strip()
            ]
        )
        for item in documented
        if ast.get_docstring(item) is not None
    )
    return sum(1 for _ in ast.walk(tree)), len(written) - docstrings


def test_a_docstring_is_not_counted_and_an_inner_function_is():
    code = (
        'def f():\n    """One.\n\n    Two.\n    """\n    def g():\n        return 1\n    return g\n'
    )
    assert lines(ast.parse(code).body[0]) == 4


@pytest.mark.parametrize(
    ("code", "packed"),
    [("a, b = 1, 2", True), ("a, b = b, a", False), ("a, b = f()", False), ("a = 1, 2", False)],
)
def test_only_a_swap_may_assign_several_values_at_once(code, packed):
    assert is_packed(ast.parse(code).body[0]) is packed


def test_the_top_level_holds_nothing_else():
    allowed = {
        "app.py",
        "requirements.txt",
        "README.md",
        "LICENSE",
        "diffdemo",
        "examples",
        "tests",
    }
    assert {path.split("/")[0] for path in tracked() if not path.startswith(".")} <= allowed


def test_there_are_at_most_twelve_rooms():
    rooms = {path.parent.name for path in (ROOT / "diffdemo").glob("*/__init__.py")}
    assert len(rooms) <= ROOMS
    flat = {path.name for path in (ROOT / "diffdemo").glob("*.py")}
    assert flat == {"__init__.py", "__main__.py", "errors.py"}


def test_no_large_file_is_tracked():
    files = [ROOT / path for path in tracked()]
    assert [path for path in files if path.is_file() and path.stat().st_size >= LARGEST_FILE] == []


def test_examples_are_short():
    scripts = (ROOT / "examples").glob("*.py")
    assert [path.name for path in scripts if len(path.read_text().splitlines()) > 40] == []


def test_no_module_is_too_long():
    long = [path.name for path in MODULES if len(path.read_text().splitlines()) > LONGEST_MODULE]
    assert long == []


@pytest.mark.parametrize(
    "path", [*MODULES, ROOT / "app.py"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_module_keeps_to_the_style(path):
    tree = ast.parse(path.read_text())
    found = list(ast.walk(tree))
    functions = [item for item in found if isinstance(item, Function)]
    assert [item.name for item in functions if lines(item) > LONGEST_FUNCTION] == []
    assert ast.get_docstring(tree)
    assert [name for name, item in public(tree.body) if not ast.get_docstring(item)] == []
    assert [ast.unparse(item) for item in found if is_packed(item) or is_nested(item)] == []


def test_the_code_is_not_dense():
    counts = [nodes_a_line(path) for path in MODULES]
    assert sum(nodes for nodes, _ in counts) / sum(written for _, written in counts) <= DENSEST


def test_the_formatter_is_skipped_only_for_tables_of_numbers():
    skips = re.compile(r"# fmt: skip")
    assert sum(len(skips.findall(path.read_text())) for path in MODULES) <= MOST_SKIPS


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_exports_what_it_lists_and_nothing_private(name):
    package = import_module(name)
    listed = getattr(package, "__all__", [])
    assert len(set(listed)) == len(listed)
    assert [item for item in listed if item.startswith("_")] == []
    assert [item for item in listed if not hasattr(package, item)] == []


def test_every_public_name_is_listed_and_loads():
    import diffdemo

    assert [name for name in diffdemo.__all__ if getattr(diffdemo, name, None) is None] == []
    assert {"RoundTrip", "run", "load_model", "noise", "posterior"} <= set(diffdemo.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        diffdemo.nonsense  # noqa: B018
