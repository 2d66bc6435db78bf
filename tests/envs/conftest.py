"""Games for the tests of environments: generated ones always, real ones where ALFWORLD_DATA says where they are."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from envs.alfworld_env.game_files import games
from envs.alfworld_env.households import generate
from envs.local import GameTask
from runtime.config import Settings

SEED = 11


@pytest.fixture(scope="session")
def households(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with twelve generated games, two of each type, in the split `train`."""
    folder = tmp_path_factory.mktemp("households")
    generate(12, SEED, folder)
    return folder


@pytest.fixture
def settings(households: Path) -> Settings:
    """Settings over the generated games, with one environment process."""
    return Settings(alfworld_data=households, env_processes=1)


@pytest.fixture
def generated(settings: Settings) -> list[GameTask]:
    return games("train", settings)


@pytest.fixture
def real_settings() -> Settings:
    """Settings over the real games; skips where there are none."""
    folder = os.environ.get("ALFWORLD_DATA")
    if not folder:
        pytest.skip("ALFWORLD_DATA is not set: this test plays real games")
    return Settings(alfworld_data=Path(folder))


def content(task: GameTask, settings: Settings) -> dict[str, Any]:
    """The content of a task's game file."""
    assert settings.alfworld_data is not None
    return json.loads((settings.alfworld_data / task.game["path"]).read_text())


def walkthrough(task: GameTask, settings: Settings) -> list[str]:
    """The commands that win a task's game."""
    return content(task, settings)["walkthrough"]
