"""What an episode's turns have shown so far: where things are, what is held, what worked and what did not."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from experiments.stand_in.transcript import NAME, Turn
from runtime.prompts import NOTHING

_CONTENTS = re.compile(rf"(?:On the|The) ({NAME})(?: is open\. In it)?, you see (.*?)\.", re.IGNORECASE)
_CLOSED = re.compile(rf"The ({NAME}) is closed", re.IGNORECASE)
_TAKEN = re.compile(rf"You pick up the ({NAME}) from the ({NAME})")
_MOVED = re.compile(rf"You (?:move|put) the ({NAME}) (?:to|in/on|in|on) the ({NAME})")
_TREATED = re.compile(rf"You (heat|cool|clean) the ({NAME}) using the ({NAME})")
_LIT = re.compile(rf"You turn on the ({NAME})")
_NAME = re.compile(NAME)


@dataclass
class World:
    """An episode's state as its own text tells it. Names carry numbers (`mug 1`)."""

    at: str = ""
    """Receptacle in front of the agent; empty at the start."""
    holding: str = ""
    contents: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """What lay in each receptacle that was looked into, when it was last seen."""
    closed: set[str] = field(default_factory=set[str])
    """Receptacles that are shut now."""
    opened: set[str] = field(default_factory=set[str])
    """Receptacles that the agent has opened."""
    sightings: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """(thing, receptacle) pairs in which the thing was not put there by the agent; 1 for seen, 2 for taken."""
    moved: dict[str, str] = field(default_factory=dict[str, str])
    """Where the agent put what it carried."""
    treated: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """(operation, thing, receptacle) that the environment confirmed."""
    lit: list[str] = field(default_factory=list[str])
    refused: Counter[str] = field(default_factory=Counter[str])
    """Actions that brought about nothing, with how often."""

    def step(self, turn: Turn) -> None:
        """Take in one turn."""
        action, text = turn.action.lower(), turn.observation
        if action.startswith("go to "):
            # Refused or not: one is refused the way to what stands within reach already.
            self.at = action.removeprefix("go to ")
        if NOTHING in text:
            self.refused[action] += 1
            return
        if action.startswith("open "):
            self.opened.add(action.removeprefix("open "))
        elif action.startswith("close "):
            self.closed.add(action.removeprefix("close "))
        self._see(text)
        self._handle(text)

    def _see(self, text: str) -> None:
        for receptacle in _CLOSED.findall(text):
            self.closed.add(receptacle)
        for receptacle, listed in _CONTENTS.findall(text):
            things = set(_NAME.findall(listed))
            self.closed.discard(receptacle)
            self.contents[receptacle] = things
            for thing in things - self.moved.keys():
                self.sightings.setdefault((thing, receptacle), 1)

    def _handle(self, text: str) -> None:
        for thing, receptacle in _TAKEN.findall(text):
            self.holding = thing
            self.contents.setdefault(receptacle, set()).discard(thing)
            if self.moved.pop(thing, "") != receptacle:
                self.sightings[thing, receptacle] = 2
        for thing, receptacle in _MOVED.findall(text):
            self.holding = ""
            self.contents.setdefault(receptacle, set()).add(thing)
            self.moved[thing] = receptacle
        self.treated.extend(_TREATED.findall(text))
        self.lit.extend(_LIT.findall(text))


def replay(turns: Iterable[Turn]) -> World:
    """The world after these turns."""
    world = World()
    for turn in turns:
        world.step(turn)
    return world
