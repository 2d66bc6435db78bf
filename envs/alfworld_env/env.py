"""ALFWorld as an environment: finds the game, plays it, and freezes at the first win."""

from pathlib import Path
from typing import Any

from envs.alfworld_env import game_files
from envs.alfworld_env.engine import Engine
from envs.alfworld_env.fast import FastEngine
from envs.alfworld_env.game_cache import GameCache
from runtime.config import EngineKind
from runtime.env import StepResult
from runtime.errors import EnvError
from runtime.prompts import NOTHING


def make_engine(kind: EngineKind, cache: GameCache | None = None) -> Engine:
    """A new engine; the fast one keeps what it has translated in the cache."""
    if kind == "stock":
        from envs.alfworld_env.stock import StockEngine  # noqa: PLC0415 (3 s)

        return StockEngine()
    return FastEngine(cache)


class AlfworldEnv:
    """Plays the games of one data folder, one after the other; satisfies `envs.local.LocalEnv`.

    The first observation is the game's introduction: the receptacles of the room, then the task. The reward is 1.0 from
    the first win on and 0.0 before; `info` has `won` (bool) and `steps` (actions so far). There is no limit of steps here.
    """

    def __init__(self, folder: Path, engine: EngineKind = "fast", cache: GameCache | None = None) -> None:
        self._folder = folder
        self._cache = cache if engine == "fast" else None
        self._engine = make_engine(engine, cache)
        self._won = False
        self._steps = 0

    def prepared(self, game: dict[str, Any]) -> bool:
        """Whether the game's translation is in the cache; True where there is no cache that could hold it."""
        return self._cache is None or self._cache.holds(str(game.get("hash")))

    def prepare(self, game: dict[str, Any]) -> None:
        """Translate a game and keep the translation; EnvError where the game can't be played."""
        if self._cache is not None:
            self._start(game)

    def reset(self, game: dict[str, Any]) -> str:
        """Start a game; EnvError where its file is missing, has changed, or can't be played."""
        self._won, self._steps = False, 0
        introduction, won = self._start(game)
        if won:
            raise EnvError(f"{game['path']} can't be played: its goal holds from the start")
        return introduction

    def _start(self, game: dict[str, Any]) -> tuple[str, bool]:
        data = game_files.load(game, self._folder)
        try:
            return self._engine.start(data)
        except Exception as error:
            raise EnvError(f"{game['path']} can't be played ({type(error).__name__}: {error}): its text is broken") from error

    def step(self, action: str) -> StepResult:
        """Do one action. After the win nothing happens any more, though the engine would go on and could lose it again."""
        self._steps += 1
        text, self._won = (NOTHING, self._won) if self._won or not action else self._engine.step(action)
        return StepResult(text, float(self._won), self._won, {"won": self._won, "steps": self._steps})
