"""Servers that are not on this machine: TLS, and users with few rights."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from envs.alfworld_env.households import generate
from experiments.stand_in.server import stand_in
from runtime.server import connect
from runtime.server.rights import RULE
from tests.experiments.command import Memp
from tests.security.servers import certificate, quoted, tls_end, valkey

PASSWORD = "open:ses@me/50%"
ONLINE = ("online", "--model", "stand-in-strong", "--split", "dev", "--exp-name", "far", "--limit", "2", "--max-steps", "6")


@pytest.fixture(scope="module")
def households(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("households")
    generate(2, 3, folder, "dev")
    return folder


@pytest.fixture
async def memp(tmp_path: Path, households: Path) -> AsyncGenerator[Memp]:
    async with stand_in() as model:
        yield Memp(tmp_path, model.base_url, households)


def user(path: Path, name: str, password: str) -> str:
    return f"unix://{name}:{quote(password, safe='')}@{path}"


async def played(memp: Memp, url: str) -> None:
    code, output = await memp.run(*ONLINE, REDIS_URL=url)
    assert code == 0, output
    assert len(memp.rows("far")) == 2
    code, output = await memp.run("status", "--exp-name", "far", "--json", REDIS_URL=url)
    assert (code, '"applied": 2' in output) == (0, True), output


async def refused(memp: Memp, url: str, *words: str) -> str:
    code, output = await memp.run("status", "--exp-name", "far", REDIS_URL=url)
    assert code == 1, output
    assert "Traceback" not in output
    for word in words:
        assert word in output, output
    return output


@pytest.mark.timeout(300)
async def test_run_over_tls_with_a_password_is_played_and_another_authority_refused(memp: Memp, tmp_path: Path) -> None:
    shown, key = certificate(tmp_path / "certificates", "right")
    other, _ = certificate(tmp_path / "certificates", "wrong")
    async with valkey(tmp_path, f"requirepass {quoted(PASSWORD)}") as path, tls_end(path, shown, key) as port:
        address = f"rediss://:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/0"
        await played(memp, f"{address}?ssl_ca_certs={shown}")
        output = await refused(memp, f"{address}?ssl_ca_certs={other}", "not trusted", "ssl_ca_certs=FILE")
        output += await refused(memp, address, "not trusted", "ssl_ca_certs=FILE")
        output += await refused(memp, f"{address}?ssl_ca_certs=/no/such/file", "Check REDIS_URL")
        output += await refused(memp, address.replace("rediss://", "redis://"), "can't be used")
        assert PASSWORD not in output
        assert quote(PASSWORD, safe="") not in output


async def test_run_by_a_user_with_the_documented_rights_is_played(memp: Memp, tmp_path: Path) -> None:
    assert RULE in " ".join((Path(__file__).parents[2] / "README.md").read_text().replace("\\\n", " ").split())
    async with valkey(tmp_path, f"requirepass {quoted(PASSWORD)}") as path, connect(user(path, "default", PASSWORD)) as admin:
        await admin.execute_command("ACL", "SETUSER", "memp", "reset", "on", f">{PASSWORD}", *RULE.split())
        await played(memp, user(path, "memp", PASSWORD))
        log: Any = await admin.execute_command("ACL", "LOG")
        assert [entry for entry in log if b"client|setinfo" not in entry] == []  # redis-py tells its name, and does without
        async with connect(user(path, "memp", PASSWORD)) as limited:
            for forbidden in ("FLUSHALL", "CONFIG GET dir", "KEYS *", "SET other x", "ACL LIST"):
                with pytest.raises(Exception, match="permissions"):
                    await limited.execute_command(*forbidden.split())


@pytest.mark.parametrize("lacking", ["xadd", "xgroup|create", "evalsha", "ft.search", "hset", "scan", "eval"])
async def test_user_without_a_needed_right_is_told_which_command_to_allow(memp: Memp, tmp_path: Path, lacking: str) -> None:
    async with valkey(tmp_path) as path, connect(f"unix://{path}") as admin:
        await admin.execute_command("ACL", "SETUSER", "memp", "reset", "on", f">{PASSWORD}", *RULE.split(), f"-{lacking}")
        await refused(memp, user(path, "memp", PASSWORD), "ACL SETUSER memp ~memp:* ", f"+{lacking}")


async def test_user_without_the_keys_is_told_which_keys_to_allow(memp: Memp, tmp_path: Path) -> None:
    async with valkey(tmp_path) as path, connect(f"unix://{path}") as admin:
        await admin.execute_command("ACL", "SETUSER", "memp", "reset", "on", f">{PASSWORD}", *RULE.split(), "resetkeys", "~other:*")
        await refused(memp, user(path, "memp", PASSWORD), "ACL SETUSER memp ~memp:* ")


async def test_wrong_password_is_refused_without_a_word_of_it(memp: Memp, tmp_path: Path) -> None:
    async with valkey(tmp_path, f"requirepass {quoted(PASSWORD)}") as path:
        output = await refused(memp, f"unix://:wr0ng-barley@{path}", "refuses the user or password of REDIS_URL")
        assert "barley" not in output
