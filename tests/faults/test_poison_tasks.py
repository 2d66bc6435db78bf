"""Tasks under which the environment fails, dies, hangs or takes all memory: each is given up after so many deliveries, with its
reason, and those that share its process are played to their end."""

from pathlib import Path

import anyio
import pytest

from runtime.bus.namespace import Namespace
from tests.faults.scene import acting, room, scene
from tests.support import dead_letters

pytestmark = pytest.mark.timeout(240)

DELIVERIES = 3
REASONS = {
    "refuse": "EnvError: the door is locked",
    "raise": "ZeroDivisionError: a bug of the environment's own",
    "exit": "EnvCrashed: the environment's process died 3 times on this episode: it ended with status 3",
    "segfault": "EnvCrashed: the environment's process died 3 times on this episode: it was killed by signal 11",
    "eat": "EnvCrashed: the environment's process died 3 times on this episode: it ended with status 1",
}
HUNG = "EnvCrashed: the environment's process died 3 times on this episode: it hung for 1 s"
INNOCENT = 6
LONG = 10
"""Steps of the innocent: as many as a task may have."""


async def steadily(messages: list[dict[str, str]]) -> str:
    """Slow enough that the innocent are under way while the others fail."""
    await anyio.sleep(0.05)
    return acting(messages)


async def test_poison_tasks_are_given_up_after_their_deliveries_with_their_reasons_and_no_innocent_task_is(
    namespace: Namespace, server_url: str, household: Path, tmp_path: Path
) -> None:
    async with scene(namespace, server_url, household, tmp_path, steadily) as playing:
        poisons = dict(enumerate(REASONS))
        tasks = [room(index, poison=poison) for index, poison in poisons.items()]
        tasks += [room(len(REASONS) + index, length=LONG) for index in range(INNOCENT)]
        await namespace.submit_tasks(tasks)
        await playing.start("worker", MEMP_SLOTS=str(len(tasks)), MEMP_ENV_TIMEOUT="60", MEMP_ENV_MEMORY="128")
        await playing.settled(len(tasks))
        letters = {poisons[int((letter.task or "")[1:])]: letter for letter in await dead_letters(namespace)}
        assert letters.keys() == REASONS.keys()
        for poison, letter in letters.items():
            assert REASONS[poison] in letter.reason
            assert letter.deliveries == DELIVERIES
        played = await playing.trajectories()
        assert sorted(each.task.index for each in played) == [len(REASONS) + index for index in range(INNOCENT)]
        assert all(each.success and len(each.steps) == LONG for each in played)
        # Crashes are blamed on whom they happened under: nobody else's delivery is spent.
        assert {each.attempt for each in played} == {1}


async def test_task_under_which_the_environment_hangs_is_given_up_after_its_deliveries_and_those_beside_it_are_not(
    namespace: Namespace, server_url: str, household: Path, tmp_path: Path
) -> None:
    async with scene(namespace, server_url, household, tmp_path, steadily) as playing:
        await namespace.submit_tasks([room(0, poison="hang"), *(room(1 + index, length=LONG) for index in range(INNOCENT))])
        await playing.start("worker", MEMP_SLOTS=str(1 + INNOCENT), MEMP_ENV_TIMEOUT="1")
        await playing.settled(1 + INNOCENT)
        [letter] = await dead_letters(namespace)
        assert (letter.task, letter.deliveries) == ("t0", DELIVERIES)
        assert HUNG in letter.reason
        played = await playing.trajectories()
        assert len(played) == INNOCENT
        assert all(each.success and len(each.steps) == LONG for each in played)
