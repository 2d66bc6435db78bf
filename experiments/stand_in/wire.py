"""OpenAI's JSON: reading requests, shaping answers and errors."""

import base64
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experiments.stand_in.embedding import dimension, supports
from experiments.stand_in.skills import MODELS

EMBEDDING_MODELS = ("text-embedding-3-small", "stand-in-embedding")


class Refusal(Exception):
    """A request that is answered by an error in OpenAI's form."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error", code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.code = status, kind, code

    def body(self) -> bytes:
        return orjson.dumps({"error": {"message": str(self), "type": self.kind, "param": None, "code": self.code}})


class ChatRequest(BaseModel):
    """The part of a chat request that matters here; other fields are accepted and ignored."""

    model_config = ConfigDict(frozen=True)

    model: str
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    temperature: float | None = None
    seed: int | None = None
    stream: Literal[False] | None = None


class EmbeddingRequest(BaseModel):
    """As OpenAI takes it, token lists excepted."""

    model_config = ConfigDict(frozen=True)

    model: str
    input: str | Annotated[list[str], Field(min_length=1, max_length=2048)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1, le=8192)] | None = None

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input

    @property
    def size(self) -> int:
        return self.dimensions or dimension(self.model)


_Request = TypeVar("_Request", ChatRequest, EmbeddingRequest)


class Answer(NamedTuple):
    """A whole answer and what it counts as."""

    body: bytes
    role: str
    model: str
    texts: int = 0


def _check(error: ValidationError) -> Refusal:
    first = error.errors()[0]
    return Refusal(400, f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}")


def read_chat(body: bytes) -> ChatRequest:
    """A chat request; Refusal 400 where it is malformed, 404 where its model is unknown."""
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise _check(error) from error
    return _known(request, request.model in MODELS)


def read_embedding(body: bytes) -> EmbeddingRequest:
    """An embedding request; Refusal as for chat."""
    try:
        request = EmbeddingRequest.model_validate_json(body)
    except ValidationError as error:
        raise _check(error) from error
    return _known(request, supports(request.model))


def _known(request: _Request, known: bool) -> _Request:
    if not known:
        names = ", ".join((*MODELS, *EMBEDDING_MODELS))
        raise Refusal(404, f"The model `{request.model}` does not exist here; there are {names}.", code="model_not_found")
    return request


def request_hash(body: bytes) -> str:
    """The same for requests whose bodies are byte for byte the same."""
    return sha256(body).hexdigest()[:16]


def tokens(text: str) -> int:
    """A rough count: four characters each."""
    return len(text) // 4 + 1


def _usage(prompt: int, completion: int = 0) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def chat_body(request: ChatRequest, name: str, text: str, prompt: int) -> bytes:
    """A chat completion with one choice; `name` tells answers apart, `prompt` is in tokens."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return orjson.dumps(
        {
            "id": f"chatcmpl-{name}",
            "object": "chat.completion",
            # No clock: the same request gets the same bytes.
            "created": 0,
            "model": request.model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
            "usage": _usage(prompt, tokens(text)),
        }
    )


def embedding_body(request: EmbeddingRequest, vectors: Sequence[NDArray[np.float32]]) -> bytes:
    """Vectors in the order of the texts, as numbers or as base64 of little-endian float32."""
    base64_asked = request.encoding_format == "base64"
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode() if base64_asked else vector.tolist(),
        }
        for index, vector in enumerate(vectors)
    ]
    prompt = sum(map(tokens, request.texts))
    usage = {"prompt_tokens": prompt, "total_tokens": prompt}
    return orjson.dumps({"object": "list", "data": data, "model": request.model, "usage": usage})


def models_body() -> bytes:
    """The list of models."""
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "memp"} for name in (*MODELS, *EMBEDDING_MODELS)]
    return orjson.dumps({"object": "list", "data": data})
