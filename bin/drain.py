"""`memp drain`: a group that nobody serves any more."""

from typing import Annotated

import typer

from bin.options import DataDir, ExpName, a_namespace, load_settings, quiet
from runtime.config import Settings
from runtime.event_loop import run


def drain(
    exp_name: ExpName,
    group: Annotated[str, typer.Option("--group", help="Group of the trajectories: recorder, where a run's driver is gone for good.")],
    discard: Annotated[bool, typer.Option("--discard", help="Delete the trajectories even where nobody has learned from them.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Forget a group that is served no more, and delete what is kept for it alone; its run can't be resumed afterwards."""
    deleted = run(_drain, quiet(load_settings(data_dir=data_dir)), exp_name, group, discard)
    typer.echo(f"{group} is forgotten, {deleted} trajector{'y is' if deleted == 1 else 'ies are'} deleted")


async def _drain(settings: Settings, name: str, group: str, discard: bool) -> int:
    from runtime.bus.drain import drain as drained

    async with a_namespace(settings, name) as namespace:
        return await drained(namespace, group, discard=discard)


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(drain)
