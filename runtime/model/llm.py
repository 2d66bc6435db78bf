"""The model endpoint: one small protocol, and its OpenAI-compatible client with the one retry layer."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, Protocol, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from runtime.config import Settings
from runtime.errors import RequestRejected
from runtime.events import Role, Usage
from runtime.masking import masked_answer
from runtime.model.address import chat_address
from runtime.model.endpoint import Backoff, Endpoint, open_endpoint
from runtime.model.faults import Fault
from runtime.model.wire import ChatAnswer, Wire


class Message(TypedDict):
    """One message of a conversation; `role` is system, user or assistant."""

    role: str
    content: str


class Sampling(BaseModel):
    """What is asked of the model besides the messages; `max_tokens` None leaves the length to the endpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    temperature: float = 0.0
    seed: int | None = None
    max_tokens: int | None = None
    answer_schema: Annotated[dict[str, Any] | None, Field(exclude_if=lambda schema: schema is None)] = None
    """JSON schema that the answer must follow."""


class Completion(BaseModel):
    """One answer, and what all its attempts cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    model: str
    finish_reason: str | None = None
    usage: Usage


class LLM(Protocol):
    """Anything that answers a conversation.

    Raises `LLMUnavailable`, `LLMRejected` or `RequestRejected` (see `runtime.errors`).
    """

    async def complete(self, messages: list[Message], *, role: Role, sampling: Sampling) -> Completion: ...


class OpenAILLM:
    """An OpenAI-compatible chat endpoint; made by `open_llm`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.usage: dict[Role, Usage] = {}
        """Totals of this process, with failed, discarded and cancelled attempts."""

    async def complete(self, messages: list[Message], *, role: Role, sampling: Sampling) -> Completion:
        """One answer. An empty one is an answer, too: asking again at temperature 0 would give the same.

        Raises `LLMUnavailable`, `LLMRejected`, or `RequestRejected`, also where the answer was filtered away.
        """
        with counted(self.usage, role) as spent:
            return await self.endpoint.call(lambda wire: _ask(wire, messages, sampling, spent))

    async def check(self, sampling: Sampling) -> None:
        """Asks for one token, once. Raises what `complete` raises where no retry would help or nobody answers."""
        least = sampling.model_copy(update={"max_tokens": 1})
        with counted(self.usage, "agent") as spent:
            try:
                await self.endpoint.check(lambda wire: _ask(wire, [Message(role="user", content="Say yes.")], least, spent))
            except RequestRejected as error:
                if "max_tokens" not in str(error) and "max_completion_tokens" not in str(error):
                    raise  # some models refuse so low a limit, which nobody but this check sets


@asynccontextmanager
async def open_llm(settings: Settings, backoff: Backoff | None = None) -> AsyncGenerator[OpenAILLM]:
    """The chat endpoint of the settings. Raises `UsageError` for a malformed address or a missing key; sends nothing yet."""
    async with open_endpoint(chat_address(settings), settings, backoff) as endpoint:
        yield OpenAILLM(endpoint)


@contextmanager
def counted(totals: dict[Role, Usage], role: Role) -> Generator[Usage]:
    """The usage of one call, for its attempts to add to; it is added to the totals however the call ends."""
    spent = Usage(calls=1)
    try:
        yield spent
    finally:
        totals[role] = totals.get(role, Usage()) + spent


async def _ask(wire: Wire, messages: list[Message], sampling: Sampling, spent: Usage) -> Completion:
    spent.attempts += 1
    answer = await wire.post("/chat/completions", _request(wire, messages, sampling), ChatAnswer)
    if answer.usage:
        answer.usage.add_to(spent)
    choice = answer.choices[0] if answer.choices else None
    if choice is None or choice.message is None:
        raise Fault("an answer without choices")
    if choice.finish_reason == "content_filter" and not choice.message.content:
        raise RequestRejected("The endpoint filtered its answer to this request away.")
    return Completion(
        text=masked_answer(choice.message.content or ""),  # it will stand in events and results, and some endpoints repeat the key
        model=masked_answer(answer.model or sampling.model),
        finish_reason=masked_answer(choice.finish_reason or "") or None,
        usage=spent,
    )


def _request(wire: Wire, messages: list[Message], sampling: Sampling) -> dict[str, Any]:
    request: dict[str, Any] = {"model": sampling.model, "messages": messages, "temperature": sampling.temperature}
    if sampling.seed is not None:
        request["seed"] = sampling.seed
    if sampling.max_tokens is not None:
        # OpenAI's reasoning models know only the new name, many compatible servers only the old one.
        openai = wire.host == "api.openai.com"
        request["max_completion_tokens" if openai else "max_tokens"] = sampling.max_tokens
    if sampling.answer_schema is not None:
        form = {"name": "answer", "schema": sampling.answer_schema, "strict": True}
        request["response_format"] = {"type": "json_schema", "json_schema": form}
    return request
