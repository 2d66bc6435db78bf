"""A small environment for the tests of the pool: it tells what was done, and does to its process what it is told to.

A game is `{"name"}` with, where it has to be prepared, the files `cache`, which exists once it is, and `gate`, for which
preparing waits; a reset obeys the name unless the file `tamed`, where given, exists. For what actions and names do, see `_obey`.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

from envs.local import GameTask
from runtime.config import Settings
from runtime.env import EnvDescription, StepResult
from runtime.errors import DataError, EnvError

SPLITS = ("train",)
LENGTH = 3
"""Actions to the end of an episode."""
_taken: list[bytes] = []


def describe() -> EnvDescription:
    return EnvDescription(__name__, "Do anything.", (), 1.0)


def games(split: str, settings: Settings) -> list[GameTask]:
    return [GameTask(f"do {LENGTH} things", {"name": "a room"})]


def make(settings: Settings) -> "ToyEnv":
    """A new environment; that it can't play is said by a setting that it has no other use for."""
    if settings.travelplanner_data is not None:
        raise DataError(f"{settings.travelplanner_data} is no toy")
    return ToyEnv()


class ToyEnv:
    """Answers with all that it has been told; satisfies `envs.local.LocalEnv`."""

    def __init__(self) -> None:
        self._told: list[str] = []

    def prepared(self, game: dict[str, Any]) -> bool:
        return "cache" not in game or Path(game["cache"]).exists()

    def prepare(self, game: dict[str, Any]) -> None:
        _obey(game["name"])
        while not Path(game["gate"]).exists():
            time.sleep(0.001)
        with Path(game["cache"]).open("a") as cache:
            cache.write(f"{os.getpid()} {os.nice(0)}\n")

    def reset(self, game: dict[str, Any]) -> str:
        if "tamed" not in game or not Path(game["tamed"]).exists():
            _obey(game["name"])
        self._told = [game["name"]]
        return f"You are in {game['name']}."

    def step(self, action: str) -> StepResult:
        _obey(action)
        self._told.append(action)
        done = len(self._told) > LENGTH
        return StepResult(", ".join(self._told), float(done), done, {"steps": len(self._told) - 1})


def _obey(words: str) -> None:
    word, _, rest = words.partition(" ")
    match word:
        case "exit":
            os._exit(int(rest))
        case "hang":
            signal.pause()
        case "wait":
            time.sleep(float(rest))
        case "take":
            _taken.append(b"\1" * (int(rest) << 20))
        case "print":
            print(rest, flush=True)
            os.write(1, f"{rest}\n".encode())  # As a C library does.
        case "fail":
            raise EnvError(rest)
        case _:
            pass
