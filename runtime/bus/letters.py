"""Dead letters as they are written: the one place that knows what their reasons say beside the reason."""

import re
from typing import cast

from pydantic_core import from_json

from runtime.bus.consumer import Delivery
from runtime.events import MAX_EVENT, DeadLetter, Place, Task, task_place
from runtime.masking import masked, visible

MAX_REASON = 2000
"""Characters of a dead letter's reason."""
_KEPT = 1 << 20
"""Bytes of a payload that is too large to be kept."""
_INDEX = re.compile(rb'"index":(\d{1,13}),"group":(null|\d{1,13}),"spec":\{')
"""Where the place of a task stands in its event, behind what may be long; within a text the quotes would be escaped."""
_BUILD = "build: "
_CUT = re.compile(r"; of \d+ bytes, the first \d+ are kept$")


def dead_letter(delivery: Delivery, reason: str, *, task: str | None = None) -> DeadLetter:
    """The record of an entry that could not be worked on, payload included; of one larger than MAX_EVENT, the first MiB."""
    given, said = delivery.payload or b"", visible(masked(reason))[:MAX_REASON]
    if len(given) > MAX_EVENT:
        given, said = given[:_KEPT], f"{said}; of {len(given)} bytes, the first {_KEPT} are kept"
    payload = given.decode(errors="replace")
    return DeadLetter(stream=delivery.stream, entry=delivery.entry, deliveries=delivery.deliveries, reason=said, payload=payload, task=task)


def build_letter(delivery: Delivery, task: Task, why: str) -> DeadLetter:
    """The record of a trajectory that was applied, and could not be built into a procedure."""
    return dead_letter(delivery, f"{_BUILD}{why}", task=task.id)


def is_of_build(letter: DeadLetter) -> bool:
    """Whether `build_letter` wrote it."""
    return letter.reason.startswith(_BUILD)


def is_cut(letter: DeadLetter) -> bool:
    """Whether it does not keep the whole event."""
    return _CUT.search(letter.reason) is not None


def task_of(payload: bytes) -> Place | None:
    """Which task an event holds; None where that can't be told. Of one larger than MAX_EVENT the beginning and the end are read."""
    place = task_place(payload)
    if place or len(payload) <= MAX_EVENT:
        return place
    found = _INDEX.findall(payload[-_KEPT:])
    try:
        head = from_json(payload[:_KEPT].decode(errors="ignore"), allow_partial=True)
        index, group = found[-1]
        return Place.model_validate(
            {**cast(dict[str, object], head), "index": int(index), "group": None if group == b"null" else int(group)}
        )
    except (ValueError, TypeError, IndexError):
        return None
