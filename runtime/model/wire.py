"""The part of the OpenAI protocol's answers that is read here; whatever else an endpoint adds is ignored."""

from typing import Any, TypeVar

import httpx2
from openai import AsyncOpenAI
from pydantic import BaseModel

from runtime.events import Usage
from runtime.model.faults import WrongService

T = TypeVar("T", bound=BaseModel)


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


async def post(client: AsyncOpenAI, path: str, request: dict[str, Any], answer: type[T]) -> T:
    """One request and its answer. Raises what the client raises, ValidationError for a malformed answer, WrongService for a web page.

    The client's typed methods walk through every message of a request and build an answer that is not checked; for a
    conversation of 60 messages that is ten times the work of sending it.
    """
    response = await client.post(path, body=request, cast_to=httpx2.Response)
    if "html" in response.headers.get("content-type", ""):
        raise WrongService("web pages")
    return answer.model_validate_json(response.content)
