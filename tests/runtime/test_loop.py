"""The agent loop, between a scripted environment and a scripted model."""

from collections.abc import Sequence
from typing import Any

import pytest

from runtime.env import Ask, EnvDescription, StepResult
from runtime.errors import BudgetSpent, EnvCrashed, LLMRejected, LLMUnavailable, RequestRejected
from runtime.events import EpisodeSpec, Judgement, Role, Usage
from runtime.loop import Agent, Episode
from runtime.model.llm import Completion, Message, Sampling
from runtime.prompts import NOTHING, REPAIR

EXAMPLE = (("user", "an example's room"), ("assistant", "Thought: x\nAction: example"))
DESCRIPTION = EnvDescription("test", "THE RULES", EXAMPLE, 1.0)


class Model:
    """Answers in order, the last one for ever; an error is raised."""

    def __init__(self, *answers: str | Exception, roles: Sequence[Role] = ()) -> None:
        self.answers: Sequence[str | Exception] = answers
        self.roles = roles
        self.asked: list[list[Message]] = []
        self.samplings: list[Sampling] = []

    async def complete(self, messages: list[Message], *, role: Role, sampling: Sampling) -> Completion:
        assert role == (self.roles[len(self.asked)] if self.roles else "agent")
        self.asked.append(list(messages))
        self.samplings.append(sampling)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return Completion(text=answer, model="m", usage=Usage(input=10 * len(self.asked)))


class World:
    """Won by the action `win`; an action `crash` crashes it."""

    def __init__(self, info: dict[str, Any] | None = None) -> None:
        self.actions: list[str] = []
        self.info = info or {}

    async def reset(self, game: dict[str, Any]) -> str:
        assert game == {"path": "g"}
        return "the room and the task"

    async def step(self, action: str) -> StepResult:
        self.actions.append(action)
        if action == "crash":
            raise EnvCrashed("gone")
        won = action == "win"
        return StepResult(f"saw {action}" if action else NOTHING, float(won), won, self.info)

    async def answer(self, text: str) -> StepResult:
        raise AssertionError(text)


async def play(model: Model, world: World | None = None, guidance: str = "", **spec: Any) -> Episode:
    episode = Episode()
    agent = Agent(model, DESCRIPTION, EpisodeSpec.model_validate({"model": "m", "max_steps": 5, **spec}))
    await agent.play(world or World(), {"path": "g"}, guidance, episode)
    return episode


async def test_episode_is_played_until_it_is_done() -> None:
    model, world = Model("Thought: a\nAction: look", "Thought: b\nAction: win"), World()
    episode = await play(model, world)
    assert world.actions == ["look", "win"]
    assert [(step.thought, step.action, step.observation) for step in episode.steps] == [("a", "look", "saw look"), ("b", "win", "saw win")]
    assert (episode.first_observation, episode.reward, episode.done, episode.success, episode.aborted) == (
        "the room and the task",
        1.0,
        True,
        True,
        None,
    )


async def test_conversation_grows_by_answer_and_observation() -> None:
    model = Model("Thought: a\nAction: look", "Thought: b\nAction: win")
    await play(model)
    system, first, answer, observation = model.asked[1]
    assert model.asked[0] == [system, first]
    assert (system["role"], "THE RULES" in system["content"]) == ("system", True)
    assert first == {"role": "user", "content": "the room and the task"}
    assert (answer["content"], observation["content"]) == ("Thought: a\nAction: look", "Observation: saw look")


async def test_episode_ends_after_max_steps_without_success() -> None:
    episode = await play(Model("Action: look"), max_steps=4)
    assert (len(episode.steps), episode.done, episode.success, episode.aborted) == (4, False, False, None)


async def test_success_is_the_environments_word_before_the_rewards() -> None:
    assert (await play(Model("Action: win"), World({"success": False}))).success is False
    assert (await play(Model("Action: look"), World({"success": True}), max_steps=1)).success is True


async def test_answer_without_an_action_gets_one_repair_turn() -> None:
    model, world = Model("I wonder.", "Action: win"), World()
    episode = await play(model, world)
    assert [message["content"] for message in model.asked[1][-2:]] == ["I wonder.", REPAIR]
    assert (world.actions, len(episode.steps)) == (["win"], 1)


async def test_second_answer_without_an_action_is_a_step_in_which_nothing_happens() -> None:
    model, world = Model("I wonder.", "I still do.", "Action: look", "Hm.", "Hm!", "Action: win"), World()
    episode = await play(model, world)
    assert [(step.action, step.observation) for step in episode.steps] == [
        ("", NOTHING),
        ("look", "saw look"),
        ("", NOTHING),
        ("win", "saw win"),
    ]
    assert episode.steps[0].thought == "I still do."
    assert model.asked[2][-1]["content"] == f"Observation: {NOTHING}"
    assert sum(message["content"] == REPAIR for message in model.asked[-1]) == 2


async def test_model_that_never_acts_is_asked_twice_per_step() -> None:
    model = Model("I wonder.")
    episode = await play(model, max_steps=3)
    assert (len(model.asked), [step.observation for step in episode.steps]) == (6, [NOTHING] * 3)


@pytest.mark.parametrize("few_shot", [False, True])
async def test_examples_are_shown_only_where_asked_for(few_shot: bool) -> None:
    model = Model("Action: win")
    await play(model, few_shot=few_shot)
    assert [message["content"] for message in model.asked[0][1:]] == [*(text for _, text in EXAMPLE if few_shot), "the room and the task"]


async def test_guidance_stands_once_before_the_task() -> None:
    model = Model("Action: look", "Action: win")
    await play(model, guidance="GUIDANCE\n", few_shot=True)
    assert [message["content"] for message in model.asked[-1] if "GUIDANCE" in message["content"]] == ["GUIDANCE\nthe room and the task"]


async def test_sampling_is_passed_on() -> None:
    model = Model("Action: win")
    await play(model, temperature=0.5, seed=7)
    assert model.samplings == [Sampling(model="m", temperature=0.5, seed=7)]


@pytest.mark.parametrize("error", [BudgetSpent("no tokens left"), RequestRejected("too long")])
async def test_episode_that_cannot_go_on_is_aborted_and_keeps_its_steps(error: Exception) -> None:
    episode = await play(Model("Action: look", error))
    assert episode.aborted == f"{type(error).__name__}: {error}"
    assert (len(episode.steps), episode.success) == (1, False)


@pytest.mark.parametrize("error", [LLMRejected("wrong key"), LLMUnavailable("away")])
async def test_errors_of_the_endpoint_pass(error: Exception) -> None:
    with pytest.raises(type(error)):
        await play(Model("Action: look", error))


class Asking(World):
    """Its tool asks a model twice, and takes back what it showed first."""

    async def step(self, action: str) -> StepResult:
        if action == "look":
            return StepResult("a long table", 0.0, False, {}, judgement=Judgement(feedback="nothing yet", details={}))
        message = Message(role="user", content="Plan it.")
        return StepResult("", 0.0, False, {}, ask=Ask("planner", [message], guided=True))

    async def answer(self, text: str) -> StepResult:
        if text == "a plan":
            return StepResult("", 0.0, False, {}, ask=Ask("conversion", [Message(role="user", content=text)], schema={"type": "object"}))
        judgement = Judgement(feedback="1 of 2", details={"passed": 1})
        return StepResult("done", 0.5, text == "{}", {"success": False}, masks=[("a long table", "MASKED")], judgement=judgement)


async def test_calls_of_the_environments_tools_are_made_in_roles_of_their_own() -> None:
    model, world = Model("Action: look", "Action: plan", "a plan", "{}", roles=("agent", "agent", "planner", "conversion")), Asking()
    episode = await play(model, world, guidance="GUIDANCE\n")
    assert [message["content"] for asked in model.asked[2:] for message in asked] == ["GUIDANCE\nPlan it.", "a plan"]
    assert [sampling.answer_schema for sampling in model.samplings] == [None, None, None, {"type": "object"}]
    assert (episode.done, episode.reward, episode.success) == (True, 0.5, False)
    assert episode.judgement == Judgement(feedback="1 of 2", details={"passed": 1})


async def test_what_is_taken_back_is_masked_in_conversation_and_record() -> None:
    roles = ("agent", "agent", "planner", "conversion", "agent")
    model = Model("Thought: a long table!\nAction: look", "Action: plan", "a plan", "[]", "Action: look", roles=roles)
    episode = await play(model, Asking(), max_steps=3)
    assert [step.observation for step in episode.steps] == ["MASKED", "done", "a long table"]
    assert [message["content"] for message in model.asked[4][2:]] == [
        "Thought: MASKED!\nAction: look",
        "Observation: MASKED",
        "Action: plan",
        "Observation: done",
    ]


async def test_episode_whose_prompt_grew_too_long_ends() -> None:
    episode = await play(Model("Action: look"), prompt_tokens=25)
    assert (len(episode.steps), episode.done, episode.aborted) == (3, False, None)


async def test_crash_of_the_environment_passes() -> None:
    with pytest.raises(EnvCrashed):
        await play(Model("Action: crash"))
