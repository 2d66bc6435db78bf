"""An environment that breaks the protocol: its second action answers with what is not JSON, or writes to its process's sockets."""

import os
import stat
from typing import Any, cast

from runtime.config import Settings
from runtime.env import StepResult


def make(settings: Settings) -> "OddEnv":
    return OddEnv()


class OddEnv:
    """Satisfies `envs.local.LocalEnv`."""

    def __init__(self) -> None:
        self._game: dict[str, Any] = {}

    def prepared(self, game: dict[str, Any]) -> bool:
        return True

    def prepare(self, game: dict[str, Any]) -> None:
        pass

    def reset(self, game: dict[str, Any]) -> str:
        self._game = game
        return "You are in a room."

    def step(self, action: str) -> StepResult:
        match self._game.get("odd"):
            case "object":
                return StepResult("You see.", cast(float, object()), False, {})
            case "garbage":
                _write_everywhere(b"\0\0\0\3abc")
            case "endless":
                _write_everywhere(b"\xff" * 100)
            case "shape":
                _write_everywhere(b'\0\0\0\x0d{"id": [[1]]}')
            case _:
                pass
        return StepResult("You see.", 0.0, False, {})


def _write_everywhere(content: bytes) -> None:
    for number in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                os.write(number, content)
        except OSError:
            continue
