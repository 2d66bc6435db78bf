"""The server that everything stands on: the one of REDIS_URL, or an embedded Valkey that this process starts and supervises."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field

import structlog

from runtime.config import Settings
from runtime.masking import mask_url
from runtime.server.client import ServerFacts, connect, probe
from runtime.server.data import running
from runtime.server.process import embedded

__all__ = ["Server", "ServerFacts", "connect", "open_server", "probe"]

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Server(ServerFacts):
    """A server that answers, and what it is."""

    url: str = field(repr=False)
    """Address for `connect`; it may hold a password: show `mask_url(url)` only."""
    embedded: bool
    """Whether it is this process's own and ends with it."""


@asynccontextmanager
async def open_server(settings: Settings, *, module: bool = True, attach: bool = False) -> AsyncGenerator[Server]:
    """The server, ready for commands and, where it is embedded, for queries.

    `module=False` leaves the search module of an embedded server out. `attach` takes the embedded server that another
    process runs on the data directory just now, if there is one, instead of refusing to share the directory. Raises
    UsageError for a malformed REDIS_URL, and ServerError where the server can't be reached, used or started.
    """
    if settings.redis_url is not None:
        yield await _described(settings.redis_url.get_secret_value(), embedded=False)
        return
    if attach and (url := running(settings.data_dir / "server")):
        yield await _described(url, embedded=False)
        return
    async with embedded(settings.data_dir / "server", module=module) as url:
        yield await _described(url, embedded=True)


async def _described(url: str, *, embedded: bool) -> Server:
    async with connect(url) as client:
        facts = await probe(client)
    server = Server(**asdict(facts), url=url, embedded=embedded)
    log.info("server_ready", url=mask_url(url), engine=server.engine, version=server.version, search=server.module_version)
    if not server.append_only or server.eviction != "noeviction":
        log.warning("server_may_lose_data", append_only=server.append_only, eviction=server.eviction)
    return server
