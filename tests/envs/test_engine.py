"""The engine: the memoised one says what the stock one says, and things have ALFWorld's names."""

import random
from pathlib import Path
from typing import Any

import fast_downward
import pytest
from textworld.envs.pddl import logic, textgen

from envs.alfworld_env import households, patches
from envs.alfworld_env.engine import EngineKind, TextWorldEngine
from envs.alfworld_env.game_files import games
from envs.alfworld_env.naming import name_entities
from runtime.config import Settings
from tests.envs.conftest import content


def transcript(kind: EngineKind, game: dict[str, Any], steps: int) -> list[Any]:
    """Everything the engine says on the walkthrough, with random and invalid commands before each of its commands."""
    engine, rng = TextWorldEngine(kind), random.Random(game["pddl_problem"])
    said: list[Any] = [engine.start(game), engine.admissible()]
    for command in game["walkthrough"][:steps]:
        for tried in (rng.choice(engine.admissible()), f"put {rng.random()}", f" {command} "):
            said += [tried, engine.step(tried), engine.admissible()]
    return said


def test_memoised_engine_on_generated_game_says_what_stock_says() -> None:
    game = households.game(3, 5, "train").content
    assert transcript("memoised", game, 6) == transcript("stock", game, 6)


def test_memoised_engine_on_real_game_says_what_stock_says(real_settings: Settings) -> None:
    game = content(games("dev", real_settings)[50], real_settings)
    assert transcript("memoised", game, 3) == transcript("stock", game, 3)


def test_memoised_engine_leaves_stock_functions_in_place() -> None:
    watched = [(textgen, "_parse_and_convert"), (textgen, "Rule"), (textgen, "copy_context"), (logic, "_parse_and_convert")]
    before = [getattr(module, name) for module, name in watched] + [fast_downward.pddl2sas]
    engine = TextWorldEngine()
    engine.start(households.game(0, 5, "train").content)
    engine.step("look")
    with pytest.raises(KeyError):
        engine.start({})
    assert [getattr(module, name) for module, name in watched] + [fast_downward.pddl2sas] == before


def test_memoised_engine_same_game_again_is_translated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    translated: list[str] = []
    stock = fast_downward.pddl2sas

    def counting(domain: str, problem: str) -> Any:
        translated.append(problem)
        return stock(domain, problem)

    monkeypatch.setattr(patches, "_stock_translate", counting)
    game, engine = households.game(1, 6, "train").content, TextWorldEngine()
    assert engine.start(game) == engine.start(game)
    assert translated == [game["pddl_problem"]]


def test_engine_task_line_of_earlier_game_is_not_kept() -> None:
    engine = TextWorldEngine()
    first, second = (households.game(index, 5, "train").content for index in (0, 1))
    assert "put" in engine.start(first)[0].rsplit("Your task is to: ", 1)[1]
    assert "desklamp" in engine.start(second)[0].rsplit("Your task is to: ", 1)[1]


def test_names_of_entities_are_those_of_alfworld(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))  # Importing alfworld makes the folder.
    from alfworld.agents.utils.misc import Demangler  # noqa: PLC0415
    from textworld.generator.game import EntityInfo  # noqa: PLC0415

    problem = households.game(2, 5, "train").content["pddl_problem"]
    entities = {word.strip("()").lower() for word in problem.split() if "_bar_" in word} | {"agent1", "mugtype"}
    theirs = Demangler(game_infos={entity: EntityInfo(entity, "o") for entity in entities})
    assert name_entities(entities) == {entity: theirs.demangle_alfred_name(entity) for entity in entities}
