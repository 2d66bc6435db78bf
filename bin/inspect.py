"""Looking: `memp status`, `memp procedures list|show|history`, `memp doctor`."""

import difflib
import json
from typing import TYPE_CHECKING

import typer

from bin.options import DataDir, ExpName, Json, ProcedureId, a_namespace, cell, load_settings, print_table, quiet, table_of
from memory.procedure import Credit, Procedure
from runtime.config import Settings
from runtime.errors import UsageError
from runtime.event_loop import run
from runtime.masking import visible

if TYPE_CHECKING:
    from runtime.bus.status import Status

procedures = typer.Typer(help="What has been learned.", no_args_is_help=True)


def status(exp_name: ExpName, as_json: Json = False, data_dir: DataDir = None) -> None:
    """Streams, lag, pending entries, dead letters and procedures of a namespace."""
    found: Status = run(_status, quiet(load_settings(data_dir=data_dir)), exp_name)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    columns = ("stream", "entries", "group", "consumers", "pending", "lag", "silent for")
    table = table_of(*columns, title=f"{exp_name}, epoch {found.epoch}")
    for stream in found.streams:
        table.add_row(stream.name, str(stream.entries), *([""] * 5))
        for group in stream.groups:
            lag = "?" if group.lag is None else str(group.lag)
            silent = "-" if group.silent is None else f"{group.silent:.0f} s"
            table.add_row("", "", cell(group.name), str(group.consumers), str(group.pending), lag, silent)
    print_table(table)
    counters = ", ".join(f"{name} {value}" for name, value in found.progress.model_dump(exclude={"learning"}).items())
    typer.echo(counters)


def doctor(as_json: Json = False, data_dir: DataDir = None) -> None:
    """Say what was found (server, module, versions, model endpoint, ALFWorld data, compiler) and what to do about the rest."""
    from experiments.doctor import examine

    findings = run(examine, quiet(load_settings(data_dir=data_dir)))
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
        return
    table = table_of("", "what", "found", "what to do")
    for finding in findings:
        mark = "[green]ok[/green]" if finding.ok else "[yellow]--[/yellow]"
        table.add_row(mark, *(cell(text) for text in (finding.what, finding.found, finding.advice)))
    print_table(table)


@procedures.command("list")
def list_procedures(exp_name: ExpName, as_json: Json = False, data_dir: DataDir = None) -> None:
    """All procedures with their uses and successes."""
    found: list[Procedure] = run(_procedures, quiet(load_settings(data_dir=data_dir)), exp_name)
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json", exclude={"vector"}) for each in found], indent=2))
        return
    table = table_of("id", "goal", "status", "revision", "uses", "successes", "sources", whole=1)
    for each in found:
        uses, successes = (sum(getattr(credit, name) for credit in each.credit.values()) for name in ("uses", "successes"))
        current = each.current
        table.add_row(
            cell(each.id), cell(each.goal), current.status, str(current.number), str(uses), str(successes), str(len(each.sources))
        )
    print_table(table)


@procedures.command("show")
def show(procedure: ProcedureId, exp_name: ExpName, data_dir: DataDir = None) -> None:
    """What a procedure says now."""
    found: Procedure = run(_procedure, quiet(load_settings(data_dir=data_dir)), exp_name, procedure)
    current = found.current
    typer.echo(f"{visible(found.goal)}\nrevision {current.number} ({current.cause.kind}), {current.status}\n")
    typer.echo(visible("\n\n".join(text for text in (current.content.script, current.content.trajectory) if text)))


@procedures.command("history")
def history(procedure: ProcedureId, exp_name: ExpName, data_dir: DataDir = None) -> None:
    """All revisions of a procedure: why each came to be, how it did, and what it changed."""
    found: Procedure = run(_procedure, quiet(load_settings(data_dir=data_dir)), exp_name, procedure)
    before = ""
    for revision in found.revisions:
        did = _fared(found.credit.get(revision.number, Credit()))
        sources = visible(", ".join(revision.cause.trajectories)) or "-"
        typer.echo(f"revision {revision.number}: {revision.cause.kind} from {sources}; {did}")
        after = "\n".join(text for text in (revision.content.script, revision.content.trajectory) if text)
        for line in list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))[2:]:
            typer.echo(f"    {visible(line)}")
        before = after


def _fared(credit: Credit) -> str:
    """How a revision did; also where it was given or withheld by chance."""
    used = f"{credit.successes} of {credit.uses} successful" if credit.uses else "never used"
    if not (credit.given or credit.withheld):
        return used
    chance = f"{credit.given_successes} of {credit.given} when given, {credit.withheld_successes} of {credit.withheld} when withheld"
    return f"{used}; by chance {chance}"


async def _status(settings: Settings, name: str) -> "Status":
    from runtime.bus.status import read_status

    async with a_namespace(settings, name) as namespace:
        return await read_status(namespace)


async def _procedures(settings: Settings, name: str) -> list[Procedure]:
    from memory.read import read_procedures
    from memory.store import check_layout

    async with a_namespace(settings, name) as namespace:
        await check_layout(namespace)
        return await read_procedures(namespace.client, namespace.keys)


async def _procedure(settings: Settings, name: str, procedure: str) -> Procedure:
    from memory.read import read_procedure
    from memory.store import check_layout

    async with a_namespace(settings, name) as namespace:
        await check_layout(namespace)
        found = await read_procedure(namespace.client, namespace.keys, procedure)
    if found is None:
        raise UsageError(f"{name} has no procedure {procedure}: `memp procedures list --exp-name {name}` shows those it has")
    return found


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(status)
    app.command()(doctor)
    app.add_typer(procedures, name="procedures")
