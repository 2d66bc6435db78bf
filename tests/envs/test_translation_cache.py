"""Translations on disk: found again, rebuilt where damaged, safe for many writers, bounded, and done without where they can't be kept."""

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from envs.alfworld_env import game_cache, households
from envs.alfworld_env.env import AlfworldEnv
from envs.alfworld_env.fast import FastEngine
from envs.alfworld_env.game_cache import GameCache
from envs.alfworld_env.game_files import digest
from envs.alfworld_env.translation import Translation
from envs.alfworld_env.translator import translate
from envs.local import GameTask

LIMIT = 1 << 24
KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def game() -> dict[str, Any]:
    made = households.game(1, 8, "train")
    return {**made.content, "hash": digest(made.text().encode())}


@pytest.fixture(scope="module")
def translation(game: dict[str, Any]) -> Translation:
    return translate(game["pddl_domain"], game["pddl_problem"])


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def forbid_translating(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(domain: str, problem: str) -> Translation:
        raise AssertionError("it was to be read from the cache")

    monkeypatch.setattr("envs.alfworld_env.fast.translate", refuse)


def played(engine: FastEngine, game: dict[str, Any]) -> list[Any]:
    return [engine.start(game), *((engine.step(command), engine.admissible(), engine.facts()) for command in game["walkthrough"])]


def test_cache_game_started_before_is_played_from_disk_alike(tmp_path: Path, game: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    first = played(FastEngine(GameCache(tmp_path, LIMIT)), game)
    forbid_translating(monkeypatch)
    assert played(FastEngine(GameCache(tmp_path, LIMIT)), game) == first
    assert first[-1][0][1]


@pytest.mark.parametrize("damage", ["truncated", "empty", "changed", "zeros"])
def test_cache_damaged_entry_is_told_and_rebuilt(tmp_path: Path, game: dict[str, Any], damage: str) -> None:
    cache = GameCache(tmp_path, LIMIT)
    whole = played(FastEngine(cache), game)
    (file,) = files(tmp_path)
    good = file.read_bytes()
    changed = good[:500] + bytes([good[500] ^ 1]) + good[501:]
    file.write_bytes({"truncated": good[:-9], "empty": b"", "changed": changed, "zeros": bytes(len(good))}[damage])
    with capture_logs() as logs:
        assert played(FastEngine(cache), game) == whole
    assert [entry["event"] for entry in logs] == ["translation_damaged"]
    assert file.read_bytes() == good


def _write(folder: Path, translation: Translation, offset: int) -> None:
    cache = GameCache(folder, LIMIT)
    for number in range(15):
        key = f"{(number + offset) % 10:016x}"
        cache.put(key, translation)
        found = cache.get(key)
        assert found is not None
        assert found.dump() == translation.dump()


def test_cache_many_processes_writing_the_same_games_leave_whole_entries(tmp_path: Path, translation: Translation) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, translation, 3 * number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert [file.suffix for file in files(tmp_path)] == [".game"] * 10
    cache = GameCache(tmp_path, LIMIT)
    assert all(found is not None and found.dump() == translation.dump() for found in (cache.get(f"{number:016x}") for number in range(10)))


def test_cache_over_its_bound_drops_what_was_used_least_recently(tmp_path: Path, translation: Translation) -> None:
    GameCache(tmp_path, LIMIT).put(KEY, translation)
    size = files(tmp_path)[0].stat().st_size
    cache = GameCache(tmp_path, 5 * size)
    for number in range(4):
        cache.put(f"{number:016x}", translation)
    for age, file in enumerate(files(tmp_path)):  # In the order of their keys.
        os.utime(file, (1000 + age, 1000 + age))
    assert cache.get(f"{0:016x}") is not None  # Used: no longer the oldest.
    cache.put(f"{9:016x}", translation)
    assert cache.filling().size <= 5 * size
    assert cache.holds(f"{0:016x}")
    assert cache.holds(f"{9:016x}")
    assert not cache.holds(f"{1:016x}")


@pytest.fixture
def another_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    game_cache.versions.cache_clear()
    monkeypatch.setattr(game_cache, "_TRANSLATING", ("naming.py",))  # other code
    yield
    game_cache.versions.cache_clear()


def test_cache_of_another_version_is_not_used(tmp_path: Path, translation: Translation, request: pytest.FixtureRequest) -> None:
    cache = GameCache(tmp_path, LIMIT)
    cache.put(KEY, translation)
    assert cache.holds(KEY)
    request.getfixturevalue("another_version")
    assert not cache.holds(KEY)
    assert cache.get(KEY) is None
    cache.put(KEY, translation)
    assert cache.filling().games == 2


def test_cache_in_a_place_that_cant_be_written_is_told_once_and_done_without(tmp_path: Path, game: dict[str, Any]) -> None:
    (tmp_path / "file").write_text("")
    engine = FastEngine(GameCache(tmp_path / "file" / "cache", LIMIT))
    with capture_logs() as logs:
        assert played(engine, game) == played(engine, game)
    assert [entry["event"] for entry in logs] == ["game_cache_unusable"]


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "0" * 15, "0123456789ABCDEF"])
def test_cache_key_that_is_no_hash_names_no_file(tmp_path: Path, translation: Translation, key: str) -> None:
    cache = GameCache(tmp_path / "cache", LIMIT)
    cache.put(key, translation)
    assert cache.get(key) is None
    assert not cache.holds(key)
    assert not (tmp_path / "cache").exists()


def test_environment_prepared_game_is_reset_without_translating(
    tmp_path: Path, households: Path, generated: list[GameTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = generated[2].game
    env = AlfworldEnv(households, "fast", GameCache(tmp_path, LIMIT))
    assert not env.prepared(task)
    AlfworldEnv(households, "fast", GameCache(tmp_path, LIMIT)).prepare(task)
    forbid_translating(monkeypatch)
    assert env.prepared(task)
    assert env.reset(task).endswith(generated[2].goal)


def test_generated_games_given_a_cache_are_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = GameCache(tmp_path / "cache", LIMIT)
    households.generate(1, 3, tmp_path / "games", cache=cache)
    (file,) = (tmp_path / "games").rglob("game.tw-pddl")
    assert cache.holds(digest(file.read_bytes()))
