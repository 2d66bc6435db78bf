"""The model endpoint: one small protocol, and its OpenAI-compatible client with the one retry layer."""

from typing import Protocol, TypedDict

from pydantic import BaseModel, ConfigDict

from runtime.events import Role, Usage


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
