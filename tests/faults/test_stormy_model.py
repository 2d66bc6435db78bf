"""A model endpoint that fails every third request, in all ways: every episode is played to its end, and the load follows its capacity."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from random import Random
from statistics import fmean

import anyio
import pytest
from aiohttp import web

from runtime.bus.namespace import Namespace
from runtime.model.endpoint import Backoff
from runtime.model.limiter import AdaptiveLimiter
from runtime.model.llm import Message, OpenAILLM, Sampling, open_llm
from runtime.tasks import open_tasks
from tests.faults.scene import acting, room, scene
from tests.runtime.model_server import answers, chat, hangs, refuses, serving, settings, truncates
from tests.support import dead_letters

pytestmark = pytest.mark.timeout(240)

STORM = (refuses(429, Retry_After="0.05"), refuses(500), hangs, truncates)
SHARE = 0.3
EPISODES = 12
CAPACITY = 20
LATENCY = 0.02
COOLDOWN = 2 * LATENCY
"""Seconds. As a limiter's 2 s are to answers that take one: time runs fifty times as fast here."""
QUESTION = [Message(role="user", content="Go on.")]


class Storm:
    """Fails a share of all requests, by seed, with each of the faults as often."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.failed: Counter[int] = Counter()
        self.asked = 0

    async def reply(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self._random.random() < SHARE:
            fault = self._random.randrange(len(STORM))
            self.failed[fault] += 1
            return await STORM[fault](request)
        return web.json_response(chat(acting((await request.json())["messages"])))


async def test_storm_of_faults_ends_no_episode(namespace: Namespace, server_url: str, household: Path, tmp_path: Path) -> None:
    storm = Storm(seed=4)
    async with serving(storm.reply) as model, scene(namespace, server_url, household, tmp_path, acting) as playing:
        await namespace.submit_tasks([room(index, length=8) for index in range(EPISODES)])
        await playing.start("worker", OPENAI_BASE_URL=model.url, MEMP_SLOTS=str(EPISODES), MEMP_LLM_READ_TIMEOUT="0.5")
        await playing.settled(EPISODES)
        played = await playing.trajectories()
        assert len(played) == EPISODES
        assert all(each.success and each.outcome == "finished" and each.attempt == 1 and len(each.steps) == 8 for each in played)
        assert await dead_letters(namespace) == []
        assert storm.failed.keys() == set(range(len(STORM))), "every kind of fault was there"
        spent = [each.usage["agent"] for each in played]
        assert sum(usage.calls for usage in spent) == EPISODES * 8
        assert sum(usage.attempts for usage in spent) == storm.asked
        print(f"{storm.failed.total()} of {storm.asked} requests failed")


class Busy:
    """An endpoint that answers `CAPACITY` requests at once and refuses more; in a storm it refuses others, too."""

    def __init__(self) -> None:
        self.weather = Random(1)
        self.stormy = True
        self.status = 429
        self.answered = 0
        self._under_way = 0

    async def reply(self, request: web.Request) -> web.StreamResponse:
        if (self.stormy and self.weather.random() < SHARE) or self._under_way >= CAPACITY:
            return await refuses(self.status, Retry_After="0.01")(request)
        self._under_way += 1
        try:
            await anyio.sleep(LATENCY)
            self.answered += 1
            return await answers()(request)
        finally:
            self._under_way -= 1


async def keep_asking(llm: OpenAILLM) -> None:
    while True:
        await llm.complete(QUESTION, role="agent", sampling=Sampling(model="m"))


async def watch(limiter: AdaptiveLimiter, endpoint: Busy, answers_due: int) -> list[int]:
    """The limit after each of so many answers."""
    seen: list[int] = []
    with anyio.fail_after(60):
        while len(seen) < answers_due:
            before = endpoint.answered
            while endpoint.answered == before:  # noqa: ASYNC110 (a counter tells nobody)
                await anyio.sleep(0.001)
            seen += [limiter.limit] * (endpoint.answered - before)
    return seen


async def test_storm_of_429_cuts_once_per_congestion_and_the_limit_comes_back() -> None:
    busy = Busy()
    async with serving(busy.reply) as model, open_llm(settings(model.url), Backoff(base=0.01, cap=0.02)) as llm, open_tasks() as tasks:
        limiter = llm.endpoint.limiter = AdaptiveLimiter(256, cooldown=COOLDOWN)
        began = anyio.current_time()
        for _ in range(2 * CAPACITY):
            tasks.start_soon(keep_asking, llm)
        await watch(limiter, busy, 400)
        stormy = anyio.current_time() - began
        assert 1 <= limiter.cuts <= 1 + stormy / COOLDOWN
        busy.stormy = False
        await watch(limiter, busy, 400)
        after = await watch(limiter, busy, 2000)
        tasks.cancel_scope.cancel()
    assert fmean(after) >= 0.85 * CAPACITY
    print(f"storm: {limiter.cuts} cuts in all, {stormy:.1f} s; mean limit after it {fmean(after):.1f} of {CAPACITY}, least {min(after)}")


async def test_storm_of_500_cuts_nothing() -> None:
    busy = Busy()
    busy.status = 500
    async with serving(busy.reply) as model, open_llm(settings(model.url), Backoff(base=0.01, cap=0.02)) as llm, open_tasks() as tasks:
        for _ in range(CAPACITY):
            tasks.start_soon(keep_asking, llm)
        await watch(llm.endpoint.limiter, busy, 300)
        tasks.cancel_scope.cancel()
    assert llm.endpoint.limiter.cuts == 0
    assert llm.endpoint.limiter.limit >= 16, "where it began"


async def test_date_to_retry_after_is_read_by_the_endpoints_own_clock() -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    told = {"Date": ahead, "Retry_After": ahead + timedelta(seconds=1)}
    refusal = refuses(429, **{name: format_datetime(date, usegmt=True) for name, date in told.items()})
    async with serving(refusal, answers()) as model, open_llm(settings(model.url), Backoff(base=0.01, cap=0.02)) as llm:
        began = anyio.current_time()
        await llm.complete(QUESTION, role="agent", sampling=Sampling(model="m"))
        assert 0.9 < anyio.current_time() - began < 5
