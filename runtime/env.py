"""The environment as the agent loop sees it."""

from typing import Any, NamedTuple, Protocol


class StepResult(NamedTuple):
    """What one action did: observation text, reward in [0, 1], whether the episode is over, and extras."""

    observation: str
    reward: float
    done: bool
    info: dict[str, Any]


class Env(Protocol):
    """One episode's environment, deterministic given (task, actions): that is what makes replay possible.

    `reset` takes a task's `game` (see `runtime.events.Task`) and returns the first observation. Both raise
    `EnvError` where the game can't be played.
    """

    async def reset(self, game: dict[str, Any]) -> str: ...

    async def step(self, action: str) -> StepResult: ...


class EnvDescription(NamedTuple):
    """What an environment says of itself to agents and to memory.

    `name` is its `--env` value; `rules` what actions and observations are, in prose with the action grammar;
    `few_shot` complete example episodes of our own playing, as (role, text) messages with role "user" or "assistant";
    `success_reward` the reward from which an episode counts as a success for memory.
    """

    name: str
    rules: str
    few_shot: tuple[tuple[str, str], ...]
    success_reward: float
