"""taskiq-redis as `bench.bus` measures it: streams with a consumer group, acknowledgement, results that are stored."""

import os
from typing import Any

from taskiq_redis import (  # pyright: ignore[reportMissingImports]
    RedisAsyncResultBackend,  # pyright: ignore[reportUnknownVariableType]
    RedisStreamBroker,  # pyright: ignore[reportUnknownVariableType]
)

QUEUE = "bench-taskiq"
URL = os.environ.get("BENCH_URL", "redis://127.0.0.1:6379")


def opened(url: str) -> Any:
    """A broker whose group begins at the stream's beginning."""
    results: Any = RedisAsyncResultBackend(redis_url=url, result_ex_time=60)
    made: Any = RedisStreamBroker(url=url, queue_name=QUEUE, consumer_id="0", xread_count=256)
    return made.with_result_backend(results)


broker: Any = opened(URL)


@broker.task(task_name="nothing")
async def nothing(task: str) -> str:
    """A task that costs nothing; its result is as long as the least trajectory."""
    return task


async def submit(url: str, total: int, size: int) -> None:
    """Add so many tasks of so many bytes."""
    producer = opened(url)
    producer.register_task(nothing.original_func, task_name="nothing")
    await producer.startup()
    kicker = producer.find_task("nothing").kicker()
    for _ in range(total):
        await kicker.kiq("x" * size)
    await producer.shutdown()
