"""`memp warm`: as a person runs it, and what it says of bad data."""

import os
import shutil
from pathlib import Path

import pytest

from tests.forking import output_of


async def warm(folder: Path, data: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEMP_")}
    given = {"ALFWORLD_DATA": str(data), "MEMP_DATA_DIR": str(folder / "data"), **environment}
    return await output_of("warm", *arguments, env={**kept, **given})


@pytest.fixture
def copied(tmp_path: Path, households: Path) -> Path:
    """Two games, which a test may spoil."""
    split = households / "json_2.1.1" / "train"
    for folder in sorted(split.iterdir())[:2]:
        shutil.copytree(folder, tmp_path / "games" / "json_2.1.1" / "train" / folder.name)
    return tmp_path / "games"


def spoil(data: Path) -> None:
    """Break the second game."""
    broken = sorted(data.rglob("game.tw-pddl"))[1]
    broken.write_text(broken.read_text().replace("(:init", "(:nothing"))


async def test_warm_translates_each_game_once_and_says_so(tmp_path: Path, copied: Path) -> None:
    code, output = await warm(tmp_path, copied, "--split", "train", "--processes", "2")
    assert code == 0, output
    assert "train: 2 translated, 0 there before; the cache holds 2 games in " in output
    assert "train: 0 translated, 2 there before; the cache holds 2 games in " in (await warm(tmp_path, copied, "--split", "train"))[1]


async def test_warm_broken_game_is_named_and_the_others_are_kept(tmp_path: Path, copied: Path) -> None:
    spoil(copied)
    code, output = await warm(tmp_path, copied, "--split", "train")
    assert (code, "Traceback" in output) == (1, False)
    assert "1 of 2 games were left out; the first: json_2.1.1/train/" in output
    assert len(list((tmp_path / "data" / "cache" / "games").glob("*.game"))) == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--split", "eval"], {}, "--split eval: choose one of train, dev, test"),
        (["--split", "test"], {}, "split 'test' has no games"),
        (["--split", "train"], {"MEMP_DATA_DIR": "/dev/null/data"}, "or see whether it can be written"),
        (["--split", "train"], {"MEMP_GAME_CACHE_MIB": "none"}, "MEMP_GAME_CACHE_MIB"),
    ],
    ids=["unknown split", "no games", "no cache", "bad setting"],
)
async def test_warm_that_cant_be_done_exits_with_usage(
    tmp_path: Path, copied: Path, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    code, output = await warm(tmp_path, copied, *arguments, **environment)
    assert (code, "Traceback" in output) == (2, False), output
    assert said in " ".join(output.split())
