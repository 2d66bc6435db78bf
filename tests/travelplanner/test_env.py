"""TravelPlanner as the agent loop plays it: two stages, planning alone, and what its own model calls bring about."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs import registry
from envs.local import GameTask
from envs.travelplanner import prompts
from envs.travelplanner.country import trips
from envs.travelplanner.delivery import SCHEMA
from envs.travelplanner.env import SolePlanningEnv, TravelPlannerEnv
from envs.travelplanner.stopping import REPEATED
from envs.travelplanner.tokens import count
from envs.travelplanner.tools import INVALID, MASK, TOO_LONG
from runtime.config import Settings
from runtime.env import StepResult
from runtime.errors import DataError, EnvError
from runtime.events import Judgement
from tests.travelplanner.conftest import SEED

PLAN = "Day 1:\nCurrent City: from A to B"
TWO_STAGE, SOLE = "travelplanner", "travelplanner-sole"


@pytest.fixture(scope="module")
def settings(country: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(travelplanner_data=country, data_dir=tmp_path_factory.mktemp("data"))


@pytest.fixture
def games(settings: Settings) -> list[GameTask]:
    return registry.games(TWO_STAGE, "validation", settings)


@pytest.fixture
def env(settings: Settings) -> TravelPlannerEnv:
    made = registry.make(TWO_STAGE, settings)
    assert isinstance(made, TravelPlannerEnv)
    return made


@pytest.fixture
def sole(settings: Settings) -> SolePlanningEnv:
    made = registry.make(SOLE, settings)
    assert isinstance(made, SolePlanningEnv)
    return made


def known_plan(index: int, split: str = "validation") -> list[dict[str, Any]]:
    """The plan by which a query of the country was made: it keeps all constraints."""
    return trips(SEED, split, index)[index - 1].plan


def asked(result: StepResult, role: str) -> str:
    """The last message of what a result asks of a model in this role."""
    assert result.ask is not None
    assert result.ask.role == role
    assert not result.done
    return result.ask.messages[-1]["content"]


def details(result: StepResult) -> dict[str, Any]:
    assert result.judgement is not None
    return result.judgement.details


def delivered(env: TravelPlannerEnv, game: GameTask, *answers: str) -> StepResult:
    """What comes of these answers to the planner's call and those behind it."""
    env.reset(game.game)
    result = env.step("Planner[plan it]")
    for answer in answers:
        assert not result.done
        result = env.answer(answer)
    return result


def test_games_are_the_queries_of_the_split(games: list[GameTask], settings: Settings) -> None:
    assert [game.game["path"] for game in games] == [f"validation/{number}" for number in range(1, 10)]
    assert all(game.game["scored"] and game.game["type"].endswith(" days") for game in games)
    assert not any(game.game["scored"] for game in registry.games(TWO_STAGE, "test", settings))


def test_games_without_a_data_folder_say_what_to_do() -> None:
    with pytest.raises(DataError, match=r"MEMP_TRAVELPLANNER_DATA is not set.*memp country"):
        registry.games(TWO_STAGE, "train", Settings(travelplanner_data=None))


def test_reset_on_a_query_that_has_changed_is_refused(env: TravelPlannerEnv, games: list[GameTask]) -> None:
    for wrong in ({"hash": "0"}, {"index": 99}, {"split": "dev"}):
        with pytest.raises(EnvError, match=r"validation/1"):
            env.reset(games[0].game | wrong)


def test_searches_are_answered_and_the_result_before_is_masked(env: TravelPlannerEnv, games: list[GameTask]) -> None:
    assert env.reset(games[0].game) == f"Query: {games[0].goal}"
    city = known_plan(1)[1]["current_city"]
    rooms = env.step(f"AccommodationSearch[{city}]")
    noted = env.step("NotebookWrite[rooms]")
    assert (rooms.observation.split()[0], rooms.reward, rooms.done) == ("NAME", 0.0, False)
    assert [tuple(mask) for mask in noted.masks] == [(rooms.observation, MASK)]
    assert noted.observation == "The information has been recorded in Notebook, and its index is 0."
    assert env.step("AttractionSearch[nowhere]").masks == []


def test_invalid_and_empty_actions_are_answered(env: TravelPlannerEnv, games: list[GameTask]) -> None:
    env.reset(games[0].game)
    assert (env.step("go north").observation, env.step("").observation) == (INVALID, prompts.EMPTY)


def test_action_over_lines_is_one(env: TravelPlannerEnv, games: list[GameTask]) -> None:
    env.reset(games[0].game)
    assert env.step("NotebookWrite[rooms\nand meals]").observation.endswith("its index is 0.")


def repeated() -> Iterator[str]:
    yield from ["CitySearch[Averland]"] * 3


def failing() -> Iterator[str]:
    yield from (f"CitySearch{number}" for number in range(4))


@pytest.mark.parametrize(("actions", "reason"), [(repeated, REPEATED), (failing, "invalidAction early stop due to 3 max retries.")])
def test_episode_that_stops_early_delivers_no_plan(env: TravelPlannerEnv, games: list[GameTask], actions: Any, reason: str) -> None:
    env.reset(games[0].game)
    *before, last = [env.step(action) for action in actions()]
    assert not any(result.done for result in before)
    assert (last.done, last.observation, last.reward, details(last)["delivered"]) == (True, "", 0.0, False)
    assert last.judgement is not None
    assert last.judgement.feedback == f"no plan was delivered: {reason}"


def test_planner_is_given_the_notebook_and_the_query(env: TravelPlannerEnv, games: list[GameTask]) -> None:
    env.reset(games[0].game)
    env.step(f"RestaurantSearch[{known_plan(1)[1]['current_city']}]")
    env.step("NotebookWrite[meals in town]")
    result = env.step("Planner[two days, cheap]")
    assert result.ask is not None
    assert result.ask.guided
    prompt = asked(result, "planner")
    assert "'Short Description': 'meals in town'" in prompt
    assert "<query>\ntwo days, cheap\n</query>" in prompt


def test_planner_whose_prompt_is_too_long_is_not_asked(env: TravelPlannerEnv, games: list[GameTask]) -> None:
    env.reset(games[0].game)
    result = env.step(f"Planner[{'tell all ' * 7_000}]")
    assert (result.ask, result.done, result.observation) == (None, True, TOO_LONG)


def test_tokens_are_counted_by_pieces() -> None:
    assert count("a refrigerator,  2022-03-16\n") == 1 + 2 + 1 + 1 + (2 + 1 + 1 + 1 + 1) + 1


def test_known_plan_keeps_every_constraint(env: TravelPlannerEnv, games: list[GameTask]) -> None:
    for number, game in enumerate(games, 1):
        result = delivered(env, game, PLAN, json.dumps({"plan": known_plan(number)}))
        assert (result.observation, result.reward, result.done, result.info) == (PLAN, 1.0, True, {"success": True})
        assert details(result)["final_pass"]
        assert details(result)["plan"] == known_plan(number)


def test_reward_is_the_share_of_constraints_passed_and_the_feedback_says_which_are_not(
    env: TravelPlannerEnv, games: list[GameTask]
) -> None:
    plan = known_plan(1)
    for day in plan:
        day["lunch"] = day["dinner"]
    result = delivered(env, games[0], PLAN, json.dumps({"plan": plan}))
    verdicts = {**details(result)["commonsense"], **details(result)["hard"]}
    assert verdicts["Diverse Restaurants"]["passed"] is False
    assert result.reward == pytest.approx(sum(each["passed"] is True for each in verdicts.values()) / len(verdicts), abs=1e-6)
    assert 0.5 < result.reward < 1.0
    assert not result.info["success"]
    assert result.judgement is not None
    assert "failed Diverse Restaurants: " in result.judgement.feedback


def test_conversion_is_asked_by_the_schema_and_repaired_once(env: TravelPlannerEnv, games: list[GameTask]) -> None:
    first = delivered(env, games[0], PLAN)
    assert first.ask is not None
    assert first.ask.schema == SCHEMA
    assert PLAN in asked(first, "conversion")
    second = env.answer("Here it is.")
    assert second.ask is not None
    assert [message["role"] for message in second.ask.messages] == ["user", "assistant", "user"]
    assert env.answer(f"```json\n{json.dumps({'plan': known_plan(1)})}\n```").reward == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "none",
        "{",
        '{"plan": 3}',
        '{"plans": []}',
        "[1]",
        '{"plan": ["\\ud800"]}',
        '{"plan": [123456789012345678901234567890]}',
        '{"plan": [NaN]}',
    ],
)
def test_plan_that_is_no_json_twice_is_not_delivered(env: TravelPlannerEnv, games: list[GameTask], answer: str) -> None:
    result = delivered(env, games[0], PLAN, answer, answer)
    assert (result.done, result.observation, result.reward, details(result)["delivered"]) == (True, PLAN, 0.0, False)


def test_plan_that_is_nested_too_deeply_is_no_plan_and_deep_ones_can_be_events(env: TravelPlannerEnv, games: list[GameTask]) -> None:
    for depth, told in ((300, False), (100, True)):
        plan = '{"plan": [{"days": ' + "[" * depth + "]" * depth + "}]}"
        result = delivered(env, games[0], PLAN, plan, *([] if told else [plan]))
        assert (result.done, details(result)["delivered"]) == (True, told)
        assert result.judgement is not None
        assert Judgement.model_validate_json(result.judgement.model_dump_json()) == result.judgement


@pytest.mark.parametrize("days", [[], [None], [{"days": 1}] * 1_000, ["Day 1"], [{"days": "Ĳ", "lunch": 3}]])
def test_malformed_plan_is_judged(env: TravelPlannerEnv, games: list[GameTask], days: list[Any]) -> None:
    result = delivered(env, games[0], PLAN, json.dumps({"plan": days}))
    assert result.done
    assert result.reward < 0.5


def test_planner_that_says_nothing_ends_the_episode(env: TravelPlannerEnv, games: list[GameTask]) -> None:
    assert delivered(env, games[0], " \n").observation == prompts.NO_PLAN


def test_query_whose_constraints_are_hidden_has_no_reward(env: TravelPlannerEnv, settings: Settings) -> None:
    result = delivered(env, registry.games(TWO_STAGE, "test", settings)[0], PLAN, json.dumps({"plan": known_plan(1, "test")}))
    assert (result.reward, result.info, details(result)["delivered"]) == (0.0, {"success": False}, True)


def test_sole_planning_gives_the_information_and_takes_a_plan(sole: SolePlanningEnv, settings: Settings) -> None:
    game = registry.games(SOLE, "validation", settings)[0]
    first = sole.reset(game.game)
    assert first.startswith(f"Query: {game.goal}")
    assert f"Restaurants in {known_plan(1)[1]['current_city']}:" in first
    assert sole.step("FlightSearch[A, B, 2022-03-01]").observation == prompts.SOLE_INVALID
    assert f"<plan>\n{PLAN}\n</plan>" in asked(sole.step(f"Finish[{PLAN}\n]"), "conversion")
    result = sole.answer(json.dumps({"plan": known_plan(1)}))
    assert (result.reward, result.done) == (1.0, True)
    assert [instead for shown, instead in result.masks if shown in first] == [prompts.GIVEN]


@pytest.mark.parametrize("action", ["Finish[ ]", "Finish[Day 1:", "Finish", "look"])
def test_sole_planning_that_hands_in_nothing_leaves_no_information_in_the_record(
    sole: SolePlanningEnv, settings: Settings, action: str
) -> None:
    first = sole.reset(registry.games(SOLE, "validation", settings)[0].game)
    result = sole.step(action)
    assert (result.ask, result.reward) == (None, 0.0)
    assert [instead for shown, instead in result.masks if shown in first] == [prompts.GIVEN]


@pytest.mark.parametrize("name", [TWO_STAGE, SOLE])
def test_rules_leave_no_place_open(name: str) -> None:
    described = registry.describe(name)
    assert (described.name, described.success_reward) == (name, 0.8)
    assert "{" not in described.rules + "".join(text for _, text in described.few_shot)


def test_sole_planning_without_information_is_refused(sole: SolePlanningEnv, settings: Settings) -> None:
    with pytest.raises(DataError, match="test_ref_info"):
        registry.games(SOLE, "test", settings)
    with pytest.raises(EnvError, match="test_ref_info"):
        sole.reset(registry.games(TWO_STAGE, "test", settings)[0].game)


def test_official_information_is_given_whole(official_folder: Path, tmp_path: Path) -> None:
    settings = Settings(travelplanner_data=official_folder, data_dir=tmp_path)
    env = registry.make(SOLE, settings)
    for split in ("train", "validation"):
        for game in registry.games(SOLE, split, settings):
            assert env.reset(game.game).count("\n\n") >= 5
