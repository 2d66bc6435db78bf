"""Texts to vectors: by an OpenAI-compatible endpoint, or by a model that runs in this process."""

import importlib
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio
import anyio.to_thread
import numpy as np
import numpy.typing as npt

from runtime.config import Settings
from runtime.errors import LLMError, UsageError
from runtime.events import Role, Usage
from runtime.model.address import embedding_address
from runtime.model.endpoint import Backoff, Endpoint, open_endpoint
from runtime.model.faults import Fault
from runtime.model.llm import counted
from runtime.model.wire import EmbeddingAnswer, Wire
from runtime.tasks import open_tasks

Vectors = npt.NDArray[np.float32]
_LOCAL = "local:"
"""Prefix of the names of models that run in this process."""
MAX_VECTOR = 256 << 10
"""Bytes that the answer may have for each text: ten thousand numbers as JSON."""


class Embedder(Protocol):
    """Anything that embeds texts."""

    @property
    def model(self) -> str:
        """Name of what makes the vectors: only those of one model can be compared."""
        ...

    async def embed(self, texts: list[str]) -> Vectors:
        """Vectors of length 1, shape (texts, dimension), in the order of the texts. Raises what `LLM.complete` raises."""
        ...

    async def dimension(self) -> int:
        """Length of a vector; asks the model once."""
        ...


class OpenAIEmbedder:
    """An OpenAI-compatible embedding endpoint; made by `open_embedder`.

    The vectors of the last `cached` texts are kept, and a text that is being embedded already is waited for.
    """

    def __init__(self, endpoint: Endpoint, model: str, *, batch: int, cached: int = 4096) -> None:
        self.endpoint = endpoint
        self.model = model
        self.usage: dict[Role, Usage] = {}
        """Totals of this process, with failed, discarded and cancelled attempts."""
        self._batch = batch
        self._cached = cached
        self._cache: OrderedDict[str, Vectors] = OrderedDict()
        self._flights: dict[str, _Flight] = {}
        self._dimension: int | None = None

    async def embed(self, texts: list[str]) -> Vectors:
        """See `Embedder`; the requests of one call go out side by side."""
        texts = [text or " " for text in texts]  # endpoints refuse an empty text
        vectors = {text: self._recall(text) for text in texts if text in self._cache}
        while missing := [text for text in dict.fromkeys(texts) if text not in vectors]:
            others = {text: self._flights[text] for text in missing if text in self._flights}
            if mine := [text for text in missing if text not in others]:
                vectors |= await self._fetch(mine)
            for text, flight in others.items():
                if (vector := await flight.result()) is not None:  # None: its caller was cancelled, so it is ours now
                    vectors[text] = vector
        return np.stack([vectors[text] for text in texts]) if texts else np.empty((0, self._dimension or 0), np.float32)

    async def dimension(self) -> int:
        """See `Embedder`."""
        if self._dimension is None:
            self._dimension = int((await self.embed(["dimension"])).shape[1])
        return self._dimension

    async def check(self) -> None:
        """Embeds one word, once. Raises what `embed` raises where no retry would help or nobody answers."""
        with counted(self.usage, "embedding") as spent:
            await self.endpoint.check(lambda wire: self._ask(wire, ["check"], spent))

    def _recall(self, text: str) -> Vectors:
        self._cache.move_to_end(text)
        return self._cache[text]

    async def _fetch(self, texts: list[str]) -> dict[str, Vectors]:
        flights = {text: _Flight() for text in texts}
        self._flights |= flights
        try:
            async with open_tasks() as tasks:
                for start in range(0, len(texts), self._batch):
                    tasks.start_soon(self._fetch_batch, texts[start : start + self._batch], flights)
        except LLMError as error:
            for flight in flights.values():
                flight.error = error
            raise
        finally:
            for text, flight in flights.items():
                del self._flights[text]
                flight.landed.set()
        return {text: flight.vector for text, flight in flights.items() if flight.vector is not None}

    async def _fetch_batch(self, texts: list[str], flights: dict[str, "_Flight"]) -> None:
        with counted(self.usage, "embedding") as spent:
            vectors = await self.endpoint.call(lambda wire: self._ask(wire, texts, spent))
        for text, vector in zip(texts, vectors, strict=True):
            flights[text].vector = self._cache[text] = vector.copy()  # a view would keep its whole batch in memory
            flights[text].landed.set()
        while len(self._cache) > self._cached:
            self._cache.popitem(last=False)

    async def _ask(self, wire: Wire, texts: list[str], spent: Usage) -> Vectors:
        spent.attempts += 1
        # As numbers: the shorter base64 form is not understood by all compatible servers.
        request = {"model": self.model, "input": texts, "encoding_format": "float"}
        answer = await wire.post("/embeddings", request, EmbeddingAnswer, MAX_VECTOR * (len(texts) + 1))
        if answer.usage:
            answer.usage.add_to(spent)
        rows = {position if item.index is None else item.index: item.embedding for position, item in enumerate(answer.data)}
        sizes = {len(row) for row in rows.values()}
        if rows.keys() != set(range(len(texts))) or len(sizes) != 1 or 0 in sizes:
            raise Fault(f"{len(rows)} vectors of {len(sizes)} lengths for {len(texts)} texts")
        return _normalised(np.array([rows[position] for position in range(len(texts))], np.float32))


class LocalEmbedder:
    """A sentence-transformers model in this process, on a thread; made by `open_embedder`."""

    def __init__(self, name: str) -> None:
        self.model = f"{_LOCAL}{name}"
        self.usage: dict[Role, Usage] = {}
        """Stays empty: what runs here costs no tokens."""
        self._name = name
        self._library = _sentence_transformers()
        self._encoder: Any = None
        self._one = anyio.CapacityLimiter(1)

    async def embed(self, texts: list[str]) -> Vectors:
        """See `Embedder`. Raises UsageError for a model that can't be loaded."""
        return await anyio.to_thread.run_sync(self._encode, texts, limiter=self._one)

    async def dimension(self) -> int:
        """See `Embedder`."""
        return (await self.embed(["dimension"])).shape[1]

    async def check(self) -> None:
        """Loads the model. Raises UsageError where that fails."""
        await self.dimension()

    def _encode(self, texts: list[str]) -> Vectors:
        if self._encoder is None:
            try:
                self._encoder = self._library.SentenceTransformer(self._name)
            except (OSError, ValueError) as error:
                raise UsageError(f"MEMP_EMBEDDING_MODEL={self.model} can't be loaded: {error}") from None
        return _normalised(np.asarray(self._encoder.encode(texts), np.float32))


@asynccontextmanager
async def open_embedder(settings: Settings, backoff: Backoff | None = None) -> AsyncGenerator[OpenAIEmbedder | LocalEmbedder]:
    """The embedding model of the settings; nothing is sent or loaded yet.

    Raises UsageError for a malformed address, a missing key, or a local model without the library.
    """
    if settings.embedding_model.startswith(_LOCAL):
        yield LocalEmbedder(settings.embedding_model.removeprefix(_LOCAL))
        return
    async with open_endpoint(embedding_address(settings), settings, backoff) as endpoint:
        yield OpenAIEmbedder(endpoint, settings.embedding_model, batch=settings.embedding_batch)


class _Flight:
    """A text whose vector is on its way, for those who want it, too."""

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.vector: Vectors | None = None
        self.error: LLMError | None = None

    async def result(self) -> Vectors | None:
        """The vector; None where its caller gave up. Raises the error that it met, as one of its own."""
        await self.landed.wait()
        if self.vector is None and self.error is not None:
            raise type(self.error)(*self.error.args)
        return self.vector


def _normalised(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms == 0, 1, norms)).astype(np.float32)


def _sentence_transformers() -> Any:
    try:
        return importlib.import_module("sentence_transformers")  # an extra, and seconds to import
    except ImportError:
        raise UsageError(f"MEMP_EMBEDDING_MODEL={_LOCAL}… needs an extra: install memp[local-embeddings].") from None
