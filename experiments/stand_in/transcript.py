"""Finds the episodes in a text: introductions, actions and what answered them; the rest of the text is prose."""

import re
from collections.abc import Iterable
from typing import NamedTuple

_ACTION = re.compile(r"^\W*action\W*?:\s*(.*?)\s*$", re.IGNORECASE)
_OBSERVATION = re.compile(r"^\W*observation\W*?:\s*(.*)$", re.IGNORECASE)
_THOUGHT = re.compile(r"^\W*thought\W*?:", re.IGNORECASE)
_OPENING = re.compile(r"-= Welcome to TextWorld|You are in the middle of a room", re.IGNORECASE)
_TASK = re.compile(r"Your task is to:\s*(.*)", re.IGNORECASE)
_ROOM = re.compile(r"you see (.*?)\.?\s*$", re.MULTILINE)
NAME = r"[a-z]+ \d+"
_NAME = re.compile(NAME)


class Turn(NamedTuple):
    """An action and the observation that answered it."""

    action: str
    observation: str


class Episode(NamedTuple):
    """What was seen first (the room and the task), then the turns in order."""

    introduction: str
    turns: tuple[Turn, ...]

    @property
    def task(self) -> str:
        """The task's sentence without its full stop; empty where none was given."""
        found = _TASK.findall(self.introduction)
        return found[-1].strip().rstrip(".") if found else ""

    @property
    def receptacles(self) -> tuple[str, ...]:
        """The room's receptacles by name and number, as the introduction lists them."""
        room = _ROOM.search(self.introduction)
        return tuple(_NAME.findall(room.group(1))) if room else ()


def kind(name: str) -> str:
    """What sort of thing it is: the name without its number."""
    return name.split(" ", 1)[0]


class _Reader:
    """Sorts lines into the episode under way and prose."""

    def __init__(self) -> None:
        self.introduction: list[str] = []
        self.turns: list[Turn] = []
        self.pending = ""
        self.done: list[Episode] = []
        self.prose: list[str] = []

    def read(self, line: str) -> None:
        observed = _OBSERVATION.match(line)
        text = observed.group(1) if observed else line.strip()
        if _OPENING.search(text) or _TASK.search(text):
            self._introduce(text)
        elif action := _ACTION.match(line):
            self.pending = action.group(1)
        elif observed and self.pending:
            self.turns.append(Turn(self.pending, text))
            self.pending = ""
        elif text and not observed and not _THOUGHT.match(line):
            self.pending = ""
            self.prose.append(text)

    def _introduce(self, text: str) -> None:
        # A welcome, the room and the task open one episode; whatever opens after a task or a turn is the next one.
        if self.turns or (_OPENING.search(text) and _TASK.search("\n".join(self.introduction))):
            self.close()
        self.introduction.append(text)
        self.pending = ""

    def close(self) -> None:
        if self.introduction or self.turns:
            self.done.append(Episode("\n".join(self.introduction), tuple(self.turns)))
        self.introduction, self.turns = [], []


def split(lines: Iterable[str]) -> tuple[tuple[Episode, ...], tuple[str, ...]]:
    """The episodes in order, and the lines that belong to none of them."""
    reader = _Reader()
    for line in lines:
        reader.read(line)
    reader.close()
    return tuple(reader.done), tuple(reader.prose)
