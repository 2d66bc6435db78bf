"""The engine: the fast one says what TextWorld's says, and things have ALFWorld's names."""

import random
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from textworld.envs.pddl import textgen

from bench.engine_sameness import compare
from envs.alfworld_env import households, symbols
from envs.alfworld_env.env import AlfworldEnv
from envs.alfworld_env.fast import FastEngine
from envs.alfworld_env.game_cache import GameCache
from envs.alfworld_env.game_files import digest, games
from envs.alfworld_env.naming import name_entities
from envs.alfworld_env.stock import StockEngine
from runtime.config import Settings
from tests.envs.conftest import content

MARKS = ["{", "}", "[", "]", "#", "|", " ", "\n", "\t", '"', ";", "<", ">", "//", "a", "r.name", "\\n", "é", "#x.y#"]
LONGER = [
    "{r.name}",
    "[{o.name | in(o:object, r:receptacle)}]",
    "{#overview(o)# | holds(a:agent, o:object)}",
    "Your task is to: ",
    "look: x\n",
]


@pytest.fixture(scope="module")
def stock() -> StockEngine:
    return StockEngine()


@pytest.fixture(scope="module")
def fast() -> FastEngine:
    return FastEngine()


@pytest.mark.parametrize("index", [0, 1])
def test_fast_engine_on_generated_game_shows_what_stock_shows(index: int, fast: FastEngine, stock: StockEngine) -> None:
    compared = compare(households.game(index, 5, "train").content, fast, stock, random.Random(index))
    assert compared.steps > 10
    assert not compared.differing


def test_fast_engine_on_real_game_shows_what_stock_shows(real_settings: Settings, fast: FastEngine, stock: StockEngine) -> None:
    task = next(task for task in games("dev", real_settings) if task.game["type"] == "pick_two_obj_and_place")
    assert not compare(content(task, real_settings), fast, stock, random.Random(3)).differing


def shape(symbol: Any) -> Any:
    """A template's symbol, of theirs or ours, in one form; their parser may begin with an empty text."""
    match symbol:
        case symbols.Text(text) | textgen.TerminalSymbol(symbol=text):
            return text
        case symbols.Reference(rule) | textgen.NonterminalSymbol(symbol=rule):
            return ("rule", rule)
        case symbols.Value(expression=said) | textgen.EvalSymbol(expression=said):
            return ("value", said)
        case symbols.Each(said, given, listed):
            return ("list" if listed else "each", shape(said), given)
        case textgen.ListSymbol(symbol=inner):
            return ("list", *shape(inner)[1:])
        case textgen.ConditionalSymbol(expression=said, given=given):
            return ("each", shape(said), given and symbols.query(given))
        case _:
            raise TypeError(symbol)


def outcome(parse: Any, text: str) -> Any:
    try:
        return [each for each in map(shape, parse(text)) if each]
    except symbols.Unsupported:
        return None  # What this engine refuses, it does not misread.


def theirs(text: str) -> Any:
    return textgen._parse_and_convert(text, rule_name="symbols")  # pyright: ignore[reportPrivateUsage]


def test_templates_of_random_pieces_are_read_as_textworld_reads_them() -> None:
    rng, understood = random.Random(4), 0
    for _ in range(600):
        text = "".join(rng.choices(MARKS + LONGER, k=rng.randint(0, 8)))
        ours = outcome(symbols.symbols, text)
        understood += bool(ours)
        assert ours is None or ours == outcome(theirs, text), text
    assert understood > 200


@pytest.mark.parametrize(
    "expression", ["__import__('os').system('true')", "r.__class__", "r.name.upper()", "r.name * 2", "r.", "lambda: r"]
)
def test_expression_beyond_names_is_refused(expression: str) -> None:
    with pytest.raises(symbols.Unsupported, match="--engine stock"):
        symbols.value(expression)


def played(engine: FastEngine, game: dict[str, Any]) -> Iterator[Any]:
    """A whole game, step by step."""
    yield engine.start(game)
    for command in game["walkthrough"]:
        yield engine.step(command), engine.admissible(), engine.facts()


@pytest.fixture
def cache(tmp_path: Path) -> GameCache:
    """So that each game is translated once."""
    return GameCache(tmp_path / "cache", 1 << 24)


def a_game(index: int) -> dict[str, Any]:
    made = households.game(index, 6, "train")
    return {**made.content, "hash": digest(made.text().encode())}


def test_fast_engines_side_by_side_do_not_disturb_each_other(cache: GameCache) -> None:
    games = [a_game(1), a_game(2)]
    together = zip_longest(*(played(FastEngine(cache), game) for game in games))
    alone = zip_longest(*(list(played(FastEngine(cache), game)) for game in games))
    assert list(together) == list(alone)


def test_fast_engine_reused_keeps_nothing_of_the_game_before(cache: GameCache) -> None:
    engine = FastEngine(cache)
    for index in (0, 1, 0):
        assert list(played(engine, a_game(index))) == list(played(FastEngine(cache), a_game(index)))


def test_fast_engine_task_line_with_markup_ends_there_as_in_stock(fast: FastEngine) -> None:
    made = households.game(0, 5, "train").content
    text = made["grammar"].replace("Your task is to: ", "Your task is to: put it } here; ")
    assert fast.start({**made, "grammar": text})[0].endswith("\n\nYour task is to: put it ")


def test_fast_engine_before_a_game_says_so() -> None:
    with pytest.raises(RuntimeError, match="start a game first"):
        FastEngine().step("look")


def test_stock_environment_has_nothing_to_prepare(households: Path) -> None:
    env = AlfworldEnv(households, "stock")
    assert env.prepared({"path": "", "hash": ""})
    env.prepare({"path": "", "hash": ""})


def test_names_of_entities_are_those_of_alfworld(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))  # Importing alfworld makes the folder.
    from alfworld.agents.utils.misc import Demangler  # noqa: PLC0415
    from textworld.generator.game import EntityInfo  # noqa: PLC0415

    problem = households.game(2, 5, "train").content["pddl_problem"]
    entities = {word.strip("()").lower() for word in problem.split() if "_bar_" in word} | {"agent1", "mugtype"}
    theirs = Demangler(game_infos={entity: EntityInfo(entity, "o") for entity in entities})
    assert name_entities(entities) == {entity: theirs.demangle_alfred_name(entity) for entity in entities}
