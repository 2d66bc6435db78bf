"""The least model server: it plays known games by their known commands, at next to no cost, after a drawn latency.

    uv run python -m bench.model_server --answers FILE [--median-ms 300] [--sigma 0.6] [--seed 0]

FILE is JSON: first observation to the commands of that episode, in order. Which command is due follows from the number of
answers in the conversation, so the server is stateless. It prints its base URL as one line of JSON and ends with its
standard input. `GET /stats` tells the requests that were answered, their latency in all (s), when the first ones came
(CLOCK_MONOTONIC, s) and the CPU time that it took itself (s).
"""

import argparse
import asyncio
import math
import random
import sys
import time
from pathlib import Path
from typing import cast

import orjson
import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
BODY = (
    b'{"id":"b","object":"chat.completion","created":1,"model":"walkthrough","choices":[{"index":0,"finish_reason":"stop",'
    b'"message":{"role":"assistant","content":%s}}],"usage":{"prompt_tokens":%d,"completion_tokens":12,"total_tokens":%d}}'
)


class Player:
    """What to answer, and when."""

    def __init__(self, answers: dict[str, list[str]], median: float, sigma: float, seed: int) -> None:
        """`median` in seconds; 0 answers at once."""
        self._answers = answers
        self._median, self._sigma = median, sigma
        self._random = random.Random(seed)
        self.answered, self.latency = 0, 0.0
        self.first: list[float] = []

    def wait(self) -> float:
        """Seconds that the next answer takes: lognormal."""
        return self._random.lognormvariate(math.log(self._median), self._sigma) if self._median else 0.0

    def answer(self, body: bytes) -> bytes:
        """The next command of the episode that the conversation belongs to."""
        messages = orjson.loads(body)["messages"]
        opening = next(message["content"] for message in messages if message["role"] == "user")
        commands = self._answers[opening]
        at = sum(message["role"] == "assistant" for message in messages)
        return spoken(f"Thought: this comes next.\nAction: {commands[min(at, len(commands) - 1)]}", len(body) // 4)

    def stats(self) -> bytes:
        """The figures so far."""
        return orjson.dumps(
            {"answered": self.answered, "latency": self.latency, "first": self.first, "cpu": time.process_time(), "now": time.monotonic()}
        )


def spoken(text: str, tokens: int) -> bytes:
    """A chat answer to a request of so many tokens."""
    return BODY % (orjson.dumps(text), tokens, tokens + 12)


class Connection(asyncio.Protocol):
    """One keep-alive connection: one request at a time, as HTTP clients do without pipelining."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not derive from it

    def data_received(self, data: bytes) -> None:
        """Take one whole request, and answer it after its latency."""
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or len(body) < _length(head):
            return
        self._received = b""
        if head.startswith(b"GET"):
            self._send(self._player.stats())
            return
        if len(self._player.first) < 100:
            self._player.first.append(time.monotonic())
        seconds = self._player.wait()
        answer = self._player.answer(body)
        asyncio.get_running_loop().call_later(seconds, self._reply, answer, seconds)

    def _reply(self, answer: bytes, seconds: float) -> None:
        self._player.answered += 1
        self._player.latency += seconds
        self._send(answer)

    def _send(self, body: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(ANSWER % (len(body), body))


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve(player: Player) -> None:
    """Serve on a free port until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(player), "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    print(orjson.dumps({"base_url": f"http://127.0.0.1:{port}/v1"}).decode(), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--median-ms", type=float, default=300.0)
    parser.add_argument("--sigma", type=float, default=0.6)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    uvloop.run(serve(Player(orjson.loads(flags.answers.read_bytes()), flags.median_ms / 1000, flags.sigma, flags.seed)))
