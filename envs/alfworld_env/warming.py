"""Translates games ahead of time, so that no episode waits for it: `memp warm`."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from envs.alfworld_env.env import AlfworldEnv
from envs.alfworld_env.game_cache import Filling, GameCache, open_cache
from envs.alfworld_env.game_files import data_folder, games
from runtime.config import Settings
from runtime.errors import EnvError, UsageError

NICE = 10


class Warmed(NamedTuple):
    """How many games of a split are translated now, how many were before, and what the cache holds."""

    new: int
    there: int
    filling: Filling


def warm(split: str, settings: Settings, processes: int, progress: Callable[[int, int], None]) -> Warmed:
    """Translate those games of a split that are not in the cache yet; `progress` is told (done, all of them).

    A game that can't be played holds up none of the others: EnvError at the end. DataError for unusable data; UsageError
    where the cache does not hold them all afterwards, since it can't be written or is too small.
    """
    cache, tasks = open_cache(settings), [task.game for task in games(split, settings)]
    new = [game for game in tasks if not cache.holds(game["hash"])]
    there = len(tasks) - len(new)
    progress(there, len(tasks))
    failures: list[str] = []
    for done, failure in enumerate(_each(partial(_prepare, data_folder(settings), cache), new, processes), there + 1):
        failures += [failure] if failure else []
        progress(done, len(tasks))
    if failures:
        raise EnvError(f"{len(failures)} of {len(tasks)} games were left out; the first: {failures[0]}")
    held = sum(cache.holds(game["hash"]) for game in tasks)
    if held < len(tasks):
        remedy = f"raise MEMP_GAME_CACHE_MIB ({settings.game_cache_mib}), or see whether it can be written"
        raise UsageError(f"{cache.folder} holds {held} of {len(tasks)} games: {remedy}")
    return Warmed(len(new), there, cache.filling())


def _prepare(folder: Path, cache: GameCache, game: dict[str, Any]) -> str:
    try:
        AlfworldEnv(folder, "fast", cache).prepare(game)
    except EnvError as error:
        return str(error)
    return ""


def _each(work: Callable[[dict[str, Any]], str], found: list[dict[str, Any]], processes: int) -> Iterator[str]:
    if found:
        with ProcessPoolExecutor(min(processes, len(found)), multiprocessing.get_context("spawn"), initializer=_aside) as pool:
            yield from pool.map(work, found)


def _aside() -> None:
    os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group of processes; it is for the command to act on.
