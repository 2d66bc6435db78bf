"""The one retry layer, against a real HTTP server that fails as scripted."""

import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from runtime.errors import LLMRejected, LLMUnavailable, RequestRejected, UsageError
from runtime.events import Usage
from runtime.model.endpoint import Backoff
from runtime.model.llm import Completion, Message, OpenAILLM, Sampling, open_llm
from runtime.model.preflight import preflight
from runtime.tasks import open_tasks
from tests.runtime.model_server import KEY, ModelServer, Reply, answers, chat, drops, hangs, refuses, says, serving, settings, truncates

FAST = Backoff(base=0.001, cap=0.002)
SAMPLING = Sampling(model="asked", temperature=0.3, seed=5)
MESSAGES = [Message(role="user", content="Well?")]


@asynccontextmanager
async def served(*replies: Reply, backoff: Backoff = FAST, **changes: Any) -> AsyncGenerator[tuple[ModelServer, OpenAILLM]]:
    async with serving(*replies) as server, open_llm(settings(server.url, **changes), backoff) as llm:
        yield server, llm


async def ask(llm: OpenAILLM) -> Completion:
    return await llm.complete(MESSAGES, role="agent", sampling=SAMPLING)


async def test_complete_answered_gives_text_and_usage() -> None:
    tokens = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}
    reply = answers(**chat(usage={**tokens, "completion_tokens_details": {"reasoning_tokens": 2}}))
    async with served(reply) as (server, llm):
        completion = await ask(llm)
        usage = Usage(calls=1, attempts=1, input=7, cached=5, output=3, reasoning=2)
        assert completion == Completion(text="Fine.", model="served", finish_reason="stop", usage=usage)
        assert llm.usage == {"agent": usage}
        assert server.requests == [{"model": "asked", "messages": MESSAGES, "temperature": 0.3, "seed": 5}]
        assert server.authorizations == [f"Bearer {KEY}"]
        assert Completion.model_validate_json(completion.model_dump_json()) == completion


@pytest.mark.parametrize(
    "failure",
    [
        refuses(408),
        refuses(409),
        refuses(429),
        refuses(500),
        refuses(503, Retry_After="0"),
        refuses(529),
        drops,
        truncates,
        says('{"choices": [{"mess'),
        says("null"),
        says("", "text/plain"),
        answers(error={"message": "upstream is busy", "code": 502}),
        answers(**chat(choices=[])),
        answers(**chat(choices=[{"index": 0}])),
    ],
)
async def test_complete_failed_twice_is_answered_by_the_third_attempt(failure: Reply) -> None:
    async with served(failure, failure, answers()) as (server, llm):
        completion = await ask(llm)
        assert completion.text == "Fine."
        assert (completion.usage.calls, completion.usage.attempts) == (1, 3)
        assert len(server.requests) == 3


async def test_complete_with_a_discarded_answer_counts_its_tokens() -> None:
    async with served(answers(**chat(choices=[])), answers()) as (_, llm):
        assert (await ask(llm)).usage == Usage(calls=1, attempts=2, input=14, output=6)


@pytest.mark.parametrize("content", [None, ""])
async def test_complete_without_content_is_an_empty_text(content: str | None) -> None:
    async with served(answers(**chat(content))) as (server, llm):
        assert (await ask(llm)).text == ""
        assert len(server.requests) == 1


async def test_complete_without_usage_counts_the_attempt() -> None:
    async with served(answers(**chat(usage=None))) as (_, llm):
        assert (await ask(llm)).usage == Usage(calls=1, attempts=1)


@pytest.mark.parametrize(
    ("reply", "error", "told"),
    [
        (refuses(401, f"Incorrect API key: {KEY}"), LLMRejected, "OPENAI_API_KEY"),
        (refuses(403), LLMRejected, "OPENAI_API_KEY"),
        (refuses(404, "no such model"), LLMRejected, "OPENAI_BASE_URL and the name of the model"),
        (refuses(402), LLMRejected, "no credit"),
        (refuses(429, code="insufficient_quota"), LLMRejected, "no credit"),
        (says("<html>", "text/html"), LLMRejected, "web pages"),
        (refuses(400, "too long"), RequestRejected, "too long"),
        (refuses(413), RequestRejected, "413"),
        (refuses(422), RequestRejected, "422"),
        (answers(**chat(choices=[{"message": {"content": None}, "finish_reason": "content_filter"}])), RequestRejected, "filtered"),
    ],
)
async def test_complete_refused_for_good_asks_once_and_hides_the_key(reply: Reply, error: type[Exception], told: str) -> None:
    async with served(reply) as (server, llm):
        with capture_logs() as logs, pytest.raises(error, match=told) as raised:
            await ask(llm)
        assert len(server.requests) == 1
        assert llm.usage["agent"].attempts == 1
    assert KEY not in "".join(traceback.format_exception(raised.value)) + repr(logs) + repr(llm)


@pytest.mark.parametrize("reply", [refuses(500, f"boom {KEY}"), drops, hangs, says("{")])
async def test_complete_failing_until_the_deadline_is_unavailable_and_hides_the_key(reply: Reply) -> None:
    async with served(reply, llm_deadline=0.3) as (_, llm):
        with (
            anyio.fail_after(5),
            capture_logs() as logs,
            pytest.raises(LLMUnavailable, match=r"within 0.3 s .* attempts, the last: ") as raised,
        ):
            await ask(llm)
        assert llm.usage["agent"].attempts >= 1
    assert KEY not in "".join(traceback.format_exception(raised.value)) + repr(logs)


async def test_complete_with_an_answer_that_stalls_is_asked_again() -> None:
    async with served(hangs, answers(), llm_read_timeout=0.5) as (server, llm):
        assert (await ask(llm)).usage.attempts == 2
        assert len(server.requests) == 2


def in_two_seconds() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)


@pytest.mark.parametrize(
    ("name", "value", "least"), [("Retry-After", "0.3", 0.3), ("retry-after-ms", "200", 0.2), ("Retry-After", in_two_seconds, 0.9)]
)
async def test_retry_after_is_waited_for(name: str, value: str | Callable[[], str], least: float) -> None:
    async with served(refuses(429, **{name: value if isinstance(value, str) else value()}), answers()) as (_, llm):
        began = anyio.current_time()
        await ask(llm)
        assert least <= anyio.current_time() - began < 5


async def test_retry_after_beyond_the_deadline_is_unavailable_at_once() -> None:
    async with served(refuses(429, Retry_After="3600")) as (server, llm):
        with anyio.fail_after(3), pytest.raises(LLMUnavailable, match="429"):
            await ask(llm)
        assert len(server.requests) == 1


@pytest.mark.parametrize("header", ["soon", "-5", "nan", "Mon, 99 Foo"])
async def test_retry_after_that_makes_no_sense_is_ignored(header: str) -> None:
    async with served(refuses(429, Retry_After=header), answers()) as (_, llm):
        assert (await ask(llm)).text == "Fine."


def test_backoff_pauses_grow_to_the_cap_and_never_undercut_retry_after() -> None:
    backoff = Backoff(base=0.5, cap=20)
    for failures, bound in [(1, 0.5), (2, 1.0), (5, 8.0), (7, 20.0), (5000, 20.0)]:
        pauses = [backoff.pause(failures, None) for _ in range(300)]
        assert 0 <= min(pauses) < bound / 4
        assert bound * 3 / 4 < max(pauses) <= bound
        assert 30 <= backoff.pause(failures, 30) <= 30.5


async def test_complete_cancelled_counts_its_attempt_and_frees_its_slot() -> None:
    async with served(hangs) as (server, llm):
        async with open_tasks() as tasks:
            tasks.start_soon(ask, llm)
            with anyio.fail_after(5):
                while not server.requests:  # noqa: ASYNC110 - the server has no event for it
                    await anyio.sleep(0.005)
            tasks.cancel_scope.cancel()
        assert llm.usage == {"agent": Usage(calls=1, attempts=1)}
        assert llm.endpoint.limiter.in_use == 0


async def test_congestion_is_found_and_all_calls_are_answered() -> None:
    under_way = refused = 0

    async def crowded(_: web.Request) -> web.StreamResponse:
        nonlocal under_way, refused
        if under_way >= 10:
            refused += 1
            return web.json_response({"error": {"message": "slow down"}}, status=429)
        under_way += 1
        await anyio.sleep(0.002)  # the time that an answer takes
        under_way -= 1
        return web.json_response(chat())

    async with served(crowded, backoff=Backoff(0.02, 0.2)) as (_, llm), open_tasks() as tasks:
        for _ in range(300):
            tasks.start_soon(ask, llm)
    assert llm.usage["agent"].calls == 300
    assert llm.usage["agent"].attempts == 300 + refused
    assert llm.usage["agent"].input == 300 * 7
    assert refused < 300


async def test_server_error_does_not_cut_the_limit_and_429_does() -> None:
    async with served(refuses(500), answers(), refuses(429), answers()) as (_, llm):
        before = llm.endpoint.limiter.limit
        await ask(llm)
        assert llm.endpoint.limiter.limit == before
        await ask(llm)
        assert llm.endpoint.limiter.limit < before


async def test_waiting_for_a_slot_does_not_count_against_the_deadline() -> None:
    async def slow(_: web.Request) -> web.StreamResponse:
        await anyio.sleep(0.2)  # the time that an answer takes
        return web.json_response(chat())

    async with served(slow, llm_deadline=1, llm_max_concurrency=1) as (_, llm), open_tasks() as tasks:
        for _ in range(8):
            tasks.start_soon(ask, llm)
    assert llm.usage["agent"].calls == llm.usage["agent"].attempts == 8


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"base_url": None, "api_key": None}, "api.openai.com/v1 is remote .* OPENAI_API_KEY"),
        ({"base_url": "https://models.example/v1", "api_key": "  "}, "OPENAI_API_KEY"),
        ({"base_url": "models.example/v1"}, "OPENAI_BASE_URL=models.example/v1 is no address"),
        ({"base_url": "http://host:port/v1"}, "is no address"),
        ({"base_url": "ftp://me:sesame@host/v1"}, r"ftp://\*\*\*@host/v1 is no address"),
        ({"api_key": "sk-sésame"}, "OPENAI_API_KEY holds characters"),
    ],
)
async def test_open_llm_with_an_unusable_setting_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told) as raised:
        async with open_llm(settings(None, **changes)):
            pass
    assert "same" not in str(raised.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "[::1]", "0.0.0.0"])
async def test_open_llm_with_a_local_address_needs_no_key(host: str) -> None:
    async with open_llm(settings(f"http://{host}:1/v1", api_key=None)) as llm:
        assert llm.usage == {}


async def test_preflight_answered_asks_for_one_token() -> None:
    async with served(answers()) as (server, llm):
        await preflight(llm, SAMPLING)
        assert [request["max_tokens"] for request in server.requests] == [1]
        assert llm.usage["agent"].attempts == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [(refuses(401), LLMRejected), (refuses(404), LLMRejected), (refuses(400, "no temperature, please"), RequestRejected)],
)
async def test_preflight_refused_is_told_as_it_came(reply: Reply, error: type[Exception]) -> None:
    async with served(reply) as (_, llm):
        with pytest.raises(error):
            await preflight(llm, SAMPLING)


async def test_preflight_where_nobody_listens_is_told_at_once() -> None:
    async with open_llm(settings("http://127.0.0.1:1/v1")) as llm:
        with anyio.fail_after(5), pytest.raises(LLMUnavailable, match=r"Nobody answers at http://127.0.0.1:1/v1 .*OPENAI_BASE_URL"):
            await preflight(llm, SAMPLING)


@pytest.mark.parametrize("reply", [refuses(429), refuses(500), drops, says("{"), refuses(400, "max_tokens is too small")])
async def test_preflight_with_a_passing_failure_lets_the_run_begin(reply: Reply) -> None:
    async with served(reply) as (server, llm):
        await preflight(llm, SAMPLING)
        assert len(server.requests) == 1


async def test_max_tokens_are_passed_on_only_where_asked_for() -> None:
    async with served(answers()) as (server, llm):
        await llm.complete(MESSAGES, role="facts", sampling=SAMPLING.model_copy(update={"max_tokens": 9, "seed": None}))
        assert server.requests == [{"model": "asked", "messages": MESSAGES, "temperature": 0.3, "max_tokens": 9}]
