"""The server, with real processes: durability, the lock, the marker, readiness and what is refused."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import numpy as np
import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, TimeoutError

from runtime.config import Settings
from runtime.errors import ServerError, UsageError
from runtime.server import Server, connect, open_server, probe
from runtime.server.client import wait_indexed
from runtime.server.process import find_binary
from tests.support import until

PARENT = """
import sys, anyio, structlog
from pathlib import Path
from runtime.config import Settings
from runtime.server import connect, open_server

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main():
    async with open_server(Settings(redis_url=None, data_dir=Path(sys.argv[1])), module=False) as server:
        async with connect(server.url) as client:
            await client.set("kept", "yes")
            print((await client.info("server"))["process_id"], flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


def settings(directory: Path, url: str | None = None) -> Settings:
    """Only these: what stands in the environment is not read."""
    return Settings.model_validate({"redis_url": url, "data_dir": directory})


async def server_pid(server: Server) -> int:
    async with connect(server.url) as client:
        return int((await client.info("server"))["process_id"])


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@asynccontextmanager
async def valkey(directory: Path, *lines: str) -> AsyncGenerator[str]:
    """A server of somebody else's, configured as given; yields its socket."""
    socket = directory / "v.sock"
    process = await anyio.open_process([str(find_binary()), "-"], stdout=subprocess.DEVNULL)
    try:
        assert process.stdin
        await process.stdin.send("\n".join(["port 0", f'unixsocket "{socket}"', f'dir "{directory}"', *lines, ""]).encode())
        await process.stdin.aclose()
        await until(anyio.Path(socket).exists)
        yield str(socket)
    finally:
        process.kill()
        await process.wait()


async def create_index(client: Redis, algorithm: str = "FLAT", size: int = 4) -> None:
    vector = ["vector", "VECTOR", algorithm, "6", "TYPE", "FLOAT32", "DIM", str(size), "DISTANCE_METRIC", "COSINE"]
    await client.execute_command("FT.CREATE", "things", "PREFIX", "1", "thing:", "SCHEMA", "name", "TAG", *vector)


async def nearest(client: Redis, vector: np.ndarray[Any, Any], k: int) -> list[Any]:
    query = [f"*=>[KNN {k} @vector $v AS distance]", "PARAMS", "2", "v", vector.astype(np.float32).tobytes(), "SORTBY", "distance"]
    return cast(list[Any], await client.execute_command("FT.SEARCH", "things", *query, "RETURN", "1", "name", "DIALECT", "2"))


async def test_embedded_server_killed_restarts_on_its_data(tmp_path: Path) -> None:
    async with open_server(settings(tmp_path)) as server, connect(server.url) as client:
        await client.set("kept", "yes")
        first = await server_pid(server)
        os.kill(first, signal.SIGKILL)

        async def answers() -> bool:
            try:
                return await client.get("kept") == b"yes"
            except (ConnectionError, TimeoutError):
                return False

        await until(answers)
        assert await server_pid(server) != first


async def test_embedded_server_stopped_leaves_no_process_and_keeps_its_data(tmp_path: Path) -> None:
    async with open_server(settings(tmp_path)) as server, connect(server.url) as client:
        await client.set("kept", "yes")
        pid = await server_pid(server)
    assert not lives(pid)
    async with open_server(settings(tmp_path)) as again, connect(again.url) as client:
        assert await client.get("kept") == b"yes"


async def test_embedded_server_is_out_of_reach_of_ctrl_c(tmp_path: Path) -> None:
    async with open_server(settings(tmp_path), module=False) as server:
        assert os.getpgid(await server_pid(server)) != os.getpgid(0)


async def test_embedded_server_killed_with_its_parent_frees_the_directory(tmp_path: Path) -> None:
    async with await anyio.open_process([sys.executable, "-c", PARENT, str(tmp_path)], stderr=None) as parent:
        assert parent.stdout
        pid = int(await parent.stdout.receive())
        assert lives(pid)
        parent.kill()
    # The lock is held until the orphaned server has gone, and waited for.
    async with open_server(settings(tmp_path), module=False) as server, connect(server.url) as client:
        assert not lives(pid)
        assert await client.get("kept") == b"yes"


async def test_data_directory_in_use_is_refused_with_pid_and_address(tmp_path: Path) -> None:
    async with open_server(settings(tmp_path), module=False) as server:
        with pytest.raises(ServerError) as refused:
            async with open_server(settings(tmp_path)):
                pass
        assert str(os.getpid()) in str(refused.value)
        assert f"REDIS_URL={server.url}" in str(refused.value)
        async with open_server(settings(tmp_path, server.url)) as shared:
            assert await server_pid(shared) == await server_pid(server)


async def test_data_directory_in_use_is_shared_by_who_attaches(tmp_path: Path) -> None:
    async with open_server(settings(tmp_path), module=False) as server:
        async with open_server(settings(tmp_path), attach=True) as attached:
            assert (attached.url, attached.embedded) == (server.url, False)
        assert await server_pid(server)
    async with open_server(settings(tmp_path), module=False, attach=True) as alone:
        assert alone.embedded


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [
        ({"engine": "redis", "version": "8.4.0", "module_version": "8.4.0"}, "written by redis 8.4.0"),
        ({"engine": "valkey", "version": "99.0.0", "module_version": None}, "newer than this"),
        ({"engine": "valkey", "version": "9.0.0", "module_version": "99.0.0"}, "search module 99.0.0, which is newer"),
        ({"engine": "valkey"}, "is damaged"),
    ],
)
async def test_data_directory_of_another_engine_is_refused(tmp_path: Path, marker: dict[str, Any], complaint: str) -> None:
    (tmp_path / "server").mkdir()
    path = tmp_path / "server" / "engine.json"
    path.write_text(json.dumps(marker))
    for _ in range(2):
        with pytest.raises(ServerError, match=complaint):
            async with open_server(settings(tmp_path)):
                pass
        assert json.loads(path.read_text()) == marker


async def test_data_directory_without_marker_but_with_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "server" / "appendonlydir").mkdir(parents=True)
    with pytest.raises(ServerError, match="unknown engine"):
        async with open_server(settings(tmp_path)):
            pass


async def test_data_directory_written_with_the_module_is_refused_without_it(tmp_path: Path) -> None:
    async with open_server(settings(tmp_path)):
        pass
    with pytest.raises(ServerError, match=r"search module 2.* is not installed"):
        async with open_server(settings(tmp_path), module=False):
            pass


async def test_data_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match="--data-dir"):
        async with open_server(settings(tmp_path / "file")):
            pass


async def test_append_only_file_damaged_is_told_with_the_server_log(tmp_path: Path) -> None:
    async with open_server(settings(tmp_path), module=False):
        pass
    (base,) = (tmp_path / "server" / "appendonlydir").glob("*.base.rdb")
    base.write_bytes(b"REDIS0011 no data at all")
    with pytest.raises(ServerError, match=r"ended with code 1: .*See .*server.log"):
        async with open_server(settings(tmp_path), module=False):
            pass


@pytest.mark.parametrize("depth", [0, 60])
async def test_socket_stands_in_a_private_directory_of_a_short_path(tmp_path: Path, depth: int) -> None:
    async with open_server(settings(tmp_path / ("d" * depth)), module=False) as server:
        socket = server.url.removeprefix("unix://")
        assert stat.filemode(os.stat(socket).st_mode) == "srwx------"
        assert stat.filemode(os.stat(os.path.dirname(socket)).st_mode) == "drwx------"
        assert len(os.fsencode(socket)) < 104
        data = tmp_path / ("d" * depth) / "server" / "appendonlydir"
        assert stat.filemode(os.stat(data).st_mode) == "drwx------"
    assert not await anyio.Path(socket).exists()
    assert await anyio.Path(socket).parent.exists() == (depth == 0)
    async with open_server(settings(tmp_path / ("d" * depth)), module=False) as again:
        assert again.url == server.url


async def test_embedded_server_offers_search(tmp_path: Path) -> None:
    async with open_server(settings(tmp_path)) as server, connect(server.url) as client:
        assert server.search
        assert server.engine == "valkey"
        assert server.module_version
        assert server.append_only
        await create_index(client)
        for number, vector in enumerate(np.eye(4, dtype=np.float32)):
            await client.hset(f"thing:{number}", mapping={"name": f"n{number}", "vector": vector.tobytes()})
        count, key, fields = await nearest(client, np.array([0.1, 0.2, 1.0, 0.0]), 1)
        assert (count, key, fields) == (1, b"thing:2", [b"name", b"n2"])


async def index_facts(client: Redis) -> dict[bytes, Any]:
    info = cast(list[Any], await client.execute_command("FT.INFO", "things"))
    return dict(zip(info[::2], info[1::2], strict=True))


async def test_index_with_a_scan_under_way_is_waited_for_and_whole_after_reopening(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(1500, 128)).astype(np.float32)
    async with open_server(settings(tmp_path)) as server, connect(server.url) as client:
        async with client.pipeline(transaction=False) as pipe:
            for number, vector in enumerate(vectors):
                pipe.hset(f"thing:{number}", mapping={"name": str(number), "vector": vector.tobytes()})
            await pipe.execute()
        await create_index(client, "HNSW", 128)
        assert int((await index_facts(client))[b"indexing"]) == 1
        await wait_indexed(client)
        assert int((await index_facts(client))[b"num_docs"]) == len(vectors)
    async with open_server(settings(tmp_path)) as server, connect(server.url) as client:
        facts = await index_facts(client)
        assert (int(facts[b"indexing"]), int(facts[b"num_docs"])) == (0, len(vectors))
        assert (await nearest(client, vectors[7], 1))[1] == b"thing:7"


async def test_embedded_server_without_module_serves_streams_and_no_search(tmp_path: Path) -> None:
    async with open_server(settings(tmp_path), module=False) as server, connect(server.url) as client:
        assert not server.search
        assert server.module_version is None
        assert await client.xadd("stream", {"event": "{}"})


async def test_body_that_fails_leaves_with_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mine"):
        async with open_server(settings(tmp_path), module=False):
            raise UsageError("mine")


async def test_redis_url_unreachable_is_told_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="REDIS_URL") as failed:
        async with open_server(settings(tmp_path, "redis://user:sesame@127.0.0.1:1/0")):
            pass
    assert "sesame" not in str(failed.value)
    assert failed.value.__cause__ is None


@pytest.mark.parametrize("url", ["redis://:se/same@localhost:6379", "http://user:se/same@localhost", "redis://:se/same", "se/same"])
def test_redis_url_malformed_is_told_without_the_password(url: str) -> None:
    with pytest.raises(UsageError, match="REDIS_URL") as failed:
        connect(url)
    assert "se/same" not in str(failed.value)


@pytest.mark.parametrize("password", ["", "?password=open-barley"])
async def test_redis_url_with_wrong_password_is_told_without_it(tmp_path: Path, password: str) -> None:
    async with valkey(tmp_path, "requirepass open-sesame") as socket:
        with pytest.raises(ServerError, match="refuses the user or password of REDIS_URL") as failed:
            async with open_server(settings(tmp_path, f"unix://{socket}{password}")):
                pass
        assert "barley" not in str(failed.value)
        async with open_server(settings(tmp_path, f"unix://:open-sesame@{socket}")) as server:
            assert "sesame" not in repr(server)
            assert not server.append_only


async def test_server_without_a_needed_command_is_told_as_too_old(tmp_path: Path) -> None:
    async with valkey(tmp_path, 'rename-command XAUTOCLAIM ""') as socket, connect(f"unix://{socket}") as client:
        with pytest.raises(ServerError, match=r"too old \(valkey .* lacks XAUTOCLAIM\).*Redis >= 7.2"):
            await probe(client)
