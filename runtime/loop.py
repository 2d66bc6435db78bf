"""The agent loop: ReAct (thought, action, observation) over any environment and any model (paper §3).

It takes memory's guidance as a string and knows nothing else of memory; replaying an episode needs nothing of it
either: with a journal behind `llm`, the answers are the same, so the actions are, and so is the deterministic environment.
"""

from dataclasses import dataclass, field
from typing import Any

from runtime import prompts
from runtime.env import Env, EnvDescription
from runtime.errors import BudgetSpent, EnvError, LLMUnavailable, RequestRejected
from runtime.events import EpisodeSpec, Role, Step, Usage
from runtime.llm import LLM, Completion, Message, Sampling
from runtime.parsing import Answer, parse


@dataclass
class Episode:
    """An episode as it grows; what is left of it when it ends is its trajectory."""

    first_observation: str = ""
    steps: list[Step] = field(default_factory=list[Step])
    reward: float = 0.0
    done: bool = False
    usage: dict[Role, Usage] = field(default_factory=dict[Role, Usage])
    aborted: str | None = None
    """Why it could not be played to its end (infrastructure or budget); None for an episode that counts."""

    def spend(self, role: Role, usage: Usage) -> None:
        self.usage[role] = self.usage.get(role, Usage()) + usage

    @property
    def tokens(self) -> int:
        return sum(usage.tokens for usage in self.usage.values())


class Agent:
    """Plays episodes by one spec in one kind of environment."""

    def __init__(self, llm: LLM, description: EnvDescription, spec: EpisodeSpec) -> None:
        self._llm = llm
        self._description = description
        self._spec = spec
        self._sampling = Sampling(model=spec.model, temperature=spec.temperature, seed=spec.seed)

    async def play(self, env: Env, game: dict[str, Any], guidance: str, episode: Episode) -> None:
        """Play `game` to its end or to `max_steps`, writing into `episode`.

        An episode that infrastructure or a budget ends is marked as aborted; `LLMRejected` passes through, as it concerns every episode.
        """
        try:
            episode.first_observation = await env.reset(game)
            messages = self.opening(guidance, episode.first_observation)
            while not episode.done and len(episode.steps) < self._spec.max_steps:
                await self._step(env, messages, episode)
        except (BudgetSpent, LLMUnavailable, RequestRejected, EnvError) as error:
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
        answer = await self._answer(messages, episode)
        observation = prompts.NOTHING
        if answer.action is not None:
            result = await env.step(answer.action)
            observation, episode.reward, episode.done = result.observation, result.reward, result.done
        episode.steps.append(Step(thought=answer.thought, action=answer.action or "", observation=observation))
        messages.append(Message(role="user", content=prompts.OBSERVATION.format(observation=observation)))

    async def _answer(self, messages: list[Message], episode: Episode) -> Answer:
        """The next thought and action; an answer without an action gets one chance to mend itself."""
        answer = await self._ask(messages, episode)
        if answer.action is None:
            messages.append(Message(role="user", content=prompts.REPAIR))
            answer = await self._ask(messages, episode)
        return answer

    async def _ask(self, messages: list[Message], episode: Episode) -> Answer:
        budget = self._spec.episode_tokens
        if budget is not None and episode.tokens >= budget:
            raise BudgetSpent(f"the episode's budget of {budget} tokens is spent")
        completion: Completion = await self._llm.complete(messages, role="agent", sampling=self._sampling)
        episode.spend("agent", completion.usage)
        messages.append(Message(role="assistant", content=completion.text))
        return parse(completion.text)
