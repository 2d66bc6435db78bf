"""CPU per LLM call, against a local server of fixed answers in another process.

    uv run python -m bench.llm [--quick] [--out FILE]

Per length of the conversation: our client's whole path (limiter, deadline, request, checked answer), the SDK's typed call on both
of its transports, and bare aiohttp with orjson, which does none of what a client is for. Rounds of all ways take turns, the best
round counts, and CPU is this process's alone (user + system), 16 calls under way at once.
"""

import argparse
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import anyio
import orjson
from openai import AsyncOpenAI, DefaultAioHttpClient

from bench.harness import model_server
from bench.report import save, show
from runtime.config import Settings
from runtime.model.llm import Message, Sampling, open_llm
from runtime.tasks import open_tasks

LENGTHS = (2, 18, 60)
"""Messages of a conversation."""
AT_ONCE = 16
ROOM = "You are in the middle of a room. Your task is to: put a mug in shelf."
TEXT = "Thought: this comes next.\nAction: go to cabinet 1"
"""What the server says."""
SAMPLING = Sampling(model="fixed", temperature=0.0, seed=1)

Call = Callable[[list[Message]], Awaitable[str | None]]


def conversation(length: int) -> list[Message]:
    """A system message of rules, then observations and answers in turn."""
    rules = "Rules of the household: one action at a time, in the grammar that follows. " * 12
    turns = ("user", "Observation: On the cabinet 1, you see a cup 1, a mug 2, a plate 1 and a soapbottle 3."), ("assistant", TEXT)
    rest = [Message(role=turns[n % 2][0], content=turns[n % 2][1]) for n in range(1, length - 1)]
    return [Message(role="system", content=rules), Message(role="user", content=ROOM), *rest]


@asynccontextmanager
async def ours(url: str) -> AsyncGenerator[Call]:
    settings = Settings.model_validate({"base_url": url, "api_key": "key", "redis_url": None})
    async with open_llm(settings) as llm:

        async def call(messages: list[Message]) -> str | None:
            return (await llm.complete(messages, role="agent", sampling=SAMPLING)).text

        yield call


@asynccontextmanager
async def typed(url: str, **transport: Any) -> AsyncGenerator[Call]:
    async with AsyncOpenAI(api_key="key", base_url=url, max_retries=0, **transport) as client:

        async def call(messages: list[Any]) -> str | None:
            answer = await client.chat.completions.create(model="fixed", messages=messages, temperature=0.0, seed=1)
            return answer.choices[0].message.content

        yield call


@asynccontextmanager
async def bare(url: str) -> AsyncGenerator[Call]:
    headers = {"Authorization": "Bearer key", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def call(messages: list[Message]) -> str | None:
            body = orjson.dumps({"model": "fixed", "messages": messages, "temperature": 0.0, "seed": 1})
            async with session.post(f"{url}/chat/completions", data=body) as response:
                return orjson.loads(await response.read())["choices"][0]["message"]["content"]

        yield call


async def cpu_ms(call: Call, messages: list[Message], calls: int) -> float:
    """CPU of this process per call, in milliseconds."""

    async def some() -> None:
        for _ in range(calls // AT_ONCE):
            if await call(messages) != TEXT:
                raise RuntimeError("the answer is not the server's")

    started = time.process_time()
    async with open_tasks() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(some)
    return (time.process_time() - started) * 1000 / (calls // AT_ONCE * AT_ONCE)


async def measure(calls: int, rounds: int) -> list[dict[str, Any]]:
    """A row per length: milliseconds of each way, and how many times ours each costs."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        answers = Path(folder) / "answers.json"
        answers.write_bytes(orjson.dumps({ROOM: ["go to cabinet 1"]}))
        url = (await stack.enter_async_context(model_server(answers, 0))).base_url
        ways = {
            "memp": await stack.enter_async_context(ours(url)),
            "create, aiohttp": await stack.enter_async_context(typed(url, http_client=DefaultAioHttpClient())),
            "create, default": await stack.enter_async_context(typed(url)),
            "bare aiohttp": await stack.enter_async_context(bare(url)),
        }
        return [await _row(ways, length, calls, rounds) for length in LENGTHS]


async def _row(ways: dict[str, Call], length: int, calls: int, rounds: int) -> dict[str, Any]:
    messages = conversation(length)
    found: dict[str, list[float]] = {name: [] for name in ways}
    for call in ways.values():
        await cpu_ms(call, messages, AT_ONCE)  # connections are opened
    for _ in range(rounds):
        for name, call in ways.items():
            found[name].append(await cpu_ms(call, messages, calls))
    best = {name: min(each) for name, each in found.items()}
    ratios = {f"{name} ÷ memp": best[name] / best["memp"] for name in ways if name != "memp"}
    return {"messages": length, **{f"{name}, ms": each for name, each in best.items()}, **ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer calls: seconds instead of a minute")
    parser.add_argument("--out", type=Path, default=None, help="JSON file of the figures")
    flags = parser.parse_args()
    calls, rounds = (96, 2) if flags.quick else (320, 5)
    rows = anyio.run(measure, calls, rounds, backend_options={"use_uvloop": True})
    show("CPU per LLM call", rows)
    save("llm", {"calls": calls, "rounds": rounds, "at_once": AT_ONCE, "rows": rows}, flags.out)


if __name__ == "__main__":
    main()
