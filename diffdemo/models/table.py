"""The models that have a name here; a link may name these and no others.

The cost of a network is counted by torch's FlopCounterMode on its published configuration, whose
number of parameters agrees with the published one. Revisions are not pinned yet:
`python -m diffdemo models --pin` prints the commits to write here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TableEntry:
    """A model that has a name here.

    Attributes:
        name: as links write it; the Hub id, unless it is bundled.
        picture: (width, height) of its pictures in pixels.
        gmacs: billions of multiply-adds of one network call for one picture.
        description: what it was trained on and what to expect.
        kind: "pixel", "latent" or "text", as `Model.kind`.
        licence: of its weights.
        megabytes: size of the download; None if it is not known.
        revision: branch, tag or commit on the Hub.
        bundled: its weights are part of this package.
        verified: it has been loaded and tried.
    """

    name: str
    picture: tuple[int, int]
    gmacs: float
    description: str
    kind: str = "pixel"
    licence: str = "Apache 2.0"
    megabytes: float | None = None
    revision: str = "main"
    bundled: bool = False
    verified: bool = False


def _bundled(name: str, side: int, gmacs: float, description: str) -> TableEntry:
    return TableEntry(
        name=name,
        picture=(side, side),
        gmacs=gmacs,
        description=f"{description} It runs in seconds on any computer.",
        revision="",
        bundled=True,
        verified=True,
    )


def _ddpm_256(subject: str, description: str) -> TableEntry:
    """Return the entry of one of the DDPMs of 256 x 256 pixels, which share an architecture."""
    return TableEntry(
        name=f"google/ddpm-{subject}-256",
        picture=(256, 256),
        gmacs=249,
        description=f"Trained on photographs of {description}",
        megabytes=455,
    )


_MAYBE_PICKLED = "made for a GPU. It may be published as a pickle only, which is not read here."
TABLE = (
    _bundled(
        "faces", 16, 0.195, "Trained on procedural pixel faces, of which everything is known."
    ),
    _bundled("digits", 32, 0.310, "Trained on the handwritten digits of MNIST."),
    TableEntry(
        name="google/ddpm-cifar10-32",
        picture=(32, 32),
        gmacs=6.2,
        description="Trained on CIFAR-10, small photographs of ten kinds of things. "
        "The model of the DDPM paper, a minute or so on a CPU.",
        megabytes=143,
    ),
    _ddpm_256("cat", "cats (LSUN). Made for a GPU; on a CPU a few steps take minutes."),
    _ddpm_256("church", f"churches (LSUN), {_MAYBE_PICKLED}"),
    _ddpm_256("bedroom", f"bedrooms (LSUN), {_MAYBE_PICKLED}"),
    _ddpm_256("celebahq", f"celebrities (CelebA-HQ), {_MAYBE_PICKLED}"),
    TableEntry(
        name="CompVis/ldm-celebahq-256",
        kind="latent",
        picture=(256, 256),
        gmacs=101,
        description="Trained on latents of photographs of celebrities (CelebA-HQ), of 3 x 64 x 64 "
        "numbers each. Noise is added to the latents.",
        megabytes=1320,
        # When last seen, main held pickles only; this proposal of the Hub's own conversion
        # service has safetensors.
        revision="refs/pr/7",
    ),
    TableEntry(
        name="stable-diffusion-v1-5/stable-diffusion-v1-5",
        kind="text",
        picture=(512, 512),
        gmacs=402,
        description="Trained on latents of captioned pictures from the web (LAION), of 4 x 64 x 64 "
        "numbers each. It follows a prompt, and needs a GPU.",
        licence="CreativeML OpenRAIL-M",
        megabytes=4265,
    ),
)
BUNDLED = tuple(entry.name for entry in TABLE if entry.bundled)


def find(name: str) -> TableEntry | None:
    """Return the entry of a name, if the table has one."""
    return next((entry for entry in TABLE if entry.name == name), None)
