"""Dead letters as they are written: the one place that knows what their reasons say beside the reason."""

import re

from runtime.bus.consumer import Delivery
from runtime.events import MAX_EVENT, DeadLetter, Task
from runtime.masking import masked, visible

MAX_REASON = 2000
"""Characters of a dead letter's reason."""
_KEPT = 1 << 20
"""Bytes of a payload that is too large to be kept."""
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
