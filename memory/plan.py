"""What the apply script is given: a change as flat fields, and its vectors as bytes."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from memory.facts import fact_id, name_id
from memory.procedure import Change, CommittedChange, Credit, NewProcedure, Write, goal_digest


@dataclass(frozen=True)
class Deprecation:
    """When a revision is taken out of retrieval: from `uses` uses on, if its share of successes is below `share`.

    With `fdr` it is what withholding it by chance has shown that counts instead: it goes once it does harm beyond doubt, so that of all
    that go at most a share `fdr` is expected to be harmless.
    """

    uses: int = 3
    share: float = 0.5
    fdr: float | None = None


def plan(change: Change, rule: Deprecation, committed: CommittedChange | None = None) -> tuple[dict[str, Any], list[bytes]]:
    """What the script needs of a change: flat fields, and the vectors as bytes, numbered from 1.

    A change that was `committed` before is applied with what was decided then.
    """
    vectors: list[bytes] = []
    return {
        "uses": [use.model_dump() for use in change.uses],
        "writes": [_write(write, vectors) for write in change.writes],
        "sources": [source.model_dump() for source in change.sources],
        "usage": [[f"{role}:{name}", amount] for role, usage in change.usage.items() for name, amount in usage if amount],
        "tokens": sum(usage.tokens for usage in change.usage.values()),
        "deprecate_uses": rule.uses,
        "deprecate_share": rule.share,
        **({"fdr": rule.fdr} if rule.fdr else {}),
        **({"replayed": committed.model_dump(exclude={"event"})} if committed else {}),
    }, vectors


def _write(write: Write, vectors: list[bytes]) -> dict[str, Any]:
    revision = write.revision
    plan: dict[str, Any] = {
        "procedure": write.procedure,
        "expects": write.expects,
        "number": revision.number,
        "status": revision.status,
        "revision": revision.model_dump_json(),
        "history": [[old.number, old.model_dump_json()] for old in write.history],
        "credit": [counter for number, credit in write.credit.items() for counter in _counters(number, credit)],
        "sources": list(write.sources),
        "facts": [],
    }
    fields = {
        "revision": str(revision.number),
        "steps": str(revision.steps),
        "body": revision.content.model_dump_json(),
    }
    if write.new:
        fields |= _identity(write.procedure, write.new)
        plan |= _embedded(write.new, vectors)
    plan["fields"] = [part for pair in fields.items() for part in pair]
    return plan


def _counters(number: int, credit: Credit) -> list[list[Any]]:
    return [[f"uses:{number}", credit.uses], [f"successes:{number}", credit.successes]]


def _identity(procedure: str, new: NewProcedure) -> dict[str, str]:
    """Fields that no revision changes; `shuffle` places the procedure on the ring that `random` draws from."""
    place = int(hashlib.sha256(procedure.encode()).hexdigest()[:12], 16) / 16**12
    return {
        "env": new.env,
        "goal": new.goal,
        "unique": str(int(new.unique)),
        "shuffle": f"{place:.9f}",
        "facts": ",".join(fact_id(new.env, fact) for fact in new.facts),
        "fact_names": ",".join(sorted({name_id(new.env, fact.name) for fact in new.facts})),
    }


def _embedded(new: NewProcedure, vectors: list[bytes]) -> dict[str, Any]:
    """Vectors of the goal and its facts, by their number among the script's arguments."""

    def number(vector: str | None) -> int:
        vectors.append(base64.b64decode(vector or ""))
        return len(vectors)

    facts = [{"id": fact_id(new.env, each), "name": each.name, "value": each.value, "vector": number(each.vector)} for each in new.facts]
    goal = {"goal": goal_digest(new.env, new.goal)} if new.unique else {}
    return {"env": new.env, "vector": number(new.vector), "facts": facts, **goal}
