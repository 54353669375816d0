"""The named endpoints of the API: one for each experiment, made from its fields."""

from collections.abc import Callable, Iterator
from inspect import Parameter, Signature
from typing import Any

import gradio as gr

from diffdemo.lab.experiment import KINDS, Experiment
from diffdemo.lab.field import Field
from diffdemo.lab.prepare import prepare
from diffdemo.lab.progress import Progress
from diffdemo.lab.runner import Runner
from diffdemo.report.presenter import Row, present, presenter
from diffdemo.widgets.available import Models
from diffdemo.widgets.events import Options, safely

HIDDEN = ("revision",)  # the answer says which weights answered; a caller does not choose them


def publish(models: Models, runner: Runner, options: Options) -> None:
    """Add the endpoints to the page under construction; `options` are of the queue."""
    for kind in KINDS.values():
        function = endpoint(kind, models, runner)
        name = function.__name__
        # The whole docstring in one line: Gradio would leave out the arguments.
        about = " ".join((function.__doc__ or "").split())
        gr.api(safely(function), api_name=name, api_description=about, **options)


def endpoint(
    kind: type[Experiment], models: Models, runner: Runner
) -> Callable[..., Iterator[Row]]:
    """Make a function of an experiment's fields that runs it.

    Its signature and docstring are what the API shows. It is a generator, because Gradio can stop
    a run whose caller has left only at a yield.

    Args:
        kind: the experiment.
        models: those at hand; others have to be loaded on the page first.
        runner: runs it.
    """
    fields = {name: field for name, field in kind.fields().items() if name not in HIDDEN}
    parameters = [
        Parameter(
            name,
            Parameter.POSITIONAL_OR_KEYWORD,
            default=_plain(field),
            annotation=type(_plain(field)),
        )
        for name, field in fields.items()
    ]

    def run(*values: Any) -> Iterator[Row]:
        experiment = kind(**dict(zip(fields, values, strict=False)))
        ready = prepare(experiment, models[experiment.model])
        for item in runner.stream(ready):
            if isinstance(item, Progress):
                yield {"done": item.done, "total": item.total}
            else:
                yield present(item).as_json()

    function: Any = run
    function.__name__ = kind.kind.replace("-", "_")
    function.__signature__ = Signature(parameters, return_annotation=dict)
    function.__annotations__ = {item.name: item.annotation for item in parameters}
    function.__annotations__["return"] = dict
    function.__doc__ = _doc(kind, fields)
    return run


def _plain(field: Field) -> Any:
    """Return a field's default as a caller writes it."""
    simple = isinstance(field.default, str | int | float)
    return field.default if simple else field.write(field.default)


def _default(field: Field) -> str:
    """Write a field's default for the documentation."""
    plain = _plain(field)
    if isinstance(plain, float):
        return f"{plain:g}"
    return str(plain) or "nothing"


def _doc(kind: type[Experiment], fields: dict[str, Field]) -> str:
    arguments = [
        f"    {name}: {field.help} (default {_default(field)})." for name, field in fields.items()
    ]
    returns = presenter(kind).returns
    return "\n".join(
        [
            kind.about(),
            "",
            "Args:",
            *arguments,
            "",
            "Returns:",
            f"    The sentence, the experiment as a query string, {returns}; "
            "pictures are PNG data URIs.",
            "    Before that, after each network call: done and total.",
        ]
    )
