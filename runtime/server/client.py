"""A client of the server, and what the server can do: found by asking it, never by comparing version numbers."""

from dataclasses import dataclass
from typing import Any, cast

import anyio
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, BusyLoadingError, NoPermissionError, RedisError, ResponseError

from runtime.errors import ServerError, UsageError
from runtime.masking import redact
from runtime.server.rights import RULE, lacking

NEEDED = "memp needs Redis >= 7.2 or Valkey >= 8.1: `docker compose up redis` starts one, and with REDIS_URL unset memp starts its own"
# EXPIRETIME came with Redis 7.0, the release whose commands the scripts may use; XAUTOCLAIM is what older ones lack most often.
_STREAM_COMMANDS = ("XADD", "XREADGROUP", "XAUTOCLAIM", "EVALSHA", "EXPIRETIME")
_SEARCH_COMMANDS = ("FT.CREATE", "FT.SEARCH", "FT.AGGREGATE", "FT.INFO", "FT._LIST", "FT.ALIASUPDATE")
_REFUSALS = (AuthenticationError, AuthorizationError)
_SOCKET_TIMEOUT = 15.0
"""Seconds a reply may take; well above the 2 s that a read may block, so that reads need no client of their own."""
_CONNECTIONS = 64
"""Connections per client; a caller beyond them waits for one (the plain pool would raise)."""


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What the server said of itself."""

    engine: str
    """`redis` or `valkey`."""
    version: str
    module_version: str | None
    """Version of the search module; None without one."""
    search: bool
    """Whether every search command that memory uses is there; otherwise the in-process index takes over."""
    append_only: bool
    """Whether the append-only file is on: without it, a crash of the server loses acknowledged work."""
    eviction: str
    """`maxmemory-policy`; anything but `noeviction` may drop streams and procedures when memory is short."""


def connect(url: str) -> Redis:
    """A client for `url` (`redis://`, `rediss://`, `unix://`), bytes in and out; close it with `aclose()`.

    No retries: after a lost reply, redis-py would send the command again, and an XADD would be stored twice. The
    callers know which of their commands are idempotent. Protocol 2, as redisvl can't read protocol 3's replies.
    Raises UsageError where the address can't be understood.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            protocol=2,
            decode_responses=False,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=_SOCKET_TIMEOUT,
            socket_connect_timeout=_SOCKET_TIMEOUT,
            max_connections=_CONNECTIONS,
            timeout=_SOCKET_TIMEOUT,
        )
    except ValueError:  # neither its text nor the address is quoted: a piece of the password may stand anywhere in them
        raise UsageError(
            "REDIS_URL is no address: give redis://[user:password@]host:port/db, rediss://… or unix:///path/to/socket, "
            "with special characters of the password percent-encoded."
        ) from None
    return Redis.from_pool(pool)


async def probe(client: Redis) -> ServerFacts:
    """What the server behind `client` is, once it has loaded its data. Raises ServerError where it can't be used."""
    try:
        await wait_loaded(client)
        info = {str(key): str(value) for key, value in (await client.info()).items()}
        missing = await _missing(client, _STREAM_COMMANDS)
        search = not await _missing(client, _SEARCH_COMMANDS)
        module_version = await _module_version(client)
        refused = [] if missing else await lacking(client)
    except (RedisError, OSError, TypeError) as error:
        raise _unusable(client, error) from None  # a chain would only repeat it, unmasked
    engine = "valkey" if "valkey_version" in info else "redis"
    version = info.get("valkey_version") or info.get("redis_version", "unknown")
    if missing:
        raise ServerError(f"{_where(client)} is too old ({engine} {version} lacks {', '.join(missing)}). {NEEDED}.")
    if refused:
        raise ServerError(f"{_where(client)} {_allow(client, refused)}")
    return ServerFacts(
        engine=engine,
        version=version,
        module_version=module_version,
        search=search,
        append_only=info.get("aof_enabled") == "1",
        eviction=info.get("maxmemory_policy", "unknown"),
    )


async def wait_loaded(client: Redis, poll: float = 0.02) -> None:
    """Returns once the server answers without LOADING; a connection that fails is the caller's to judge."""
    while True:
        try:
            await cast(Any, client.ping())
        except BusyLoadingError:
            await anyio.sleep(poll)
        else:
            return


async def wait_indexed(client: Redis, poll: float = 0.02) -> None:
    """Returns once every search index has been rebuilt: until then, a query silently misses part of the data."""
    for name in cast(list[bytes], await client.execute_command("FT._LIST")):
        while await _indexing(client, name):  # noqa: ASYNC110 - the server offers no event to wait for
            await anyio.sleep(poll)


async def _indexing(client: Redis, name: bytes) -> bool:
    try:
        reply = cast(list[Any], await client.execute_command("FT.INFO", name))
    except ResponseError:  # dropped since it was listed
        return False
    return int(dict(zip(reply[::2], reply[1::2], strict=True)).get(b"indexing", 0)) != 0


async def _missing(client: Redis, commands: tuple[str, ...]) -> list[str]:
    # As one word, since redis-py's parser of COMMAND replies fails on commands that do not exist.
    reply = cast(list[Any], await client.execute_command("COMMAND INFO", *commands))
    return [name for name, known in zip(commands, reply, strict=True) if known is None]


async def _module_version(client: Redis) -> str | None:
    try:
        modules = cast(list[list[Any] | dict[Any, Any]], await client.execute_command("MODULE LIST"))
    except ResponseError:  # some hosted servers refuse the question; the commands have told what matters
        return None
    for entry in modules:
        fields = entry if isinstance(entry, dict) else dict(zip(entry[::2], entry[1::2], strict=True))
        if fields.get(b"name") == b"search":
            number = int(fields[b"ver"])
            return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    return None


def _where(client: Redis) -> str:
    settings = client.connection_pool.connection_kwargs
    address = settings.get("path") or f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)}"
    return f"The server at {address}"


def _allow(client: Redis, commands: list[str]) -> str:
    """What to do about commands that the user may not give."""
    user = client.connection_pool.connection_kwargs.get("username") or "default"
    given = " ".join(f"+{command}" for command in commands)
    return f"does not let the user {user} do what memp needs: allow it with `ACL SETUSER {user} {f'~memp:* {given}' if given else RULE}`."


def _unusable(client: Redis, error: Exception) -> ServerError:
    text = redact((str(error) or type(error).__name__).rstrip("."), client.connection_pool.connection_kwargs.get("password"))
    chain = (error, error.__cause__)
    if any(isinstance(each, NoPermissionError) for each in chain):
        return ServerError(f"{_where(client)} {_allow(client, [])} ({text})")
    if any(isinstance(each, _REFUSALS) for each in chain):
        return ServerError(f"{_where(client)} refuses the user or password of REDIS_URL: {text}")
    if "CERTIFICATE_VERIFY_FAILED" in text:
        hint = "name the file of the authority that signed it: rediss://…?ssl_ca_certs=FILE"
        return ServerError(f"{_where(client)} shows a certificate that is not trusted here: {text}. In REDIS_URL, {hint}.")
    return ServerError(f"{_where(client)} can't be used: {text}. Check REDIS_URL, or unset it to have memp start its own server.")
