"""A small environment for benchmarks and fault drivers: rooms with two doors, one of which leads on.

A game is `{"house": n, "rooms": r}`, with `"walled": true` where it can't be played. Which door leads on follows from house
and room; the third wrong door ends the episode. Nothing of it takes longer than microseconds, and how it ends depends on the actions alone.
"""

from hashlib import blake2b
from typing import Any

from envs.local import GameTask
from runtime.config import Settings
from runtime.env import EnvDescription, StepResult
from runtime.errors import EnvError

SPLITS = ("dev",)
DOORS = ("red", "blue")
LIVES = 3
"""Wrong doors that end an episode."""
RULES = "You walk through a house, room by room. Each room has two doors, red and blue; one leads on. Actions: `take red`, `take blue`."


def describe() -> EnvDescription:
    """What agents are told."""
    return EnvDescription(__name__, RULES, (), 1.0)


def games(split: str, settings: Settings) -> list[GameTask]:  # noqa: ARG001 (as all environments)
    """A hundred houses, two of each goal; they need no data."""
    return [game(house, 50, 2 + house % 3) for house in range(100)]


def game(house: int, goals: int, rooms: int, *, walled: bool = False) -> GameTask:
    """One house; houses share `goals` goals."""
    return GameTask(f"walk to the garden of family {house % goals}", {"house": house, "rooms": rooms, "walled": walled})


def make(settings: Settings) -> "ToyEnv":  # noqa: ARG001
    """A new environment."""
    return ToyEnv()


def door(house: int, room: int) -> str:
    """The one that leads on."""
    return DOORS[blake2b(f"{house}/{room}".encode(), digest_size=1).digest()[0] % 2]


class ToyEnv:
    """One house at a time; satisfies `envs.local.LocalEnv`."""

    def __init__(self) -> None:
        self._house = self._rooms = self._room = self._wrong = 0

    def prepared(self, game: dict[str, Any]) -> bool:  # noqa: ARG002
        return True

    def prepare(self, game: dict[str, Any]) -> None:
        pass

    def reset(self, game: dict[str, Any]) -> str:
        if game["walled"]:
            raise EnvError(f"house {game['house']} has no doors")
        self._house, self._rooms = game["house"], game["rooms"]
        self._room = self._wrong = 0
        return f"You enter house {self._house}. It has {self._rooms} rooms; the garden lies behind the last."

    def step(self, action: str) -> StepResult:
        if action == f"take {door(self._house, self._room)}":
            self._room += 1
        else:
            self._wrong += 1
        won = self._room == self._rooms
        told = "You stand in the garden." if won else f"You are in room {self._room} of house {self._house}; wrong doors: {self._wrong}."
        return StepResult(told, float(won), won or self._wrong == LIVES, {})
