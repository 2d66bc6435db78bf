"""Translations of games, kept on disk for all processes of the machine.

One file per game, named by the hash of its content and the version of what translates: after an update the old ones are
only in the way of nobody, and leave as the least recently used. Files are written beside their place and moved there, so
that any number of processes may write at once; one that is damaged is dropped, and its game translated again.
"""

import hashlib
import os
import re
import sys
import tempfile
import zlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import structlog

from envs.alfworld_env.translation import INT, Translation, load
from runtime.config import Settings

log = structlog.get_logger()

_TRANSLATING = ("naming.py", "symbols.py", "translation.py", "translator.py")
"""The modules that decide what a translation holds."""
_ROOM = 0.9
"""Share of the bound that is left filled when room is made, so that it is not made for each game anew."""
_KEY = re.compile(r"[0-9a-f]{16}")
_DIGEST = 16


class Filling(NamedTuple):
    """What a cache holds: games, and their size in bytes."""

    games: int
    size: int


@cache
def versions() -> str:
    """What a translation depends on beside the game, in eight hex digits: Fast Downward, our own code, and the machine's numbers."""
    ours = b"".join(Path(__file__).with_name(name).read_bytes() for name in _TRANSLATING)
    depends = f"{version('fast-downward-textworld')} {sys.byteorder} {INT} ".encode() + ours
    return hashlib.sha256(depends).hexdigest()[:8]


class GameCache:
    """Translations by the hash of their game, at most `limit` bytes. A folder that can't be used is told of once, and done without."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self._limit = folder, limit
        self._told = False

    def _path(self, key: str) -> str:
        return f"{self.folder}/{key}-{versions()}.game"

    def holds(self, key: str) -> bool:
        """Whether a game's translation is there. Looks no further than its name: 10 µs."""
        return _KEY.fullmatch(key) is not None and os.path.exists(self._path(key))

    def get(self, key: str) -> Translation | None:
        """A game's translation; None where it is not there or is damaged."""
        if _KEY.fullmatch(key) is None:
            return None
        try:
            with open(self._path(key), "rb") as file:
                content = file.read()
            os.utime(self._path(key))  # It is the least recently used ones that make room.
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._tell(error)
        try:
            return _unpacked(content)
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            log.warning("translation_damaged", game=key, reason=str(error), folder=str(self.folder))
            Path(self._path(key)).unlink(missing_ok=True)  # or it would go on being held for prepared
            return None

    def put(self, key: str, translation: Translation) -> None:
        """Keep a game's translation, and make room where there is too little."""
        if _KEY.fullmatch(key) is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as part:
                part.write(_packed(translation))
            os.replace(part.name, self._path(key))
            self._make_room()
        except OSError as error:
            self._tell(error)

    def filling(self) -> Filling:
        """What is there now, of all versions."""
        sizes = [size for _, size, _ in self._files()]
        return Filling(len(sizes), sum(sizes))

    def _tell(self, error: OSError) -> None:
        if not self._told:
            log.warning("game_cache_unusable", folder=str(self.folder), reason=error.strerror, then="games are translated again each time")
        self._told = True

    def _files(self) -> list[tuple[int, int, str]]:
        """Time of the last use, size and path of each file; parts that a killed process has left are among them."""
        found: list[tuple[int, int, str]] = []
        try:
            for entry in os.scandir(self.folder):
                if entry.name.endswith((".game", ".part")):
                    stat = entry.stat()
                    found.append((stat.st_mtime_ns, stat.st_size, entry.path))
        except FileNotFoundError:
            pass  # The folder, or a file that another process has removed meanwhile: then its scan decides.
        return found

    def _make_room(self) -> None:
        files = self._files()
        size = sum(size for _, size, _ in files)
        if size <= self._limit:
            return
        for _, each, path in sorted(files):
            if size <= self._limit * _ROOM:
                return
            Path(path).unlink(missing_ok=True)
            size -= each


def open_cache(settings: Settings) -> GameCache:
    """The cache of translations below the data directory of the settings."""
    return GameCache(settings.data_dir / "cache" / "games", settings.game_cache_mib << 20)


def _packed(translation: Translation) -> bytes:
    content = zlib.compress(translation.dump(), 6)
    return hashlib.blake2b(content, digest_size=_DIGEST).digest() + content


def _unpacked(content: bytes) -> Translation:
    if hashlib.blake2b(content[_DIGEST:], digest_size=_DIGEST).digest() != content[:_DIGEST]:
        raise ValueError("its checksum is wrong")
    return load(zlib.decompress(content[_DIGEST:]))
