"""A real HTTP server that answers as the test has scripted it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from aiohttp import web

from runtime.config import Settings

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEY = "sk-sesame-0123456789"


def chat(text: str | None = "Fine.", **changes: Any) -> dict[str, Any]:
    """The JSON of a well-formed answer with 7 + 3 tokens."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "served", "choices": [choice], "usage": usage, **changes}


def answers(status: int = 200, headers: dict[str, str] | None = None, **json: Any) -> Reply:
    """An answer with this JSON, by default a well-formed completion."""

    async def reply(_: web.Request) -> web.StreamResponse:
        return web.json_response(json or chat(), status=status, headers=headers)

    return reply


def refuses(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    """An error in the form of OpenAI's."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answers(status, named, error={"message": message, "type": "t", "code": code})


def says(body: str, content_type: str = "application/json") -> Reply:
    """This body, whatever it is."""

    async def reply(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, content_type=content_type)

    return reply


async def drops(request: web.Request) -> web.StreamResponse:
    """Closes the connection without a word."""
    assert request.transport
    request.transport.abort()
    return web.Response()


async def truncates(request: web.Request) -> web.StreamResponse:
    """Promises more than it sends."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    assert request.transport
    request.transport.close()
    return response


async def hangs(_: web.Request) -> web.StreamResponse:
    """Never answers."""
    await anyio.sleep_forever()
    raise AssertionError


class ModelServer:
    """Gives its replies in order, the last one for ever; remembers what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.authorizations.append(request.headers.get("Authorization"))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return await reply(request)


@asynccontextmanager
async def serving(*replies: Reply) -> AsyncGenerator[ModelServer]:
    server = ModelServer(*replies)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    app.router.add_post("/v1/embeddings", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield server
    finally:
        await runner.cleanup()


def settings(url: str | None, **changes: Any) -> Settings:
    """Only these: what stands in the environment is not read."""
    return Settings.model_validate({"base_url": url, "api_key": KEY, "llm_deadline": 10, "embedding_model": "e", **changes})
