"""What several commands share: settings from flags, the environment and defaults; tables; telling errors."""

import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from runtime.config import EngineKind, Settings
from runtime.errors import MempError, UsageError
from runtime.logs import configure_logs
from runtime.masking import visible

if TYPE_CHECKING:
    from rich.table import Table

    from memory.store import Memory
    from runtime.bus.namespace import Namespace

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder of the embedded server's data.")]
RunsDir = Annotated[Path | None, typer.Option("--runs-dir", help="Folder that holds a folder per run.")]
Engine = Annotated[
    EngineKind | None,
    typer.Option("--engine", help="What plays ALFWorld: fast, or stock (TextWorld's own). Without: MEMP_ENGINE, else fast."),
]
ExpName = Annotated[str, typer.Option("--exp-name", help="Name of the experiment: its namespace and its folder.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
ProcedureId = Annotated[str, typer.Argument(help="Id of a procedure (`memp procedures list` shows them).")]
Parent = Annotated[int | None, typer.Option("--parent", hidden=True)]


def load_settings(**given: Any) -> Settings:
    """Settings of this process: flags (those that are not None) before the environment. Raises `UsageError`."""
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise UsageError(f"{name if name.isupper() else 'MEMP_' + name.upper()}: {first['msg']}") from None
    configure_logs(settings.log_level)
    return settings


def quiet(settings: Settings) -> Settings:
    """For commands that draw on the terminal: warnings only, unless MEMP_LOG_LEVEL asks for more."""
    if "MEMP_LOG_LEVEL" not in os.environ:
        configure_logs("warning")
    return settings


@asynccontextmanager
async def a_namespace(settings: Settings, name: str, *, must_exist: bool = True) -> AsyncGenerator["Namespace"]:
    """A namespace on the server at hand: of REDIS_URL, running on the data directory, or started for this command."""
    from runtime.bus.namespace import open_namespace
    from runtime.keys import Keys
    from runtime.server import connect, open_server

    async with open_server(settings, attach=True) as server, connect(server.url) as client:
        if must_exist and not await client.exists(Keys(name).meta):
            raise UsageError(f"there is no experiment {name} on this server: check --exp-name, --data-dir and REDIS_URL")
        yield await open_namespace(client, name)


@asynccontextmanager
async def a_memory(settings: Settings, name: str) -> AsyncGenerator["Memory"]:
    """A namespace's memory, with the embedding model of the settings."""
    from runtime.server import connect, open_server
    from workers.processes import opened_memory

    async with (
        open_server(settings, attach=True) as server,
        connect(server.url) as client,
        opened_memory(settings, client, server.search, name) as memory,
    ):
        yield memory


def table_of(*columns: str, title: str | None = None, whole: int = 0) -> "Table":
    """A table of text; the first `whole` columns are never cut, however narrow the terminal: they are there to be copied."""
    from rich.table import Column, Table

    return Table(*(Column(name, no_wrap=at < whole) for at, name in enumerate(columns)), title=title)


def cell(text: str) -> str:
    """Text for a table as it reads: none of it is markup, or a control character that the terminal would obey."""
    from rich.markup import escape

    return escape(visible(text))


def print_table(table: "Table") -> None:
    """Show it on the terminal."""
    from rich.console import Console

    Console().print(table)


def guarded(command: Callable[[], None]) -> int:
    """Run the command line; the exit code is 2 for usage, 1 for failure, 130 for an interrupt. No traceback for what a user can cause."""
    try:
        command()
    except KeyboardInterrupt:
        print("memp: interrupted; all that was done is kept", file=sys.stderr)
        return 130
    except BaseExceptionGroup as group:
        return _tell(_first(group))
    except MempError as error:
        return _tell(error)
    return 0


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error of a group that says most: one of ours, else the first."""
    flat: list[BaseException] = []
    for error in group.exceptions:
        flat += [_first(error)] if isinstance(error, BaseExceptionGroup) else [error]
    return next((error for error in flat if isinstance(error, MempError)), flat[0])


def _tell(error: BaseException) -> int:
    if not isinstance(error, MempError):
        raise error
    print(f"memp: {visible(str(error))}", file=sys.stderr)
    return error.exit_code
