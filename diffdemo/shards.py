"""A folder that fills with the parts of one table, in any order and by any number of processes, until they are joined to one file.

Nothing in it is ever half-written under its own name: a file is written under another, forced onto the disk and then renamed.
"""

import errno
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from diffdemo.disk import write_whole
from diffdemo.errors import DiffdemoError, ExperimentError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SHOWN = 80  # characters of a setting in a message


@dataclass(frozen=True)
class Shards:
    """The folder of a study: study.json says what of, shards/chunk-00012.csv are its parts, study.csv is the whole.

    Attributes:
        folder: where.
        columns: of the table.
        count: how many shards make it.
        keys: number of a shard → how each of its lines begins.
    """

    folder: Path
    columns: tuple[str, ...]
    count: int
    keys: Callable[[int], list[str]]

    @property
    def table(self) -> Path:
        """The whole, once it is there."""
        return self.folder / "study.csv"

    def path(self, number: int) -> Path:
        """Where a shard is, or will be."""
        return self.folder / "shards" / _name(number)

    def begin(self, note: Mapping[str, str | int]) -> None:
        """Begin the folder, or see that it holds this very study and clear away half-written and damaged files.

        Raises:
            DiffdemoError: it holds another study, or something that cannot be told, or cannot be written.
        """
        kept = self.folder / "study.json"
        with self._disk():
            (self.folder / "shards").mkdir(parents=True, exist_ok=True)
            if fresh := not kept.exists():
                if self.table.exists() or self.finished():
                    raise ExperimentError(f"The folder {self.folder} holds results but no study.json that says what of; choose another folder.")
            else:
                _compare(note, kept)
            for part in (*self.folder.glob("study.*.part"), *self.folder.glob("shards/*.part")):
                part.unlink()
            for number in self.finished():
                if self.read(number) is None:
                    self.path(number).unlink()
        if fresh:
            self._write(kept, [json.dumps(note, indent=1).encode() + b"\n"])

    def finished(self) -> list[int]:
        """Numbers of the shards that are there."""
        with self._disk():
            there = {path.name for path in (self.folder / "shards").glob("*.csv")}
        return [number for number in range(self.count) if _name(number) in there]

    def put(self, number: int, lines: Sequence[str]) -> None:
        """Write a shard.

        Raises:
            DiffdemoError: the folder cannot be written.
        """
        self._write(self.path(number), [f"{line}\n".encode() for line in (",".join(self.columns), *lines)])

    def read(self, number: int) -> bytes | None:
        """A shard as it is on the disk; None if it is missing, or has not exactly one full line for each row."""
        with self._disk():
            try:
                data = self.path(number).read_bytes()
            except FileNotFoundError:
                return None
        head, *lines = data.split(b"\n")
        keys = [key.encode() for key in self.keys(number)]
        whole = head == ",".join(self.columns).encode() and len(lines) == len(keys) + 1 and lines.pop() == b""
        whole = whole and all(line.startswith(key) and line.count(b",") == len(self.columns) - 1 for line, key in zip(lines, keys, strict=True))
        return data if whole else None

    def join(self) -> None:
        """Join all shards to the whole table, in their order.

        Raises:
            DiffdemoError: a shard is missing or damaged, or the folder cannot be written.
        """
        self._write(self.table, self._parts())

    def _parts(self) -> Iterator[bytes]:
        for number in range(self.count):
            if (data := self.read(number)) is None:
                raise DiffdemoError(f"The shard {self.path(number)} is missing or damaged; start the study again, and it is made anew.")
            yield data if number == 0 else data.partition(b"\n")[2]

    def _write(self, path: Path, parts: Iterable[bytes]) -> None:
        """Write a file as a whole or not at all."""
        with self._disk():
            write_whole(path, parts)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                again = "free some space and start the study again, and it goes on where it was"
                raise DiffdemoError(f"The disk of {self.folder} is full; {again}.") from error
            raise DiffdemoError(f"The folder {self.folder} cannot be used: {error.strerror or error}.") from error


def _name(number: int) -> str:
    return f"chunk-{number:05}.csv"


def _compare(note: Mapping[str, str | int], kept: Path) -> None:
    """Refuse a folder that holds another study, naming the first difference."""
    try:
        theirs = json.loads(kept.read_bytes())
    except ValueError:
        theirs = None
    if not isinstance(theirs, dict):
        raise ExperimentError(f"The file {kept} is damaged, so it cannot be told what the folder holds; choose another folder.")
    for name, value in note.items():
        if (other := theirs.get(name)) != value:
            told, asked = (text if len(text := str(thing)) <= _SHOWN else text[:_SHOWN] + "…" for thing in (other, value))
            raise ExperimentError(f"The folder {kept.parent} holds a study with {name} = {told}, not {asked}; choose another folder.")
