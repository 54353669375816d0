"""Fetch a model from the Hugging Face Hub: only the files that are read here, with progress, and one sentence for what can go wrong."""

import errno
import io
from pathlib import Path
from typing import Any

from tqdm import tqdm

from diffdemo.errors import ModelError
from diffdemo.models.pipelines import FILES, Tell

_FULL = (errno.ENOSPC, errno.EDQUOT)


def download(repo: str, revision: str, tell: Tell, megabytes: float | None = None) -> Path:
    """The folder of a model of the Hub on this machine; what is already there is not fetched again.

    Args:
        repo: its Hub id.
        revision: a branch, tag or commit.
        tell: is told how many bytes have come.
        megabytes: how large it is, where known; said when the disk is full.

    Raises:
        ModelError: the Hub cannot be reached, has no such model or revision, wants its terms accepted, or the disk is full.
    """
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(FILES), tqdm_class=_bar(f"downloading {repo}", tell)))
    except (errors.HTTPError, errors.EntryNotFoundError, errors.XetDownloadError, OSError, ValueError) as error:
        raise ModelError(_cause(error, repo, revision, megabytes)) from error


def commit(repo: str, revision: str) -> str:
    """The commit that a revision of a model of the Hub stands for now; errors as `download`."""
    from huggingface_hub import HfApi, errors

    try:
        return str(HfApi().model_info(repo, revision=revision).sha)
    except (errors.HTTPError, OSError, ValueError) as error:
        raise ModelError(_cause(error, repo, revision, None)) from error


def _cause(error: Exception, repo: str, revision: str, megabytes: float | None) -> str:
    """Cause and cure in one sentence; the order matters, as most of these errors are kinds of others."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return f"The model {repo} is gated: accept its terms on its page on the Hugging Face Hub and log in with `hf auth login`."
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"There is no model {repo} on the Hugging Face Hub, nor a folder here; check how it is written, or log in if it is private."
    if isinstance(error, errors.RevisionNotFoundError):
        return f"The model {repo} has no revision {revision} on the Hugging Face Hub; choose one that its page lists."
    if isinstance(error, errors.HFValidationError):
        return f"A model of the Hugging Face Hub is written owner/name, not {repo!r}."
    if getattr(error, "errno", None) in _FULL:
        needed = f"about {megabytes:,.0f} MB" if megabytes else "more room than there is"
        return f"The disk is full: {repo} needs {needed}; free some, or let HF_HOME name a folder on a larger disk."
    if isinstance(error, errors.HfHubHTTPError) and getattr(error, "response", None) is not None:
        return f"The Hugging Face Hub answered with error {error.response.status_code} when asked for {repo}; please try again later."
    if isinstance(error, PermissionError):
        return f"The files of {repo} cannot be stored: the folder is not writable; let HF_HOME name one that is."
    return f"The Hugging Face Hub cannot be reached and {repo} is not on this machine: connect to the internet, or give the folder of a copy."


def _bar(what: str, tell: Tell) -> type[tqdm]:
    """A silent progress bar that tells how many bytes have come; the bars of one download share what they know."""
    bars: list[Any] = []

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any):
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})
            if self.unit == "B":
                bars.append(self)

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            if bars:
                tell(what, int(max(bar.n for bar in bars)), int(max(bar.total or 0 for bar in bars)))
            return shown

    return Bar
