"""The agent loop: ReAct (thought, action, observation) over any environment and any model (paper §3).

It takes memory's guidance as a string and knows nothing else of memory; replaying an episode needs nothing of it
either: with a journal behind `llm`, the answers are the same, so the actions are, and so is the deterministic environment.
"""

from dataclasses import dataclass, field
from typing import Any

from runtime import prompts
from runtime.env import Env, EnvDescription
from runtime.errors import BudgetSpent, RequestRejected
from runtime.events import EpisodeSpec, Step
from runtime.model.llm import LLM, Message, Sampling
from runtime.parsing import Answer, parse

ABORTING = (BudgetSpent, RequestRejected)
"""What ends one episode for good and says nothing of the others."""


@dataclass
class Episode:
    """An episode as it grows; what is left of it when it ends is its trajectory."""

    first_observation: str = ""
    steps: list[Step] = field(default_factory=list[Step])
    reward: float = 0.0
    done: bool = False
    success: bool = False
    aborted: str | None = None
    """Why it could not be played to its end (budget, refused request); None for an episode that counts."""


class Agent:
    """Plays episodes by one spec in one kind of environment."""

    def __init__(self, llm: LLM, description: EnvDescription, spec: EpisodeSpec) -> None:
        self._llm = llm
        self._description = description
        self._spec = spec
        self._sampling = Sampling(model=spec.model, temperature=spec.temperature, seed=spec.seed)

    async def play(self, env: Env, game: dict[str, Any], guidance: str, episode: Episode) -> None:
        """Play `game` to its end or to `max_steps`, writing into `episode`.

        What is `ABORTING` ends it as aborted. What another delivery may mend (`LLMUnavailable`, `EnvError`) and what
        concerns every episode (`LLMRejected`) passes through.
        """
        try:
            episode.first_observation = await env.reset(game)
            messages = self.opening(guidance, episode.first_observation)
            while not episode.done and len(episode.steps) < self._spec.max_steps:
                await self._step(env, messages, episode)
        except ABORTING as error:
            episode.aborted = f"{type(error).__name__}: {error}"

    def opening(self, guidance: str, first_observation: str) -> list[Message]:
        """The conversation before the first action: rules, examples if asked for, guidance once, then the task."""
        examples = self._description.few_shot if self._spec.few_shot else ()
        return [
            Message(role="system", content=prompts.SYSTEM.format(rules=self._description.rules)),
            *(Message(role=role, content=text) for role, text in examples),
            Message(role="user", content=guidance + first_observation),
        ]

    async def _step(self, env: Env, messages: list[Message], episode: Episode) -> None:
        answer = await self._answer(messages)
        observation = prompts.NOTHING
        if answer.action is not None:
            result = await env.step(answer.action)
            observation, episode.reward, episode.done = result.observation, result.reward, result.done
            episode.success = bool(result.info.get("success", result.reward >= self._description.success_reward))
        episode.steps.append(Step(thought=answer.thought, action=answer.action or "", observation=observation))
        messages.append(Message(role="user", content=prompts.OBSERVATION.format(observation=observation)))

    async def _answer(self, messages: list[Message]) -> Answer:
        """The next thought and action; an answer without an action gets one chance to mend itself."""
        answer = await self._ask(messages)
        if answer.action is None:
            messages.append(Message(role="user", content=prompts.REPAIR))
            answer = await self._ask(messages)
        return answer

    async def _ask(self, messages: list[Message]) -> Answer:
        completion = await self._llm.complete(messages, role="agent", sampling=self._sampling)
        messages.append(Message(role="assistant", content=completion.text))
        return parse(completion.text)
