"""An OpenAI-compatible HTTP server around the player, the scribe and the embeddings."""

import hmac
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import orjson
from aiohttp import web
from anyio.abc import TaskStatus

from experiments.stand_in.answers import chat, embeddings
from experiments.stand_in.faults import Weather, refuse, spoil
from experiments.stand_in.options import Options
from experiments.stand_in.stats import Stats
from experiments.stand_in.wire import Answer, Refusal, models_body, request_hash
from runtime import event_loop

_LARGEST_BODY = 64 * 2**20


class Server:
    """A running server: `base_url` is what clients take, `stats` what they asked so far."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.stats = Stats()
        self.base_url = ""
        self._weather = Weather(options)

    def application(self) -> web.Application:
        """The routes, each with the key check and errors in OpenAI's form."""
        app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[self._guard])
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embeddings)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/stats", self._stats)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            self._check_key(request)
            return await handler(request)
        except Refusal as refusal:
            self.stats.rejected += 1
            return web.Response(status=refusal.status, body=refusal.body(), content_type="application/json")
        except web.HTTPException as error:
            refusal = Refusal(error.status, f"{request.method} {request.path}: {error.reason}")
            return web.Response(status=error.status, body=refusal.body(), content_type="application/json")

    def _check_key(self, request: web.Request) -> None:
        key = self.options.key
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if key is not None and not hmac.compare_digest(given.encode(), key.encode()):
            raise Refusal(401, "Incorrect API key provided.", code="invalid_api_key")

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, chat)

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, embeddings)

    async def _models(self, _: web.Request) -> web.Response:
        return web.Response(body=models_body(), content_type="application/json")

    async def _stats(self, _: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(self.stats.view()), content_type="application/json")

    async def _answer(self, request: web.Request, work: Callable[[bytes], Answer]) -> web.StreamResponse:
        self.stats.arrive()
        try:
            body = await request.read()
            fault, seconds = self._weather.fault(), self._weather.latency()
            if seconds > 0:
                await anyio.sleep(seconds)
            if fault is not None:
                self.stats.faults[fault] += 1
            if fault in ("rate_limited", "server_error"):
                return refuse(fault, self.options)
            answer = work(body)
            if answer.role in ("builder", "adjustment"):
                await anyio.sleep(self.options.builder_ms / 1000)
            if fault is not None:
                return await spoil(request, fault, answer.body)
            self._count(answer, body)
            return web.Response(body=answer.body, content_type="application/json")
        finally:
            self.stats.in_flight -= 1

    def _count(self, answer: Answer, body: bytes) -> None:
        self.stats.answered(answer.role, answer.model, request_hash(body))
        if answer.role == "embedding":
            self.stats.embeddings += 1
            self.stats.embedded_texts += answer.texts
        else:
            self.stats.chat += 1


@asynccontextmanager
async def stand_in(options: Options | None = None) -> AsyncGenerator[Server]:
    """A stand-in server for the time of the block, in this event loop. OSError where the address is taken."""
    server = Server(options or Options())
    runner = web.AppRunner(server.application(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, server.options.host, server.options.port)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.base_url = f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"
        yield server
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()


async def serve(options: Options, *, task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED) -> None:
    """Serve until cancelled; reports the base URL when it is ready."""
    async with stand_in(options) as server:
        task_status.started(server.base_url)
        await anyio.sleep_forever()


async def _serve_until_told(options: Options, exit_with_parent: bool) -> None:
    # Signals are caught before the address is told: whoever reads it may send one at once.
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with stand_in(options) as server, anyio.create_task_group() as tasks:
            sys.stdout.write(orjson.dumps({"base_url": server.base_url}).decode() + "\n")
            sys.stdout.flush()
            if exit_with_parent:
                tasks.start_soon(_watch_parent, tasks.cancel_scope)
            async for _ in signals:
                tasks.cancel_scope.cancel()


async def _watch_parent(scope: anyio.CancelScope) -> None:
    """The pipe on standard input closes when whoever holds its other end dies, however that comes."""
    while True:
        await anyio.wait_readable(sys.stdin.fileno())
        if not os.read(sys.stdin.fileno(), 4096):
            scope.cancel()
            return


def run(options: Options, *, exit_with_parent: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, blocking; prints one line, `{"base_url": ...}`, when it is ready.

    With `exit_with_parent` it also ends when its standard input, which must be a pipe, closes. OSError where the
    address is taken.
    """
    event_loop.run(_serve_until_told, options, exit_with_parent)
