"""Markdown tables, the one way that tables are written on the command line and in the README."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Write a table, one line a row.

    Args:
        head: the names of the columns.
        rows: as many cells in each as there are columns.
    """
    rule = "|" + "---|" * len(head)
    return [_line(head), rule, *(_line(row) for row in rows)]


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"
