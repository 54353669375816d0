"""The processes of a study: which of them this is, and how they share a failure."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from accelerate import PartialState
from accelerate.utils import gather_object

from diffdemo.errors import DiffdemoError
from diffdemo.models import default_device

WAIT = timedelta(hours=24)  # how long a process that is early waits for the others
RESUMES = "start it again, and it resumes where it was"
Item = TypeVar("Item")


def team() -> PartialState:
    """Return this process among those of the study, with its device.

    Each has a GPU where there are some, else the CPU, and they talk over gloo.
    """
    kind = default_device().type
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    cpu_wanted = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    cpu = cpu_wanted or kind == "cpu" or (several and kind != "cuda")
    return PartialState(cpu=cpu, timeout=WAIT)


def together(work: Callable[[], Item]) -> Item:
    """Do the same work in every process and wait for all of them; one failure fails them all.

    Raises:
        DiffdemoError: in the first process, the first failure there was.
        SystemExit: in the other processes, with code 2.
    """
    failure: DiffdemoError | None = None
    try:
        result = work()
    except DiffdemoError as error:
        failure = error
    try:
        failures = [found for found in gather_object([failure]) if found]
    except RuntimeError as error:
        ended = "Another process of this study has ended too early"
        raise DiffdemoError(f"{ended}; {RESUMES}.") from error
    if failures and team().is_main_process:
        raise failures[0]
    if failures:
        time.sleep(1)  # a launcher stops all once one has ended, and the first is to speak before
        raise SystemExit(2)
    return result


class Launcher:
    """Watches the launcher of this process, which runs in a session that outlives it."""

    def __init__(self) -> None:
        self._parent = os.getppid()

    def check(self) -> None:
        """Refuse to go on without the launcher that started this process, if any did.

        Raises:
            DiffdemoError: the launcher has ended.
        """
        if "TORCHELASTIC_RUN_ID" in os.environ and os.getppid() != self._parent:
            raise DiffdemoError(f"The launcher of this study has ended; {RESUMES}.")
