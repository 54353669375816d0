"""The style sheets share one look: seven sizes of type, one unit of space, colours by name."""

import re

import pytest

from diffdemo.page.look import CORNER, SPACE, TYPE, css
from diffdemo.report import colours
from diffdemo.widgets.components import STATIC

PACKAGES = STATIC.parents[1] / "experiments"
SHEETS = {
    path.stem: re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    for path in sorted([*STATIC.glob("*.css"), *PACKAGES.glob("*/*.css")])
}
SIZES = {f"var(--text-{name})" for name in ("sm", "md", "lg", "xl", "xxl", "say", "title")}
SPACE_ONLY = re.compile(
    r"(0|auto|1px|var\(--(half|s\d|inset|inset-ticks)\)|calc\(-1 \* var\(--s\d\)\))( !important)?"
)  # 1px: a hairline


def declared(sheet, *names):
    """The values that a style sheet gives to some properties."""
    return [
        value.strip()
        for value in re.findall(rf"(?<![\w-])(?:{'|'.join(names)}):([^;}}]+)", SHEETS[sheet])
    ]


@pytest.mark.parametrize("sheet", SHEETS)
def test_type_has_seven_sizes(sheet):
    sizes = [size.removesuffix(" !important") for size in declared(sheet, "font-size")]
    assert [size for size in sizes if size not in SIZES] == []
    assert declared(sheet, "font") == []


@pytest.mark.parametrize("sheet", SHEETS)
def test_space_comes_in_one_unit(sheet):
    sides = [
        f"{name}{side}"
        for name in ("margin", "padding")
        for side in ("", "-top", "-right", "-bottom", "-left")
    ]
    for value in declared(sheet, *sides, "gap", "row-gap", "column-gap"):
        parts = re.findall(r"calc\([^()]*\([^()]*\)\)|\S+", value)
        assert all(SPACE_ONLY.fullmatch(part) or part == "!important" for part in parts), value


@pytest.mark.parametrize("sheet", sorted(set(SHEETS) - {"look"}))
def test_colours_are_named_in_one_place(sheet):
    assert re.findall(r"#[0-9a-f]{3,8}\b(?=[^{]*;)|\b(?:rgb|hsl)a?\(", SHEETS[sheet]) == []


@pytest.mark.parametrize("sheet", SHEETS)
def test_corners_are_of_one_kind(sheet):
    assert set(declared(sheet, "border-radius")) <= {
        "var(--corner)",
        "var(--half)",
        "var(--s1)",
        "var(--round)",
        "0",
    }


def test_the_theme_has_the_same_sizes():
    assert {size for size in vars(TYPE).values() if size.endswith("px")} == {
        "12px",
        "14px",
        "16px",
        "20px",
        "26px",
    }
    assert all(
        int(size.removesuffix("px")) in (2, 4, 8, 12, 16)
        for size in vars(SPACE).values()
        if size.endswith("px")
    )
    assert {size for size in vars(CORNER).values() if size.endswith("px")} == {"4px"}


def test_the_page_has_the_colours_of_files_and_cards():
    light, dark = css().splitlines()[:2]
    assert f"--back: {colours.CAME_BACK}; --changed: {colours.CHANGED};" in light
    assert f"--back: {colours.CAME_BACK_DARK}; --changed: {colours.CHANGED_DARK};" in dark
