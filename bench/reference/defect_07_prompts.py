"""7. What the builder is told of the environment.

The model of the reference has one prompt, made for households, with a solved task of the benchmark's in it (here a generated one's).
memp's prompts are given the description of the environment at hand, and hold no example. What is looked at is what remains of a
prompt without the material that it is about.
"""

import re
from dataclasses import dataclass, field

from bench.reference.stage import SAMPLING, Stage, episode
from bench.reference.verdicts import Finding, exactly
from envs.alfworld_env import households
from envs.registry import describe
from memory import transcript
from memory.build import Builder, FactExtractor
from memory.procedure import Content
from runtime.events import Role, Trajectory
from runtime.model.llm import LLM, Completion, Message, Sampling

ENVIRONMENTS = {"alfworld": "put a hot egg in shelf.", "travelplanner": "Please plan a trip of 3 days from Rockford to St. Petersburg."}
HEATING = 3
"""A generated game of a type with an appliance."""
SOLVED = re.compile(r"\b(?:go to|open|close|take|move|put|use|heat|cool|clean|slice) [a-z]+ \d+")
"""A command of somebody who plays a household."""
PROMPT = """\
Here is a household task and how an agent solved it. Write a workflow for such tasks.

Example. Task: {goal}
{commands}

Task: {task}
{trajectory}
Workflow:"""
DUE = {"prompts that leave out what the environment is": exactly(0), "prompts that hold commands of a solved task": exactly(0)}


@dataclass
class Overheard:
    """A model, and what it was asked; satisfies `runtime.model.llm.LLM`."""

    llm: LLM
    prompts: list[str] = field(default_factory=list[str])

    async def complete(self, messages: list[Message], *, role: Role, sampling: Sampling) -> Completion:
        self.prompts.append(messages[-1]["content"])
        return await self.llm.complete(messages, role=role, sampling=sampling)


async def find(stage: Stage) -> Finding:
    """An episode of each of two environments is handed to both."""
    reference, memp = dict.fromkeys(DUE, 0), dict.fromkeys(DUE, 0)
    for env, goal in ENVIRONMENTS.items():
        played = episode(0, goal, success=True, places=["shelf"])
        played = played.model_copy(update={"task": played.task.model_copy(update={"env": env})})
        overheard = Overheard(stage.llm)
        await _all_prompts(overheard, played)
        for figures, prompts in ((reference, [_reference(played)]), (memp, overheard.prompts)):
            for prompt in prompts:
                _look(prompt, played, figures)
    return Finding(7, "prompts for an episode of ALFWorld and one of TravelPlanner", DUE, reference, memp)


def _reference(played: Trajectory) -> str:
    """The prompt of the model of the reference; its words are this project's."""
    content = households.game(HEATING, 5, "dev").content
    goal = re.findall(r"put [a-z ]+\.|heat [a-z ]+\.", content["grammar"])[0]
    told = transcript.render(played.first_observation, played.steps)
    return PROMPT.format(goal=goal, commands="\n".join(content["walkthrough"]), task=played.task.goal, trajectory=told)


async def _all_prompts(llm: LLM, played: Trajectory) -> None:
    """Have memp ask all that it ever asks for memory."""
    builder = Builder(llm, SAMPLING, "script", describe)
    await builder.build(played)
    await builder.adjust(Content(script="Steps: none."), played.task.goal, played)
    await FactExtractor(llm, SAMPLING, describe).extract(played.task.env, played.task.goal)


def _look(prompt: str, played: Trajectory, figures: dict[str, int]) -> None:
    """Count what one prompt says that it should not, and leaves out that it should say."""
    rules = describe(played.task.env).rules
    rest = prompt
    for material in (rules, transcript.render(played.first_observation, played.steps), played.task.goal):
        rest = rest.replace(material, "")
    for name, wrong in zip(DUE, (rules not in prompt, bool(SOLVED.search(rest))), strict=True):
        figures[name] += wrong
