"""The embedding client: batches, cache, shared calls, and the same retry layer."""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import numpy as np
import pytest
from aiohttp import web

from runtime.errors import LLMRejected, RequestRejected, UsageError
from runtime.events import Usage
from runtime.model.embeddings import OpenAIEmbedder, Vectors, open_embedder
from runtime.model.endpoint import Backoff
from runtime.model.llm import Sampling, open_llm
from runtime.model.preflight import preflight
from runtime.tasks import open_tasks
from tests.runtime.model_server import KEY, ModelServer, Reply, answers, refuses, says, serving, settings

FAST = Backoff(base=0.001, cap=0.002)


async def embeds(request: web.Request) -> web.StreamResponse:
    """(length of the text, 1, 0) for each, in reverse order."""
    texts = (await request.json())["input"]
    data = [{"object": "embedding", "index": index, "embedding": [len(text), 1, 0]} for index, text in enumerate(texts)]
    return web.json_response(
        {"object": "list", "data": data[::-1], "model": "e", "usage": {"prompt_tokens": len(texts), "total_tokens": 1}}
    )


def vector(text: str) -> Vectors:
    return np.array([len(text), 1, 0], np.float32) / np.float32(math.hypot(len(text), 1))


@asynccontextmanager
async def served(*replies: Reply, **changes: Any) -> AsyncGenerator[tuple[ModelServer, OpenAIEmbedder]]:
    async with serving(*replies) as server, open_embedder(settings(server.url, **changes), FAST) as embedder:
        assert isinstance(embedder, OpenAIEmbedder)
        yield server, embedder


def asked(server: ModelServer) -> list[list[str]]:
    return sorted(request["input"] for request in server.requests)


async def test_embed_gives_normalised_vectors_in_the_order_of_the_texts() -> None:
    async with served(embeds) as (server, embedder):
        vectors = await embedder.embed(["aaa", "b", "aaa"])
        assert vectors.dtype == np.float32
        assert np.allclose(vectors, [vector("aaa"), vector("b"), vector("aaa")])
        assert server.requests == [{"model": "e", "input": ["aaa", "b"], "encoding_format": "float"}]
        assert embedder.usage == {"embedding": Usage(calls=1, attempts=1, input=2)}
        assert embedder.model == "e"


async def test_embed_of_many_texts_is_cut_into_batches() -> None:
    async with served(embeds, embedding_batch=4) as (server, embedder):
        texts = ["x" * length for length in range(1, 11)]
        assert np.allclose(await embedder.embed(texts), [vector(text) for text in texts])
        assert sorted(len(batch) for batch in asked(server)) == [2, 4, 4]


async def test_embed_again_asks_only_for_what_is_new() -> None:
    async with served(embeds) as (server, embedder):
        await embedder.embed(["a", "bb"])
        assert np.allclose(await embedder.embed(["bb", "ccc"]), [vector("bb"), vector("ccc")])
        assert asked(server) == [["a", "bb"], ["ccc"]]


async def test_embed_cache_forgets_what_was_used_longest_ago() -> None:
    async with serving(embeds) as server, open_embedder(settings(server.url)) as made:
        assert isinstance(made, OpenAIEmbedder)
        embedder = OpenAIEmbedder(made.endpoint, "e", batch=10, cached=2)
        for texts in (["a"], ["bb"], ["a"], ["ccc"], ["a"], ["bb"], ["x", "yy", "zzz"]):
            await embedder.embed(texts)
        assert [request["input"] for request in server.requests] == [["a"], ["bb"], ["ccc"], ["bb"], ["x", "yy", "zzz"]]


async def test_embed_of_one_text_by_many_at_once_is_one_request() -> None:
    async with served(embeds) as (server, embedder), open_tasks() as tasks:
        for _ in range(20):
            tasks.start_soon(embedder.embed, ["same"])
    assert asked(server) == [["same"]]


async def test_embed_shared_call_cancelled_is_taken_over_by_who_waits() -> None:
    arrived = anyio.Event()

    async def hangs_once(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await anyio.sleep_forever()
        raise AssertionError

    first = anyio.CancelScope()
    results: list[Vectors] = []

    async def gives_up() -> None:
        with first:
            await embedder.embed(["same"])

    async def waits() -> None:
        results.append(await embedder.embed(["same"]))

    async with served(hangs_once, embeds) as (server, embedder), open_tasks() as tasks:
        tasks.start_soon(gives_up)
        await arrived.wait()
        tasks.start_soon(waits)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
    assert np.allclose(results[0], [vector("same")])
    assert asked(server) == [["same"], ["same"]]


async def test_embed_shared_call_refused_is_told_to_all_after_one_request() -> None:
    errors: list[Exception] = []
    async with served(refuses(400)) as (server, embedder):

        async def fails() -> None:
            try:
                await embedder.embed(["same"])
            except RequestRejected as error:
                errors.append(error)

        async with open_tasks() as tasks:
            for _ in range(5):
                tasks.start_soon(fails)
        assert len({id(error) for error in errors}) == 5
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "failure",
    [
        refuses(500),
        refuses(429),
        says("{"),
        answers(data=[]),
        answers(data=[{"index": 0, "embedding": []}]),
        answers(data=[{"index": 5, "embedding": [1, 2]}]),
        answers(data=[{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1]}]),
    ],
)
async def test_embed_failed_or_useless_is_asked_again(failure: Reply) -> None:
    async with served(failure, embeds) as (_, embedder):
        assert np.allclose(await embedder.embed(["a"]), [vector("a")])
        assert embedder.usage["embedding"].attempts == 2


async def test_embed_failing_in_several_batches_raises_one_error() -> None:
    async with served(refuses(401), embedding_batch=1) as (_, embedder):
        with pytest.raises(LLMRejected, match="OPENAI_API_KEY") as raised:
            await embedder.embed(["a", "bb", "ccc"])
        assert KEY not in str(raised.value)


async def test_dimension_is_asked_once() -> None:
    async with served(embeds) as (server, embedder):
        assert (await embedder.embed([])).shape == (0, 0)
        assert [await embedder.dimension() for _ in range(3)] == [3, 3, 3]
        assert (await embedder.embed([])).shape == (0, 3)
        assert len(server.requests) == 1


async def test_embed_of_an_empty_text_asks_for_a_blank() -> None:
    async with served(embeds) as (server, embedder):
        assert np.allclose(await embedder.embed([""]), [vector(" ")])
        assert asked(server) == [[" "]]


async def test_embedder_with_settings_of_its_own_uses_them() -> None:
    async with serving(embeds) as own, serving(embeds) as chat:
        changes = {"embedding_base_url": own.url, "embedding_api_key": "own"}
        async with open_embedder(settings(chat.url, **changes)) as embedder:
            await embedder.dimension()
        assert (own.authorizations, chat.authorizations) == (["Bearer own"], [])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"base_url": None, "api_key": None}, "OPENAI_API_KEY"),
        ({"embedding_base_url": "https://vectors.example/v1", "api_key": None}, "EMBEDDING_MODEL_KEY"),
        ({"embedding_base_url": "vectors"}, "EMBEDDING_MODEL_BASE_URL"),
        ({"embedding_model": "local:all-MiniLM-L6-v2"}, r"memp\[local-embeddings\]"),
    ],
)
async def test_open_embedder_with_an_unusable_setting_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        async with open_embedder(settings(None, **changes)):
            pass


async def test_preflight_with_an_embedding_key_refused_tells_of_it() -> None:
    async with serving(answers()) as chat, serving(refuses(401)) as own:
        chosen = settings(chat.url, embedding_base_url=own.url)
        async with open_llm(chosen) as llm, open_embedder(chosen) as embedder:
            with pytest.raises(LLMRejected, match="EMBEDDING_MODEL_KEY"):
                await preflight(llm, Sampling(model="m"), embedder)
