"""ALFWorld as an environment: walkthroughs win, wins are final, and odd actions do nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from envs.alfworld_env.env import AlfworldEnv
from envs.alfworld_env.game_files import digest, games
from envs.local import GameTask
from runtime.config import Settings
from runtime.errors import EnvError
from tests.envs.conftest import content, walkthrough


@pytest.fixture(scope="module")
def env(households: Path) -> AlfworldEnv:
    return AlfworldEnv(households)


def wins_at(env: AlfworldEnv, task: GameTask, commands: list[str]) -> int:
    """Play commands; the number of the step that won, 0 where none did."""
    env.reset(task.game)
    return next((result.info["steps"] for command in commands if (result := env.step(command)).info["won"]), 0)


def test_env_generated_games_are_won_by_their_walkthroughs_at_the_last_step(
    env: AlfworldEnv, generated: list[GameTask], settings: Settings
) -> None:
    for task in generated:
        commands = walkthrough(task, settings)
        assert wins_at(env, task, commands) == len(commands), task


def test_env_real_games_are_won_by_their_walkthroughs_at_the_last_step(real_settings: Settings) -> None:
    env = AlfworldEnv(Path(os.environ["ALFWORLD_DATA"]))
    for task in games("dev", real_settings)[::35]:
        commands = walkthrough(task, real_settings)
        assert wins_at(env, task, commands) == len(commands), task


def test_env_first_observation_lists_receptacles_then_the_task(env: AlfworldEnv, generated: list[GameTask]) -> None:
    text = env.reset(generated[0].game)
    assert text.startswith("-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly around you, you see a ")
    assert text.endswith(f"\n\nYour task is to: {generated[0].goal}")


def test_env_after_the_win_nothing_happens_and_the_win_stays(env: AlfworldEnv, generated: list[GameTask], settings: Settings) -> None:
    task = next(task for task in generated if task.game["type"] == "pick_and_place_simple")
    commands = walkthrough(task, settings)
    assert wins_at(env, task, commands) == len(commands)
    _, thing, receptacle = commands[-1].replace("move ", "|").replace(" to ", "|").split("|")
    result = env.step(f"take {thing} from {receptacle}")
    assert (result.observation, result.reward, result.done) == ("Nothing happens.", 1.0, True)


def test_env_reset_after_a_win_starts_afresh(env: AlfworldEnv, generated: list[GameTask], settings: Settings) -> None:
    wins_at(env, generated[0], walkthrough(generated[0], settings))
    env.reset(generated[0].game)
    assert env.step("inventory")[1:4] == (0.0, False, {"won": False, "steps": 1})


@pytest.mark.parametrize(
    "action",
    ["", " ", "\n", "\0", "gö tö böd 1", "🛋", "\ud800", "GO TO DRAWER 1", "put mug 1 in/on desk 1", "#intro#", "{r.name}", "x" * 200_000],
    ids=lambda action: repr(action)[:20],
)
def test_env_odd_action_does_nothing(env: AlfworldEnv, generated: list[GameTask], action: str) -> None:
    env.reset(generated[0].game)
    assert env.step(action)[:3] == ("Nothing happens.", 0.0, False)


def broken(folder: Path, task: GameTask, settings: Settings, **changed: str) -> dict[str, Any]:
    text = json.dumps(content(task, settings) | changed)
    (folder / "game").write_text(text)
    return {"path": "game", "hash": digest(text.encode()), "type": task.game["type"]}


def test_env_game_with_broken_problem_is_refused_by_name(tmp_path: Path, generated: list[GameTask], settings: Settings) -> None:
    game = broken(tmp_path, generated[0], settings, pddl_problem="(define (problem x)")
    with pytest.raises(EnvError, match="game can't be played"):
        AlfworldEnv(tmp_path).reset(game)


def test_env_game_with_goal_true_from_the_start_is_refused(tmp_path: Path, generated: list[GameTask], settings: Settings) -> None:
    problem = content(generated[0], settings)["pddl_problem"]
    always = problem[: problem.index("(:goal")] + "(:goal (and (exists (?r - receptacle) (openable ?r)))))"
    with pytest.raises(EnvError, match="game can't be played"):
        AlfworldEnv(tmp_path).reset(broken(tmp_path, generated[0], settings, pddl_problem=always))


def test_env_after_a_refused_game_plays_the_next(env: AlfworldEnv, generated: list[GameTask], settings: Settings) -> None:
    with pytest.raises(EnvError):
        env.reset({"path": "gone", "hash": ""})
    assert wins_at(env, generated[1], walkthrough(generated[1], settings)) > 0
