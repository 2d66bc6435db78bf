"""The chaos driver's model: it answers within milliseconds, by the request alone, and counts what it was asked more than once.

    uv run python -m bench.chaos_model

It plays `bench.toy_env`, writes and adjusts procedures (but for one kind of goal, see `SPEECHLESS`), extracts facts and embeds.
`GET /stats` tells, by role, how many requests came, how many different ones, and how often the most frequent.
"""

from collections import Counter, defaultdict
from hashlib import blake2b
from typing import Any

import orjson
import uvloop

from bench.model_server import Player, serve, spoken
from bench.toy_env import DOORS
from experiments.stand_in.answers import embeddings
from memory import prompts

SPEECHLESS = "family 7 "
"""The builder has nothing to say of these goals."""
_OPENINGS = {prompts.BUILD: "builder", prompts.ADJUST: "adjustment", prompts.FACTS: "facts"}
_ROLES = {text.partition("{")[0]: role for text, role in _OPENINGS.items()}


class Chaotic(Player):
    """Satisfies what `bench.model_server` asks of a player."""

    def __init__(self) -> None:
        super().__init__({}, 0.01, 0.5, 0)
        self._asked: defaultdict[str, Counter[bytes]] = defaultdict(Counter)

    def answer(self, body: bytes) -> bytes:
        """The answer to a chat or an embedding request."""
        request = orjson.loads(body)
        digest = blake2b(body, digest_size=12).digest()
        role = _role(request)
        self._asked[role][digest] += 1
        if role == "embedding":
            return bytes(embeddings(body).body)
        return spoken(_said(role, request["messages"], digest[0]), len(body) // 4)

    def stats(self) -> bytes:
        """By role: requests, how many of them were different, and how often the most frequent came."""
        roles = {
            role: {"requests": asked.total(), "distinct": len(asked), "most": max(asked.values())} for role, asked in self._asked.items()
        }
        return orjson.dumps({"roles": roles})


def _role(request: dict[str, Any]) -> str:
    if "input" in request:
        return "embedding"
    last = request["messages"][-1]["content"]
    return next((role for opening, role in _ROLES.items() if last.startswith(opening)), "agent")


def _said(role: str, messages: list[dict[str, str]], dice: int) -> str:
    """Any of 256 dice for one of these messages, so that equal requests have equal answers."""
    last = messages[-1]["content"]
    if role == "agent":
        return f"Thought: this one, I think.\nAction: take {DOORS[dice % 2]}"
    if role == "facts":
        return orjson.dumps({"place": "garden", "family": last.rpartition("family ")[2].split()[0]}).decode()
    if role == "builder" and SPEECHLESS in last.replace("\n", " "):
        return ""
    return f"When to use: walking through a house\nSteps:\n1. take {DOORS[dice % 2]} first\nPitfalls: the {dice}th door"


if __name__ == "__main__":
    uvloop.run(serve(Chaotic()))
