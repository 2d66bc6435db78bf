"""ALFWorld as an environment: finds the game, plays it, and freezes at the first win."""

from pathlib import Path
from typing import Any

from envs.alfworld_env import game_files
from envs.alfworld_env.engine import Engine, EngineKind, TextWorldEngine
from runtime.env import StepResult
from runtime.errors import EnvError
from runtime.prompts import NOTHING


class AlfworldEnv:
    """Plays the games of one data folder, one after the other; satisfies `envs.local.LocalEnv`.

    The first observation is the game's introduction: the receptacles of the room, then the task. The reward is 1.0 from
    the first win on and 0.0 before; `info` has `won` (bool) and `steps` (actions so far). There is no limit of steps here.
    """

    def __init__(self, folder: Path, engine: EngineKind = "memoised") -> None:
        self._folder = folder
        self._engine: Engine = TextWorldEngine(engine)
        self._won = False
        self._steps = 0

    def reset(self, game: dict[str, Any]) -> str:
        """Start a game; EnvError where its file is missing, has changed, or can't be played."""
        data = game_files.load(game, self._folder)
        self._won, self._steps = False, 0
        try:
            introduction, won = self._engine.start(data)
        except Exception as error:
            raise EnvError(f"{game['path']} can't be played ({type(error).__name__}: {error}): its text is broken") from error
        if won:
            raise EnvError(f"{game['path']} can't be played: its goal holds from the start")
        return introduction

    def step(self, action: str) -> StepResult:
        """Do one action. After the win nothing happens any more, though the engine would go on and could lose it again."""
        self._steps += 1
        text, self._won = (NOTHING, True) if self._won else self._engine.step(action)
        return StepResult(text, float(self._won), self._won, {"won": self._won, "steps": self._steps})
