"""`memp memory export|import|hash|changes|rebuild`: memory and its history as files, for another namespace, machine or model.
`memp procedures revert`: one procedure goes back in its history."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bin.inspect import procedures
from bin.options import DataDir, ExpName, ProcedureId, a_memory, a_namespace, load_settings, quiet
from runtime.config import Settings
from runtime.event_loop import run

if TYPE_CHECKING:
    from memory.changes import Archived
    from memory.fold import Fingerprint
    from memory.procedure import Revision

memory = typer.Typer(help="Export, import, archive and rebuild a memory.", no_args_is_help=True)


@memory.command("export")
def export(
    exp_name: ExpName,
    out: Annotated[Path, typer.Option("--out", help="File to write (JSON lines).")],
    vectors: Annotated[
        bool, typer.Option("--vectors/--no-vectors", help="With the embeddings; without, an import makes them anew.")
    ] = True,
    data_dir: DataDir = None,
) -> None:
    """Write all procedures of a namespace, with their revisions and credit, to a file."""
    count = run(_export, quiet(load_settings(data_dir=data_dir)), exp_name, out, vectors)
    typer.echo(f"{count} procedures in {out}")


@memory.command("import")
def load(
    exp_name: ExpName,
    file: Annotated[Path, typer.Argument(help="File that `memp memory export` wrote.")],
    data_dir: DataDir = None,
) -> None:
    """Add the procedures of a file to a namespace; another embedding model embeds them anew."""
    count = run(_import, quiet(load_settings(data_dir=data_dir)), exp_name, file)
    typer.echo(f"{count} procedures added")


@memory.command("hash")
def hash_of(exp_name: ExpName, data_dir: DataDir = None) -> None:
    """A hash over all procedures, with revisions, credit, facts, sources and vectors: equal memories have equal ones."""
    typer.echo(_told(run(_hash, quiet(load_settings(data_dir=data_dir)), exp_name)))


@memory.command("changes")
def changes(
    exp_name: ExpName,
    out: Annotated[Path, typer.Option("--out", help="File to write (JSON lines); one of this memory is continued.")],
    trim: Annotated[bool, typer.Option("--trim", help="Then take them off the stream: the file is their only home.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Archive the history of a memory, which `memp memory rebuild` makes it of again, to a file."""
    found: Archived = run(_changes, quiet(load_settings(data_dir=data_dir)), exp_name, out, trim)
    typer.echo(f"changes {found.first} to {found.last} in {out}" + (f"; {found.trimmed} taken off the stream" if trim else ""))


@memory.command("rebuild")
def rebuild(
    exp_name: ExpName,
    into: Annotated[
        str | None, typer.Option("--into", help="Name to build under, from the changes of --exp-name. Without: --exp-name, from files.")
    ] = None,
    files: Annotated[
        list[Path] | None, typer.Option("--changes", help="File that `memp memory changes` wrote; the oldest first, if there are several.")
    ] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Stop after this change: a version, or an entry of the stream.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a memory of its changes alone, without any model; broken off, the same command goes on.

    It is built where there are no procedures yet.
    """
    settings = quiet(load_settings(data_dir=data_dir))
    typer.echo(_told(run(_rebuild, settings, exp_name, into, tuple(files or ()), as_of)))


@procedures.command("revert")
def revert(
    procedure: ProcedureId,
    exp_name: ExpName,
    to: Annotated[int, typer.Option("--to", help="Number of the revision to go back to (`memp procedures history ID` shows them).")],
    data_dir: DataDir = None,
) -> None:
    """Let a procedure say again what an earlier revision said; a deprecated one is retrieved again."""
    made: Revision = run(_revert, quiet(load_settings(data_dir=data_dir)), exp_name, procedure, to)
    typer.echo(f"{procedure} is at revision {made.number}, active, and says what it said at revision {to}")


def _told(found: "Fingerprint") -> str:
    return f"{found.sha256}  version {found.version}, {found.procedures} procedures"


async def _hash(settings: Settings, name: str) -> "Fingerprint":
    from memory.fold import fingerprint
    from memory.store import check_usable

    async with a_namespace(settings, name) as namespace:
        await check_usable(namespace)
        return await fingerprint(namespace)


async def _revert(settings: Settings, name: str, procedure: str, to: int) -> "Revision":
    from memory.revert import revert

    async with a_namespace(settings, name) as namespace:
        return await revert(namespace, procedure, to)


async def _changes(settings: Settings, name: str, out: Path, trim: bool) -> "Archived":
    from memory.changes import archive_changes

    async with a_namespace(settings, name) as namespace:
        return await archive_changes(namespace, out, trim=trim)


async def _rebuild(settings: Settings, name: str, into: str | None, files: tuple[Path, ...], as_of: str | None) -> "Fingerprint":
    from memory.changes import open_history
    from memory.fold import rebuild
    from runtime.bus.namespace import open_namespace
    from runtime.server import probe

    async with a_namespace(settings, name, must_exist=into is not None) as namespace:
        history = await open_history(files, namespace if into is not None else None)
        target = namespace if into is None else await open_namespace(namespace.client, into)
        search = (await probe(namespace.client)).search
        return await rebuild(history, target, search=search, exact_up_to=settings.exact_up_to, as_of=as_of)


async def _export(settings: Settings, name: str, out: Path, vectors: bool) -> int:
    from memory.transfer import export_memory

    async with a_namespace(settings, name) as namespace:
        return await export_memory(namespace, out, vectors=vectors)


async def _import(settings: Settings, name: str, file: Path) -> int:
    from memory.transfer import import_memory

    async with a_memory(settings, name) as opened:
        return await import_memory(opened, file)


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(memory, name="memory")
