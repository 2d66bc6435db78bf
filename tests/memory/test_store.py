"""The apply script: what a trajectory teaches is applied once, under the fence, against the revisions it was computed from."""

import orjson
import pytest

from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from memory.plan import Deprecation
from memory.procedure import Change, Source
from memory.store import Memory
from runtime.bus.namespace import open_namespace
from runtime.errors import EmbeddingMismatch, EpochClosed, LeaseLost, RevisionConflict
from runtime.keys import RECORDER
from tests.events import task, trajectory
from tests.memory.changes import EAGER, NEVER, learn, learned, new, put, revise, stored
from tests.support import Place, arrive, curator, dead_letters, opened, settings


async def test_trajectory_applied_twice_has_one_effect(memory: Memory) -> None:
    await put(memory, new("old"))
    played = trajectory(task(0), retrieved=(("old", 1),))
    delivery = await learn(memory, played, new("p"))
    await memory.learn(learned(played, new("q")), played, delivery, NEVER)
    assert await memory.ids() == ["old", "p"]
    assert (await stored(memory, "old")).credit[1].uses == 1
    progress = await memory.namespace.progress()
    assert (progress.applied, progress.procedures, progress.version) == (1, 2, 2)


async def test_trajectory_delivered_again_after_it_was_applied_is_only_acknowledged(memory: Memory) -> None:
    played = trajectory(task(0))
    await learn(memory, played, new("p"))
    await memory.namespace.client.xadd(memory.namespace.keys.trajectories, {"event": played.model_dump_json()})
    [again] = await arrive(memory.namespace)
    await memory.learn(learned(played, new("q")), played, again, NEVER)
    assert await memory.ids() == ["p"]
    assert await memory.namespace.client.xlen(memory.namespace.keys.trajectories) == 0


async def test_zombie_is_refused_and_changes_nothing(memory: Memory) -> None:
    played = trajectory(task(0))
    [zombie] = await arrive(memory.namespace, played)
    [heir] = await curator(memory.namespace, "heir", lease=0.0).reclaim(1)
    with pytest.raises(LeaseLost):
        await memory.learn(learned(played, new("p")), played, zombie, NEVER)
    assert await memory.ids() == []
    await memory.learn(learned(played, new("p")), played, heir, NEVER)
    assert await memory.ids() == ["p"]


async def test_trajectory_of_a_closed_epoch_changes_nothing(memory: Memory) -> None:
    played = trajectory(task(0))
    [delivery] = await arrive(memory.namespace, played)
    afresh = await open_namespace(memory.namespace.client, memory.namespace.keys.namespace, overwrite=True)
    with pytest.raises(EpochClosed):
        await memory.learn(learned(played, new("p")), played, delivery, NEVER)
    assert await memory.ids() == []
    assert (await afresh.progress()).version == 0


async def test_change_computed_from_an_older_revision_conflicts_and_leaves_its_event(memory: Memory) -> None:
    await put(memory, new("p"))
    played = trajectory(task(0))
    [delivery] = await arrive(memory.namespace, played)
    await put(memory, revise("p", 1))
    with pytest.raises(RevisionConflict):
        await memory.learn(learned(played, revise("p", 1, script="late")), played, delivery, NEVER)
    with pytest.raises(RevisionConflict):
        await memory.learn(learned(played, sources=(Source(procedure="p", expects=1, trajectory="t"),)), played, delivery, NEVER)
    await memory.learn(learned(played, revise("p", 2, script="anew")), played, delivery, NEVER)
    assert [each.content.script for each in (await stored(memory, "p")).revisions] == ["do it", "do it", "anew"]


async def test_conflict_in_one_of_two_writes_writes_neither(memory: Memory) -> None:
    await put(memory, new("p"))
    with pytest.raises(RevisionConflict):
        await put(memory, new("q"), revise("p", 7))
    assert await memory.ids() == ["p"]


async def test_goal_that_is_served_conflicts_with_a_second_procedure_for_it(memory: Memory) -> None:
    await put(memory, new("p", "Cool an egg.", unique=True))
    with pytest.raises(RevisionConflict):
        await put(memory, new("q", "cool  an EGG.", unique=True))
    await put(memory, new("q", "Cool an egg.", env="other", unique=True), new("r", "Cool an egg."))
    assert (await stored(memory, "p")).goal == "Cool an egg."
    serving = await memory.serving("alfworld", "cool an egg.")
    assert serving is not None
    assert serving.id == "p"


async def test_credit_goes_to_the_revision_that_was_retrieved(memory: Memory) -> None:
    await put(memory, new("p"), new("q"))
    await put(memory, revise("p", 1))
    await learn(memory, trajectory(task(0), retrieved=(("p", 1), ("q", 1))))
    await learn(memory, trajectory(task(1), success=False, retrieved=(("p", 2),)))
    credit = (await stored(memory, "p")).credit
    assert {number: (each.uses, each.successes) for number, each in credit.items()} == {1: (1, 1), 2: (1, 0)}
    assert (await stored(memory, "q")).credit[1].successes == 1


async def test_sources_are_kept_in_order(memory: Memory) -> None:
    await put(memory, new("p"))
    for number in range(3):
        await learn(memory, trajectory(task(number)), sources=(Source(procedure="p", expects=1, trajectory=f"1:task-{number}"),))
    assert (await stored(memory, "p")).sources == ("1:task-0", "1:task-1", "1:task-2")


async def test_trajectory_that_teaches_nothing_leaves_no_change(memory: Memory) -> None:
    await learn(memory, trajectory(task(0)))
    assert (await memory.namespace.progress()).applied == 1
    assert await memory.namespace.client.xlen(memory.namespace.keys.changes) == 0


async def test_changes_stream_holds_what_was_applied_with_its_version(memory: Memory) -> None:
    await put(memory, new("p"))
    await learn(memory, trajectory(task(0), success=False, retrieved=(("p", 1),)), rule=EAGER)
    [_, (_, fields)] = await memory.namespace.client.xrange(memory.namespace.keys.changes)
    change = Change.model_validate_json(fields[b"event"])
    assert (change.trajectory, change.uses[0].procedure, fields[b"version"]) == ("1:task-0", "p", b"2")
    assert orjson.loads(fields[b"deprecated"]) == [{"procedure": "p", "revision": 1}]


async def test_build_given_up_credits_once_and_dead_letters_the_build(memory: Memory) -> None:
    await put(memory, new("p"))
    played = trajectory(task(0), retrieved=(("p", 1),))
    [delivery] = await arrive(memory.namespace, played)
    failed = Change(kind="build_failed", trajectory=played.id, uses=learned(played).uses, reason="no answer")
    for _ in range(2):
        await memory.learn(failed, played, delivery, Deprecation(), give_up="no answer")
    assert (await stored(memory, "p")).credit[1].uses == 1
    [letter] = await dead_letters(memory.namespace)
    assert (letter.reason, letter.task, letter.payload) == ("build: no answer", "task-0", played.model_dump_json())


async def test_event_goes_only_when_the_recorder_has_it_too(memory: Memory) -> None:
    client, stream = memory.namespace.client, memory.namespace.keys.trajectories
    await client.xgroup_create(stream, RECORDER, id="0", mkstream=True)
    await learn(memory, trajectory(task(0)), new("p"))
    assert await client.xlen(stream) == 1
    recorder = curator(memory.namespace)
    recorder.group = RECORDER
    [delivery] = await recorder.read(1, block=0.1)
    await memory.namespace.finish(delivery)
    assert await client.xlen(stream) == 0


async def test_memory_of_another_embedding_model_is_refused_by_name(server_url: str, namespace_name: str) -> None:
    place = Place(server_url, search=False)
    async with stand_in(Options()) as server, opened(place, namespace_name, settings(server.base_url)):
        with pytest.raises(EmbeddingMismatch, match="set MEMP_EMBEDDING_MODEL=stand-in-embedding,"):
            async with opened(place, namespace_name, settings(server.base_url, embedding_model="stand-in-embedding-2")):
                pass
