"""ALFWorld's older grammar, rewritten; the proof is that published expert episodes win when they are replayed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from envs.alfworld_env import make
from envs.alfworld_env.game_files import GAME_FILE, RELEASE, digest
from envs.alfworld_env.modernise import modernise
from memory.importers import Stored, read_trajectories
from runtime.config import Settings

ROOT = Path(__file__).parents[2]
DATA = os.environ.get("ALFWORLD_DATA", "")
needs_data = pytest.mark.skipif(not DATA, reason="ALFWORLD_DATA is not set: the expert episodes and their games are there")


@pytest.mark.parametrize("link", ["in/on", "in", "on"])
def test_modernise_put_becomes_move(link: str) -> None:
    assert modernise(f"put butter knife 1 {link} dining table 2") == "move butter knife 1 to dining table 2"


def test_modernise_put_with_blanks_around_becomes_move() -> None:
    assert modernise(" put mug 1 in/on desk 1\n") == "move mug 1 to desk 1"


@pytest.mark.parametrize(
    "action",
    [
        *("go to sofa 1", "open drawer 1", "close drawer 1", "take mug 1 from desk 1", "move mug 1 to desk 1", "examine mug 1"),
        *("clean pan 1 with sinkbasin 1", "heat egg 1 with microwave 1", "cool egg 1 with fridge 1", "use desklamp 1", "look"),
        *("inventory", "slice egg 1 with knife 1", "help", "put mug 1", "input mug 1 in desk 1", "", " look "),
    ],
)
def test_modernise_other_action_stays_as_it_is(action: str) -> None:
    assert modernise(action) == action


def experts() -> list[Stored]:
    return read_trajectories(Path(DATA) / "expert_trajectories.json", rewrite=modernise)


def replay(episodes: list[Stored]) -> dict[str, str]:
    """How each episode ends on its own game: "won" with its last step, or what happened instead."""
    env = make(Settings())
    ends: dict[str, str] = {}
    for episode in episodes:
        path = f"{RELEASE}/{episode.id}/{GAME_FILE}"
        env.reset({"path": path, "hash": digest((Path(DATA) / path).read_bytes())})
        won = [env.step(step.action).done for step in episode.steps]
        first = won.index(True) + 1 if any(won) else None
        ends[episode.id] = "won" if first == len(won) else f"{len(won)} steps, won after {first}"
    return ends


@needs_data
@pytest.mark.timeout(3600)
def test_modernise_expert_episodes_win_on_their_games() -> None:
    episodes = experts()
    by_type = {episode.id.split("/")[1].split("-")[0]: episode for episode in reversed(episodes)}
    assert len(by_type) == 6
    chosen = episodes if os.environ.get("MEMP_FULL") == "1" else list(by_type.values())
    # The engine must have a process of its own: it can only be left by `os._exit`.
    names = json.dumps([episode.id for episode in chosen])
    run = subprocess.run(
        [sys.executable, "-m", "tests.envs.test_modernise"], cwd=ROOT, input=names, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    ends = json.loads(run.stdout.splitlines()[-1])
    assert ends == {episode.id: "won" for episode in chosen}


@needs_data
def test_modernise_expert_episodes_leaves_no_put() -> None:
    raw = read_trajectories(Path(DATA) / "expert_trajectories.json")
    placed = sum(step.action.startswith("put ") for episode in raw for step in episode.steps)
    verbs = [step.action.split()[0] for episode in experts() for step in episode.steps]
    assert verbs.count("move") == placed > 0
    assert "put" not in verbs


if __name__ == "__main__":
    wanted = set(json.load(sys.stdin))
    print(json.dumps(replay([episode for episode in experts() if episode.id in wanted])), flush=True)
    os._exit(0)
