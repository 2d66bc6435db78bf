"""A small environment that does to its process what a game tells it to.

A game is `{"name"}`, with `poison` (see `_do`) for its second action, `flood`, bytes that an observation has beside its
text, `at` which action (the first), or `length`, the number of actions to its end.
"""

import os
import signal
from typing import Any

from envs.local import GameTask
from runtime.config import Settings
from runtime.env import EnvDescription, StepResult
from runtime.errors import EnvError

SPLITS = ("dev",)
_taken: list[bytes] = []


def describe() -> EnvDescription:
    return EnvDescription(__name__, "Do anything.", (), 1.0)


def games(split: str, settings: Settings) -> list[GameTask]:
    return [GameTask(f"tidy room {number}", {"name": f"room {number}"}) for number in range(12)]


def make(settings: Settings) -> "PoisonEnv":
    return PoisonEnv()


class PoisonEnv:
    """Satisfies `envs.local.LocalEnv`."""

    def __init__(self) -> None:
        self._game: dict[str, Any] = {}
        self._steps = 0

    def prepared(self, game: dict[str, Any]) -> bool:
        return True

    def prepare(self, game: dict[str, Any]) -> None:
        pass

    def reset(self, game: dict[str, Any]) -> str:
        self._game, self._steps = game, 0
        return f"You are in {game['name']}."

    def step(self, action: str) -> StepResult:
        self._steps += 1
        if self._steps == 2:
            _do(self._game.get("poison"))
        flood = "x" * self._game.get("flood", 0) if self._steps == self._game.get("at", 1) else ""
        won = self._steps == self._game.get("length", 3)
        return StepResult(f"You did {action} in {self._game['name']}. {flood}", float(won), won, {})


def _do(poison: str | None) -> None:
    match poison:
        case "refuse":
            raise EnvError("the door is locked")
        case "raise":
            raise ZeroDivisionError("a bug of the environment's own")
        case "exit":
            os._exit(3)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            signal.pause()
        case "eat":
            while True:
                _taken.append(b"\1" * (64 << 20))
        case _:
            pass
