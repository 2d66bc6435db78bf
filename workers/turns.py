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
        """Until all of the task's group has ended and all before it is applied."""
        if task.group is None:
            return
        place = (task.group, task.index)
        while await self.namespace.turn(task.group) != task.index:
            self._waiting[place] = event = anyio.Event()
            try:
                await event.wait()
            finally:
                if self._waiting.get(place) is event:  # the same entry, delivered here once more, may wait by now
                    del self._waiting[place]

    def passed(self, task: Task) -> None:
        """Wake the next in this process at once: this task is applied."""
        if task.group is not None and (event := self._waiting.get((task.group, task.index + 1))):
            event.set()

    async def watch(self) -> None:
        """Wake those whose turn has come; runs as long as the curator does."""
        while True:
            for group in {group for group, _ in self._waiting}:
                index = await self.namespace.turn(group)
                event = self._waiting.get((group, index)) if index is not None else None
                if event:
                    event.set()
            await anyio.sleep(PERIOD)
