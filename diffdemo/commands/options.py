"""What the commands share: options made from fields, and the pictures of a measurement."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from diffdemo.lab import fields
from diffdemo.lab.field import Field
from diffdemo.lab.notation import parse_pictures

if TYPE_CHECKING:
    from diffdemo.models import Model

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
PICTURES = {"faces": "face:900000-900015", "digits": "digit:0-15"}  # measured by default


def escaped(text: str) -> str:
    """Return a text as argparse takes it for help."""
    return text.replace("%", "%%")


def add_field(
    parser: argparse.ArgumentParser, name: str, field: Field, *flags: str, also: str = ""
) -> None:
    """Add the option of a field, with its bounds and its default.

    Where the option is not given, its value is None.

    Args:
        parser: of the command.
        name: of the field.
        field: what it accepts.
        flags: the option's names; --NAME by default, also with dashes for underscores.
        also: what a command accepts beyond the field.
    """
    names = flags or tuple(dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}")))
    default = field.write(field.default) or field.default or "nothing"
    text = f"{field.help}{also} (default {default})"
    parser.add_argument(*names, dest=name, metavar=name.upper(), help=escaped(text))


def given(args: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Return the values of those options that were given."""
    values = {name: getattr(args, name, None) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def add_pictures(parser: argparse.ArgumentParser) -> None:
    """Add --pictures, whose default depends on the model."""
    default = " or ".join(PICTURES.values())
    parser.add_argument("--pictures", help=f"{fields.PICTURES.help} (default {default})")


def pictures(args: argparse.Namespace, model: "Model") -> tuple[str, ...]:
    """Return the pictures that were asked for, or the usual ones of the model.

    Raises:
        DiffdemoError: a name is not that of a picture.
    """
    names = parse_pictures(args.pictures or PICTURES[model.line_up or "faces"])
    return tuple(fields.PICTURE.accept(name) for name in names)


def show(lines: Iterable[str]) -> None:
    """Print lines, and an empty one after them."""
    print("\n".join(lines), end="\n\n")
