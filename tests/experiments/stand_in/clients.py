"""The real OpenAI client against a stand-in server."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI

from experiments.stand_in import Options, Server, stand_in


@asynccontextmanager
async def connected(options: Options | None = None, key: str = "any") -> AsyncGenerator[tuple[Server, AsyncOpenAI]]:
    """A server with these options and a client that never retries."""
    async with stand_in(options) as server, AsyncOpenAI(base_url=server.base_url, api_key=key, max_retries=0, timeout=30) as client:
        yield server, client
