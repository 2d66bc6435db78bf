"""Files of JSON lines: written whole or not at all, read with the number of the line that is wrong."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO, TypeVar

from pydantic import BaseModel, ValidationError

from runtime.errors import DataError, UsageError
from runtime.events import unreadable

MAX_LINE = 64 << 20
"""Characters of a line: one of an import's changes holds fifty procedures with their vectors."""

Model = TypeVar("Model", bound=BaseModel)


@contextmanager
def replacing(path: Path) -> Generator[TextIO]:
    """A file to write in place of `path`, which changes only once all of it is on the disk.

    Raises `UsageError` where it can't be written.
    """
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error}") from None
    finally:
        with suppress(OSError):
            partial.unlink()


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1. Raises `DataError`, also for one longer than MAX_LINE."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), ""), 1):
                if len(line) > MAX_LINE:
                    raise DataError(f"{path}, line {number}: longer than {MAX_LINE >> 20} Mi characters, which no memory's is")
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read: {error}") from None


def parse_line(kind: type[Model], path: Path, number: int, line: str, writer: str) -> Model:
    """What the line holds. Raises `DataError`, which names the command that writes such files."""
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        raise DataError(f"{path}, line {number}: {unreadable(error)}; expected a file that `{writer}` wrote") from None


def sync_folder(folder: Path) -> None:
    """Have the new name on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
