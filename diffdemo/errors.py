"""What can go wrong, as a tree. Every message is one sentence written for the person at the screen.

DiffdemoError
├── ExperimentError   a field of an experiment, or a link, says something impossible
├── PictureError      a picture cannot be read or does not fit
├── ModelError        a model is unknown, incomplete or of an unsupported kind
└── BudgetError       a run costs more than is given to one
"""

UNFORESEEN = (
    "Something went wrong here that should not, so this was not done; the page goes on, "
    "and the log says what it was."
)


class DiffdemoError(ValueError):
    """Bad input of any kind; the message says what was wrong and what would be right."""


class ExperimentError(DiffdemoError):
    """A field of an experiment, or a link, says something impossible."""


class PictureError(DiffdemoError):
    """A picture cannot be read or does not fit."""


class ModelError(DiffdemoError):
    """A model is unknown, incomplete or of an unsupported kind."""


class BudgetError(DiffdemoError):
    """A run costs more than is given to one."""
