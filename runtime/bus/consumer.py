"""One consumer of one group: it reads, renews, takes over, releases and retires."""

import os
import secrets
import socket
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from redis.exceptions import ResponseError

from runtime.bus.scripts import BATCH, Client, Scripts, is_missing, patiently

log = structlog.get_logger()

HERE = Path(__file__).parent
_DELETED = 2
"""What `renew.lua` says of an entry that is ours and stands on the stream no more."""


class Delivery(NamedTuple):
    """One entry as one consumer holds it: the fence is (stream, group, entry, consumer, deliveries)."""

    stream: str
    group: str
    entry: str
    consumer: str
    deliveries: int
    payload: bytes | None
    """The field `event`; None where the entry has no such field."""

    @property
    def fence(self) -> tuple[str, str, str, int]:
        """Arguments of the scripts that check the lease: group, entry, consumer, deliveries."""
        return self.group, self.entry, self.consumer, self.deliveries

    @property
    def token(self) -> str:
        """What a commit of this very delivery is marked with."""
        return f"{self.consumer}/{self.entry}/{self.deliveries}"


def consumer_name(kind: str) -> str:
    """A name that no other process start has."""
    return f"{kind}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


async def register_group(client: Client, stream: str, group: str) -> None:
    """Create the group at the stream's beginning, and the stream; one that exists is left as it is."""

    async def create() -> None:
        try:
            await client.xgroup_create(stream, group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    await patiently(create)


class Consumer:
    """`lease` in seconds: what nobody renewed for so long is taken over by `reclaim`."""

    def __init__(self, client: Client, stream: str, group: str, *, name: str, lease: float) -> None:
        self.stream = stream
        self.group = group
        self.name = name
        self.lease = lease
        self._client = client
        self._scripts = Scripts(client)
        self._cursor = b"0-0"

    async def register(self) -> None:
        await register_group(self._client, self.stream, self.group)

    async def read(self, count: int, block: float) -> list[Delivery]:
        """Up to `count` new entries, waiting up to `block` seconds (at most 2, as the socket times out at 5)."""
        try:
            answer: Any = await self._client.xreadgroup(
                self.group, self.name, {self.stream: ">"}, count=count, block=max(1, int(min(block, 2.0) * 1000))
            )
        except ResponseError as error:
            if not is_missing(error):
                raise
            await self.register()
            return []
        entries = next(iter(answer.values()))[0] if isinstance(answer, dict) and answer else answer[0][1] if answer else []
        return [self._delivery(entry, 1, fields) for entry, fields in entries]

    async def reclaim(self, count: int) -> list[Delivery]:
        """Up to `count` entries whose lease ran out; goes on where the last sweep ended."""
        args = [self.group, self.name, int(self.lease * 1000), self._cursor, count]
        try:
            self._cursor, taken, gone = await self._scripts.call(HERE / "claim.lua", [self.stream], args)
        except ResponseError as error:
            if not is_missing(error):
                raise
            await self.register()
            return []
        for entry in gone:
            log.error("entry_deleted_while_pending", stream=self.stream, entry=entry.decode())
        return [self._delivery(entry, deliveries, dict(zip(*[iter(fields)] * 2, strict=True))) for entry, deliveries, fields in taken]

    async def reclaim_all(self, count: int) -> AsyncGenerator[list[Delivery]]:
        """All entries whose lease ran out, from the first on, up to `count` at once; a page may be empty, as deleted entries count."""
        self._cursor = b"0-0"
        while True:
            yield await self.reclaim(count)
            if self._cursor == b"0-0":
                return

    async def renew(self, delivery: Delivery) -> bool:
        """Start the lease anew; False where it is lost."""
        return not await self.renew_all([delivery])

    async def renew_all(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Start their leases anew, many in one round trip; returns those whose lease is lost."""
        lost: list[Delivery] = []
        for start in range(0, len(deliveries), BATCH):
            batch = deliveries[start : start + BATCH]
            kept = await self._set_idle(0.0, *((each, each.deliveries) for each in batch))
            lost += [each for each, held in zip(batch, kept, strict=True) if not held]
        return lost

    async def release(self, delivery: Delivery, *, failed: bool) -> bool:
        """Give the entry back, to be taken at the next sweep. Unless it `failed`, no delivery is spent."""
        [held] = await self._set_idle(self.lease + 0.001, (delivery, delivery.deliveries - (not failed)))
        return bool(held)

    async def retire(self) -> None:
        """Remove this consumer from the group, if it holds nothing."""
        await self._scripts.call(HERE / "retire.lua", [self.stream], [self.group, self.name])

    async def _set_idle(self, idle: float, *entries: tuple[Delivery, int]) -> list[int]:
        """1 for each that is still held, else 0. One that was deleted from the stream meanwhile is put there anew: its work goes on
        from the journal, with a lease that can be renewed."""
        flat = [part for delivery, count in entries for part in (delivery.entry, delivery.deliveries, max(0, count))]
        kept: list[int] = await self._scripts.call(HERE / "renew.lua", [self.stream], [self.group, self.name, int(idle * 1000), *flat])
        for (delivery, _), held in zip(entries, kept, strict=True):
            if held == _DELETED:
                log.error("entry_deleted_while_held", stream=self.stream, entry=delivery.entry)
                await self._scripts.call(HERE / "restore.lua", [self.stream], [*delivery.fence, delivery.payload or b""])
        return [int(held == 1) for held in kept]

    def _delivery(self, entry: bytes, deliveries: int, fields: dict[bytes, bytes]) -> Delivery:
        return Delivery(self.stream, self.group, entry.decode(), self.name, deliveries, fields.get(b"event"))
