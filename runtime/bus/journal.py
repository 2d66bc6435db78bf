"""The journal: what an episode (or the curator, for one trajectory) has been answered, so that a redelivery goes on
where the last one was cut off and no answer is paid for twice."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson

from runtime.bus.consumer import Delivery
from runtime.bus.scripts import Call, Scripts
from runtime.errors import BudgetSpent, LeaseLost
from runtime.events import Recall, Role, Usage
from runtime.model.llm import LLM, Completion, Message, Sampling

WRITE = Path(__file__).parent / "journal.lua"


class Journal:
    """Entries of one delivery's work; every write is fenced by its lease, and `LeaseLost` is raised where that is gone.

    A write through `scripts` that are at work (see `Scripts.run`) shares its round trip with others'.
    """

    def __init__(self, key: str, delivery: Delivery, scripts: Scripts) -> None:
        self.key = key
        self._delivery = delivery
        self._scripts = scripts
        self._under_way: list[Call] = []
        self._entries: dict[str, bytes] = {}

    async def load(self) -> "Journal":
        """Read what earlier deliveries wrote."""
        entries: dict[bytes, bytes] = await self._scripts.ask("HGETALL", self.key)
        self._entries = {field.decode(): value for field, value in entries.items()}
        return self

    def get(self, field: str) -> bytes | None:
        return self._entries.get(field)

    def count(self, prefix: str) -> int:
        """How many fields begin so."""
        return sum(field.startswith(prefix) for field in self._entries)

    async def put(self, field: str, value: bytes) -> None:
        """Write an entry, and return when it is stored."""
        await self.send(field, value)
        await self.settle()

    async def send(self, field: str, value: bytes) -> None:
        """Write an entry without waiting for it, until `settle` is called."""
        args = [*self._delivery.fence, field, value]
        self._under_way.append(await self._scripts.send(WRITE, [self._delivery.stream, self.key], args))
        self._entries[field] = value

    async def settle(self) -> None:
        """Return when all that was sent is stored."""
        sent = tuple(self._under_way)
        for call in sent:
            if not await call.result():
                raise LeaseLost(f"entry {self._delivery.entry} is another's now")
        self._under_way = [call for call in self._under_way if call not in sent]

    def recall(self) -> Recall | None:
        """Entry 0: what memory gave."""
        stored = self.get("recall")
        return Recall.model_validate_json(stored) if stored else None

    async def put_recall(self, recall: Recall) -> Recall:
        await self.put("recall", recall.model_dump_json().encode())
        return recall


@asynccontextmanager
async def opened_journal(key: str, delivery: Delivery, scripts: Scripts) -> AsyncGenerator[Journal]:
    """A journal with what earlier deliveries wrote; what was sent to it in the block is stored when the block has ended, however it did."""
    journal = await Journal(key, delivery, scripts).load()
    try:
        yield journal
    except BaseException:
        with scripts.parting.scope(), suppress(Exception):  # what ended the block says more than a lease that is gone
            await journal.settle()
        raise
    await journal.settle()


class JournaledLLM:
    """An LLM whose answers are looked up in the journal first; the key is (role, hash of the request).

    An answer is on its way to the journal when it is returned, and stored before the next is asked for: so its user goes on
    at once, and a crash costs no more than the call that was under way.

    `spent` counts all answers of this piece of work, each once, those from the journal too; `budget` (tokens, None is no limit)
    bounds it: once it is reached, the next call raises `BudgetSpent`.
    """

    def __init__(self, llm: LLM, journal: Journal, budget: int | None = None) -> None:
        self.spent: dict[Role, Usage] = {}
        self._llm = llm
        self._journal = journal
        self._budget = budget
        self._counted: set[str] = set()

    async def complete(self, messages: list[Message], *, role: Role, sampling: Sampling) -> Completion:
        if self._budget is not None and sum(usage.tokens for usage in self.spent.values()) >= self._budget:
            raise BudgetSpent(f"the budget of {self._budget} tokens is spent")
        field = f"{role}:{request_digest(messages, sampling)}"
        stored = self._journal.get(field)
        if stored is not None:
            completion = Completion.model_validate_json(stored)
        else:
            await self._journal.settle()
            completion = await self._llm.complete(messages, role=role, sampling=sampling)
            await self._journal.send(field, completion.model_dump_json().encode())
        if field not in self._counted:
            self._counted.add(field)
            self.spent[role] = self.spent.get(role, Usage()) + completion.usage
        return completion


def request_digest(messages: list[Message], sampling: Sampling) -> str:
    """Digest of all that the answer depends on. A request of a later step holds all earlier ones, so it never repeats."""
    return hashlib.sha256(orjson.dumps([messages, sampling.model_dump()])).hexdigest()[:32]
