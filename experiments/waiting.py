"""What a run waits for, and what it would wait for in vain."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import anyio
import structlog

from experiments.config import RunConfig
from experiments.recorder import Recorder
from runtime.bus.namespace import Namespace
from runtime.bus.scripts import patiently
from runtime.bus.trimmed import restore_tasks
from runtime.errors import MempError
from runtime.events import Progress, Task
from runtime.keys import CURATORS, RECORDER

log = structlog.get_logger()

POLL = 0.25
"""Seconds between two looks at the counters."""
STILL = 5.0
"""Seconds of looks that all find the same missing, after which it is believed. Time in which nobody could look does not count."""


@dataclass(frozen=True)
class Missing:
    """What has left its stream while somebody was still to do something with it, unless anything changes in what is said here."""

    count: int
    to_be: Literal["played", "recorded", "learned from"]
    last: int | str | None = None
    """The last thing that was done, which tells two looks apart where the count is the same: how many were learned from, or the dead
    letter that was read."""


@dataclass
class Waiting:
    """The waiting of one run."""

    config: RunConfig
    namespace: Namespace
    look: Callable[[], Awaitable[Progress]]
    """Reads the counters, and shows them."""
    experience: int = 0
    """Stored trajectories that the memory is built from."""

    async def until_built(self) -> None:
        """Until all stored trajectories are learned from. Raises `MempError` where some never will be."""
        await self._until(lambda progress: progress.consumed >= self.experience, self._unlearned)
        await self.until_learned()

    async def until_played(self, tasks: Sequence[Task], recorder: Recorder) -> None:
        """Until these, which are all that were submitted, are settled and recorded. Raises `MempError` where trajectories are lost."""
        due = len(tasks)
        find, mend = partial(self._missing, recorder, due), partial(self._mended, recorder, tasks)
        await self._until(lambda progress: min(self._settled(progress), recorder.recorded) >= due, find, mend)

    async def until_learned(self) -> None:
        """Builds that were put back are no tasks: wait for them, too."""
        while await self.namespace.undone(CURATORS):  # noqa: ASYNC110 - of other processes, which have no event of ours
            await anyio.sleep(POLL)

    def _settled(self, progress: Progress) -> int:
        """Tasks of which nothing more will come."""
        return progress.consumed + progress.dead if self.config.learns else self._ended(progress)

    def _ended(self, progress: Progress) -> int:
        """Tasks that were played or are dead; the trajectories that memory was built from are no tasks."""
        return progress.settled - self.experience

    async def _until(
        self,
        done: Callable[[Progress], bool],
        find: Callable[[Progress], Awaitable[Missing | None]],
        mend: Callable[[Missing], Awaitable[bool]] | None = None,
    ) -> None:
        seen, still = None, 0
        while not done(progress := await self.look()):
            missing = await find(progress)
            still = still + 1 if missing and missing == seen else 0
            if missing and still * POLL > STILL:
                if not (mend and await mend(missing)):
                    raise MempError(self._lament(missing))
                still = 0
            seen = missing
            await anyio.sleep(POLL)

    async def _mended(self, recorder: Recorder, tasks: Sequence[Task], missing: Missing) -> bool:
        """Add tasks again that were trimmed off their stream; record those as dead whose letters are gone. False where that is no help."""
        if missing.to_be == "played":
            if restored := await restore_tasks(self.namespace, tasks):
                log.warning("tasks_trimmed", restored=restored)
            return True
        return missing.to_be == "recorded" and await recorder.record_without_letter(tasks) > 0

    async def _missing(self, recorder: Recorder, due: int, progress: Progress) -> Missing | None:
        """What is the matter, of all that can be; None while anything goes on."""
        if self._ended(progress) < progress.submitted:
            return await self._unplayed(progress)
        if self.config.learns and (missing := await self._unlearned(progress)):
            return missing
        if self._settled(progress) < due or await self.namespace.undone(RECORDER):
            return None
        return Missing(due - recorder.recorded, "recorded", recorder.dead_seen)

    async def _unplayed(self, progress: Progress) -> Missing | None:
        """Tasks that are not settled, that no worker holds, and that are on the stream no more."""
        waiting = await patiently(lambda: self.namespace.client.xlen(self.namespace.keys.tasks))
        if waiting or await self.namespace.in_flight():
            return None
        return Missing(progress.submitted - self._ended(progress), "played")

    async def _unlearned(self, progress: Progress) -> Missing | None:
        """Trajectories that were committed, not learned, and are on the stream no more; None while something else goes on.

        A commit counts and publishes in one step, and so an apply counts and acknowledges: between two looks at the same
        counters, this can't be wrong. In a group, what comes after a missing one has its turn never.
        """
        left = await self.namespace.undone(CURATORS)
        at_work = self._ended(progress) < progress.submitted or (left and self.config.group_size is None)
        count = 0 if at_work else progress.committed - progress.consumed - left
        return Missing(count, "learned from", progress.consumed) if count > 0 else None

    def _lament(self, missing: Missing) -> str:
        """What is lost, why that may be, and what can be done."""
        name, one = self.config.exp_name, missing.count == 1
        export = f"`memp memory export --exp-name {name}` writes what was learned"
        kept = [] if self.config.mode == "build" else ["what was recorded stands in episodes.jsonl"]
        kept += [export] if self.config.use_memory else []
        return (
            f"{missing.count} trajector{'y' if one else 'ies'} can't be {missing.to_be}: {'it' if one else 'they'} left the stream before "
            f"(trimmed, thrown away as a dead letter, or its group destroyed). --overwrite starts afresh; until then {', and '.join(kept)}"
        )
