"""Downloads from the Hugging Face Hub: only the files that are read, with progress."""

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from diffdemo.errors import ModelError
from diffdemo.models.folder import FILES, OnProgress

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def download(
    repo: str, revision: str, on_progress: OnProgress, megabytes: float | None = None
) -> Path:
    """Download a model; files that are on this machine already are not downloaded again.

    Args:
        repo: its Hub id.
        revision: a branch, tag or commit.
        on_progress: called with the bytes downloaded so far.
        megabytes: its size, named if the disk is full; None if it is not known.

    Returns:
        Its folder.

    Raises:
        ModelError: the Hub cannot be reached, has no such model or revision, or wants its terms
            accepted, or the disk is full.
    """
    from huggingface_hub import snapshot_download

    progress_bar = _progress_bar(f"downloading {repo}", on_progress)
    with _one_sentence(repo, revision, megabytes):
        folder = snapshot_download(
            repo, revision=revision, allow_patterns=list(FILES), tqdm_class=progress_bar
        )
    return Path(folder)


def commit(repo: str, revision: str) -> str:
    """Return the commit that a revision stands for now; raises as `download` does."""
    from huggingface_hub import HfApi

    with _one_sentence(repo, revision):
        return str(HfApi().model_info(repo, revision=revision).sha)


@contextmanager
def _one_sentence(repo: str, revision: str, megabytes: float | None = None) -> Iterator[None]:
    """Turn the errors of the Hub's client into a ModelError."""
    from huggingface_hub import errors

    known = (errors.HTTPError, errors.EntryNotFoundError, errors.XetDownloadError)
    try:
        yield
    except (*known, OSError, ValueError) as error:
        raise ModelError(_sentence(error, repo, revision, megabytes)) from error


def _sentence(error: Exception, repo: str, revision: str, megabytes: float | None) -> str:
    """Return cause and cure. The order matters: some of these errors are subclasses of others."""
    from huggingface_hub import errors

    sentences = {
        errors.GatedRepoError: f"The model {repo} is gated: accept its terms on its page on the "
        "Hugging Face Hub and log in with `hf auth login`.",
        errors.RepositoryNotFoundError: f"There is no model {repo} on the Hugging Face Hub, nor a "
        "folder here; check its spelling, or log in if it is private.",
        errors.RevisionNotFoundError: f"The model {repo} has no revision {revision} on the Hugging "
        "Face Hub; choose one that its page lists.",
        errors.HFValidationError: f"A model of the Hugging Face Hub is written owner/name, "
        f"not {repo!r}.",
        PermissionError: f"The files of {repo} cannot be stored: the folder is not writable; "
        "set HF_HOME to one that is.",
    }
    for kind, sentence in sentences.items():
        if isinstance(error, kind):
            return sentence
    if getattr(error, "errno", None) in _DISK_FULL:
        needed = f"about {megabytes:,.0f} MB" if megabytes else "more space than there is"
        return (
            f"The disk is full: {repo} needs {needed}; free some space, or set HF_HOME to a "
            "folder on a larger disk."
        )
    response = getattr(error, "response", None)
    if isinstance(error, errors.HfHubHTTPError) and response is not None:
        return (
            f"The Hugging Face Hub answered the request for {repo} with error "
            f"{response.status_code}; please try again later."
        )
    return (
        f"The Hugging Face Hub cannot be reached and {repo} is not on this machine: "
        "connect to the internet, or give the folder of a copy."
    )


def _progress_bar(what: str, on_progress: OnProgress) -> type[tqdm]:
    """Return a class of silent progress bars that report the bytes of one download."""
    bars: list[tqdm] = []

    class ProgressBar(tqdm):
        def __init__(self, *args: object, **options: object):
            options.pop("name", None)
            super().__init__(*args, **{**options, "file": io.StringIO(), "disable": False})
            if self.unit == "B":
                bars.append(self)

        def update(self, n: float | None = 1) -> bool | None:
            displayed = super().update(n)
            if bars:
                done = max(bar.n for bar in bars)
                total = max(bar.total or 0 for bar in bars)
                on_progress(what, int(done), int(total))
            return displayed

    return ProgressBar
