"""The proof: what must hold of streams and memory after a run, whatever was done to it. Each check gives a list of what is wrong."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

from bench.chaos_record import Evidence, Seen
from memory.facts import fact_id
from memory.procedure import Procedure, goal_digest
from runtime.keys import Keys

MOST = 5
"""Of each kind of fault so many are named, the others counted."""


def wrong(evidence: Evidence) -> list[str]:
    """All that is wrong; nothing, if every promise was kept."""
    return [fault for check in CHECKS for fault in check(evidence)]


def ends(evidence: Evidence) -> dict[str, int]:
    """Tasks that never ended, and ends and applications beyond the first of each."""
    ended = Counter([*(each.task for each in evidence.seen), *_dead(evidence)])
    changed = Counter(change.event.trajectory for change in evidence.changes)
    lost = {task.id for task in evidence.course.tasks} - ended.keys()
    return {"lost": len(lost), "duplicated": sum(times - 1 for counted in (ended, changed) for times in counted.values())}


def every_task_ended_once(evidence: Evidence) -> list[str]:
    """Submitted = committed ∪ dead-lettered, disjoint; every trajectory stands on the stream once, and in the run's record once."""
    submitted = {task.id for task in evidence.course.tasks}
    committed = Counter(each.task for each in evidence.seen)
    dead = Counter(_dead(evidence))
    rows = Counter(evidence.rows)
    return [
        *_told("tasks lost", submitted - committed.keys() - dead.keys()),
        *_told("tasks ended that nobody submitted", (committed.keys() | dead.keys()) - submitted),
        *_told("tasks both committed and dead-lettered", committed.keys() & dead.keys()),
        *_told("tasks committed more than once", _repeated(committed)),
        *_told("tasks dead-lettered more than once", _repeated(dead)),
        *_told("tasks without a line in episodes.jsonl", submitted - rows.keys()),
        *_told("tasks with more than one line in episodes.jsonl", _repeated(rows)),
        *_told("tasks and marks that differ", submitted ^ evidence.marked),
        *_told("dead-lettered tasks that could be played", dead.keys() - evidence.course.doomed),
        *_told("tasks played that could not be", evidence.course.doomed - dead.keys()),
        *_differ("the counter of commits", evidence.progress.committed, committed.total()),
        *_differ("the counter of dead letters", evidence.progress.dead, dead.total()),
        *_differ("the counter of submissions", evidence.progress.submitted, len(submitted)),
    ]


def every_trajectory_applied_once(evidence: Evidence) -> list[str]:
    """The applied set holds all that were committed, the changes stream each that changes anything once, and no version is left out."""
    committed = {each.trajectory for each in evidence.seen}
    changed = Counter(change.event.trajectory or "a command" for change in evidence.changes)
    due = {each.trajectory for each in evidence.seen if each.finished and (each.success or each.used)}
    versions = [change.version for change in evidence.changes]
    return [
        *_told("trajectories not applied", committed - evidence.applied),
        *_told("trajectories applied that were not committed", evidence.applied - committed),
        *_told("trajectories in more than one change", _repeated(changed)),
        *_told("trajectories without their change", due - changed.keys()),
        *_told("changes of nothing that was to be learned", changed.keys() - due),
        *_differ("the counter of applied trajectories", evidence.progress.applied, len(committed)),
        *_differ("memory's version", evidence.progress.version, len(versions)),
        *([] if versions == list(range(1, len(versions) + 1)) else ["the versions of the changes are not 1, 2, 3 and so on"]),
    ]


def credits_are_exact(evidence: Evidence) -> list[str]:
    """Uses and successes of every revision, counted anew from what the trajectories say they were given."""
    due = expected_credits(evidence.seen)
    stored = {
        (procedure.id, number): (credit.uses, credit.successes)
        for procedure in evidence.procedures
        for number, credit in procedure.credit.items()
    }
    differing = {key for key in due.keys() | stored.keys() if due.get(key) != stored.get(key)}
    used = {each.trajectory: sorted(each.used) for each in evidence.seen}
    changed = {
        change.event.trajectory: sorted((use.procedure, use.revision) for use in change.event.uses)
        for change in evidence.changes
        if change.event.trajectory
    }
    return [
        *_told("credits that are wrong", (f"{key} has {stored.get(key)}, due are {due.get(key)}" for key in differing)),
        *_told("changes that credit others than were used", (name for name, uses in changed.items() if used.get(name) != uses)),
    ]


def expected_credits(found: Iterable[Seen]) -> dict[tuple[str, int], tuple[int, int]]:
    """Procedure and revision to uses and successes; an aborted episode gives none."""
    uses: Counter[tuple[str, int]] = Counter()
    successes: Counter[tuple[str, int]] = Counter()
    for each in found:
        for key in each.used if each.finished else ():
            uses[key] += 1
            successes[key] += each.success
    return {key: (count, successes[key]) for key, count in uses.items()}


def memory_is_whole(evidence: Evidence) -> list[str]:
    """Revisions without a gap, one procedure per goal, and every success in the sources of exactly one procedure or its build given up."""
    held = {goal_digest(procedure.env, procedure.goal): procedure.id for procedure in evidence.procedures}
    sources = Counter(source for procedure in evidence.procedures for source in procedure.sources)
    given_up = {change.event.trajectory for change in evidence.changes if change.event.kind == "build_failed"}
    successes = {each.trajectory for each in evidence.seen if each.finished and each.success}
    return [
        *_told("procedures whose revisions have gaps", (each.id for each in evidence.procedures if not _gapless(each))),
        *_told("procedures changed twice by one trajectory", (each.id for each in evidence.procedures if _taught_twice(each))),
        *([] if len(held) == len(evidence.procedures) and held == evidence.goals else ["not every goal has its one procedure"]),
        *_told("trajectories a source more than once", _repeated(sources)),
        *_told("sources and successes that differ", sources.keys() ^ (successes - given_up)),
        *_differ("the counter of procedures", evidence.progress.procedures, len(evidence.procedures)),
    ]


def builds_given_up_are_told(evidence: Evidence) -> list[str]:
    """A build that failed for good has a dead letter, and no build that could succeed was given up."""
    letters = [letter for letter in evidence.letters if letter.stream != _keys(evidence).tasks]
    failed = Counter(change.event.trajectory for change in evidence.changes if change.event.kind == "build_failed")
    told = Counter(f"{evidence.epoch}:{letter.task}" for letter in letters)
    return [
        *_told("builds given up that could succeed", {str(letter.task) for letter in letters} - evidence.course.hopeless),
        *_told("builds given up and letters that differ", (str(each) for each in failed.keys() ^ told.keys())),
        *_told("builds with more than one letter", _repeated(told)),
    ]


def nothing_is_left_over(evidence: Evidence) -> list[str]:
    """Streams of work are empty, nothing is pending, and every key is of a known kind."""
    entries = {stream.name: stream.entries for stream in evidence.streams}
    pending = [f"{group.pending} of {group.name}" for stream in evidence.streams for group in stream.groups if group.pending]
    return [
        *_differ("entries on the task stream", entries["tasks"], 0),
        *_differ("entries on the trajectory stream", entries["trajectories"], 0),
        *_differ("dead letters on their stream", entries["dead"], len(evidence.letters)),
        *_told("entries pending", pending),
        *_told("keys leaked", set(evidence.keys) - known_keys(evidence)),
    ]


def known_keys(evidence: Evidence) -> set[str]:
    """Every key that may be there; a journal is none of them."""
    keys, epoch = _keys(evidence), evidence.epoch
    groups = {task.group for task in evidence.course.tasks}
    of_run = {keys.meta, keys.tasks, keys.trajectories, keys.changes, keys.dead, keys.goals}
    of_epoch = {keys.submitted(epoch), keys.committed(epoch), keys.applied(epoch), keys.progress(epoch)}
    return (
        of_run
        | of_epoch
        | {keys.group(epoch, group) for group in groups}
        | {key for procedure in evidence.procedures for key in _keys_of(keys, procedure)}
    )


def groups_in_order(evidence: Evidence) -> list[str]:
    """In grouped mode, a group's trajectories were applied in the order of its tasks, group after group."""
    places = {f"{task.epoch}:{task.id}": (task.group, task.index) for task in evidence.course.tasks if task.group is not None}
    applied = [places[name] for change in evidence.changes if (name := change.event.trajectory) in places]
    return _told("places out of order", (str(later) for earlier, later in pairwise(applied) if later < earlier))


def memory_is_a_fold(evidence: Evidence) -> list[str]:
    """Its changes, replayed into an empty namespace, make the same memory, to the byte."""
    memory, rebuilt = evidence.hashes
    return [] if memory == rebuilt else [f"memory's hash is {memory}, and that of its changes replayed: {rebuilt}"]


CHECKS: tuple[Callable[[Evidence], list[str]], ...] = (
    every_task_ended_once,
    every_trajectory_applied_once,
    credits_are_exact,
    memory_is_whole,
    builds_given_up_are_told,
    nothing_is_left_over,
    groups_in_order,
    memory_is_a_fold,
)


def _dead(evidence: Evidence) -> list[str]:
    """The tasks of the dead letters that are no build's."""
    return [letter.task for letter in evidence.letters if letter.stream == _keys(evidence).tasks and letter.task]


def _keys(evidence: Evidence) -> Keys:
    return Keys(evidence.namespace)


def _keys_of(keys: Keys, procedure: Procedure) -> set[str]:
    name = procedure.id
    facts = {keys.fact(fact_id(procedure.env, fact)) for fact in procedure.facts}
    return {keys.procedure(name), keys.credit(name), keys.revisions(name), keys.sources(name)} | facts


def _gapless(procedure: Procedure) -> bool:
    return [revision.number for revision in procedure.revisions] == list(range(1, len(procedure.revisions) + 1))


def _taught_twice(procedure: Procedure) -> bool:
    kinds = ("built", "merged", "adjusted")
    causes = Counter(name for each in procedure.revisions if each.cause.kind in kinds for name in each.cause.trajectories)
    return bool(_repeated(causes))


def _repeated(counted: Counter[str]) -> set[str]:
    return {name for name, times in counted.items() if times > 1}


def _told(what: str, names: Iterable[str]) -> list[str]:
    found = sorted(names)
    if not found:
        return []
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    return [f"{what}: {len(found)} ({', '.join(found[:MOST])}{more})"]


def _differ(what: str, stands: int, due: int) -> list[str]:
    return [] if stands == due else [f"{what}: {stands} instead of {due}"]
