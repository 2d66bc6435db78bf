"""Queues by name within one process."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

import anyio


class Queues:
    """Whoever holds a name keeps others of the same name waiting, in the order of their coming; a name lives as long as its queue."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, *names: str) -> AsyncGenerator[None]:
        """Hold all of these names at once."""
        async with AsyncExitStack() as held:
            for name in sorted(set(names)):  # always in this order: no two wait for each other
                await held.enter_async_context(self._locks.setdefault(name, anyio.Lock()))
            yield
