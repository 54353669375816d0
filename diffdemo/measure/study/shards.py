"""A folder that fills with the parts of one table, in any order and by any number of processes.

No file is ever half-written under its own name: it is written under another, forced onto the disk
and then renamed.
"""

import errno
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.report.disk import write_whole

FULL = (errno.ENOSPC, errno.EDQUOT)
SHOWN = 80  # characters of a setting in a message
OTHER = "choose another folder"


@dataclass(frozen=True)
class Shards:
    """The folder of a study.

    study.json says what the study is, shards/chunk-00012.csv are its parts, study.csv is the whole.

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
        """The whole table, once it is there."""
        return self.folder / "study.csv"

    def path(self, number: int) -> Path:
        """Return the path of a shard."""
        return self.folder / "shards" / _name(number)

    def begin(self, note: Mapping[str, str | int]) -> None:
        """Begin the folder, or check that it holds this study and clear away damaged files.

        Raises:
            DiffdemoError: it holds another study or something unknown, or cannot be written.
        """
        path = self.folder / "study.json"
        with self._disk():
            (self.folder / "shards").mkdir(parents=True, exist_ok=True)
            known = path.exists()
            if known:
                _compare(note, path)
            elif self.table.exists() or self.finished():
                missing = "holds results but no study.json that says of what"
                raise ExperimentError(f"The folder {self.folder} {missing}; {OTHER}.")
            for part in (*self.folder.glob("study.*.part"), *self.folder.glob("shards/*.part")):
                part.unlink()
            for number in self.finished():
                if self.read(number) is None:
                    self.path(number).unlink()
        if not known:
            self._write(path, [json.dumps(note, indent=1).encode() + b"\n"])

    def finished(self) -> list[int]:
        """Return the numbers of the shards that are there."""
        with self._disk():
            there = {path.name for path in (self.folder / "shards").glob("*.csv")}
        return [number for number in range(self.count) if _name(number) in there]

    def put(self, number: int, lines: Sequence[str]) -> None:
        """Write a shard.

        Raises:
            DiffdemoError: the folder cannot be written.
        """
        head = ",".join(self.columns)
        self._write(self.path(number), [f"{line}\n".encode() for line in (head, *lines)])

    def read(self, number: int) -> bytes | None:
        """Return the content of a shard; None if it is missing or lacks a full line for a row."""
        with self._disk():
            try:
                data = self.path(number).read_bytes()
            except FileNotFoundError:
                return None
        return data if self._complete(number, data) else None

    def _complete(self, number: int, data: bytes) -> bool:
        head, *lines = data.split(b"\n")
        keys = [key.encode() for key in self.keys(number)]
        if head != ",".join(self.columns).encode() or len(lines) != len(keys) + 1:
            return False
        if lines.pop() != b"":  # the last line does not end
            return False
        commas = len(self.columns) - 1
        pairs = zip(lines, keys, strict=True)
        return all(line.startswith(key) and line.count(b",") == commas for line, key in pairs)

    def join(self) -> None:
        """Join all shards to the whole table, in their order.

        Raises:
            DiffdemoError: a shard is missing or damaged, or the folder cannot be written.
        """
        self._write(self.table, self._parts())

    def _parts(self) -> Iterator[bytes]:
        for number in range(self.count):
            data = self.read(number)
            if data is None:
                again = "start the study again, and it is made anew"
                raise DiffdemoError(
                    f"The shard {self.path(number)} is missing or damaged; {again}."
                )
            yield data if number == 0 else data.partition(b"\n")[2]

    def _write(self, path: Path, parts: Iterable[bytes]) -> None:
        """Write a file as a whole or not at all."""
        with self._disk():
            write_whole(path, parts)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Turn errors of the disk into one sentence."""
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                again = "free some space and start the study again, and it resumes where it was"
                raise DiffdemoError(f"The disk of {self.folder} is full; {again}.") from error
            cause = error.strerror or error
            raise DiffdemoError(f"The folder {self.folder} cannot be used: {cause}.") from error


def _name(number: int) -> str:
    return f"chunk-{number:05}.csv"


def _compare(note: Mapping[str, str | int], path: Path) -> None:
    """Refuse a folder that holds another study, naming the first difference."""
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        unknown = "so nobody can tell what the folder holds"
        raise ExperimentError(f"The file {path} is damaged, {unknown}; {OTHER}.")
    for name, value in note.items():
        if found.get(name) != value:
            other = f"{name} = {_shortened(found.get(name))}, not {_shortened(value)}"
            raise ExperimentError(f"The folder {path.parent} holds a study with {other}; {OTHER}.")


def _shortened(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
