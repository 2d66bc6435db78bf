"""Generated households: deterministic, varied, of the released form, and won by their walkthroughs."""

import re
from collections import Counter
from pathlib import Path

import pytest

from envs.alfworld_env import household_files
from envs.alfworld_env import household_tables as tables
from envs.alfworld_env.game_files import TASK_TYPES, games
from envs.alfworld_env.households import GeneratedGame, check, game, generate
from runtime.config import Settings
from runtime.errors import EnvError, UsageError
from tests.envs.conftest import SEED, content

MANY = 300


@pytest.fixture(scope="module")
def many() -> list[GeneratedGame]:
    """Games that are made but not played."""
    return [game(index, 1, "train") for index in range(MANY)]


def tree(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_generate_same_seed_in_processes_gives_the_same_bytes_whatever_the_count(tmp_path: Path, households: Path) -> None:
    generate(3, SEED, tmp_path, processes=2)
    first, again = tree(households), tree(tmp_path)
    assert len(again) == 3
    assert again.items() <= first.items()


def test_game_other_seed_or_split_gives_another_game() -> None:
    assert len({str(game(0, seed, split)) for seed in (1, 2) for split in ("train", "dev", "test")}) == 6


def test_game_of_unseen_split_is_in_a_scene_of_its_own(many: list[GeneratedGame]) -> None:
    def scenes(made: list[GeneratedGame]) -> set[str]:
        return {one.path.split("/")[2].rsplit("-", 1)[1] for one in made}

    assert not scenes(many) & scenes([game(index, 1, "test") for index in range(60)])


def test_games_take_turns_in_type_and_vary_in_goal_and_scene(many: list[GeneratedGame]) -> None:
    folders = [made.path.split("/")[2].split("-") for made in many]
    assert Counter(folder[0] for folder in folders) == dict.fromkeys(TASK_TYPES, MANY // 6)
    assert len({(folder[0], folder[1], folder[3]) for folder in folders}) > MANY / 2
    assert len({folder[4] for folder in folders}) > 80


def test_games_rooms_are_of_the_released_sizes(many: list[GeneratedGame]) -> None:
    for made in many:
        scene, count = int(made.path.split("/")[2].rsplit("-", 1)[1]), made.content["pddl_problem"].count("(receptacleAtLocation ")
        low, high = (18, 30) if scene < 200 else (7, 24)
        assert low <= count - ("DeskLamp" in made.path) <= high, made.path


def test_games_things_lie_mostly_in_the_open(many: list[GeneratedGame]) -> None:
    facts = [fact for made in many for fact in re.findall(r"\(inReceptacle [A-Z]\S* ([A-Za-z]+)_bar", made.content["pddl_problem"])]
    assert sum(place in tables.OPENABLE for place in facts) / len(facts) < 0.25


def test_game_domain_and_grammar_are_the_released_ones(real_settings: Settings) -> None:
    task = games("train", real_settings)[0]
    released = content(task, real_settings)
    assert household_files.domain() == released["pddl_domain"]
    assert household_files.grammar(task.goal) == released["grammar"]
    assert list(game(0, 1, "train").content) == list(released)


def test_tables_claim_nothing_that_alfworld_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))  # Importing alfworld makes the folder.
    from alfworld.gen import constants  # noqa: PLC0415

    assert all(things <= constants.VAL_RECEPTACLE_OBJECTS.get(place, set()) for place, things in tables.CONTAINS.items() if things)
    assert all(able <= constants.VAL_ACTION_OBJECTS[ability.capitalize()] for ability, able in tables.ABLE.items())
    assert set(constants.OPENABLE_CLASS_LIST) >= tables.OPENABLE


def test_tables_habits_are_places_of_the_room_that_may_hold_the_thing() -> None:
    for kind, things in tables.HABITS.items():
        for thing, habits in things.items():
            assert set(habits) <= set(tables.ROOMS[kind].places)
            assert thing in tables.FIXED or all(thing in tables.CONTAINS[place] for place in habits), (kind, thing)


def test_check_walkthrough_that_does_not_win_is_refused() -> None:
    made = game(0, 1, "train")
    with pytest.raises(EnvError, match="is not won by its walkthrough"):
        check(made._replace(content=made.content | {"walkthrough": made.content["walkthrough"][:-1]}))


def test_generate_again_keeps_what_is_there_and_reports_progress(households: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def played(made: GeneratedGame) -> None:
        pytest.fail(f"played again: {made.path}")

    monkeypatch.setattr("envs.alfworld_env.households.check", played)
    seen: list[Path] = []
    files = generate(12, SEED, households, progress=seen.append)
    assert seen == files
    assert len(set(files)) == 12


def test_generate_into_games_of_another_seed_is_refused(households: Path) -> None:
    with pytest.raises(UsageError, match="holds other games"):
        generate(12, SEED + 1, households)


@pytest.mark.parametrize(("count", "split"), [(0, "train"), (-3, "train"), (1, "valid_seen")])
def test_generate_bad_argument_is_refused(tmp_path: Path, count: int, split: str) -> None:
    with pytest.raises(UsageError, match="the splits are train, dev, test"):
        generate(count, 1, tmp_path, split)


def test_generate_into_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="can't write games to"):
        generate(1, 1, tmp_path / "file")
