"""Whose turn it is in grouped mode: one look at the group for all that wait in this process."""

from dataclasses import dataclass, field

import anyio

from runtime.bus.namespace import Namespace
from runtime.events import Task

PERIOD = 0.1
"""Seconds between two looks."""


@dataclass
class Turns:
    """The apply script decides; this only keeps those that wait from asking it all the time. Whoever is woken looks again."""

    namespace: Namespace
    _waiting: dict[tuple[int, int], anyio.Event] = field(default_factory=dict[tuple[int, int], anyio.Event])

    async def wait(self, task: Task) -> None:
        """Until all of the task's group has ended and all before it is applied; at once where the group goes on without it."""
        if task.group is None or await self.namespace.left_behind(task):
            return
        place = (task.group, task.index)
        while not _reached(await self.namespace.turn(task.group), task.index):
            # One event for all that wait here: an entry may be delivered here once more, or stand on the stream twice.
            await self._waiting.setdefault(place, anyio.Event()).wait()

    def passed(self, task: Task) -> None:
        """Wake the next in this process at once: this task is applied."""
        if task.group is not None and (event := self._waiting.pop((task.group, task.index + 1), None)):
            event.set()

    async def watch(self) -> None:
        """Wake those whose turn has come, or gone by; runs as long as the curator does."""
        while True:
            for group in {group for group, _ in self._waiting}:
                turn = await self.namespace.turn(group)
                for place in [each for each in self._waiting if each[0] == group and _reached(turn, each[1])]:
                    self._waiting.pop(place).set()
            await anyio.sleep(PERIOD)


def _reached(turn: int | None, index: int) -> bool:
    """An event that comes again after its turn has nothing to wait for: the apply script knows it."""
    return turn is not None and turn >= index
