"""A whole run of real processes with keys and passwords everywhere, against a model server that repeats them all the time."""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest
from aiohttp import web

from envs.alfworld_env.households import generate
from experiments.stand_in.answers import chat, embeddings
from runtime.server import connect
from tests.experiments.command import Memp
from tests.security.secrets import found
from tests.security.servers import quoted, valkey
from tests.support import endpoint

KEY = "sk-\"odd\\'key'%/+=&<x>~1{}$@"
VECTOR_KEY = "sk-vectors-0123456789%2Fz"
REDIS_PASSWORD = "p@ss:wörd/#?%41&=\"'"
PROXY_PASSWORD = "gate:way/%@secret"
SECRETS = [KEY, VECTOR_KEY, REDIS_PASSWORD, PROXY_PASSWORD, f"bob:{PROXY_PASSWORD}"]
BLURTED = " ".join(SECRETS)
ONLINE = ("online", "--model", "stand-in-strong", "--split", "dev", "--exp-name", "told", "--limit", "3")


class Chatterbox:
    """The stand-in model, telling every secret that there is: in its answers, in some errors, and, once told to, in refusals."""

    def __init__(self) -> None:
        self.base_url = ""
        self.requests = 0
        self.refuse_from: int | None = None
        self.heard: set[str] = set()

    async def chat(self, request: web.Request) -> web.Response:
        if error := self._error(request):
            return error
        answer = orjson.loads(chat(await request.read()).body)
        message = answer["choices"][0]["message"]
        said = message["content"]
        message["content"] = said.replace("Thought: ", f"Thought: {BLURTED} ") if "Thought: " in said else f"{said}\n{BLURTED}"
        return web.Response(body=orjson.dumps({**answer, "model": f"m-{KEY}"}), content_type="application/json")

    async def embed(self, request: web.Request) -> web.Response:
        return self._error(request) or web.Response(body=embeddings(await request.read()).body, content_type="application/json")

    def _error(self, request: web.Request) -> web.Response | None:
        self.requests += 1
        self.heard.add(request.headers["Authorization"])
        status = 500 if self.requests % 5 == 0 else 429 if self.requests % 13 == 0 else 200
        if self.refuse_from is not None and self.requests >= self.refuse_from:
            status = 401
        if status == 200:
            return None
        body = {"error": {"message": f"no: {BLURTED}", "type": KEY, "code": None}}
        headers = {"Retry-After": "0", "X-Echo": quote(BLURTED)}
        return web.json_response(body, status=status, headers=headers)


@asynccontextmanager
async def chatterbox() -> AsyncGenerator[Chatterbox]:
    server = Chatterbox()
    async with endpoint(server.chat, server.embed) as address:
        server.base_url = address.removeprefix("http://")
        yield server


def environment(model: Chatterbox, socket: Path) -> dict[str, str]:
    return {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": f"http://bob:{quote(PROXY_PASSWORD, safe='')}@{model.base_url}",
        "EMBEDDING_MODEL_KEY": VECTOR_KEY,
        "EMBEDDING_MODEL_BASE_URL": f"http://{model.base_url}",
        "REDIS_URL": f"unix://:{quote(REDIS_PASSWORD, safe='')}@{socket}",
        "MEMP_LOG_LEVEL": "debug",
        "MEMP_LLM_DEADLINE": "20",
    }


def everything(folder: Path) -> dict[str, list[str]]:
    """The files below a folder that hold a trace of a secret; the server's append-only file has all that was ever in a stream or key."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any("appendonly" in path.name and path.stat().st_size > 10_000 for path in files)
    return {str(path): traces for path in files if (traces := found(SECRETS, path.read_bytes()))}


@pytest.mark.timeout(400)
async def test_run_leaves_no_secret_in_any_file_stream_or_output(tmp_path: Path) -> None:
    generate(3, 5, tmp_path / "households", "dev")
    async with chatterbox() as model, valkey(tmp_path, f"requirepass {quoted(REDIS_PASSWORD)}") as socket:
        memp, given = Memp(tmp_path, model.base_url, tmp_path / "households"), environment(model, socket)
        model.refuse_from = 15
        code, output = await memp.run(*ONLINE, **given)
        assert (code, "refused the key" in output) == (1, True), output
        model.refuse_from = None
        code, told = await memp.run(*ONLINE, **given)
        assert code == 0, told
        async with connect(given["REDIS_URL"]) as client:
            await client.xadd("memp:{told}:dead", {"event": "{"})
        output += told
        for command in (("status",), ("procedures", "list"), ("dead", "list"), ("memory", "export", "--out", str(tmp_path / "out.jsonl"))):
            code, told = await memp.run(*command, "--exp-name", "told", **given)
            assert code == 0, told
            output += told
        output += (await memp.run("doctor", **given))[1] + (await memp.run("doctor", "--json", **given))[1]
    assert "Traceback" not in output
    assert found(SECRETS, output) == []
    assert everything(tmp_path) == {}
    assert {heard.split()[0] for heard in model.heard} == {"Basic", "Bearer"}
    memory = (tmp_path / "runs" / "told" / "memory.jsonl").read_text()
    assert "***" in memory  # it was told, and struck out
    assert len(memp.rows("told")) == 3


@pytest.mark.timeout(400)
async def test_process_that_fails_unexpectedly_tells_no_secret_on_a_terminal_or_elsewhere(tmp_path: Path) -> None:
    broken = tmp_path / "sitecustomize.py"
    broken.write_text(
        "import os, runtime.server as server\n"
        "def fail(settings, **_):\n"
        "    url, key, headers = os.environ['REDIS_URL'], os.environ['OPENAI_API_KEY'], dict(os.environ)\n"
        "    raise RuntimeError(f'{url} {key} {headers}')\n"
        "server.open_server = fail\n"
    )
    async with chatterbox() as model:
        memp, given = Memp(tmp_path, model.base_url), environment(model, tmp_path / "none.sock")
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join([str(tmp_path), root, *filter(None, [os.environ.get("PYTHONPATH")])])
        code, output = await memp.run("status", "--exp-name", "told", **given, PYTHONPATH=path)
    assert code == 1
    assert "RuntimeError" in output, (output, sys.path)
    assert found(SECRETS, output) == []
