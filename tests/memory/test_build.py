"""Build and adjust: the three forms, what the model is asked, what its answers may look like."""

import pytest

from envs.registry import describe
from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from memory.build import Builder, FactExtractor, parse_facts
from memory.procedure import Content, Form
from runtime.errors import ProcedureError
from runtime.events import Step, Trajectory
from runtime.model.llm import Sampling
from tests.events import task, trajectory
from tests.support import models, scripted, settings

SAMPLING = Sampling(model="stand-in")
GOAL = "put a hot egg in shelf."
STEPS = (
    ("go to countertop 1", "You arrive at countertop 1. On the countertop 1, you see a egg 1."),
    ("take egg 1 from countertop 1", "You pick up the egg 1 from the countertop 1."),
    ("go to microwave 1", "You arrive at microwave 1. The microwave 1 is closed."),
    ("heat egg 1 with microwave 1", "You heat the egg 1 using the microwave 1."),
)


def played(success: bool = True) -> Trajectory:
    steps = tuple(Step(thought="a thought of mine", action=action, observation=observation) for action, observation in STEPS)
    return trajectory(task(0, goal=GOAL), success=success, steps=0).model_copy(update={"steps": steps})


@pytest.mark.parametrize(
    ("form", "verbatim", "abstracted"), [("trajectory", True, False), ("script", False, True), ("proceduralization", True, True)]
)
async def test_build_in_each_form_holds_what_it_should(form: Form, verbatim: bool, abstracted: bool) -> None:
    async with stand_in(Options()) as server, models(settings(server.base_url)) as clients:
        content = await Builder(clients.llm, SAMPLING, form, describe).build(played())
        assert (content.trajectory is not None, content.script is not None) == (verbatim, abstracted)
        assert server.stats.roles["builder"] == int(abstracted)
    if content.script:
        assert content.script.startswith("When to use:")
        assert "microwave" in content.script


async def test_build_trajectory_is_verbatim_with_its_outcome_and_without_thoughts() -> None:
    async with models(settings("http://127.0.0.1:9/v1")) as clients:  # nobody is asked
        content = await Builder(clients.llm, SAMPLING, "trajectory", describe).build(played(success=False))
    assert content.trajectory is not None
    lines = content.trajectory.splitlines()
    assert [line.removeprefix("Action: ") for line in lines if line.startswith("Action: ")] == [action for action, _ in STEPS]
    assert all(f"Observation: {observation}" in lines for _, observation in STEPS)
    assert lines[-1] == "Outcome: failure (reward 0) after 4 steps"
    assert "a thought of mine" not in content.trajectory


@pytest.mark.parametrize("verbatim", [None, "Action: look"])
async def test_adjust_rewrites_the_script_and_keeps_the_record(verbatim: str | None) -> None:
    async with scripted(lambda _: "When to use: now") as server, models(settings(server.base_url)) as clients:
        builder = Builder(clients.llm, SAMPLING, "trajectory", describe)
        adjusted = await builder.adjust(Content(trajectory=verbatim, script="misleading"), "put a mug in shelf.", played(success=False))
    [[message]] = server.chats
    assert adjusted == Content(trajectory=verbatim, script="When to use: now")
    for part in ("misleading", "put a mug in shelf.", GOAL, "heat egg 1 with microwave 1", "failure (reward 0) after 4 steps"):
        assert part in message["content"]
    assert ("Action: look" in message["content"]) == bool(verbatim)


@pytest.mark.parametrize("answer", ["```\nSteps:\n1. go\n```", "```markdown\nSteps:\n1. go\n```\n", "\n Steps:\n1. go\n"])
async def test_build_takes_an_answer_out_of_its_fence(answer: str) -> None:
    async with scripted(lambda _: answer) as server, models(settings(server.base_url)) as clients:
        content = await Builder(clients.llm, SAMPLING, "script", describe).build(played())
    assert content.script == "Steps:\n1. go"


@pytest.mark.parametrize("answer", ["", "  \n", "```\n```"])
async def test_build_answered_by_nothing_is_an_error(answer: str) -> None:
    async with scripted(lambda _: answer) as server, models(settings(server.base_url)) as clients:
        with pytest.raises(ProcedureError, match="builder model answered nothing"):
            await Builder(clients.llm, SAMPLING, "script", describe).build(played())


async def test_facts_come_from_the_model() -> None:
    async with stand_in(Options()) as server, models(settings(server.base_url)) as clients:
        facts = await FactExtractor(clients.llm, SAMPLING, describe).extract("alfworld", GOAL)
        assert server.stats.roles["facts"] == 1
    assert facts == {"object": "egg", "operation": "heat", "target": "shelf"}


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ('{"object": "mug"}', {"object": "mug"}),
        ('Here they are:\n```json\n{"object": "mug", "amount": 2}\n``` I hope {this} helps', {"amount": "2", "object": "mug"}),
        ('{"Object-Type": " mug ", "target_place": "", " ": "x", "tool": null}', {"object type": "mug"}),
        ('{"things": ["mug", "cup"], "nested": {"a": 1}, "day,month": 3}', {"day month": "3", "things": "mug, cup"}),
        ("I see no facts.", {}),
        ('{"object": "mu', {}),
        ('["mug"]', {}),
        ('{"a": ' + "[" * 100_000, {}),
    ],
)
def test_facts_are_read_from_whatever_stands_around_them(text: str, facts: dict[str, str]) -> None:
    assert parse_facts(text) == facts
