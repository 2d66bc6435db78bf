"""What is done to processes and server under chaos: planned by seed, counted, and the server's recovery timed."""

import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import psutil
from anyio.abc import TaskGroup

from bench import harness
from bench.chaos_fleet import Fleet, Member
from bench.chaos_record import counters
from runtime.bus.namespace import Namespace
from runtime.bus.scripts import Client
from runtime.server.client import wait_loaded

KINDS = ("worker", "curator")
PATIENCE = 60.0
"""Seconds that a start, or that commits may take to go on, before this is given up."""


@dataclass(frozen=True)
class Recovery:
    """One restart of the server, in seconds from its SIGKILL; None where no task was left."""

    answering: float
    committing: float | None
    """To the next commit."""
    applying: float | None

    @property
    def seconds(self) -> float | None:
        """From the server's first answer to when workers and curators were both at work again."""
        if self.committing is None or self.applying is None:
            return None
        return max(self.committing, self.applying) - self.answering


def planned(kills: int, restarts: int, seed: int) -> list[str]:
    """So many SIGKILLs, a quarter as many SIGTERMs and as many SIGSTOPs in any order; between them the server's restarts."""
    deeds = ["SIGKILL"] * kills + ["SIGTERM"] * (kills // 4) + ["SIGSTOP"] * (kills // 4)
    random.Random(seed).shuffle(deeds)
    for number in range(restarts, 0, -1):
        deeds.insert(number * len(deeds) // (restarts + 1), "restart")
    return deeds


@dataclass
class Havoc:
    """Does deeds to one fleet and its server."""

    fleet: Fleet
    namespace: Namespace
    client: Client
    chance: random.Random
    pause: float
    """Seconds that a stopped process stands still: longer than the lease."""
    done: Counter[str] = field(default_factory=Counter[str])
    """Deeds by kind and by what they were done to."""
    recoveries: list[Recovery] = field(default_factory=list[Recovery])

    async def do(self, deed: str, tasks: TaskGroup) -> None:
        """Do one deed to a process that is at work, or to the server; `tasks` owns what takes longer."""
        if deed == "restart":
            await self._restart()
            return
        member = await self._victim()
        self.done[f"{deed} {member.name.partition('-')[0]}"] += 1
        if deed == "SIGKILL":
            member.send(signal.SIGKILL)
        elif deed == "SIGTERM":
            member.told = True
            tasks.start_soon(self.fleet.terminate, member)
        else:
            member.stopped = True
            tasks.start_soon(self.fleet.suspend, member, self.pause)

    async def _victim(self) -> Member:
        """Workers and curators alike, those that are at work."""
        kind = self.chance.choice(KINDS)
        await harness.until(lambda: self.fleet.any_at_work(kind), PATIENCE, period=0.02)
        return self.chance.choice(self.fleet.at_work(kind))

    async def _restart(self) -> None:
        """SIGKILL to the server; whoever keeps it starts it on the same files and the same socket.

        Timed is how processes heal, not how they start: so one of each kind is at work when it happens.
        """
        for kind in KINDS:
            await harness.until(partial(self.fleet.any_at_work, kind), PATIENCE, period=0.02)
        info: dict[str, Any] = await self.client.info("server")
        killed = harness.now()
        psutil.Process(int(info["process_id"])).kill()
        self.done["SIGKILL server"] += 1
        await self._answering()
        answering = harness.now() - killed
        self.recoveries.append(Recovery(answering, *await self._going_on(killed)))

    async def _going_on(self, killed: float) -> tuple[float | None, float | None]:
        """Seconds from then to the next commit, and to the next application."""
        before = await self.namespace.progress()
        committing = applying = None
        while None in (committing, applying):
            if (seconds := harness.now() - killed) > PATIENCE:
                return committing or seconds, applying or seconds
            if now := await counters(self.namespace):
                committing = committing or (seconds if now.settled > before.settled else None)
                applying = applying or (seconds if now.applied > before.applied else None)
                if now.settled == now.submitted and now.applied == now.committed:
                    break
            await anyio.sleep(0.01)
        return committing, applying

    async def _answering(self) -> None:
        with anyio.fail_after(PATIENCE):
            while True:
                try:
                    await wait_loaded(self.client)
                    return
                except Exception:
                    await anyio.sleep(0.01)
