"""Ends and new starts of a life's processes: in the middle of a phase one after the other, between phases all of them."""

import signal
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from random import Random

import anyio
import psutil

from bench import harness
from bench.chaos_deeds import PATIENCE
from bench.chaos_fleet import Fleet, Member
from runtime.bus.scripts import Client
from runtime.server.client import wait_loaded
from runtime.tasks import open_tasks

SIGNALS: tuple[signal.Signals, ...] = (signal.SIGKILL, signal.SIGTERM)
KINDS = ("worker", "curator", "server")


@dataclass
class Restarts:
    """Ends what it is told to; whoever keeps the processes (the fleet, and `embedded`) starts them anew."""

    fleet: Fleet
    client: Client
    chance: Random
    done: Counter[str] = field(default_factory=Counter[str])
    """Signals by name and by what they were sent to."""

    def planned(self, most: int) -> list[tuple[signal.Signals, str]]:
        """Both signals to each kind of process, in any order; the first so many of them."""
        deeds: list[tuple[signal.Signals, str]] = list(product(SIGNALS, KINDS))
        self.chance.shuffle(deeds)
        return deeds[:most]

    async def one(self, number: signal.Signals, kind: str) -> None:
        """End one process of this kind that is at work; after the server's, a new one answers."""
        if kind == "server":
            await self._server(number)
            return
        await harness.until(partial(self.fleet.any_at_work, kind), PATIENCE, period=0.05)
        await self._member(number, self.chance.choice(self.fleet.at_work(kind)))

    async def all(self) -> None:
        """End every process, each by a signal drawn for it, and the server last; wait until all are at work again."""
        await harness.until(self.fleet.ready, PATIENCE, period=0.05)
        async with open_tasks() as tasks:
            for member in self.fleet.members:
                tasks.start_soon(self._member, self.chance.choice(SIGNALS), member)
        await self._server(self.chance.choice(SIGNALS))
        await harness.until(self.fleet.ready, PATIENCE, period=0.05)

    async def _member(self, number: signal.Signals, member: Member) -> None:
        self.done[f"{number.name} {member.name.partition('-')[0]}"] += 1
        if number == signal.SIGTERM:
            await self.fleet.terminate(member)
        else:
            member.send(number)

    async def _server(self, number: signal.Signals) -> None:
        process = psutil.Process((await self.client.info("server"))["process_id"])
        self.done[f"{number.name} server"] += 1
        process.send_signal(number)
        await harness.until(partial(_gone, process), PATIENCE, period=0.01)
        with anyio.fail_after(PATIENCE):
            while True:
                try:
                    await wait_loaded(self.client)
                    return
                except Exception:  # not there yet, in any of the ways that a server is not there
                    await anyio.sleep(0.02)


async def _gone(process: psutil.Process) -> bool:
    """Whether the process has ended; a zombie has."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
