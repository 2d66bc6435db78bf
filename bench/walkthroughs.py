"""Episodes whose every command is known: the games' own walkthroughs, padded with legal steps to the length of an agent's."""

import random
import re
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from envs import registry
from envs.local import GameTask, LocalEnv
from runtime.config import Settings
from runtime.events import EpisodeSpec, Task
from runtime.prompts import NOTHING

LEAST, MOST = 20, 30
"""Bounds of the drawn number of steps; 30 is where episodes end."""
_PLACE = re.compile(r"[a-z]+ \d+")


@dataclass
class Walkthroughs:
    """Games, and the commands that win each of them."""

    games: list[GameTask] = field(default_factory=list[GameTask])
    commands: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """By first observation."""

    def write(self, path: Path) -> Path:
        """The file that `bench.model_server` reads."""
        path.write_bytes(orjson.dumps(self.commands))
        return path

    def lengths(self) -> list[int]:
        """Steps of each episode."""
        return [len(commands) for commands in self.commands.values()]

    def tasks(self, count: int, epoch: int, **spec: Any) -> list[Task]:
        """So many tasks without memory, the games over and over."""
        played = EpisodeSpec(model="walkthrough", use_memory=False, max_steps=MOST, **spec)
        chosen = [self.games[index % len(self.games)] for index in range(count)]
        return [
            Task(id=f"b{index}", epoch=epoch, env="alfworld", goal=goal, game=game, index=index, spec=played)
            for index, (goal, game) in enumerate(chosen)
        ]


def walkthroughs(settings: Settings, split: str, most: int) -> Walkthroughs:
    """Up to `most` games of a split, each padded by a draw of its own, and played to see that it is won at its last step.

    A game that is not is left out. Of two that begin with the same words only the first is taken, as the server could not
    tell them apart.
    """
    env, found = registry.make("alfworld", settings), Walkthroughs()
    for task in registry.games("alfworld", split, settings)[:most]:
        opening = env.reset(task.game)
        if opening not in found.commands:
            walkthrough = _walkthrough(settings, task)
            commands = [*_look_around(env, opening, walkthrough, random.Random(task.game["path"])), *walkthrough]
            if _won_at_the_end(env, task, commands):
                found.commands[opening] = commands
                found.games.append(task)
    return found


def _walkthrough(settings: Settings, task: GameTask) -> list[str]:
    content = orjson.loads((Path(settings.alfworld_data or "") / task.game["path"]).read_bytes())
    return content["walkthrough"]


def _look_around(env: LocalEnv, opening: str, walkthrough: list[str], draw: random.Random) -> list[str]:
    """What makes up for the missing steps, each of them legal: places visited and examined, things held, surroundings."""
    missing = draw.randint(LEAST, MOST) - len(walkthrough)
    places = [place for place in _PLACE.findall(opening) if f"go to {place}" != walkthrough[0]]
    draw.shuffle(places)
    offered = [command for place in places for command in (f"go to {place}", f"examine {place}", "inventory")]
    legal = (command for command in offered if env.step(command).observation != NOTHING)
    steps = list(islice(legal, missing))
    return [*steps, *["look"] * (missing - len(steps))]


def _won_at_the_end(env: LocalEnv, task: GameTask, commands: list[str]) -> bool:
    # Some places are one location: the first step of the walkthrough may find itself there already.
    env.reset(task.game)
    answers = [env.step(command) for command in commands]
    legal = all(answer.observation != NOTHING for answer in answers)
    return legal and [answer.done for answer in answers] == [False] * (len(commands) - 1) + [True]
