"""The registry of environments, and what ALFWorld says of itself."""

import json
import os
import subprocess
import sys
from importlib.resources import files

import pytest

from envs import registry
from envs.alfworld_env import households
from envs.alfworld_env.fast import FastEngine
from runtime.config import Settings
from runtime.errors import UsageError
from runtime.prompts import OBSERVATION


def test_describe_alfworld_gives_rules_and_examples() -> None:
    description = registry.describe("alfworld")
    assert (description.name, description.success_reward) == ("alfworld", 1.0)
    assert all(word in description.rules for word in ("go to R", "take O from R", "move O to R", "Nothing happens."))


@pytest.mark.parametrize("word", ["microwave", "fridge", "sink", "lamp", "countertop", "cabinet", "drawer"])
def test_rules_of_alfworld_name_no_place_that_is_to_be_learned(word: str) -> None:
    assert word not in registry.describe("alfworld").rules.lower()


def test_few_shot_of_alfworld_takes_turns_and_starts_with_an_observation() -> None:
    messages = registry.describe("alfworld").few_shot
    assert [role for role, _ in messages] == ["user", "assistant"] * (len(messages) // 2)
    assert sum("Your task is to: " in text for role, text in messages if role == "user") == 2


def test_few_shot_of_alfworld_replayed_gives_its_observations_and_wins() -> None:
    engine = FastEngine()
    for episode in json.loads(files("envs.alfworld_env").joinpath("few_shot.json").read_text()):
        expected, _ = engine.start(households.game(episode["index"], episode["seed"], "train").content)
        won = False
        for role, text in episode["messages"]:
            if role == "user":
                assert text == expected
            else:
                answer, won = engine.step(text.rsplit("\nAction: ", 1)[1])
                expected = OBSERVATION.format(observation=answer)
        assert won


def test_registry_unknown_environment_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown environment 'minecraft'.*alfworld"):
        registry.make("minecraft", Settings())


def test_registry_unknown_split_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown split 'eval' of alfworld: choose one of train, dev, test"):
        registry.games("alfworld", "eval", Settings())


def test_registry_description_imports_no_engine() -> None:
    code = "import sys; from envs import registry; registry.describe('alfworld'); sys.exit('textworld' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_registry_dotted_name_is_a_module_of_ones_own() -> None:
    assert registry.describe("tests.envs.toy_env").name == "tests.envs.toy_env"
    with pytest.raises(UsageError, match=r"'tests\.envs\.no_such' can't be imported: No module named 'tests\.envs\.no_such'"):
        registry.games("tests.envs.no_such", "train", Settings())


def test_registry_allows_events_what_comes_with_memp_and_what_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("alfworld", "tests.envs.toy_env", "some.other")
    assert [registry.is_allowed(name, Settings()) for name in names] == [True, False, False]
    monkeypatch.setenv("MEMP_ENVIRONMENTS", "tests.envs.toy_env, my.env,")
    assert Settings().environments == ("tests.envs.toy_env", "my.env")
    assert [registry.is_allowed(name, Settings()) for name in names] == [True, True, False]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_preload_imports_the_engine_but_leaves_nothing_that_a_fork_would_break() -> None:
    code = """
import os, sys
from envs import registry
registry.preload("alfworld")
print("envs.alfworld_env.fast" in sys.modules, len(os.listdir("/proc/self/task")), "downward" in open("/proc/self/maps").read())
"""
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environ)
    assert done.stdout.split() == ["True", "1", "False"]


def test_preload_of_an_unknown_environment_is_left_to_make() -> None:
    registry.preload("minecraft")
    with pytest.raises(UsageError, match="unknown environment 'minecraft'"):
        registry.make("minecraft", Settings())
