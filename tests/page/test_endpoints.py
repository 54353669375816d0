import re

import pytest

from diffdemo.lab.experiment import KINDS
from diffdemo.lab.runner import Runner
from diffdemo.page.endpoints import endpoint


@pytest.mark.parametrize("kind", KINDS.values())
def test_the_documentation_names_the_default_of_every_field(models, kind):
    doc = endpoint(kind, models, Runner()).__doc__
    said = dict(re.findall(r"^    (\w+): .* \(default (.*)\)\.$", doc, re.MULTILINE))
    fields = {name: field for name, field in kind.fields().items() if name != "revision"}
    assert set(said) == set(fields)
    for name, field in fields.items():
        if isinstance(field.default, int | float):
            assert float(said[name]) == field.default
        else:
            assert said[name] == (field.write(field.default) or "nothing")
