"""The seam behind which games are played: something that starts a game and takes its commands.

Two stand behind it: `fast` (the default) and `stock`, TextWorld's own, which is the truth that the fast one is held to.
Neither is thread-safe; many of both may live in one thread.
"""

from collections.abc import Mapping
from typing import Any, Protocol


class Engine(Protocol):
    """Plays one game at a time; `game` holds the texts `pddl_domain`, `grammar` and `pddl_problem` of a game file."""

    def start(self, game: Mapping[str, Any]) -> tuple[str, bool]:
        """Begin a game, also the same one again: its introduction, and whether the goal holds already."""
        ...

    def step(self, command: str) -> tuple[str, bool]:
        """The answer to one command, and whether the goal holds now."""
        ...

    def admissible(self) -> list[str]:
        """The commands that would do something now, sorted."""
        ...

    def facts(self) -> list[str]:
        """What is true now, sorted, in the words of the game: `inreceptacle(mug 1, desk 1)`."""
        ...
