"""The models that this copy knows by name, and what to expect of each; a link may name these and no others.

Sizes of networks are counted (torch's FlopCounterMode over the published configurations, whose parameter counts agree with the
published ones). Revisions are not pinned yet: `python -m diffdemo models --pin` prints the commits to write here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from diffdemo.models import hub

_APACHE = "Apache 2.0"
_UNCONFIRMED = "It may be published as a pickle only, which is not read here."


@dataclass(frozen=True)
class Entry:
    """A model that can be named.

    Attributes:
        name: as links write it.
        hub: its Hub id; empty for a bundled model.
        kind: "pixel", "latent" or "text", as `Model.kind`.
        picture: (width, height) of its pictures in pixels.
        gmacs: billions of multiply-adds of one network call for one picture; with guidance there are two such calls.
        licence: of its weights.
        card: what it was trained on and what to expect.
        megabytes: what is downloaded, where known.
        revision: branch, tag or commit on the Hub.
        verified: it has been loaded and looked at from here.
    """

    name: str
    hub: str
    kind: str
    picture: tuple[int, int]
    gmacs: float
    licence: str
    card: str
    megabytes: float | None = None
    revision: str = "main"
    verified: bool = False


def _hub(name: str, kind: str, side: int, gmacs: float, licence: str, card: str, megabytes: float | None, revision: str = "main") -> Entry:
    return Entry(name, name, kind, (side, side), gmacs, licence, card, megabytes, revision)


TABLE = (
    Entry(
        "faces", "", "pixel", (16, 16), 0.195, _APACHE,
        "Trained on procedural pixel faces, of which everything is known. It runs in seconds on any computer.", 0.0, "", True,
    ),
    Entry(
        "digits", "", "pixel", (32, 32), 0.310, _APACHE,
        "Trained on the handwritten digits of MNIST. It runs in seconds on any computer.", 0.0, "", True,
    ),
    _hub(
        "google/ddpm-cifar10-32", "pixel", 32, 6.2, _APACHE,
        "Trained on CIFAR-10, small photographs of ten kinds of things. The model of the DDPM paper, a minute or so on a CPU.", 143,
    ),
    _hub(
        "google/ddpm-cat-256", "pixel", 256, 249, _APACHE,
        "Trained on photographs of cats (LSUN). Made for a GPU; on a CPU a few steps take minutes.", 455,
    ),
    _hub(
        "google/ddpm-church-256", "pixel", 256, 249, _APACHE,
        f"Trained on photographs of churches (LSUN), made for a GPU. {_UNCONFIRMED}", 455,
    ),
    _hub(
        "google/ddpm-bedroom-256", "pixel", 256, 249, _APACHE,
        f"Trained on photographs of bedrooms (LSUN), made for a GPU. {_UNCONFIRMED}", 455,
    ),
    _hub(
        "google/ddpm-celebahq-256", "pixel", 256, 249, _APACHE,
        f"Trained on photographs of celebrities (CelebA-HQ), made for a GPU. {_UNCONFIRMED}", 455,
    ),
    _hub(
        "CompVis/ldm-celebahq-256", "latent", 256, 101, _APACHE,
        "Trained on latents of photographs of celebrities (CelebA-HQ), of 3 x 64 x 64 numbers each. Noise is added to the latents.", 1320,
        "refs/pr/7",  # main held pickles only when last seen; this proposal of the Hub's own conversion service has the safetensors
    ),
    _hub(
        "stable-diffusion-v1-5/stable-diffusion-v1-5", "text", 512, 402, "CreativeML OpenRAIL-M",
        "Trained on latents of captioned pictures from the web (LAION), of 4 x 64 x 64 numbers each. It is told what to draw, and needs a GPU.", 4265,
    ),
)  # fmt: skip
BUNDLED = tuple(entry.name for entry in TABLE if not entry.hub)


def find(name: str) -> Entry | None:
    """The entry of a name, if the table has one."""
    return next((entry for entry in TABLE if entry.name == name), None)


def pin_lines() -> Iterator[str]:
    """For each model of the Hub the commit that its revision stands for now; asks the Hub.

    Raises:
        ModelError: the Hub cannot be reached, or does not know one of them.
    """
    for entry in TABLE:
        if entry.hub:
            yield f"{entry.name}: {hub.commit(entry.hub, entry.revision)}"
