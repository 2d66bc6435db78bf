"""A generated country for the tests always, the official data where MEMP_TRAVELPLANNER_DATA says where it is."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from envs.travelplanner.country import generate
from envs.travelplanner.database import Database, open_database

SEED = 11


@pytest.fixture(scope="session")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a generated country, nine queries in each split."""
    folder = tmp_path_factory.mktemp("country")
    generate(folder, SEED, {"train": 9, "validation": 9, "test": 9})
    return folder


@pytest.fixture(scope="session")
def database(country: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Database]:
    """The generated country, open."""
    with open_database(country, tmp_path_factory.mktemp("cache")) as opened:
        yield opened


@pytest.fixture(scope="session")
def official_folder() -> Path:
    """The official data folder; skips where there is none."""
    folder = os.environ.get("MEMP_TRAVELPLANNER_DATA")
    if not folder:
        pytest.skip("MEMP_TRAVELPLANNER_DATA is not set: this test reads the official data")
    return Path(folder)


@pytest.fixture(scope="session")
def official(official_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Database]:
    """The official data, open."""
    with open_database(official_folder, tmp_path_factory.mktemp("official-cache")) as opened:
        yield opened
