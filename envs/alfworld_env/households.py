"""Generated households: games in exactly the released file format, so that everything runs without a download.

A folder filled here serves as `ALFWORLD_DATA`. Game `i` of a (seed, split) is always the same, byte for byte, however
many are asked for; the six task types take turns. Within a seed the rooms are fixed scenes, as in the released data
(26 of each of four kinds for `train` and `dev`, others for `test`), and each game fills one anew. Every game is
solvable by construction, and is played to its end on the planner's engine before it is written.
"""

import json
import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from envs.alfworld_env import household_files, household_rooms
from envs.alfworld_env import household_tables as tables
from envs.alfworld_env.game_cache import GameCache
from envs.alfworld_env.game_files import GAME_FILE, RELEASE, SPLIT_FOLDERS, SPLITS, TASK_TYPES, digest
from envs.alfworld_env.naming import name_entities
from runtime.errors import EnvError, UsageError


class GeneratedGame(NamedTuple):
    """A game's path, relative to the data folder, and the content of its file."""

    path: str
    content: dict[str, Any]

    def text(self) -> str:
        """What its file holds."""
        return json.dumps(self.content)


def game(index: int, seed: int, split: str) -> GeneratedGame:
    """Game `index` of a seed and split, not yet played."""
    rng = random.Random(f"game {seed} {split} {index}")  # noqa: S311 (households, not secrets)
    house = household_rooms.household(TASK_TYPES[index % len(TASK_TYPES)], seed, rng, unseen=split == "test")
    goal = house.goal
    thing, target = goal.thing.lower(), goal.target.lower()
    sentence = rng.choice(tables.TASKS[goal.task].phrases).format(thing=thing, target=target)
    trial = f"trial_G{seed:08d}_{index:06d}"
    content = {
        "pddl_domain": household_files.domain(),
        "grammar": household_files.grammar(sentence),
        "pddl_problem": household_files.problem(house, trial),
        "solvable": True,
        "walkthrough": walkthrough(house),
    }
    folder = f"{goal.task}-{goal.thing}-None-{goal.target}-{house.scene.number}"
    return GeneratedGame(f"{RELEASE}/{SPLIT_FOLDERS[split]}/{folder}/{trial}/{GAME_FILE}", content)


class _Walk:
    """Writes down the commands of somebody who knows where everything is."""

    def __init__(self, house: household_rooms.Household) -> None:
        entities = [*house.scene.places, *house.things]
        names = name_entities(entity.lower() for entity in entities)
        self.names = {entity: names[entity.lower()] for entity in entities}
        self._scene, self._where = house.scene, house.where
        self.commands: list[str] = []
        self._at = ""
        self._open: set[str] = set()

    def nearest(self, type_: str) -> str:
        places = self._scene.of_type(frozenset({type_}))
        return self._at if self._at in places else places[0]

    def go(self, place: str, opening: bool = False) -> None:
        if self._at != place:
            self.commands.append(f"go to {self.names[place]}")
            self._at = place
        if opening and self._scene.places[place] in tables.OPENABLE and place not in self._open:
            self.commands.append(f"open {self.names[place]}")
            self._open.add(place)

    def take(self, thing: str) -> None:
        place = self._where[thing]
        self.go(place, opening=True)
        self.commands.append(f"take {self.names[thing]} from {self.names[place]}")

    def move(self, thing: str, place: str) -> None:
        self.go(place, opening=True)
        self.commands.append(f"move {self.names[thing]} to {self.names[place]}")


def walkthrough(house: household_rooms.Household) -> list[str]:
    """Commands that reach a household's goal."""
    walk, goal = _Walk(house), house.goal
    form = tables.TASKS[goal.task]
    wanted = [thing for thing, type_ in house.things.items() if type_ == goal.thing]
    if goal.task == household_rooms.LIGHT:
        lamp = next(thing for thing, type_ in house.things.items() if type_ == goal.target)
        walk.take(wanted[0])
        walk.go(house.where[lamp])
        walk.commands.append(f"use {walk.names[lamp]}")
        return walk.commands
    for thing in wanted[: 2 if goal.task == household_rooms.TWO else 1]:
        walk.take(thing)
        if form.appliance:
            appliance = walk.nearest(form.appliance)
            walk.go(appliance)
            walk.commands.append(f"{form.verb} {walk.names[thing]} with {walk.names[appliance]}")
        walk.move(thing, walk.nearest(goal.target))
    return walk.commands


def check(made: GeneratedGame, cache: GameCache | None = None) -> None:
    """Play a game's walkthrough; EnvError unless it wins at its last command and not before. The cache is given its translation."""
    from envs.alfworld_env.fast import FastEngine  # noqa: PLC0415 (an optional dependency, and only for playing)

    engine = FastEngine(cache)
    engine.start({**made.content, "hash": digest(made.text().encode())})
    won = [engine.step(command)[1] for command in made.content["walkthrough"]]
    if won != [False] * (len(won) - 1) + [True]:
        raise EnvError(f"{made.path} is not won by its walkthrough: report this with the seed")


def _write(index: int, seed: int, split: str, out: Path, cache: GameCache | None) -> Path:
    made = game(index, seed, split)
    file, text = out / made.path, made.text()
    if not file.is_file() or file.read_text() != text:  # What is there with these bytes was played when it was written.
        check(made, cache)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(text)
        os.replace(part, file)
    return file


def generate(
    count: int,
    seed: int,
    out: Path,
    split: str = "train",
    *,
    processes: int = 1,
    progress: Callable[[Path], None] | None = None,
    cache: GameCache | None = None,
) -> list[Path]:
    """Write games 0 to `count` - 1 of a seed and split below `out`; returns their files in that order.

    `processes` > 1 spreads the playing (about half a CPU second per game); `progress` is called with each file in turn;
    what was translated for the playing goes to the `cache`.
    Games that are there already are kept. UsageError for bad arguments, an `out` that can't be written, and games in
    the split's folder that are not of this call: a data folder must not mix seeds by accident.
    """
    if count < 1 or split not in SPLITS:
        raise UsageError(f"can't make {count} games of split {split!r}: count is at least 1, the splits are {', '.join(SPLITS)}")
    _refuse_others({out / game(index, seed, split).path for index in range(count)}, out / RELEASE / SPLIT_FOLDERS[split])
    files: list[Path] = []
    try:
        for file in _each(partial(_write, seed=seed, split=split, out=out, cache=cache), count, processes):
            files.append(file)
            if progress is not None:
                progress(file)
    except OSError as error:
        raise UsageError(f"can't write games to {out}: {error.strerror}") from error
    return files


def _each(work: Callable[[int], Path], count: int, processes: int) -> Iterator[Path]:
    if processes <= 1:
        yield from map(work, range(count))
        return
    # Spawned, not forked: the caller may run threads, and the planner's library must be loaded afresh.
    # Ctrl-C reaches the whole group of processes; it is for the caller to act on.
    context, ignore = multiprocessing.get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(min(processes, count), context, initializer=signal.signal, initargs=ignore) as pool:
        yield from pool.map(work, range(count))


def _refuse_others(ours: set[Path], folder: Path) -> None:
    others = next((file for file in folder.glob(f"*/*/{GAME_FILE}") if file not in ours), None)
    if others is not None:
        raise UsageError(f"{folder} holds other games, such as {others.parent}: choose an empty folder, or the seed and count of before")
