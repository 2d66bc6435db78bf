"""Lua scripts: each is sent behind the prelude, cached by the server, and repeated when only the reply was lost.

Calls that wait at the same time go out together, and with them questions: commands that only read.
"""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import structlog
from redis.commands.core import AsyncScript
from redis.exceptions import BusyLoadingError, NoScriptError, OutOfMemoryError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout

from runtime.errors import ServerError

log = structlog.get_logger()

UNSERVED = (RedisConnectionError, RedisTimeout, BusyLoadingError, OutOfMemoryError, ConnectionError)
"""What a server that is away, loading or full causes; everything that waits until one serves again catches these. (A script is
refused whole by a full server: once one has written, it is let through.)"""

Argument = str | bytes | int | float
BATCH = 200
"""Calls of one round trip at most: bounds how long the server is held."""
PARTING = 5.0
"""Seconds that a process which ends gives its last calls."""


@cache
def source(path: Path) -> str:
    """A script's text with the prelude before it."""
    return (Path(__file__).parent / "prelude.lua").read_text() + path.read_text()


Client = Any
"""A `redis.asyncio.Redis`: its commands are annotated for sync and async use at once, which no type checker can follow."""


def is_unserved(error: BaseException | None) -> bool:
    """Whether an error came of a server that did not serve, whatever a library has wrapped around it."""
    while error is not None:
        if isinstance(error, (*UNSERVED, ServerError)):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_missing(error: ResponseError) -> bool:
    """Whether the server says that there is no such stream or group; any other refusal says nothing of what is there."""
    return any(words in str(error) for words in ("no such key", "NOGROUP", "requires the key to exist"))


class Parting:
    """The time that what ends gives its last calls: `PARTING` seconds to each, and to all of them together once it has begun."""

    def __init__(self) -> None:
        self._end = math.inf

    def begin(self) -> None:
        self._end = anyio.current_time() + PARTING

    def scope(self) -> anyio.CancelScope:
        """For one step: no other end than its own reaches into it. One that begins too late sends what it has to say, if a connection
        is free, and does not wait for the answer."""
        return anyio.CancelScope(shield=True, deadline=min(self._end, anyio.current_time() + PARTING))


class Call:
    """One command, most often a `script`'s, that was sent or waits to be."""

    def __init__(self, command: tuple[Argument, ...], script: AsyncScript | None = None) -> None:
        self.command = command
        self.script = script
        self.answered = anyio.Event()
        self._reply: Any = None

    def answer(self, reply: Any) -> None:
        """To be called once; an exception is raised where the answer is waited for."""
        self._reply = reply
        self.answered.set()

    async def result(self) -> Any:
        """What the server replied. Raises `ServerError` where the server did not serve, and what it answered as an error."""
        await self.answered.wait()
        if isinstance(self._reply, Exception):
            raise self._reply
        return self._reply


class Scripts:
    """The scripts of one client. All may be repeated: a mark or a fence makes the second call do no harm, and questions change nothing.

    That is why this is the one place that retries after a lost connection, for at most `patience` seconds; the client
    itself never does, as a lost reply to a plain XADD would store the entry twice.

    While `run` is at work, calls and questions go through it: those that come while a round trip is under way share the next one.
    Elsewhere each is a round trip of its own.
    """

    def __init__(self, client: Client, patience: float = 30.0) -> None:
        self.parting = Parting()
        self._client = client
        self._patience = patience
        self._registered: dict[Path, AsyncScript] = {}
        self._waiting: list[Call] = []
        self._news = anyio.Event()
        self._runners = 0

    async def call(self, path: Path, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run the script at `path`. Raises `ServerError` where the server does not serve.

        A caller that is cancelled leaves once its call is answered: what it does next must not overtake it.
        """
        call = await self.send(path, keys, args)
        try:
            return await call.result()
        finally:
            if not call.answered.is_set():
                with self.parting.scope():
                    await call.answered.wait()

    async def send(self, path: Path, keys: Sequence[str], args: Sequence[Argument]) -> Call:
        """Like `call`, but does not wait for the answer where `run` is at work."""
        if path not in self._registered:
            self._registered[path] = self._client.register_script(source(path))
        script = self._registered[path]
        return await self._sent(Call(("EVALSHA", script.sha, len(keys), *keys, *args), script))

    async def ask(self, *command: Argument) -> Any:
        """What the server replies to a command that only reads. Raises what `call` raises."""
        return await (await self._sent(Call(command))).result()

    async def _sent(self, call: Call) -> Call:
        if self._runners:
            self._waiting.append(call)
            self._news.set()
        else:
            await self.exchange([call])
        return call

    async def run(self) -> None:
        """Send what waits, for ever. Cancelling ends it: it sends what is left, and calls go out one by one again."""
        self._runners += 1
        sending: list[Call] = []
        try:
            while True:
                await self._news.wait()
                self._news = anyio.Event()
                while self._waiting:
                    sending, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                    await self.exchange(sending)
        finally:
            self._runners -= 1
            await self._part(sending)

    async def _part(self, sending: list[Call]) -> None:
        left, self._waiting = [*sending, *self._waiting], []
        with self.parting.scope():
            await self.exchange(left)
        for call in left:
            if not call.answered.is_set():
                call.answer(ServerError(f"Redis did not serve for {PARTING:g} s when this process ended"))

    async def exchange(self, calls: list[Call]) -> None:
        """One round trip, repeated for what is not answered while the server does not serve; every call gets an answer."""
        try:
            await patiently(lambda: self._round_trip(calls), self._patience)
        except Exception as error:
            for call in calls:
                if not call.answered.is_set():
                    call.answer(error)

    async def _round_trip(self, calls: list[Call]) -> None:
        while unanswered := [call for call in calls if not call.answered.is_set()]:
            pipe = self._client.pipeline(transaction=False)
            for call in unanswered:
                pipe.execute_command(*call.command)
            unknown: list[AsyncScript] = []
            unserved: Exception | None = None
            for call, reply in zip(unanswered, await pipe.execute(raise_on_error=False), strict=True):
                if isinstance(reply, UNSERVED):
                    unserved = reply  # a full server refuses what writes, and answers the rest
                elif call.script and isinstance(reply, NoScriptError):
                    unknown.append(call.script)
                else:
                    call.answer(reply)
            for script in set(unknown):
                await self._client.script_load(script.script)
            if unserved:
                raise unserved


async def patiently(call: Any, patience: float = 30.0) -> Any:
    """Await `call()`, again and again while the server does not serve, for at most `patience` seconds; only for what may be repeated."""
    give_up = anyio.current_time() + patience
    pause = 0.05
    while True:
        try:
            return await call()
        except UNSERVED as error:
            if anyio.current_time() + pause > give_up:
                raise ServerError(f"Redis did not serve for {patience:g} s ({error}); does the server run, has it memory left?") from None
            log.warning("redis_not_serving", error=str(error), retry_in=pause)
        await anyio.sleep(pause)
        pause = min(pause * 2, 1.0)
