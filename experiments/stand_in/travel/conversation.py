"""Takes the requests of trips apart: what was read before, and the trip under way."""

import re
from typing import NamedTuple

from experiments.stand_in.conversation import Message
from experiments.stand_in.travel.notebook import Notebook, open_notebook, open_reference
from experiments.stand_in.travel.records import Record, Step
from runtime.parsing import parse
from runtime.prompts import REPAIR

_QUERY = re.compile(r"^Query: ", re.MULTILINE)
_HOUSE = "Your task is to:"
_OBSERVATION = "Observation:"
_GIVEN = "\n\nInformation:\n"
_TRIP = re.compile(r"<information>\n(.*)\n</information>\n<query>\n(.*?)\n</query>", re.DOTALL)
_PLAN = re.compile(r"<plan>\n(.*)\n</plan>", re.DOTALL)


class Conversation(NamedTuple):
    """`beside` is all that the prompt says besides the trip itself; `repairing` says that the last answer held no action."""

    beside: str
    record: Record
    repairing: bool


def _opening(message: Message) -> int:
    """Where a query begins in a message; -1 where none does, or a household's task comes after it."""
    if message.role != "user" or message.text.startswith(_OBSERVATION):
        return -1
    at = max((found.start() for found in _QUERY.finditer(message.text)), default=-1)
    return at if at > message.text.rfind(_HOUSE) else -1


def take_apart(messages: list[Message]) -> Conversation | None:
    """The trip whose query was given last; None where another kind of task was."""
    tasks = [n for n, message in enumerate(messages) if message.role == "user" and (_opening(message) >= 0 or _HOUSE in message.text)]
    if not tasks or (cut := _opening(messages[tasks[-1]])) < 0:
        return None
    start = tasks[-1]
    text = messages[start].text
    record = Record(text[cut:].removeprefix("Query: ").strip())
    acted = False
    for message in messages[start + 1 :]:
        if message.role == "assistant":
            answer = parse(message.text)
            acted = answer.action is not None
            record.steps += [Step(answer.action, "", answer.thought)] if answer.action else []
        elif acted:
            record.steps[-1].observation = message.text.removeprefix(_OBSERVATION).strip()
    before = [message.text for message in messages[:start]]
    return Conversation("\n".join([*before, text[:cut]]), record, _repairs(messages[-1]))


def _repairs(message: Message) -> bool:
    return message.text.strip() == REPAIR.strip()


class Order(NamedTuple):
    """What a planner is asked: what its prompt says besides, what was found, and the query."""

    beside: str
    notebook: Notebook
    query: str


def order(messages: list[Message]) -> Order | None:
    """The order of a plan; None where the request is none."""
    found = _TRIP.search(text := messages[-1].text)
    return Order(text[: found.start()] + text[found.end() :], open_notebook(found[1]), found[2]) if found else None


def reference(conversation: Conversation) -> Order | None:
    """The order that a query is which comes with all that there is to know; None where nothing comes with it."""
    words, marked, given = conversation.record.words.partition(_GIVEN)
    return Order(conversation.beside, open_reference(given), words) if marked else None


def to_convert(messages: list[Message]) -> str | None:
    """The plan in words that is to be converted, be it a first request or one for a repair; None where the request is neither."""
    found = _PLAN.search(messages[0].text) if messages[0].role == "user" else None
    return found[1] if found else None
