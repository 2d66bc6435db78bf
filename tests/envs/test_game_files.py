"""Finding the games of a split, and refusing what can't be played."""

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from envs.alfworld_env.game_files import digest, games, load
from envs.local import GameTask
from runtime.config import Settings
from runtime.errors import DataError, EnvError

GOOD = {"pddl_domain": "", "pddl_problem": "", "grammar": '"rhs": "Your task is to: put a \\"mug\\" in desk."', "solvable": True}
FOLDER = "pick_and_place_simple-Mug-None-Desk-301"


def put(root: Path, content: str | dict[str, Any], folder: str = FOLDER, trial: str = "trial_1") -> Settings:
    file = root / "json_2.1.1" / "train" / folder / trial / "game.tw-pddl"
    file.parent.mkdir(parents=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return Settings(alfworld_data=root)


@pytest.mark.parametrize(("split", "count"), [("train", 300), ("dev", 140)])
def test_games_of_real_split_are_each_there_once_in_order(real_settings: Settings, split: str, count: int) -> None:
    paths = [task.game["path"] for task in games(split, real_settings)]
    assert len(paths) == len(set(paths)) == count
    assert paths == sorted(paths)


def test_games_of_generated_split_have_goal_path_hash_and_type(generated: list[GameTask], households: Path) -> None:
    assert len(generated) == 12
    for task in generated:
        assert (households / task.game["path"]).is_file()
        assert task.game["type"] == task.game["path"].split("/")[2].split("-")[0]
        assert task.goal.endswith(".")


def test_games_goal_with_escaped_characters_is_read_as_shown(tmp_path: Path) -> None:
    (task,) = games("train", put(tmp_path, GOOD))
    assert task.goal == 'put a "mug" in desk.'
    assert task.game["hash"] == digest(json.dumps(GOOD).encode())


@pytest.mark.parametrize("lacking", ["pddl_domain", "pddl_problem", "grammar"])
def test_games_file_lacking_a_key_is_named(tmp_path: Path, lacking: str) -> None:
    settings = put(tmp_path, {key: value for key, value in GOOD.items() if key != lacking})
    with pytest.raises(DataError, match=rf"{FOLDER}/trial_1/game.tw-pddl is not a game, it lacks {lacking}"):
        games("train", settings)


@pytest.mark.parametrize("text", ["", json.dumps(GOOD)[:40], "not JSON", "\0"])
def test_games_truncated_file_is_named_with_what_to_do(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=rf"{FOLDER}/trial_1/game.tw-pddl is truncated or not JSON.*download the data again"):
        games("train", put(tmp_path, text))


def test_games_file_without_task_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"game.tw-pddl has no task line"):
        games("train", put(tmp_path, GOOD | {"grammar": "grammar :: nothing"}))


def test_games_file_that_is_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a game"):
        games("train", put(tmp_path, "[1, 2]"))


def test_games_unsolvable_and_unsupported_are_left_out_and_counted(tmp_path: Path) -> None:
    put(tmp_path, GOOD)
    put(tmp_path, GOOD | {"solvable": False}, trial="trial_2")
    put(tmp_path, GOOD, folder="pick_heat_then_place_in_recep-AppleSliced-None-Fridge-5")
    settings = put(tmp_path, GOOD, folder="pick_and_place_with_movable_recep-Pen-Mug-Desk-301")
    with capture_logs() as logs:
        assert len(games("train", settings)) == 1
    assert logs == [{"event": "games_skipped", "log_level": "info", "split": "train", "unsolvable": 1, "unsupported": 2}]


def test_games_without_data_folder_setting_names_the_variable() -> None:
    with pytest.raises(DataError, match=r"ALFWORLD_DATA is not set.*memp households"):
        games("dev", Settings(alfworld_data=None))


def test_games_missing_data_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere has no folder json_2.1.1"):
        games("dev", Settings(alfworld_data=tmp_path / "nowhere"))


def test_games_empty_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"split 'test' has no games in .*valid_unseen"):
        games("test", put(tmp_path, GOOD))


def test_load_changed_file_is_refused(tmp_path: Path) -> None:
    settings = put(tmp_path, GOOD)
    (task,) = games("train", settings)
    (tmp_path / task.game["path"]).write_text(json.dumps(GOOD | {"pddl_domain": "other"}))
    with pytest.raises(EnvError, match="has changed since the task was made"):
        load(task.game, tmp_path)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../secret", "json_2.1.1/../../secret"])
def test_load_path_outside_the_data_folder_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(EnvError, match="names no game within the data folder"):
        load({"path": path, "hash": ""}, tmp_path)


def test_load_missing_file_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(EnvError, match=r"json_2.1.1/gone is not in .*No such file"):
        load({"path": "json_2.1.1/gone", "hash": ""}, tmp_path)
