"""The OpenAI protocol as far as it is spoken here: how a request goes out, and the part of its answer that is read."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
import orjson
from openai import APIStatusError, AsyncOpenAI
from pydantic import BaseModel

from runtime.config import Settings
from runtime.errors import RequestRejected
from runtime.events import Usage
from runtime.model.address import Address
from runtime.model.faults import WrongService

T = TypeVar("T", bound=BaseModel)

MAX_ANSWER = 4 << 20
"""Bytes of a chat's answer, uncompressed: eight times what the longest answers of today's models take."""


class _CachedTokens(BaseModel):
    cached_tokens: int | None = None


class _ReasoningTokens(BaseModel):
    reasoning_tokens: int | None = None


class TokenCounts(BaseModel):
    """What one attempt has used; endpoints leave out what they do not count, or give null."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _CachedTokens | None = None
    completion_tokens_details: _ReasoningTokens | None = None

    def add_to(self, usage: Usage) -> None:
        """Adds these tokens to `usage`."""
        usage.input += self.prompt_tokens or 0
        usage.output += self.completion_tokens or 0
        if self.prompt_tokens_details:
            usage.cached += self.prompt_tokens_details.cached_tokens or 0
        if self.completion_tokens_details:
            usage.reasoning += self.completion_tokens_details.reasoning_tokens or 0


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message | None = None
    finish_reason: str | None = None


class ChatAnswer(BaseModel):
    """An answer of `/chat/completions`."""

    model: str | None = None
    choices: list[_Choice] | None = None
    usage: TokenCounts | None = None


class _Embedding(BaseModel):
    embedding: list[float]
    index: int | None = None


class EmbeddingAnswer(BaseModel):
    """An answer of `/embeddings`."""

    data: list[_Embedding] = []
    usage: TokenCounts | None = None


class Wire:
    """Sends what the SDK would send (address, key, organisation, project, body), and raises its errors; made by `open_wire`.

    What a request has at its head is asked of the SDK once. Its methods build it anew for each, walk through every message
    and build an answer that is not checked, which is many times the work of sending it.
    """

    def __init__(self, session: aiohttp.ClientSession, base_url: httpx2.URL) -> None:
        self.host = base_url.host
        self._session = session
        self._base = str(base_url).rstrip("/")

    async def post(self, path: str, request: dict[str, Any], answer: type[T], limit: int = MAX_ANSWER) -> T:
        """One request and its answer of at most `limit` bytes. Raises APIStatusError, what aiohttp raises, ValidationError for a
        malformed answer, WrongService for a web page, and RequestRejected for a larger answer."""
        return answer.model_validate_json(await self._exchange("POST", path, orjson.dumps(request), limit))

    async def get(self, path: str) -> bytes:
        """What stands there. Raises what `post` raises."""
        return await self._exchange("GET", path, None, MAX_ANSWER)

    async def _exchange(self, method: str, path: str, sent: bytes | None, limit: int) -> bytes:
        async with self._session.request(method, self._base + path, data=sent) as response:
            body, whole = await _read(response, limit)
        if not 200 <= response.status < 300:
            raise _refusal(response, body)
        if "html" in response.content_type:
            raise WrongService("web pages")
        if not whole:
            raise RequestRejected(f"The endpoint's answer to this request is larger than {limit / 2**20:g} MiB, which no model's is.")
        return body


async def _read(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    """The body, and whether that is all of it: one without end would take all memory of the process."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            response.close()
            return bytes(body[:limit]), False
    return bytes(body), True


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> APIStatusError:
    """The SDK's error, made of the same parts; its text is never shown, as it may repeat the key."""
    headers = [(name, value) for name, value in response.headers.items() if name.lower() != "content-encoding"]  # it is decoded
    given = httpx2.Response(response.status, headers=headers, content=body, request=httpx2.Request(response.method, str(response.url)))
    try:
        told = orjson.loads(body)
    except ValueError:
        told = None
    return APIStatusError("refused", response=given, body=told.get("error", told) if isinstance(told, dict) else told)


@asynccontextmanager
async def open_wire(address: Address, settings: Settings) -> AsyncGenerator[Wire]:
    """The way to an endpoint, with its connections, which are closed at the end."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=settings.llm_connect_timeout, sock_read=settings.llm_read_timeout)
    async with AsyncOpenAI(api_key=address.secret or "none", base_url=address.url) as client:
        headers, base_url = {**client.default_headers, **client.auth_headers}, client.base_url
    # The same certificates as the SDK's: SSL_CERT_FILE and SSL_CERT_DIR before those that come along.
    connector = aiohttp.TCPConnector(limit=settings.llm_max_concurrency, ssl=httpx2.create_ssl_context())
    given = {name: value for name, value in headers.items() if isinstance(value, str)}
    if base_url.userinfo:  # as in the SDK, they go in place of the key; aiohttp makes the header of them
        given.pop("Authorization", None)
    async with aiohttp.ClientSession(headers=given, connector=connector, timeout=timeout, proxy=_proxy(base_url)) as session:
        yield Wire(session, base_url)


def _proxy(url: httpx2.URL) -> str | None:
    """The proxy that the environment names for this address. Left to aiohttp, it would be looked up in a thread at each request."""
    if proxy_bypass(url.host):
        return None
    named = getproxies()
    found = named.get(url.scheme) or named.get("all")
    return f"http://{found}" if found and "://" not in found else found
