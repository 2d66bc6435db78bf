"""Takes a request's messages apart: the text that came before the current task, and the episode so far."""

from typing import Any, NamedTuple

from experiments.stand_in.transcript import Episode, Turn
from runtime.parsing import parse
from runtime.prompts import REPAIR

_TASK = "Your task is to:"
_OPENINGS = ("-= Welcome to TextWorld", "You are in the middle of a room")


class Message(NamedTuple):
    """A chat message with its text; `role` as in the API."""

    role: str
    text: str


class Conversation(NamedTuple):
    """`earlier` is the text of the messages before the task's, `beside` what precedes the introduction in the task's own.

    `repairing` says that the last answer held no action.
    """

    earlier: str
    beside: str
    episode: Episode
    repairing: bool


def text_of(content: Any) -> str:
    """A message's content as text, be it a string, a list of parts, or None."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _opening(text: str) -> int:
    """Where the last introduction of a text begins."""
    task = text.rfind(_TASK)
    room = max(text.rfind(_OPENINGS[1], 0, task), 0)
    # The welcome line, where there is one, stands right before the room.
    welcome = text.rfind(_OPENINGS[0], 0, room + 1)
    return welcome if welcome >= 0 and _TASK not in text[welcome:room] else room


def _repairs(message: Message) -> bool:
    return message.text.strip() == REPAIR.strip()


def _turns(messages: list[Message]) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    action = ""
    for message in messages:
        if message.role == "assistant":
            action = parse(message.text).action or ""
        elif message.role == "user" and not _repairs(message):
            turns.append(Turn(action, message.text.removeprefix("Observation:").strip()))
    return tuple(turns)


def take_apart(messages: list[Message]) -> Conversation:
    """The current episode is the one whose task was introduced last."""
    start = max((n for n, m in enumerate(messages) if m.role == "user" and _TASK in m.text), default=-1)
    if start < 0:
        return Conversation("", "", Episode("", ()), False)
    first = messages[start].text
    cut = _opening(first)
    earlier = "\n".join(message.text for message in messages[:start])
    return Conversation(earlier, first[:cut], Episode(first[cut:], _turns(messages[start + 1 :])), _repairs(messages[-1]))
