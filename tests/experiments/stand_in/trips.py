"""Trips played against the stand-in without a server between: the real tools, judge and prompts over a small generated country."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from envs.travelplanner import prompts
from envs.travelplanner.country import generate
from envs.travelplanner.database import open_database
from envs.travelplanner.queries import Query, read_queries
from envs.travelplanner.sandbox import Sandbox
from envs.travelplanner.scoring import PlanScore, judge
from envs.travelplanner.tools import MASK, Tools, parse
from experiments.stand_in.answers import chat
from memory import prompts as memory_prompts
from runtime import prompts as loop_prompts
from runtime.parsing import parse as parse_answer

MOST_STEPS = 30
Messages = list[dict[str, str]]


def ask(messages: Messages, model: str = "stand-in-strong", seed: int = 0) -> tuple[str, str]:
    """The stand-in's role and answer."""
    answer = chat(orjson.dumps({"model": model, "messages": messages, "seed": seed}))
    return answer.role, orjson.loads(answer.body)["choices"][0]["message"]["content"]


def user(text: str) -> Messages:
    return [{"role": "user", "content": text}]


class Country(NamedTuple):
    tools: Tools
    sandbox: Sandbox
    queries: list[Query]


def country(folder: Path, count: int) -> Country:
    """A generated country with so many queries."""
    generate(folder / "data", 7, {"train": count})
    return opened(folder / "data", folder / "cache")


def opened(data: Path, cache: Path) -> Country:
    database = open_database(data, cache)
    return Country(Tools(database), Sandbox(database), read_queries(data, "train"))


@dataclass
class Played:
    """An episode; `plan` is the JSON value, None where none was delivered."""

    query: Query
    observation: str
    messages: Messages
    steps: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    plan: list[dict[str, Any]] | None = None
    score: PlanScore | None = None

    @property
    def actions(self) -> list[str]:
        return [action for action, _ in self.steps]

    @property
    def verdicts(self) -> dict[str, bool | None]:
        assert self.score is not None
        return {name: verdict.passed for name, verdict in {**self.score.commonsense, **self.score.hard}.items()}

    @property
    def reward(self) -> float:
        return sum(map(bool, self.verdicts.values())) / len(self.verdicts)

    @property
    def trajectory(self) -> str:
        steps = (f"Action: {action}\nObservation: {observation}" for action, observation in self.steps)
        return "\n".join([f"Observation: {self.observation}", *steps])

    @property
    def outcome(self) -> str:
        assert self.score is not None
        told = {**self.score.commonsense, **self.score.hard}
        failed = [f"failed {name}: {verdict.reason}" for name, verdict in told.items() if verdict.passed is False]
        line = f"{'success' if self.reward >= 0.8 else 'failure'} (reward {self.reward:g}) after {len(self.steps)} steps"
        return "\n".join([line, f"passed some of {len(told)} constraints", *failed])

    @property
    def record(self) -> str:
        return f"{self.trajectory}\nOutcome: {self.outcome}"


def play(country: Country, query: Query, guidance: str = "", model: str = "stand-in-strong", seed: int = 0) -> Played:
    """One episode in two stages, as the loop plays it."""
    country.tools.reset()
    observation = prompts.QUERY.format(query=query.query)
    opening = [{"role": "system", "content": loop_prompts.SYSTEM.format(rules=prompts.TOOLS)}, *user(guidance + observation)]
    played = Played(query, observation, opening)
    while played.plan is None and len(played.steps) < MOST_STEPS:
        _step(country, played, guidance, model, seed)
    played.score = judge(query, played.plan, country.sandbox)
    return played


def _step(country: Country, played: Played, guidance: str, model: str, seed: int) -> None:
    role, text = ask(played.messages, model, seed)
    assert role == "agent"
    played.messages.append({"role": "assistant", "content": text})
    action = parse_answer(text).action
    if action is None:
        played.messages += user(loop_prompts.REPAIR)
        return
    name, argument = parse(action) or ("", "")
    if name == "Planner":
        order = prompts.PLANNER.format(notebook=country.tools.notebook.text, query=argument)
        words, played.plan = plan(guidance + order, model, seed)
        played.steps.append((action, words))
        return
    result = country.tools.call(action)
    if result.masked:
        played.messages[2:] = [{**each, "content": each["content"].replace(result.masked, MASK)} for each in played.messages[2:]]
        played.steps = [(done, shown.replace(result.masked, MASK)) for done, shown in played.steps]
    played.steps.append((action, result.text))
    played.messages += user(loop_prompts.OBSERVATION.format(observation=result.text))


def plan(order: str, model: str = "stand-in-strong", seed: int = 0) -> tuple[str, list[dict[str, Any]]]:
    """The plan that is made of an order: in words, and as JSON after at most one repair."""
    role, words = ask(user(order), model, seed)
    assert role == "planner"
    messages = user(prompts.CONVERSION.format(plan=words))
    role, text = ask(messages, model, seed)
    assert role == "conversion"
    try:
        return words, orjson.loads(text)["plan"]
    except orjson.JSONDecodeError as error:
        repair = [{"role": "assistant", "content": text}, *user(prompts.REPAIR.format(reason=error))]
    return words, orjson.loads(ask([*messages, *repair], model, seed)[1])["plan"]


def built(played: Played) -> str:
    """The script of an episode."""
    material = {"environment": prompts.TOOLS, "task": played.query.query, "outcome": played.outcome, "trajectory": played.trajectory}
    role, script = ask(user(memory_prompts.BUILD.format(**material)))
    assert role == "builder"
    return script


def adjusted(played: Played, procedure: str) -> str:
    """A procedure after a failure under it."""
    material = {"environment": prompts.TOOLS, "task": played.query.query, "outcome": played.outcome, "trajectory": played.trajectory}
    role, script = ask(user(memory_prompts.ADJUST.format(**material, procedure=procedure)))
    assert role == "adjustment"
    return script


def guide(*procedures: str) -> str:
    """Guidance of such procedures."""
    return memory_prompts.GUIDANCE.format(procedures="\n\n".join(procedures)) + "\n"


def shares(played: Sequence[Played]) -> float:
    """Share of all constraints that are passed."""
    verdicts = [passed for each in played for passed in each.verdicts.values()]
    return sum(map(bool, verdicts)) / len(verdicts)


def steps(played: Sequence[Played]) -> float:
    """Steps of an episode on average."""
    return sum(len(each.steps) for each in played) / len(played)
