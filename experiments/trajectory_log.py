"""`trajectories.jsonl`: the episodes of a run, whole, as `--trajectories` takes them."""

from collections.abc import Iterable
from pathlib import Path

from pydantic_core import from_json

from experiments.append_file import AppendFile
from runtime.errors import DataError


class TrajectoryLog:
    """Writes each trajectory once, as the event that it came by.

    A last line that a crash tore is cut off on opening. Raises `DataError` where another line is malformed, `MempError`
    where the file can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.ids, size = _known(path)
        """Of the trajectories that the file holds."""
        self._file = AppendFile(path, size)

    def append(self, events: Iterable[bytes]) -> None:
        """Add those that are not there yet."""
        new = {name: event for event in events if (name := _id(event)) not in self.ids}
        if new:
            self._file.write(b"".join(_line(event) for event in new.values()))
            self.ids |= new.keys()

    def close(self) -> None:
        self._file.close()


def _line(event: bytes) -> bytes:
    """Ours have no line breaks. Of one that somebody else's program has indented, they separate parts; within a text they are escaped."""
    return event.replace(b"\n", b" ") + b"\n"


def _id(event: bytes) -> str:
    return from_json(event)["id"]


def _known(path: Path) -> tuple[set[str], int]:
    """Ids of what a file holds, and the length in bytes up to which it is whole."""
    ids, size, torn = set[str](), 0, 0
    if not path.is_file():
        return ids, size
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                break
            if torn:  # and it is not the last
                raise _no_trajectory(path, torn)
            try:
                ids.add(_id(line))
                size += len(line)
            except ValueError:
                torn = number
            except (KeyError, TypeError):
                raise _no_trajectory(path, number) from None
    return ids, size


def _no_trajectory(path: Path, number: int) -> DataError:
    return DataError(f"{path}, line {number}: it is no trajectory. Delete the line, or use --overwrite")
