"""Update: what one more trajectory changes (paper §3.1 eq. 6 and 7, §4.3).

    vanilla      append every trajectory
    validation   append those that succeeded
    adjustment   append those that succeeded; after a failure, revise in place the procedures that were used

A change is computed from the memory as it is, and names the revisions it was computed from; the apply script refuses it
where one of them has moved on, and it is computed anew.
"""

from dataclasses import dataclass

from memory.build import Builder, FactExtractor
from memory.procedure import (
    Cause,
    Change,
    Deprecate,
    Fact,
    NewProcedure,
    Procedure,
    Revision,
    SameGoal,
    Source,
    Update,
    Use,
    Write,
    procedure_id,
)
from memory.store import Memory, encode
from runtime.errors import UsageError
from runtime.events import Trajectory


@dataclass(frozen=True)
class Policy:
    """`same_goal`: one procedure per goal (`merge`), or one per trajectory (`add`, as in the paper).
    `facts`: extract the facts of every new procedure's goal, which `avefact` needs."""

    update: Update = "adjustment"
    same_goal: SameGoal = "merge"
    facts: bool = False


def check_deprecation(update: Update, deprecate: Deprecate) -> None:
    """Raises `UsageError` for a rule that could never take anything out."""
    if deprecate == "uplift" and update == "adjustment":
        raise UsageError(
            "--deprecate uplift tries a revision again and again, and --update adjustment rewrites it after each failure: "
            "add --update validation"
        )


class Updater:
    """Computes the change that a trajectory makes; applying it is `Memory.learn`'s."""

    def __init__(self, memory: Memory, builder: Builder, facts: FactExtractor, policy: Policy) -> None:
        self._memory = memory
        self._builder = builder
        self._facts = facts
        self._policy = policy

    async def change(self, trajectory: Trajectory, *, success: bool) -> Change:
        """`success` is memory's own (reward at or above the environment's threshold). An aborted episode changes nothing."""
        if trajectory.outcome == "aborted":
            return Change(kind="learned", trajectory=trajectory.id)
        writes: list[Write] = []
        sources: list[Source] = []
        if success or self._policy.update == "vanilla":
            added = await self._append(trajectory, success)
            (writes if isinstance(added, Write) else sources).append(added)  # pyright: ignore[reportArgumentType]
        elif self._policy.update == "adjustment":
            writes = await self._adjust(trajectory)
        return Change(
            kind="learned", trajectory=trajectory.id, uses=credits(trajectory, success), writes=tuple(writes), sources=tuple(sources)
        )

    async def _append(self, trajectory: Trajectory, success: bool) -> Write | Source:
        task = trajectory.task
        known = await self._memory.serving(task.env, task.goal) if self._policy.same_goal == "merge" else None
        if known is None:
            return await self._new(trajectory, success)
        number = known.current.number
        if not better(len(trajectory.steps), success, known.current):
            return Source(procedure=known.id, expects=number, trajectory=trajectory.id)
        content = await self._builder.build(trajectory)
        cause = Cause(kind="merged", trajectories=(trajectory.id,))
        revision = Revision(number=number + 1, content=content, success=success, steps=len(trajectory.steps), cause=cause)
        return Write(procedure=known.id, expects=number, revision=revision, sources=(trajectory.id,))

    async def _new(self, trajectory: Trajectory, success: bool) -> Write:
        task = trajectory.task
        cause = Cause(kind="built", trajectories=(trajectory.id,))
        content = await self._builder.build(trajectory)
        facts = await self._facts.extract(task.env, task.goal) if self._policy.facts else {}
        goal, *values = await self._memory.embed([task.goal, *facts.values()])
        return Write(
            procedure=procedure_id(self._memory.namespace.keys.namespace, trajectory.id),
            expects=0,
            revision=Revision(number=1, content=content, success=success, steps=len(trajectory.steps), cause=cause),
            new=NewProcedure(
                env=task.env,
                goal=task.goal,
                unique=self._policy.same_goal == "merge",
                vector=encode(goal),
                facts=tuple(
                    Fact(name=name, value=value, vector=encode(vector)) for (name, value), vector in zip(facts.items(), values, strict=True)
                ),
            ),
            sources=(trajectory.id,),
        )

    async def _adjust(self, trajectory: Trajectory) -> list[Write]:
        """One new revision of each procedure that was used, computed from its present one: an earlier failure's lesson stays."""
        used = await self._memory.get_all([retrieved.procedure for retrieved in trajectory.recall.retrieved])
        return [await self._revise(procedure, trajectory) for procedure in used]

    async def _revise(self, procedure: Procedure, trajectory: Trajectory) -> Write:
        current = procedure.current
        content = await self._builder.adjust(current.content, procedure.goal, trajectory)
        cause = Cause(kind="adjusted", trajectories=(trajectory.id,))
        revision = Revision(number=current.number + 1, content=content, success=current.success, steps=current.steps, cause=cause)
        return Write(procedure=procedure.id, expects=current.number, revision=revision)


def credits(trajectory: Trajectory, success: bool) -> tuple[Use, ...]:
    """Credit for every procedure that was retrieved, to the revision that was retrieved, and for those withheld what came of that;
    none where it was given before, and only the building is tried again."""
    if trajectory.retry is not None:
        return ()
    recall, dropout = trajectory.recall, trajectory.task.spec.procedure_dropout or None
    return tuple(
        Use(procedure=each.procedure, revision=each.revision, success=success, dropout=dropout, withheld=withheld)
        for some, withheld in ((recall.retrieved, False), (recall.withheld, True))
        for each in some
    )


def better(steps: int, success: bool, current: Revision) -> bool:
    """Is an episode a better source than the current revision's? Only a success is: after a failure, after a deprecation,
    or with fewer steps."""
    return success and (not current.success or current.status == "deprecated" or steps < current.steps)
