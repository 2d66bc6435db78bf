"""`memp dead` as a person gives it."""

import json
from pathlib import Path
from typing import Any

import pytest

from envs.alfworld_env.households import generate
from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from runtime.bus.namespace import Namespace
from runtime.events import DeadLetter
from tests.events import task
from tests.experiments.command import Memp, kill, until
from tests.support import commit, dead_letters
from tests.support import until as eventually

MODEL = ("--model", "stand-in-strong", "--env", "alfworld", "--split", "dev")


class Dead:
    """`memp dead` on one namespace of a running server."""

    def __init__(self, folder: Path, url: str, namespace: Namespace) -> None:
        self._memp = Memp(folder, "http://127.0.0.1:9/v1")
        self._url, self._name = url, namespace.keys.namespace

    async def __call__(self, *arguments: str) -> tuple[int, str]:
        code, output = await self._memp.run("dead", *arguments, "--exp-name", self._name, REDIS_URL=self._url)
        assert "Traceback" not in output, output
        return code, output

    async def read(self, *arguments: str) -> Any:
        code, output = await self(*arguments, "--json")
        assert code == 0, output
        return json.loads(output)


@pytest.fixture
def dead(tmp_path: Path, server_url: str, namespace: Namespace) -> Dead:
    return Dead(tmp_path, server_url, namespace)


async def test_letters_are_listed_and_shown_whole(namespace: Namespace, dead: Dead) -> None:
    await commit(namespace, dead=(task(0),))
    [listed] = await dead.read("list")
    assert (listed["kind"], listed["task"], listed["deliveries"], listed["reason"]) == ("task", "task-0", 1, "it raised")
    assert "payload" not in listed
    code, output = await dead("list")
    assert (code, listed["id"] in output, "it raised" in output) == (0, True, True)
    code, output = await dead("show", listed["id"])
    assert (code, '"goal": "put a mug in shelf."' in output) == (0, True)
    assert (await dead.read("show", listed["id"]))["payload"] == task(0).model_dump_json()


async def test_letter_with_terminal_escapes_is_shown_with_them_quoted(namespace: Namespace, dead: Dead) -> None:
    letter = DeadLetter(stream="s", entry="1-1", deliveries=1, reason="no\x1b]0;me\x07 [/red]", payload="{}", task="\x9b2J")
    await namespace.client.xadd(namespace.keys.dead, {"event": letter.model_dump_json()})
    [listed] = await dead.read("list")
    for command in (("list",), ("show", listed["id"])):
        code, output = await dead(*command)
        assert (code, [each for each in "\x1b\x07\x9b" if each in output]) == (0, []), output
        assert r"\x9b2J" in output


async def test_letters_are_put_back_and_thrown_away_by_id(namespace: Namespace, dead: Dead) -> None:
    await commit(namespace, dead=tuple(task(index) for index in range(3)))
    ids = [each["id"] for each in await dead.read("list")]
    assert await dead.read("retry", ids[0]) == {"put_back": [ids[0]]}
    assert await dead.read("drop", ids[2]) == {"dropped": [ids[2]]}
    assert [letter.task for letter in await dead_letters(namespace)] == ["task-1"]
    assert (await namespace.progress()).dead == 2


async def test_all_letters_are_put_back_but_those_of_a_closed_epoch(namespace: Namespace, dead: Dead) -> None:
    await commit(namespace, dead=(task(0),))
    await namespace.client.hincrby(namespace.keys.meta, "epoch", 1)
    namespace.epoch = 2
    await commit(namespace, dead=tuple(task(index, epoch=2) for index in (1, 2)))
    code, output = await dead("retry", "--all")
    assert (code, "2 dead letters put back" in output, "epoch 1, which is closed" in output) == (2, True, True)
    assert [letter.task for letter in await dead_letters(namespace)] == ["task-0"]
    assert (await dead("drop", "--all"))[0] == 0
    assert await dead_letters(namespace) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "1-1"), "memp dead list"),
        (("retry", "1-1"), "memp dead list"),
        (("drop", "1-1"), "memp dead list"),
        (("retry",), "--all"),
        (("drop", "1-1", "--all"), "--all"),
    ],
)
async def test_letter_unknown_or_not_named_is_refused_and_nothing_done(
    namespace: Namespace, dead: Dead, arguments: tuple[str, ...], words: str
) -> None:
    await commit(namespace, dead=(task(0),))
    code, output = await dead(*arguments)
    assert (code, words in output, len(await dead_letters(namespace))) == (2, True, 1), output


@pytest.mark.timeout(240)
async def test_run_that_finds_a_task_put_back_plays_it_and_records_it_once(tmp_path: Path) -> None:
    data = tmp_path / "households"
    generate(2, 11, data, "dev")
    async with stand_in(Options(latency_ms=100)) as model:
        memp = Memp(tmp_path, model.base_url, data)
        command = ("online", *MODEL, "--exp-name", "run", "--batch-size", "1", "--max-steps", "10")
        async with memp.start(*command, MEMP_MAX_DELIVERIES="1") as run:
            await until(lambda: model.stats.roles["agent"] >= 2)
            await kill(run, "worker")
            assert await run.wait() == 0, memp.output
        assert sorted(row.outcome for row in memp.rows("run")) == ["dead", "finished"]
        code, output = await memp.run("dead", "retry", "--all", "--exp-name", "run")
        assert (code, "1 dead letter put back" in output) == (0, True), output
        code, output = await memp.run(*command)
        assert code == 0, output
        rows = memp.rows("run")
        assert ({row.outcome for row in rows}, len({row.task_id for row in rows}), len(rows)) == ({"finished"}, 2, 2)
        progress = (await memp.status("run"))["progress"]
        assert (progress["committed"], progress["applied"], progress["dead"]) == (2, 2, 0)


@pytest.mark.timeout(240)
async def test_task_put_back_and_played_after_its_run_has_ended_is_recorded_when_the_command_is_given_again(
    tmp_path: Path, namespace: Namespace, server_url: str
) -> None:
    name, data, given = namespace.keys.namespace, tmp_path / "households", {"REDIS_URL": server_url}
    generate(2, 11, data, "dev")
    async with stand_in(Options(latency_ms=100)) as model:
        memp = Memp(tmp_path, model.base_url, data)
        command = ("online", *MODEL, "--exp-name", name, "--batch-size", "1", "--max-steps", "10", "--no-use-memory")
        async with memp.start(*command, MEMP_MAX_DELIVERIES="1", **given) as run:
            await until(lambda: model.stats.roles["agent"] >= 2)
            await kill(run, "worker")
            assert await run.wait() == 0, memp.output
        before = memp.rows(name)
        assert sorted(row.outcome for row in before) == ["dead", "finished"]
        code, output = await memp.run("dead", "retry", "--all", "--exp-name", name, **given)
        assert code == 0, output
        async with memp.start("worker", "--exp-name", name, **given):
            await eventually(namespace.progress, lambda now: (now.committed, now.dead) == (2, 0))
        assert memp.rows(name) == before
        code, output = await memp.run(*command, **given)
        assert code == 0, output
        assert [row.outcome for row in memp.rows(name)] == ["finished"] * 2
        assert (await namespace.progress()).committed == 2
