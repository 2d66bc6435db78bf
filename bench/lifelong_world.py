"""The life that the lifelong run leads: phases of generated households that differ in tasks, rooms and things; the first comes back."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple

from envs.alfworld_env import households
from envs.alfworld_env.game_files import games
from envs.alfworld_env.household_tables import ROOMS
from envs.local import GameTask
from runtime.config import Settings
from runtime.events import EpisodeSpec, Task

MODEL = "stand-in-strong"
REPEATS = 4
"""Tasks that play the same game, each with a chance of its own (the spec's seed), somewhere within its phase."""
SAMPLE = 4
"""One in so many tasks is played without memory, too."""


class Kind(NamedTuple):
    """What a phase asks for: beginnings of task types, and kinds of rooms."""

    name: str
    types: tuple[str, ...]
    rooms: tuple[str, ...]

    def fits(self, path: str) -> bool:
        """Whether a game is of this kind, by its path."""
        folder = Path(path).parent.parent.name
        return folder.startswith(self.types) and room(int(folder.rpartition("-")[2])) in self.rooms


class Phase(NamedTuple):
    """Tasks of one kind, in the order of their submission."""

    name: str
    tasks: tuple[Task, ...]

    def sample(self) -> list[Task]:
        """Some of them, to be played without memory."""
        return [task.model_copy(update={"spec": task.spec.model_copy(update={"use_memory": False})}) for task in self.tasks[::SAMPLE]]


KITCHEN = Kind("kitchen: heat, clean", ("pick_heat", "pick_clean"), ("kitchen",))
KINDS = (
    KITCHEN,
    Kind("bedroom, living room: place one, look in light", ("pick_and_place", "look_at"), ("bedroom", "living room")),
    Kind("bathroom: place one or two, clean", ("pick_and_place", "pick_two", "pick_clean"), ("bathroom",)),
    Kind("kitchen: cool, place two", ("pick_cool", "pick_two"), ("kitchen",)),
    Kind("kitchen: heat, clean, come back", KITCHEN.types, KITCHEN.rooms),
)
"""In the order of life. Half of the last phase's games are the first's, the others are new."""


def room(scene: int) -> str:
    """The kind of room that a scene's number stands for."""
    return max((kind for kind in ROOMS if ROOMS[kind].first <= scene), key=lambda kind: ROOMS[kind].first)


def build_world(total: int, seed: int, folder: Path) -> list[Phase]:
    """Write the games below `folder`, which serves as ALFWORLD_DATA, and give the phases, `total` tasks in all."""
    each = total // len(KINDS)
    chosen = _choose(-(-each // REPEATS), seed)
    half = len(chosen[0]) // 2
    chosen[-1][:half] = chosen[0][:half]
    paths = [_write(made, folder) for made in chosen]
    found = {str(task.game["path"]): task for task in games("dev", Settings(alfworld_data=folder))}  # pyright: ignore[reportCallIssue]
    chance = Random(seed)
    phases: list[Phase] = []
    for number, kind in enumerate(KINDS):
        drawn = [found[path] for path in paths[number] for _ in range(REPEATS)][:each]
        chance.shuffle(drawn)
        phases.append(Phase(kind.name, tuple(_task(number, number * each + at, game) for at, game in enumerate(drawn))))
    return phases


def _choose(count_each: int, seed: int) -> list[list[households.GeneratedGame]]:
    """So many games of each kind; one game serves one kind."""
    chosen: list[list[households.GeneratedGame]] = [[] for _ in KINDS]
    for index in count():
        made = households.game(index, seed, "dev")
        open_still = [have for kind, have in zip(KINDS, chosen, strict=True) if kind.fits(made.path) and len(have) < count_each]
        if open_still:
            min(open_still, key=len).append(made)  # the first and the last are alike: neither takes all of the early ones
        if all(len(have) == count_each for have in chosen):
            return chosen
    raise AssertionError  # never: `count` has no end


def _write(made: Sequence[households.GeneratedGame], folder: Path) -> list[str]:
    for each in made:
        (folder / each.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / each.path).write_text(each.text())
    return [each.path for each in made]


def _task(phase: int, index: int, game: GameTask) -> Task:
    spec = EpisodeSpec(model=MODEL, seed=index)
    return Task(id=f"phase-{phase + 1}-{index:05d}", epoch=1, env="alfworld", goal=game.goal, game=game.game, index=index, spec=spec)
