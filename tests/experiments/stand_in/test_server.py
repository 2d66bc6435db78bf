import json
import subprocess
import sys

import aiohttp
import anyio
import openai
import pytest

from experiments.stand_in import Options, serve, stand_in
from tests.experiments.stand_in.clients import connected
from tests.experiments.stand_in.household import Household, asking, opening, play

HELLO: list[dict[str, str]] = [{"role": "user", "content": "hello"}]


async def test_player_same_messages_over_two_servers_answers_alike() -> None:
    messages = opening(Household("put a mug in shelf"))
    answers: list[str] = []
    for _ in range(2):
        async with connected() as (_, client):
            answers += [await asking(client)(messages) for _ in range(2)]
    assert len(set(answers)) == 1
    assert "Action: go to" in answers[0]


async def test_player_seeds_and_models_search_in_orders_of_their_own() -> None:
    messages = opening(Household("put a mug in shelf"))
    async with connected() as (_, client):
        first = {await asking(client, seed=seed)(messages) for seed in range(8)}
        strong = [await asking(client, "stand-in-strong", seed)(messages) for seed in range(8)]
        other = [await asking(client, "stand-in", seed)(messages) for seed in range(8)]
    assert len(first) > 1
    assert strong != other


async def test_server_interleaved_episodes_each_go_as_if_alone() -> None:
    tasks = ["put a mug in shelf", "heat some apple and put it in countertop", "look at knife under the desklamp"]
    async with connected() as (_, client):
        alone = [await play(asking(client), Household(task)) for task in tasks]
        together: dict[str, list[tuple[str, str]]] = {}

        async def one(task: str) -> None:
            together[task] = await play(asking(client), Household(task))

        async with anyio.create_task_group() as episodes:
            for task in tasks:
                episodes.start_soon(one, task)
    assert [together[task] for task in tasks] == alone


async def test_server_wrong_key_refuses_with_401_and_counts_no_answer() -> None:
    async with connected(Options(key="right"), key="wrong") as (server, client):
        with pytest.raises(openai.AuthenticationError) as refused:
            await asking(client)(HELLO)
    assert refused.value.code == "invalid_api_key"
    assert (server.stats.rejected, server.stats.chat) == (1, 0)


async def test_server_right_key_answers() -> None:
    async with connected(Options(key="right"), key="right") as (_, client):
        assert await asking(client)(HELLO)


async def test_server_unknown_chat_model_is_not_found() -> None:
    async with connected() as (_, client):
        with pytest.raises(openai.NotFoundError, match="gpt-4o") as missing:
            await asking(client, "gpt-4o")(HELLO)
    assert missing.value.code == "model_not_found"


async def test_server_unknown_embedding_model_is_not_found() -> None:
    async with connected() as (_, client):
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="bge-small", input="a")


@pytest.mark.parametrize("body", ["{", "[]", '{"model": "stand-in"}', '{"model": "stand-in", "messages": []}'])
async def test_server_malformed_request_refuses_with_400_in_openais_form(body: str) -> None:
    async with stand_in() as server, aiohttp.request("POST", f"{server.base_url}/chat/completions", data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["type"] == "invalid_request_error"


async def test_server_streaming_asked_refuses_with_400() -> None:
    async with connected() as (_, client):
        with pytest.raises(openai.BadRequestError, match="stream"):
            await client.chat.completions.create(model="stand-in", messages=[{"role": "user", "content": "hello"}], stream=True)


async def test_server_unknown_path_answers_404_in_openais_form() -> None:
    async with stand_in() as server, aiohttp.request("GET", f"{server.base_url}/nothing") as response:
        assert response.status == 404
        assert "error" in await response.json()


async def test_server_models_lists_skills_and_embeddings() -> None:
    async with connected() as (_, client):
        names = {model.id async for model in client.models.list()}
    assert {"stand-in", "stand-in-strong", "stand-in-weak", "stand-in-embedding", "text-embedding-3-small"} == names


async def test_server_usage_grows_with_the_text() -> None:
    async with connected() as (_, client):
        short = await client.chat.completions.create(model="stand-in", messages=[{"role": "user", "content": "a" * 40}])
        long = await client.chat.completions.create(model="stand-in", messages=[{"role": "user", "content": "a" * 4000}])
    assert short.usage is not None
    assert long.usage is not None
    assert long.usage.prompt_tokens - short.usage.prompt_tokens == 990
    assert long.usage.total_tokens == long.usage.prompt_tokens + long.usage.completion_tokens


async def test_stats_repeated_call_shows_once_with_its_role() -> None:
    async with connected() as (server, client):
        for _ in range(3):
            await asking(client)(HELLO)
        await asking(client)([*HELLO, *HELLO])
        await client.embeddings.create(model="stand-in-embedding", input=["a", "b"])
        async with aiohttp.request("GET", server.base_url.removesuffix("v1") + "stats") as response:
            told = await response.json()
    assert list(told["repeated"].values()) == [3]
    assert next(iter(told["repeated"])).startswith("agent:")
    assert (told["chat"], told["embeddings"], told["embedded_texts"], told["distinct"]) == (4, 1, 2, 3)
    assert told["roles"] == {"agent": 4, "embedding": 1}
    assert told["in_flight"] == 0


async def test_serve_reports_its_address_when_ready_and_ends_with_its_scope() -> None:
    async with anyio.create_task_group() as tasks:
        base_url = await tasks.start(serve, Options())
        async with openai.AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
            assert await asking(client)(HELLO)
        tasks.cancel_scope.cancel()


def _spawn(*flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "experiments.stand_in", *flags]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def test_process_prints_its_address_answers_and_ends_with_its_parents_pipe() -> None:
    with _spawn("--port", "0", "--exit-with-parent") as process:
        assert process.stdout is not None
        assert process.stdin is not None
        base_url = json.loads(process.stdout.readline())["base_url"]
        async with openai.AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
            assert await asking(client)(HELLO)
        process.stdin.close()
        assert process.wait(timeout=20) == 0


async def test_process_terminated_ends_cleanly() -> None:
    with _spawn() as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.wait(timeout=20) == 0


async def test_process_address_in_use_says_so_without_a_traceback() -> None:
    async with stand_in() as server:
        port = server.base_url.rsplit(":", 1)[1].removesuffix("/v1")
        with _spawn("--port", port) as process:
            _, errors = await anyio.to_thread.run_sync(process.communicate)
    assert process.returncode == 2
    assert port in errors
    assert "Traceback" not in errors
