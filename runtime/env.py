"""The environment as the agent loop sees it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from runtime.events import Judgement, Role

if TYPE_CHECKING:
    from runtime.model.llm import Message  # with it come libraries that processes of environments have no use for


Masks = Sequence[tuple[str, str]]
"""Texts to take back, each with what stands in its place from now on."""


class Ask(NamedTuple):
    """A model call that belongs to a tool of the environment. The loop makes it, as it makes its own: journaled and counted."""

    role: Role
    messages: "list[Message]"
    schema: dict[str, Any] | None = None
    """JSON schema that the answer must follow; None for free text."""
    guided: bool = False
    """Whether what memory gave goes before the last message, as it does before the agent's task."""


class StepResult(NamedTuple):
    """What one action did: observation text, reward in [0, 1], whether the episode is over, and extras.

    `info` may hold `success` (bool), the benchmark's own word on it; without, the reward decides.
    """

    observation: str
    reward: float
    done: bool
    info: dict[str, Any]
    ask: Ask | None = None
    """Where a model must be asked first: the action is done when `answer` gave a result without one."""
    masks: Masks = ()
    """What was shown and is shown no more."""
    judgement: Judgement | None = None
    """How the episode would be judged if it ended here."""


class Env(Protocol):
    """One episode's environment, deterministic given (task, actions, answers): that is what makes replay possible.

    `reset` takes a task's `game` (see `runtime.events.Task`) and returns the first observation. `step` does an action, empty
    where the model gave none; `answer` takes the text of what the last result asked. All raise `EnvError` where the game
    can't be played.
    """

    async def reset(self, game: dict[str, Any]) -> str: ...

    async def step(self, action: str) -> StepResult: ...

    async def answer(self, text: str) -> StepResult: ...


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
