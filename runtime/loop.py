"""The agent loop: ReAct (thought, action, observation) over any environment and any model (paper §3).

It takes memory's guidance as a string and knows nothing else of memory; replaying an episode needs nothing of it
either: with a journal behind `llm`, the answers are the same, so the actions are, and so is the deterministic environment.
"""

from dataclasses import dataclass, field
from typing import Any

from runtime import prompts
from runtime.env import Ask, Env, EnvDescription, Masks, StepResult
from runtime.errors import BudgetSpent, RequestRejected
from runtime.events import EpisodeSpec, Judgement, Step
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
    judgement: Judgement | None = None

    def mask(self, masks: Masks) -> None:
        """Take back what was shown, in the record as in the conversation; actions stay as they were done."""
        self.first_observation = replaced(self.first_observation, masks)
        self.steps = [
            Step(thought=replaced(step.thought, masks), action=step.action, observation=replaced(step.observation, masks))
            for step in self.steps
        ]


class Agent:
    """Plays episodes by one spec in one kind of environment."""

    def __init__(self, llm: LLM, description: EnvDescription, spec: EpisodeSpec) -> None:
        self._llm = llm
        self._description = description
        self._spec = spec
        self._sampling = Sampling(model=spec.model, temperature=spec.temperature, seed=spec.seed)
        self._prompt_tokens = 0

    async def play(self, env: Env, game: dict[str, Any], guidance: str, episode: Episode) -> None:
        """Play `game` to its end or to `max_steps`, writing into `episode`.

        What is `ABORTING` ends it as aborted. What another delivery may mend (`LLMUnavailable`, `EnvError`) and what
        concerns every episode (`LLMRejected`) passes through.
        """
        try:
            episode.first_observation = await env.reset(game)
            opening = self.opening(guidance, episode.first_observation)
            messages = opening.copy()
            while not episode.done and len(episode.steps) < self._spec.max_steps and not self._is_full():
                answer = await self._answer(messages)
                result = await self._act(env, answer.action or "", guidance)
                if result.masks:
                    messages[len(opening) :] = [_masked(message, result.masks) for message in messages[len(opening) :]]
                    episode.mask(result.masks)
                self._take(answer, result, episode)
                messages.append(Message(role="user", content=prompts.OBSERVATION.format(observation=result.observation)))
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

    def _is_full(self) -> bool:
        limit = self._spec.prompt_tokens
        return limit is not None and self._prompt_tokens > limit

    async def _act(self, env: Env, action: str, guidance: str) -> StepResult:
        """Do an action, with the model calls that the environment's tools need for it."""
        result = await env.step(action)
        while result.ask is not None:
            result = await env.answer(await self._asked(result.ask, guidance))
        return result

    async def _asked(self, ask: Ask, guidance: str) -> str:
        *before, last = ask.messages
        if ask.guided:
            last = Message(role=last["role"], content=guidance + last["content"])
        sampling = self._sampling.model_copy(update={"answer_schema": ask.schema})
        return (await self._llm.complete([*before, last], role=ask.role, sampling=sampling)).text

    def _take(self, answer: Answer, result: StepResult, episode: Episode) -> None:
        episode.reward, episode.done, episode.judgement = result.reward, result.done, result.judgement
        episode.success = bool(result.info.get("success", result.reward >= self._description.success_reward))
        episode.steps.append(Step(thought=answer.thought, action=answer.action or "", observation=result.observation))

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
        self._prompt_tokens = completion.usage.input
        return parse(completion.text)


def replaced(text: str, masks: Masks) -> str:
    """The text with something else in place of what is shown no more."""
    for shown, instead in masks:
        text = text.replace(shown, instead)
    return text


def _masked(message: Message, masks: Masks) -> Message:
    return Message(role=message["role"], content=replaced(message["content"], masks))
