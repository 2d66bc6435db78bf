"""Causal credit: what is withheld by chance, what is counted of it, and what is deprecated for the harm that it does."""

import math
import random
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from memory.changes import open_history, streamed
from memory.fold import fingerprint, rebuild
from memory.holdout import arm, shown
from memory.index import Hit
from memory.plan import Deprecation
from memory.procedure import Content, Credit
from memory.store import Memory
from memory.transfer import export_memory, import_memory
from tests.events import task, trajectory
from tests.memory.changes import NEVER, learn, new, put, revise, stored
from tests.support import Place, opened

TASKS = range(2000)
UPLIFT = Deprecation(fdr=0.1)
HITS = [Hit(name, 1, "a goal", Content(script=name), 0.1) for name in ("egg", "potato", "pen")]
numbers = count()


async def tried(memory: Memory, procedure: str, *, withheld: bool, success: bool, dropout: float = 0.5, rule: Deprecation = NEVER) -> None:
    """An episode that had retrieved this procedure, and was shown it or not."""
    number = (await stored(memory, procedure)).current.number
    given, kept = ((), ((procedure, number),)) if withheld else (((procedure, number),), ())
    asked = task(next(numbers), procedure_dropout=dropout)
    await learn(memory, trajectory(asked, success=success, retrieved=given, withheld=kept), rule=rule)


def evidence(trials: list[tuple[bool, bool, float]]) -> float:
    """The e-value, from (withheld, success, dropout) of each trial as it is defined: forecast of the arm over that of both."""
    wealth, seen = 1.0, {False: [0, 0], True: [0, 0]}
    for withheld, success, dropout in trials:
        shares = {arm: (successes + 0.5) / (n + 1) for arm, (successes, n) in seen.items()}
        if shares[False] < shares[True]:
            both = (1 - dropout) * shares[False] + dropout * shares[True]
            wealth *= shares[withheld] / both if success else (1 - shares[withheld]) / (1 - both)
        seen[withheld][0] += success
        seen[withheld][1] += 1
    return wealth


def test_arm_is_drawn_by_seed_task_and_epoch_and_holds_out_its_share() -> None:
    drawn = [arm(task(index, holdout=0.3)) for index in TASKS]
    assert drawn.count("control") / len(TASKS) == pytest.approx(0.3, abs=5 * math.sqrt(0.3 * 0.7 / len(TASKS)))
    assert drawn == [arm(task(index, holdout=0.3)) for index in TASKS]
    others: list[dict[str, Any]] = [{"seed": 1}, {"epoch": 2}]
    for other in others:
        agree = sum(one == arm(task(index, holdout=0.3, **other)) for index, one in zip(TASKS, drawn, strict=True))
        assert agree / len(TASKS) == pytest.approx(0.58, abs=5 * math.sqrt(0.58 * 0.42 / len(TASKS)))
    assert {arm(task(index)) for index in TASKS} == {"memory"}
    assert {arm(task(index, use_memory=False, holdout=0.3)) for index in TASKS} == {"control"}


def test_procedures_are_withheld_each_by_itself() -> None:
    kept = [{hit.procedure for hit in shown(task(index, procedure_dropout=0.4), HITS)[1]} for index in TASKS]
    for together in ({"egg"}, {"pen"}, {"egg", "pen"}, {"egg", "potato", "pen"}):
        share, wanted = sum(together <= each for each in kept) / len(TASKS), 0.4 ** len(together)
        assert share == pytest.approx(wanted, abs=5 * math.sqrt(wanted * (1 - wanted) / len(TASKS)))
    assert shown(task(0), HITS) == (HITS, [])


async def test_credit_tells_what_was_shown_from_what_was_withheld(memory: Memory) -> None:
    await put(memory, new("p"))
    for withheld, success in ((False, True), (False, False), (True, True), (True, True), (True, False)):
        await tried(memory, "p", withheld=withheld, success=success)
    await tried(memory, "p", withheld=False, success=True, dropout=0.0)
    counted = Credit(uses=3, successes=2, given=2, given_successes=1, withheld=3, withheld_successes=2)
    assert (await stored(memory, "p")).credit == {1: counted}


async def test_withheld_failures_never_deprecate_by_share(memory: Memory) -> None:
    await put(memory, new("p"))
    for _ in range(5):
        await tried(memory, "p", withheld=True, success=False, rule=Deprecation(uses=1))
    assert (await stored(memory, "p")).current.status == "active"


@pytest.mark.parametrize("dropout", [0.2, 0.5, 0.7])
async def test_harm_deprecates_as_soon_as_evidence_suffices_and_says_how_much(memory: Memory, dropout: float) -> None:
    await put(memory, new("harmless"), new("p"))
    trials: list[tuple[bool, bool, float]] = []
    await tried(memory, "harmless", withheld=False, success=False, dropout=dropout, rule=UPLIFT)
    while (await stored(memory, "p")).current.status == "active":
        withheld, chance = len(trials) % 2 == 1, dropout if len(trials) % 3 else 0.5  # runs may differ in their dropout
        await tried(memory, "p", withheld=withheld, success=withheld, dropout=chance, rule=UPLIFT)
        trials.append((withheld, withheld, chance))
    *_, last = [change async for change in streamed(memory.namespace)]
    [deprecated] = last.deprecated
    assert deprecated.evidence
    assert deprecated.evidence == pytest.approx(evidence(trials))
    assert evidence(trials[:-1]) < 2 * 64 / 0.1 <= deprecated.evidence  # one of the first 64 that were tried, and none found so far
    assert (await stored(memory, "harmless")).current.status == "active"


async def test_failure_that_withholding_does_not_mend_deprecates_nothing_by_uplift(memory: Memory) -> None:
    await put(memory, new("p"))
    for number in range(40):
        await tried(memory, "p", withheld=number % 2 == 0, success=False, rule=UPLIFT)
    assert (await stored(memory, "p")).current.status == "active"


async def test_adjusted_revision_is_tried_anew(memory: Memory) -> None:
    await put(memory, new("p"))
    for number in range(6):
        await tried(memory, "p", withheld=number % 2 == 1, success=number % 2 == 1, rule=UPLIFT)
    await put(memory, revise("p", 1))
    await tried(memory, "p", withheld=False, success=False, rule=UPLIFT)
    procedure = await stored(memory, "p")
    assert (procedure.current.status, procedure.credit[2]) == ("active", Credit(uses=1, given=1))


async def test_harmless_procedures_are_rarely_deprecated_however_often_one_looks(memory: Memory) -> None:
    """60 procedures that make no difference, each looked at after each of 40 trials."""
    chance, names = random.Random(5), [f"p{number:02}" for number in range(60)]
    await put(memory, *map(new, names))
    for _ in range(40):
        for name in names:
            await tried(memory, name, withheld=chance.random() < 0.5, success=chance.random() < 0.5, rule=UPLIFT)
    gone = [name for name in names if (await stored(memory, name)).current.status == "deprecated"]
    assert len(gone) <= 1


async def test_rebuilt_memory_decides_as_the_first_one(memory: Memory, server_url: str, namespace_name: str) -> None:
    await put(memory, new("p"), new("q"))
    for number in range(40):
        await tried(memory, "p", withheld=number % 2 == 1, success=number % 2 == 1, rule=UPLIFT)
    async with opened(Place(server_url, search=False), f"{namespace_name}-copy") as copy:
        history = await open_history((), memory.namespace)
        rebuilt = await rebuild(history, copy.namespace, search=False, exact_up_to=1000)
        assert rebuilt.sha256 == (await fingerprint(memory.namespace)).sha256
        meta = [await each.namespace.client.hmget(each.namespace.keys.meta, "trials", "discoveries") for each in (memory, copy)]
        assert meta[0] == meta[1]
        assert meta[0][1] == b"1"


async def test_imported_procedures_are_tried_anew(memory: Memory, server_url: str, namespace_name: str, tmp_path: Path) -> None:
    await put(memory, new("p"))
    await tried(memory, "p", withheld=False, success=True)
    await tried(memory, "p", withheld=True, success=True)
    await export_memory(memory.namespace, tmp_path / "memory.jsonl")
    async with opened(Place(server_url, search=False), f"{namespace_name}-other") as other:
        await import_memory(other, tmp_path / "memory.jsonl")
        assert (await stored(other, "p")).credit == {1: Credit(uses=1, successes=1)}
