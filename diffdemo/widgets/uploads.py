"""What a file holds that a visitor uploaded or dropped: a picture, perhaps with an experiment."""

from dataclasses import dataclass

from PIL import Image

from diffdemo.lab.experiment import Experiment
from diffdemo.pictures import decoding
from diffdemo.report import exports


@dataclass(frozen=True)
class Upload:
    """What a file holds.

    Attributes:
        picture: the picture itself.
        experiment: the one that a PNG saved by diffdemo remembers.
        given: the picture of that experiment, where the experiment names only its hash.
    """

    picture: Image.Image
    experiment: Experiment | None = None
    given: Image.Image | None = None


def read_upload(data: bytes) -> Upload:
    """Read the content of a file.

    Raises:
        DiffdemoError: it is not a picture, or the experiment in it is damaged.
    """
    return Upload(decoding.load_picture(data), *(exports.read_experiment(data) or ()))
