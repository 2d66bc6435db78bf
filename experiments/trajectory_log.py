"""`trajectories.jsonl`: the episodes of a run, whole, as `--trajectories` takes them."""

from collections.abc import Mapping
from pathlib import Path

import orjson

from experiments.append_file import AppendFile
from runtime.errors import DataError


class TrajectoryLog:
    """Writes each trajectory once, as the event that it came by. Raises `MempError` where the file can't be written."""

    def __init__(self, path: Path) -> None:
        self._ids, size = _known(path)
        self._file = AppendFile(path, size)

    def append(self, events: Mapping[str, bytes]) -> None:
        """Add those, by id, that are not there yet."""
        new = {name: event for name, event in events.items() if name not in self._ids}
        if new:
            self._file.write(b"".join(event.replace(b"\n", b" ") + b"\n" for event in new.values()))
            self._ids |= new.keys()

    def close(self) -> None:
        self._file.close()


def _known(path: Path) -> tuple[set[str], int]:
    """Ids of what a file holds, and the length in bytes up to which it is whole."""
    ids, size = set[str](), 0
    if not path.is_file():
        return ids, size
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                ids.add(orjson.loads(line)["id"])
            except (orjson.JSONDecodeError, KeyError, TypeError):
                raise DataError(f"{path}, line {number}: it is no trajectory. Delete the line, or use --overwrite") from None
            size += len(line)
    return ids, size
