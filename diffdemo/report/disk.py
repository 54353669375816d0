"""Files that are there whole or not at all."""

import os
from collections.abc import Iterable
from pathlib import Path


def write_whole(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file under another name, force it onto the disk, and rename it.

    Several processes may write the same file at once.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    part = path.with_name(f"{path.name[:100]}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
