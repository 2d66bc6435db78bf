"""Queues by name."""

import anyio
import anyio.lowlevel
import pytest

from workers.queues import Queues


@pytest.mark.parametrize(("first", "second", "waits"), [("ab", "ba", True), ("ab", "bc", True), ("ab", "cd", False), ("", "", False)])
async def test_queue_is_shared_by_those_with_a_name_in_common(first: str, second: str, waits: bool) -> None:
    queues, order = Queues(), list[str]()
    inside, leave = anyio.Event(), anyio.Event()

    async def hold_first() -> None:
        async with queues.hold(*first):
            inside.set()
            await leave.wait()
            order.append("first")

    async def hold_second() -> None:
        async with queues.hold(*second):
            order.append("second")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hold_first)
        await inside.wait()
        tasks.start_soon(hold_second)
        await anyio.wait_all_tasks_blocked()
        leave.set()
    assert order == (["first", "second"] if waits else ["second", "first"])


async def test_queue_goes_on_after_one_that_was_cancelled() -> None:
    queues = Queues()
    with anyio.CancelScope() as scope:
        async with queues.hold("a", "b", "a"):
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    with anyio.fail_after(5):
        async with queues.hold("b", "a"):
            pass
