"""A small household told in ALFWorld's words, for playing whole episodes without the engine; and how an episode is played."""

import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from openai import AsyncOpenAI

from memory.prompts import GUIDANCE
from runtime.parsing import parse
from runtime.prompts import NOTHING, OBSERVATION, REPAIR

Messages = list[dict[str, str]]
KITCHEN = {
    "cabinet 1": (),
    "cabinet 2": ("plate 1",),
    "countertop 1": ("knife 1", "bread 1"),
    "countertop 2": ("mug 1", "spoon 1"),
    "coffeemachine 1": (),
    "drawer 1": (),
    "drawer 2": ("fork 1",),
    "fridge 1": ("apple 1",),
    "garbagecan 1": (),
    "microwave 1": (),
    "shelf 1": ("desklamp 1",),
    "sinkbasin 1": (),
    "stoveburner 1": (),
    "stoveburner 2": (),
    "toaster 1": (),
}
_SHUT = ("cabinet", "drawer", "fridge", "microwave")
_APPLIANCE = {"heat": "microwave", "cool": "fridge", "clean": "sinkbasin"}


def _listed(things: Sequence[str]) -> str:
    named = [f"a {thing}" for thing in things]
    return f"{', '.join(named[:-1])}, and {named[-1]}" if len(named) > 1 else (named or ["nothing"])[0]


@dataclass
class Household:
    """Rules as ALFWorld's; `done` holds (operation, thing) of what was heated, cooled, cleaned and lit."""

    task: str
    lying: dict[str, list[str]] = field(default_factory=lambda: {place: list(things) for place, things in KITCHEN.items()})
    at: str = ""
    held: str = ""
    open: set[str] = field(default_factory=set[str])
    done: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    @property
    def introduction(self) -> str:
        room = _listed(sorted(self.lying, reverse=True))
        welcome = "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly around you, you see"
        return f"{welcome} {room}.\n\nYour task is to: {self.task}."

    def step(self, action: str) -> str:
        for pattern, do in _ACTIONS.items():
            if found := re.fullmatch(pattern, action):
                return do(self, *found.groups()) or NOTHING
        return NOTHING

    def _reachable(self, place: str) -> bool:
        return self.at == place and (not place.startswith(_SHUT) or place in self.open)

    def see(self, place: str) -> str:
        if place.startswith(_SHUT):
            inside = f"The {place} is open. In it, you see {_listed(self.lying[place])}."
            return inside if place in self.open else f"The {place} is closed."
        return f"On the {place}, you see {_listed(self.lying[place])}."

    def go(self, place: str) -> str | None:
        if place not in self.lying or place == self.at:
            return None
        self.at = place
        return f"You arrive at {place}. {self.see(place)}"

    def unlock(self, place: str) -> str | None:
        if self.at != place or not place.startswith(_SHUT) or place in self.open:
            return None
        self.open.add(place)
        return f"You open the {place}. {self.see(place)}"

    def close(self, place: str) -> str | None:
        if self.at != place or place not in self.open:
            return None
        self.open.discard(place)
        return f"You close the {place}."

    def take(self, thing: str, place: str) -> str | None:
        if self.held or not self._reachable(place) or thing not in self.lying[place]:
            return None
        self.lying[place].remove(thing)
        self.held = thing
        return f"You pick up the {thing} from the {place}."

    def move(self, thing: str, place: str) -> str | None:
        if self.held != thing or not self._reachable(place):
            return None
        self.lying[place].append(thing)
        self.held = ""
        return f"You move the {thing} to the {place}."

    def treat(self, operation: str, thing: str, place: str) -> str | None:
        if self.held != thing or self.at != place or not place.startswith(_APPLIANCE[operation]):
            return None
        self.done.add((operation, thing))
        return f"You {operation} the {thing} using the {place}."

    def use(self, thing: str) -> str | None:
        if not self.at or thing not in self.lying[self.at]:
            return None
        self.done.add(("use", thing))
        return f"You turn on the {thing}."


_ACTIONS: dict[str, Callable[..., str | None]] = {
    r"go to (.+)": Household.go,
    r"open (.+)": Household.unlock,
    r"close (.+)": Household.close,
    r"take (.+) from (.+)": Household.take,
    r"move (.+) to (.+)": Household.move,
    r"(heat|cool|clean) (.+) with (.+)": Household.treat,
    r"use (.+)": Household.use,
}
Ask = Callable[[Messages], Coroutine[Any, Any, str]]


def asking(client: AsyncOpenAI, model: str = "stand-in-strong", seed: int = 0) -> Ask:
    """Ask this model over HTTP."""

    async def ask(messages: Messages) -> str:
        answer = await client.chat.completions.create(model=model, messages=messages, seed=seed)  # pyright: ignore[reportArgumentType]
        return answer.choices[0].message.content or ""

    return ask


def opening(household: Household, guidance: str = "") -> Messages:
    """The conversation's start; guidance stands before the introduction, as an agent gets it."""
    before = GUIDANCE.format(procedures=guidance) + "\n" if guidance else ""
    return [{"role": "system", "content": "You carry out a task."}, {"role": "user", "content": before + household.introduction}]


async def play(ask: Ask, household: Household, guidance: str = "", steps: int = 12) -> list[tuple[str, str]]:
    """Play a number of steps; actions with their observations."""
    messages, turns = opening(household, guidance), list[tuple[str, str]]()
    for _ in range(steps):
        answer = await ask(messages)
        messages.append({"role": "assistant", "content": answer})
        action = parse(answer).action
        if action is None:
            messages.append({"role": "user", "content": REPAIR})
            continue
        turns.append((action, household.step(action)))
        messages.append({"role": "user", "content": OBSERVATION.format(observation=turns[-1][1])})
    return turns


def record(household: Household, actions: Sequence[str]) -> str:
    """The record of an episode of these actions, as memory renders it."""
    lines = [f"Observation: {household.introduction}"]
    for action in actions:
        lines += [f"Action: {action}", f"Observation: {household.step(action)}"]
    return "\n".join(lines)
