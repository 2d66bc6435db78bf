"""`memp memory hash|changes|rebuild` and `memp procedures revert` as a person runs them: no model endpoint is needed."""

from pathlib import Path

import pytest

from memory.fold import fingerprint
from memory.store import REBUILDING
from tests.events import task, trajectory
from tests.experiments.command import Memp
from tests.memory.changes import EAGER, learn, new, put, revise
from tests.support import Place, opened

NOBODY = "http://127.0.0.1:9/v1"


async def run(folder: Path, url: str, *command: str, code: int = 0) -> str:
    """The output of a command that ends so."""
    found, output = await Memp(folder, NOBODY).run(*command, REDIS_URL=url)
    assert found == code, output
    assert "Traceback" not in output
    return output.strip()


async def test_memory_archived_and_rebuilt_by_commands_has_the_same_hash(
    server_url: str, plain_server_url: str, namespace_name: str, tmp_path: Path
) -> None:
    name, file = namespace_name, str(tmp_path / "changes.jsonl")
    url, other = server_url, plain_server_url
    async with opened(Place(url, search=True), name) as memory:
        await put(memory, new("p", script="right"), new("q"))
        await put(memory, revise("p", 1, script="wrong"))
        await learn(memory, trajectory(task(0), success=False, retrieved=(("p", 2),)), rule=EAGER)
        told = await run(tmp_path, url, "procedures", "revert", "p", "--to", "1", "--exp-name", name)
        assert told == "p is at revision 4, active, and says what it said at revision 1"
        assert (await memory.get_all(["p"]))[0].current.content.script == "right"
        found = await fingerprint(memory.namespace)
    wanted = f"{found.sha256}  version 4, 2 procedures"
    assert await run(tmp_path, url, "memory", "hash", "--exp-name", name) == wanted
    assert await run(tmp_path, url, "memory", "rebuild", "--exp-name", name, "--into", f"{name}-copy") == wanted
    told = await run(tmp_path, url, "memory", "changes", "--exp-name", name, "--out", file, "--trim")
    assert told.replace("\n", " ") == f"changes 1 to 4 in {file}; 4 taken off the stream"
    assert await run(tmp_path, other, "memory", "rebuild", "--exp-name", name, "--changes", file) == wanted
    then = await run(tmp_path, url, "memory", "rebuild", "--exp_name", name, "--into", f"{name}-then", "--changes", file, "--as-of", "1")
    assert then.endswith("version 1, 2 procedures")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("a history is needed", ("memory", "rebuild")),
        ("can't be read", ("memory", "rebuild", "--changes", "/no/such/file")),
        ("rebuilt in part only", ("memory", "hash")),
        ("has no revision 3", ("procedures", "revert", "p", "--to", "3")),
    ],
)
async def test_memory_commands_on_what_is_not_there_are_refused(
    server_url: str, namespace_name: str, tmp_path: Path, words: str, command: tuple[str, ...]
) -> None:
    async with opened(Place(server_url, search=True), namespace_name) as memory:
        await put(memory, new("p"))
        if words == "rebuilt in part only":
            await memory.namespace.client.hset(memory.namespace.keys.meta, REBUILDING, "9")
    assert words in await run(tmp_path, server_url, *command, "--exp-name", namespace_name, code=2)
