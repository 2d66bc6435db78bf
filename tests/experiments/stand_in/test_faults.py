import json
import math
import statistics
from dataclasses import replace

import anyio
import openai
import pytest

from experiments.stand_in import Options
from experiments.stand_in.faults import Weather
from memory.prompts import BUILD
from tests.experiments.stand_in.clients import connected
from tests.experiments.stand_in.household import asking

HELLO: list[dict[str, str]] = [{"role": "user", "content": "hello"}]


async def test_fault_rate_limited_answers_429_with_retry_after() -> None:
    async with connected(Options(rate_limited=1.0, retry_after=0.25)) as (server, client):
        with pytest.raises(openai.RateLimitError) as limited:
            await asking(client)(HELLO)
    assert limited.value.response.headers["Retry-After"] == "0.25"
    assert server.stats.faults == {"rate_limited": 1}


async def test_fault_server_error_answers_500() -> None:
    async with connected(Options(server_error=1.0)) as (_, client):
        with pytest.raises(openai.InternalServerError):
            await asking(client)(HELLO)


@pytest.mark.parametrize("fault", ["dropped", "truncated"])
async def test_fault_cut_connection_is_a_connection_error(fault: str) -> None:
    async with connected(replace(Options(), **{fault: 1.0})) as (server, client):
        with pytest.raises(openai.APIConnectionError):
            await asking(client)(HELLO)
    assert server.stats.faults == {fault: 1}
    assert server.stats.chat == 0


async def test_fault_malformed_body_is_whole_and_no_json() -> None:
    async with connected(Options(malformed=1.0)) as (_, client):
        raw = await client.chat.completions.with_raw_response.create(model="stand-in", messages=[{"role": "user", "content": "hello"}])
        assert raw.status_code == 200
        assert len(raw.content) == int(raw.headers["Content-Length"])
        with pytest.raises(json.JSONDecodeError):
            json.loads(raw.content)


async def test_fault_embeddings_meet_the_same_faults() -> None:
    async with connected(Options(server_error=1.0)) as (_, client):
        with pytest.raises(openai.InternalServerError):
            await client.embeddings.create(model="stand-in-embedding", input="a")


async def test_faults_shares_come_out_about_as_asked() -> None:
    weather = Weather(Options(rate_limited=0.1, server_error=0.2, dropped=0.05, truncated=0.05, malformed=0.1, seed=7))
    seen = [weather.fault() for _ in range(4000)]
    assert seen.count("server_error") / 4000 == pytest.approx(0.2, abs=0.03)
    assert seen.count("dropped") / 4000 == pytest.approx(0.05, abs=0.02)
    assert seen.count(None) / 4000 == pytest.approx(0.5, abs=0.03)


def test_faults_same_seed_gives_the_same_sequence() -> None:
    def sequence(seed: int) -> list[str | None]:
        weather = Weather(Options(rate_limited=0.3, dropped=0.3, seed=seed))
        return [weather.fault() for _ in range(50)]

    assert sequence(3) == sequence(3) != sequence(4)


def test_latency_median_and_spread_come_out_about_as_asked() -> None:
    weather = Weather(Options(latency_ms=300, latency_sigma=0.5, seed=1))
    logs = [math.log(weather.latency()) for _ in range(4000)]
    assert math.exp(statistics.median(logs)) == pytest.approx(0.3, rel=0.05)
    assert statistics.stdev(logs) == pytest.approx(0.5, rel=0.05)


async def test_latency_over_http_delays_the_answer_and_not_the_other_requests() -> None:
    async with connected(Options(latency_ms=200, latency_sigma=0.0)) as (server, client):
        started = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(asking(client), HELLO)
        elapsed = anyio.current_time() - started
    assert 0.2 <= elapsed < 1.5
    assert server.stats.most_in_flight > 1


async def test_builder_that_is_slow_holds_up_what_it_builds_alone() -> None:
    build = BUILD.format(environment="A household.", task="put a mug in shelf.", outcome="success", trajectory="Action: look")
    async with connected(Options(builder_ms=600)) as (server, client):
        started = anyio.current_time()
        await asking(client)(HELLO)
        answered = anyio.current_time() - started
        await asking(client)([{"role": "user", "content": build}])
        built = anyio.current_time() - started - answered
    assert server.stats.roles == {"agent": 1, "builder": 1}
    assert answered < 0.6 <= built


@pytest.mark.parametrize(
    "changes", [{"dropped": 1.5}, {"dropped": -0.1}, {"dropped": 0.6, "malformed": 0.6}, {"latency_ms": -1.0}, {"builder_ms": -1.0}]
)
def test_options_impossible_values_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be 0 or more"):
        replace(Options(), **changes)
