"""What an environment offers where it runs: plain synchronous calls, in one thread of an environment process."""

from typing import Any, NamedTuple, Protocol

from runtime.env import StepResult


class LocalEnv(Protocol):
    """One environment, reused for many episodes: each `reset` begins another.

    Both methods raise `EnvError` where the game can't be played; given (game, actions) the answers are always the same.
    """

    def reset(self, game: dict[str, Any]) -> str: ...

    def step(self, action: str) -> StepResult: ...


class GameTask(NamedTuple):
    """One game of a split: the task's text, and what `LocalEnv.reset` needs to find the game (JSON types only)."""

    goal: str
    game: dict[str, Any]
