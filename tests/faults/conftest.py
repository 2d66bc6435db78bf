"""One household for all faults."""

from pathlib import Path

import pytest

from envs.alfworld_env.households import generate


@pytest.fixture(scope="session")
def household(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one game, which stands in for ALFWORLD_DATA."""
    folder = tmp_path_factory.mktemp("faults") / "household"
    generate(1, 7, folder, "dev")
    return folder
