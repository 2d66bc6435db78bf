"""The adaptive limit: when it grows, when it is cut, and when it is left alone."""

import anyio
import pytest

from runtime.model.limiter import AdaptiveLimiter, Slot
from runtime.tasks import open_tasks


async def round_of(limiter: AdaptiveLimiter, waiting: int) -> int:
    """The limit after all requests that had a slot have succeeded while so many more wait for one."""
    go = anyio.Event()

    async def request(goes: bool) -> None:
        async with limiter.slot():
            await (go.wait() if goes else anyio.sleep_forever())

    async with open_tasks() as tasks:
        held = limiter.limit
        for _ in range(held):
            tasks.start_soon(request, True)
        await anyio.wait_all_tasks_blocked()
        for _ in range(waiting):
            tasks.start_soon(request, False)
        await anyio.wait_all_tasks_blocked()
        go.set()
        await anyio.wait_all_tasks_blocked()
        limit = limiter.limit
        tasks.cancel_scope.cancel()
    return limit


async def began(limiter: AdaptiveLimiter) -> Slot:
    async with limiter.slot() as slot:
        return slot


async def test_limit_saturated_before_any_cut_doubles_per_round() -> None:
    assert await round_of(AdaptiveLimiter(1000, start=8), waiting=100) == 16


async def test_limit_saturated_after_a_cut_adds_one_per_round() -> None:
    limiter = AdaptiveLimiter(1000, start=20)
    (await began(limiter)).congested()
    assert limiter.limit == 14
    assert [await round_of(limiter, 100) for _ in range(4)] == [14, 15, 16, 17]


async def test_limit_not_saturated_stays() -> None:
    limiter = AdaptiveLimiter(1000, start=4)
    for _ in range(10):
        await began(limiter)
    assert limiter.limit == 4


async def test_limit_never_exceeds_its_maximum() -> None:
    assert AdaptiveLimiter(5, start=16).limit == 5
    assert await round_of(AdaptiveLimiter(5, start=4), waiting=100) == 5


async def test_congestion_of_requests_begun_together_cuts_once() -> None:
    limiter = AdaptiveLimiter(1000, start=10, cooldown=0)
    slots = [await began(limiter) for _ in range(5)]
    for slot in slots:
        slot.congested()
    assert limiter.limit == 7
    (await began(limiter)).congested()
    assert limiter.limit == 4


async def test_congestion_within_the_cool_down_cuts_nothing() -> None:
    limiter = AdaptiveLimiter(1000, start=10, cooldown=60)
    for _ in range(5):
        (await began(limiter)).congested()
    assert limiter.limit == 7


async def test_congestion_for_ever_leaves_one_slot() -> None:
    limiter = AdaptiveLimiter(1000, start=10, cooldown=0)
    for _ in range(20):
        (await began(limiter)).congested()
    assert limiter.limit == 1
    assert await round_of(limiter, 3) == 2


async def test_request_that_fails_otherwise_changes_nothing_and_frees_its_slot() -> None:
    limiter = AdaptiveLimiter(1000, start=1)
    for _ in range(3):
        with pytest.raises(OSError):
            async with limiter.slot():
                raise OSError
    assert limiter.limit == 1
    assert limiter.in_use == 0


async def test_slots_are_given_up_to_the_limit_and_in_order() -> None:
    limiter = AdaptiveLimiter(2, start=2)
    order: list[int] = []
    most = 0

    async def request(number: int) -> None:
        nonlocal most
        async with limiter.slot():
            order.append(number)
            most = max(most, limiter.in_use)
            await anyio.lowlevel.checkpoint()

    async with open_tasks() as tasks:
        for number in range(20):
            tasks.start_soon(request, number)
    assert order == list(range(20))
    assert most == 2


async def test_slot_that_is_freed_goes_to_who_waits_not_to_who_comes() -> None:
    limiter, order = AdaptiveLimiter(1), list[str]()

    async def request(name: str) -> None:
        async with limiter.slot():
            order.append(name)

    async with open_tasks() as tasks:
        async with limiter.slot():
            tasks.start_soon(request, "waiting")
            await anyio.wait_all_tasks_blocked()
        await request("newcomer")
    assert order == ["waiting", "newcomer"]
