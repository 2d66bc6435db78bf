"""A memory curator in this process, and waiting for what it does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from memory.procedure import Form
from memory.store import Memory
from memory.update import Policy
from runtime.model.llm import Sampling
from tests.support import Place, models, opened, settings, until
from workers.memory_curator import MemoryCurator

LEASE = 2.0
"""What failed is taken up again after a quarter of it."""


@asynccontextmanager
async def curating(
    url: str, name: str, base_url: str, *, form: Form = "script", policy: Policy | None = None, **changes: Any
) -> AsyncGenerator[MemoryCurator]:
    """A curator over a new memory, not yet at work."""
    over = settings(base_url, lease=LEASE, **changes)
    async with opened(Place(url, search=False), name, over) as memory, models(over) as clients:
        yield MemoryCurator(memory, clients.llm, Sampling(model="stand-in"), form, policy or Policy(), over)


async def applied(memory: Memory, count: int) -> None:
    async def done() -> bool:
        return (await memory.namespace.progress()).applied == count

    await until(done)
