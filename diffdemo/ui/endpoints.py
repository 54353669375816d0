"""The named endpoints: one for each experiment, made from its fields, so that types, defaults and bounds are those of the one table."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from inspect import Parameter, Signature
from typing import Any

import gradio as gr

from diffdemo import report, service
from diffdemo.experiment import KINDS, Experiment
from diffdemo.fields import FIELDS
from diffdemo.lab import Progress
from diffdemo.ui.shelf import Models
from diffdemo.ui.widgets import told

INNER = ("revision",)  # what a caller does not choose: the answer says which weights answered


def publish(models: Models, lane: dict[str, Any]) -> None:
    """Add the endpoints to the page under construction."""
    for kind in KINDS.values():
        function = endpoint(kind, models)
        about = " ".join((function.__doc__ or "").split())  # the whole of it: Gradio would leave the arguments out
        gr.api(told(function), api_name=function.__name__, api_description=about, **lane)


def endpoint(kind: type[Experiment], models: Models) -> Callable[..., Iterator[dict[str, Any]]]:
    """A function of an experiment's fields that runs it; its signature and docstring are what the API shows.

    It is a generator, for only at a yield can Gradio stop a run whose caller has left or cancelled it.

    Args:
        kind: the experiment.
        models: the models at hand; the others have to be loaded on the page first.
    """
    items = [item for item in fields(kind) if item.name not in INNER]
    parameters = [Parameter(item.name, Parameter.POSITIONAL_OR_KEYWORD, default=_plain(item), annotation=type(_plain(item))) for item in items]

    def run(*values: Any) -> Iterator[dict[str, Any]]:
        asked = kind(**dict(zip((item.name for item in items), values, strict=False)))
        for item in service.stream(asked, models[asked.model]):
            yield {"done": item.done, "total": item.total} if isinstance(item, Progress) else report.as_json(item)

    run.__name__ = kind.kind.replace("-", "_")
    run.__signature__ = Signature(parameters, return_annotation=dict)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {"return": dict}
    run.__doc__ = _doc(kind, items)
    return run


def _plain(item: Any) -> Any:
    """A field's default as a caller writes it."""
    return item.default if isinstance(item.default, str | int | float) else FIELDS[item.name].write(item.default)


def _doc(kind: type[Experiment], items: list[Any]) -> str:
    about = (kind.__doc__ or "").split("\n")[0]
    lines = [f"    {item.name}: {FIELDS[item.name].help} (default {_plain(item) or 'nothing'})." for item in items]
    returns = f"    The sentence, the experiment as a query string, {report.returns(kind)}; pictures are PNG data URIs."
    return "\n".join([about, "", "Args:", *lines, "", "Returns:", returns, "    Before that, after each network call: done and total."])
