"""What goes over the wire, and what comes back as an error, is what the SDK's own `chat.completions.create` sends and raises."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from openai import AsyncOpenAI, OpenAIError

from runtime.config import Settings
from runtime.model.address import chat_address
from runtime.model.faults import ATTEMPT_ERRORS, Fault, translate
from runtime.model.wire import ChatAnswer, Wire, open_wire
from tests.runtime.model_server import Reply, chat, drops, hangs, refuses, serving, settings, truncates

BODY: dict[str, Any] = {
    "model": "asked",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": 'Où est "le mug" ? 🍵\n\u2028</s>'}],
    "temperature": 0.0,
    "seed": 5,
}
TELEMETRY = ("x-stainless-", "user-agent", "accept-encoding", "host", "connection", "content-length")
"""Beginnings of headers that say who sends and how, not what."""


async def send(wire: Wire) -> Any:
    return await wire.post("/chat/completions", BODY, ChatAnswer)


async def create(client: AsyncOpenAI) -> Any:
    return await client.chat.completions.create(**BODY)


@asynccontextmanager
async def both(over: Settings) -> AsyncGenerator[tuple[Wire, AsyncOpenAI]]:
    key, timeout = chat_address(over).secret, over.llm_read_timeout
    async with (
        open_wire(chat_address(over), over) as wire,
        AsyncOpenAI(api_key=key, base_url=over.base_url, max_retries=0, timeout=timeout) as client,
    ):
        yield wire, client


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/deep/er/v1"])
async def test_request_is_the_one_that_create_sends(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-2")
    seen: list[tuple[Any, ...]] = []

    async def record(request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items() if not name.lower().startswith(TELEMETRY)}
        seen.append((request.method, request.path_qs, headers, await request.json()))
        return web.json_response(chat())

    async with listening(record) as host, both(settings(host + path)) as (wire, client):
        mine, theirs = await send(wire), await create(client)
    assert seen[0] == seen[1]
    assert seen[0][3] == BODY
    assert seen[0][2].keys() >= {"authorization", "content-type", "accept", "openai-organization", "openai-project"}
    assert mine.choices[0].message.content == theirs.choices[0].message.content == "Fine."
    assert (mine.model, mine.usage.prompt_tokens) == (theirs.model, theirs.usage.prompt_tokens)


@asynccontextmanager
async def listening(record: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncGenerator[str]:
    """The address of a server that takes every path."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", record)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def compressed(_: web.Request) -> web.StreamResponse:
    reply = web.json_response({"error": {"message": "too long " * 200, "type": "t", "code": None}}, status=400)
    reply.enable_compression(web.ContentCoding.gzip)
    return reply


async def redirected_nowhere(_: web.Request) -> web.StreamResponse:
    return web.Response(status=304)


@pytest.mark.parametrize(
    "reply",
    [
        *(refuses(status, "no") for status in (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 503, 529)),
        refuses(429, code="insufficient_quota"),
        refuses(429, Retry_After="7"),
        refuses(503, retry_after_ms="250"),
        compressed,
        redirected_nowhere,
        drops,
        truncates,
        hangs,
    ],
)
async def test_error_means_what_that_of_create_means(reply: Reply) -> None:
    async with serving(reply) as server:
        over = settings(server.url, llm_read_timeout=0.3)
        async with both(over) as (wire, client):
            assert await meaning(send(wire), over) == await meaning(create(client), over)


async def test_nobody_listening_means_what_it_means_for_create() -> None:
    over = settings("http://127.0.0.1:1/v1")
    async with both(over) as (wire, client):
        mine, theirs = await meaning(send(wire), over), await meaning(create(client), over)
    assert mine[0] is theirs[0] is Fault
    assert mine[3] is True  # what the default transport does not say


async def test_refusal_without_json_is_told_in_its_own_words() -> None:

    async def bare(_: web.Request) -> web.StreamResponse:
        return web.Response(status=400, text="just words")

    async with serving(bare) as server:
        over = settings(server.url)
        async with both(over) as (wire, client):
            mine, theirs = await meaning(send(wire), over), await meaning(create(client), over)
    assert mine == theirs
    assert "just words" in mine[1]


async def meaning(call: Awaitable[Any], over: Settings) -> tuple[Any, ...]:
    """What `translate` makes of what a call raises; the words only where the endpoint has answered."""
    try:
        await call
    except (*ATTEMPT_ERRORS, OpenAIError, ValueError) as error:
        told = translate(error, chat_address(over))
        answered = getattr(error, "status_code", None)
        if isinstance(told, Fault):
            return Fault, str(told) if answered else None, told.congested, told.unreachable, told.retry_after
        return type(told), str(told)
    raise AssertionError("it raised nothing")


async def test_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def proxy(request: web.Request) -> web.StreamResponse:
        asked.append(str(request.url))
        return web.json_response(chat())

    async with listening(proxy) as host:
        monkeypatch.setenv("http_proxy", host)
        over = settings("http://models.example/v1")
        async with open_wire(chat_address(over), over) as wire:
            await send(wire)
    assert asked == ["http://models.example/v1/chat/completions"]
