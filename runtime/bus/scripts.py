"""Lua scripts: each is sent behind the prelude, cached by the server, and repeated when only the reply was lost."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import structlog
from redis.commands.core import AsyncScript
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout

from runtime.errors import ServerError

log = structlog.get_logger()

CONNECTION_ERRORS = (RedisConnectionError, RedisTimeout, BusyLoadingError, ConnectionError)
"""What a server that is away or restarting causes; everything that waits for one to come back catches these."""

Argument = str | bytes | int | float


@cache
def source(path: Path) -> str:
    """A script's text with the prelude before it."""
    return (Path(__file__).parent / "prelude.lua").read_text() + path.read_text()


Client = Any
"""A `redis.asyncio.Redis`: its commands are annotated for sync and async use at once, which no type checker can follow."""


def is_away(error: BaseException | None) -> bool:
    """Whether an error came of a server that is away, whatever a library has wrapped around it."""
    while error is not None:
        if isinstance(error, (*CONNECTION_ERRORS, ServerError)):
            return True
        error = error.__cause__ or error.__context__
    return False


class Scripts:
    """The scripts of one client. All of them may be repeated: a mark or a fence makes the second call do no harm.

    That is why this is the one place that retries after a lost connection, for at most `patience` seconds; the client
    itself never does, as a lost reply to a plain XADD would store the entry twice.
    """

    def __init__(self, client: Client, patience: float = 30.0) -> None:
        self._client = client
        self._patience = patience
        self._registered: dict[Path, AsyncScript] = {}

    async def call(self, path: Path, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run the script at `path`. Raises `ServerError` where the server stays away."""
        if path not in self._registered:
            self._registered[path] = self._client.register_script(source(path))
        return await patiently(lambda: self._registered[path](keys=list(keys), args=list(args)), self._patience)


async def patiently(call: Any, patience: float = 30.0) -> Any:
    """Await `call()`, again and again while the server is away, for at most `patience` seconds; only for what may be repeated."""
    give_up = anyio.current_time() + patience
    pause = 0.05
    while True:
        try:
            return await call()
        except CONNECTION_ERRORS as error:
            if anyio.current_time() + pause > give_up:
                raise ServerError(f"Redis stayed away for {patience:g} s ({error}); is the server running?") from None
            log.warning("redis_away", error=str(error), retry_in=pause)
        await anyio.sleep(pause)
        pause = min(pause * 2, 1.0)
