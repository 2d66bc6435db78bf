"""What tests share: one real server per session, and a fresh namespace per test."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from runtime.bus.namespace import Namespace, open_namespace
from runtime.bus.scripts import Client
from runtime.server import connect


@pytest.fixture(autouse=True, scope="session")
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Settings and data of the person who runs the tests must not reach them, nor theirs that person's; the data folders may."""
    kept = {"ALFWORLD_DATA", "MEMP_TRAVELPLANNER_DATA", "MEMP_FULL"}
    dropped = {name for name in os.environ if name.startswith(("MEMP_", "OPENAI_", "EMBEDDING_MODEL_")) or name == "REDIS_URL"} - kept
    with pytest.MonkeyPatch.context() as patch:
        for name in dropped:
            patch.delenv(name)
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a shell's background: what we start would inherit it
            signal.signal(signal.SIGINT, signal.default_int_handler)
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data-home")))
        yield


@pytest.fixture(scope="session")
def server_url(clean_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Address of an embedded server with the search module."""
    yield from _serve(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="session")
def plain_server_url(clean_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Address of an embedded server without a query engine."""
    yield from _serve(tmp_path_factory.mktemp("plain-server"), "--no-module")


def _serve(directory: Path, *flags: str) -> Generator[str]:
    command = [sys.executable, "-m", "tests.serve", str(directory), *flags]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "the embedded server did not start"
        yield url


@pytest.fixture
async def client(server_url: str) -> AsyncGenerator[Client]:
    async with connect(server_url) as opened:
        yield opened


@pytest.fixture
def namespace_name() -> str:
    """A name that no other test has."""
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture
async def namespace(client: Client, namespace_name: str) -> Namespace:
    return await open_namespace(client, namespace_name)
