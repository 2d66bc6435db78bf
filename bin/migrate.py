"""`memp memory export|import`: memory as a file, for another namespace, machine or model."""

from pathlib import Path
from typing import Annotated

import typer

from bin.options import DataDir, ExpName, a_memory, a_namespace, load_settings, quiet, run
from runtime.config import Settings

memory = typer.Typer(help="Export and import a memory.", no_args_is_help=True)


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
