"""Plans judged and counted as the benchmark does: eight commonsense and five hard constraints, six figures for a split.

    micro     constraints passed / all constraints of all queries
    macro     plans that fail no constraint / queries
    final     plans that fail neither a commonsense nor a hard constraint / queries
    delivery  plans there are / queries

A plan that was not delivered passes nothing. Hard constraints are judged only of a plan that is within the sandbox and
complete; elsewhere they pass nothing, and in all cases only those that the query sets exist (the budget always).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, computed_field

from envs.travelplanner.commonsense import COMMONSENSE
from envs.travelplanner.hard import HARD
from envs.travelplanner.plan import Unreadable
from envs.travelplanner.queries import Query
from envs.travelplanner.sandbox import Sandbox
from envs.travelplanner.trip import Check, Mode, Trip

SETTERS = {"Room Rule": "house_rule", "Cuisine": "cuisine", "Room Type": "room_type", "Transportation": "transportation"}
"""Which of a query's local constraints sets a hard constraint; the budget is always set."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Verdict(_Frozen):
    """Whether a constraint holds, and if not, why; `passed` is None where it was not judged, `reason` then says why."""

    passed: bool | None
    reason: str | None = None


class PlanScore(_Frozen):
    """What became of one query's plan; `hard` holds the constraints that the query sets."""

    index: int
    delivered: bool
    commonsense: Mapping[str, Verdict]
    hard: Mapping[str, Verdict]

    @computed_field
    @property
    def commonsense_pass(self) -> bool:
        """No commonsense constraint fails."""
        return all(verdict.passed for verdict in self.commonsense.values())

    @computed_field
    @property
    def hard_pass(self) -> bool:
        """No hard constraint fails, and they were judged."""
        return all(verdict.passed for verdict in self.hard.values())

    @computed_field
    @property
    def final_pass(self) -> bool:
        """Neither kind fails."""
        return self.commonsense_pass and self.hard_pass


class Count(_Frozen):
    """How many plans passed and failed a constraint, of `total` queries that set it; the rest were not judged."""

    passed: int
    failed: int
    total: int


class Metrics(_Frozen):
    """The benchmark's six figures, in percent."""

    delivery: float
    commonsense_micro: float
    commonsense_macro: float
    hard_micro: float
    hard_macro: float
    final: float


Counts = Mapping[str, Mapping[int, Mapping[str, Count]]]
"""By level (easy, medium, hard), days and constraint."""


class Report(_Frozen):
    """The scores of a split."""

    mode: Mode
    metrics: Metrics
    commonsense: Counts
    hard: Counts
    plans: Sequence[PlanScore]


def judge(query: Query, plan: object, sandbox: Sandbox, mode: Mode = "official") -> PlanScore:
    """Judge one plan, whatever it is: the JSON value of a submission's `plan`, None or empty where none was delivered.

    The query must be `scorable`: those of the test split hide what a plan is checked against.
    """
    wanted = _hard_of(query)
    if not plan:
        return undelivered(query)
    trip = Trip(query, plan, sandbox, mode == "strict")
    commonsense = {name: _verdict(check, trip) for name, check in COMMONSENSE.items()}
    if commonsense["Within Sandbox"].passed and commonsense["Complete Information"].passed:
        hard = {name: _verdict(HARD[name], trip) for name in wanted}
    else:
        hard = dict.fromkeys(wanted, Verdict(passed=None, reason="not judged: the plan is not within the sandbox, or not complete"))
    return PlanScore(index=query.index, delivered=True, commonsense=commonsense, hard=hard)


def undelivered(query: Query) -> PlanScore:
    """No plan."""
    nothing = Verdict(passed=None, reason="no plan was delivered")
    hard = dict.fromkeys(_hard_of(query), nothing)
    return PlanScore(index=query.index, delivered=False, commonsense=dict.fromkeys(COMMONSENSE, nothing), hard=hard)


def details(query: Query, plan: Sequence[Any] | None, score: PlanScore | None) -> dict[str, Any]:
    """What is told of an episode beyond its reward, JSON types only: the plan, and its score, None where the constraints are hidden."""
    told = score.model_dump(mode="json") if score else {"index": query.index, "delivered": bool(plan)}
    return {**told, "plan": plan}


def score(queries: Sequence[Query], plans: Sequence[object], sandbox: Sandbox, mode: Mode = "official") -> Report:
    """Judge a plan per query and count; both in the same order."""
    judged = [judge(query, plan, sandbox, mode) for query, plan in zip(queries, plans, strict=True)]
    commonsense = _counted(queries, [each.commonsense for each in judged], list(COMMONSENSE))
    hard = _counted(queries, [each.hard for each in judged], list(HARD))
    return Report(mode=mode, metrics=metrics(judged), commonsense=commonsense, hard=hard, plans=judged)


def metrics(judged: Sequence[PlanScore]) -> Metrics:
    """The six figures of some plans."""
    return Metrics(
        delivery=_percent([each.delivered for each in judged]),
        commonsense_micro=_percent([verdict.passed for each in judged for verdict in each.commonsense.values()]),
        commonsense_macro=_percent([each.commonsense_pass for each in judged]),
        hard_micro=_percent([verdict.passed for each in judged for verdict in each.hard.values()]),
        hard_macro=_percent([each.hard_pass for each in judged]),
        final=_percent([each.final_pass for each in judged]),
    )


def count(verdicts: Sequence[Mapping[str, Verdict]], name: str) -> Count:
    """How often a constraint was passed, of the plans whose query sets it."""
    passed = [each[name].passed for each in verdicts if name in each]
    return Count(passed=passed.count(True), failed=passed.count(False), total=len(passed))


def _hard_of(query: Query) -> list[str]:
    """The hard constraints that a query sets."""
    return [name for name in HARD if name not in SETTERS or getattr(query.local_constraint, SETTERS[name])]


def _verdict(check: Check, trip: Trip) -> Verdict:
    try:
        reason = next(check(trip), None)
    except Unreadable as error:
        reason = str(error)
    return Verdict(passed=reason is None, reason=reason)


def _counted(queries: Sequence[Query], verdicts: Sequence[Mapping[str, Verdict]], names: Sequence[str]) -> Counts:
    found: dict[str, dict[int, list[Mapping[str, Verdict]]]] = defaultdict(lambda: defaultdict(list))
    for query, each in zip(queries, verdicts, strict=True):
        found[query.level][query.days].append(each)
    return {level: {days: {name: count(cell, name) for name in names} for days, cell in rows.items()} for level, rows in found.items()}


def _percent(passed: Sequence[bool | None]) -> float:
    """Share of those that are true; None was not judged."""
    return passed.count(True) / len(passed) * 100 if passed else 0.0
