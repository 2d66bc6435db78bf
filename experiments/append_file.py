"""A file of lines that only grows: what was appended is on disk, and of what failed nothing is there."""

import os
from contextlib import suppress
from pathlib import Path

import structlog

from memory.lines import sync_folder
from runtime.errors import MempError

log = structlog.get_logger()


class AppendFile:
    """Opened for appending, and cut to its first `size` bytes, as what is behind them is the half of a line.

    Raises `MempError` where the file can't be written. Its calls block for the disk: call them from a thread.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            if (torn := os.fstat(self._file).st_size - size) > 0:
                os.ftruncate(self._file, size)
                log.warning("torn_line_cut", path=str(path), bytes=torn)
            sync_folder(path.parent)
        except OSError as error:
            raise unwritable(path, error) from None

    def write(self, data: bytes) -> None:
        """Append whole lines."""
        size = os.fstat(self._file).st_size
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):  # a device can't be cut
                os.ftruncate(self._file, size)
            raise unwritable(self._path, error) from None

    def close(self) -> None:
        os.close(self._file)


def unwritable(path: Path, error: OSError) -> MempError:
    """What to say where a file of a run can't be written."""
    return MempError(
        f"{path} can't be written ({error.strerror}): free space there or mend its permissions, "
        "then give the same command again; it goes on where it stopped"
    )
