"""What an environment offers where it runs: plain synchronous calls, in one thread of an environment process."""

from typing import Any, NamedTuple, Protocol

from runtime.env import StepResult


class LocalEnv(Protocol):
    """One environment, reused for many episodes: each `reset` begins another.

    `reset` and `step` raise `EnvError` where the game can't be played; given (game, actions) the answers are always the same.
    An environment that must work on a game for long before its first reset does that in `prepare`, once for all processes
    of the machine (the outcome is in a cache on disk); `reset` does it itself where nobody has, so both are only ever a help.
    """

    def prepared(self, game: dict[str, Any]) -> bool:
        """Whether a reset is quick now: True where the game is prepared, and where there is nothing to prepare. Cheap."""
        ...

    def prepare(self, game: dict[str, Any]) -> None:
        """Do the slow part of a first reset and leave its outcome on disk; called in a process that hosts no episode."""
        ...

    def reset(self, game: dict[str, Any]) -> str: ...

    def step(self, action: str) -> StepResult:
        """Do an action; an empty one, where the model gave none, is answered, too."""
        ...


class AskingEnv(LocalEnv, Protocol):
    """One whose tools ask a model."""

    def answer(self, text: str) -> StepResult:
        """Go on with the answer to the last result's `ask`."""
        ...


class GameTask(NamedTuple):
    """One game of a split: the task's text, and what `LocalEnv.reset` needs to find the game (JSON types only)."""

    goal: str
    game: dict[str, Any]
