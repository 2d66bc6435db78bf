"""Build: from a trajectory to what a procedure says (paper §3.1 eq. 3, §4.2 "storage").

trajectory          the episode verbatim, its outcome marked
script              a model's abstraction of it
proceduralization   both
"""

import json
import re
from collections.abc import Callable

import structlog

from memory import prompts, transcript
from memory.guidance import render
from memory.procedure import Content, Form
from runtime.env import EnvDescription
from runtime.errors import ProcedureError
from runtime.events import Role, Trajectory
from runtime.model.llm import LLM, Message, Sampling

log = structlog.get_logger()

_FENCE = re.compile(r"\A\s*```[^\n]*\n|\n?[ \t]*```\s*\Z")
"""A code fence around a whole answer."""

_WORD = re.compile(r"[^\W_]+")

Describe = Callable[[str], EnvDescription]
"""From the name of an environment to its description, which the prompts speak of."""


class Builder:
    """Writes procedures in one form. Raises `ProcedureError` where the model answers nothing, and what `LLM` raises."""

    def __init__(self, llm: LLM, sampling: Sampling, form: Form, describe: Describe) -> None:
        self.form = form
        self._llm = llm
        self._sampling = sampling
        self._describe = describe

    async def build(self, trajectory: Trajectory) -> Content:
        """What this episode teaches."""
        verbatim = self._verbatim(trajectory) if self.form != "script" else None
        script = await self._ask("builder", prompts.BUILD.format(**self._material(trajectory))) if self.form != "trajectory" else None
        return Content(trajectory=verbatim, script=script)

    async def adjust(self, content: Content, goal: str, trajectory: Trajectory) -> Content:
        """The content revised in the light of an episode that used it and failed; a verbatim part stays as it was."""
        procedure = render(goal, content)
        script = await self._ask("adjustment", prompts.ADJUST.format(procedure=procedure, **self._material(trajectory)))
        return Content(trajectory=content.trajectory, script=script)

    def _material(self, trajectory: Trajectory) -> dict[str, str]:
        return {
            "environment": self._describe(trajectory.task.env).rules,
            "task": trajectory.task.goal,
            "outcome": self._outcome(trajectory),
            "trajectory": transcript.render(trajectory.first_observation, trajectory.steps),
        }

    def _verbatim(self, trajectory: Trajectory) -> str:
        return f"{transcript.render(trajectory.first_observation, trajectory.steps)}\nOutcome: {self._outcome(trajectory)}"

    def _outcome(self, trajectory: Trajectory) -> str:
        """A benchmark's own success may be rarer than what memory learns from."""
        return transcript.outcome(trajectory, trajectory.reward >= self._describe(trajectory.task.env).success_reward)

    async def _ask(self, role: Role, prompt: str) -> str:
        completion = await self._llm.complete([Message(role="user", content=prompt)], role=role, sampling=self._sampling)
        text = _FENCE.sub("", completion.text).strip()
        if not text:
            raise ProcedureError(f"the {role} model answered nothing")
        return text


class FactExtractor:
    """Extracts the named facts of a goal, for `avefact`."""

    def __init__(self, llm: LLM, sampling: Sampling, describe: Describe) -> None:
        self._llm = llm
        self._sampling = sampling
        self._describe = describe

    async def extract(self, env: str, goal: str) -> dict[str, str]:
        """Names and values as `parse_facts` gives them; empty, with a warning in the log, where the answer is no JSON object."""
        prompt = prompts.FACTS.format(environment=self._describe(env).rules, task=goal)
        completion = await self._llm.complete([Message(role="user", content=prompt)], role="facts", sampling=self._sampling)
        facts = parse_facts(completion.text)
        if not facts:
            log.warning("facts_unreadable", goal=goal, answer=completion.text[:200])
        return facts


def parse_facts(text: str) -> dict[str, str]:
    """The first JSON object in a text, as names and non-empty values; lists are joined, nested objects left out.

    Names are put in lower case with one blank between words, so that `Object-Type` and `object_type` meet.
    """
    start = text.find("{")
    if start < 0:
        return {}
    try:
        found, _ = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError):
        return {}
    flat = {name: ", ".join(map(str, value)) if isinstance(value, list) else value for name, value in found.items()}
    plain = {" ".join(_WORD.findall(name.lower())): value for name, value in flat.items() if isinstance(value, str | int | float)}
    return {name: str(value).strip() for name, value in sorted(plain.items()) if name and str(value).strip()}
