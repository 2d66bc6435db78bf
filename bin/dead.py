"""`memp dead list|show|retry|drop`: what could not be worked on, and what becomes of it."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bin.options import DataDir, ExpName, Json, a_namespace, cell, load_settings, print_table, quiet, table_of
from runtime.config import Settings
from runtime.errors import UsageError
from runtime.event_loop import run
from runtime.masking import visible

if TYPE_CHECKING:
    from runtime.bus.dead import Letter
    from runtime.bus.namespace import Namespace

SHORT = 80
"""Characters of a reason in the list."""

Id = Annotated[str, typer.Argument(help="Id of a letter (`memp dead list` shows them).")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of letters (`memp dead list` shows them).")]
All = Annotated[bool, typer.Option("--all", help="All letters that are there now.")]

dead = typer.Typer(help="Look at dead letters, put their work back, or throw them away.", no_args_is_help=True)


@dead.command("list")
def list_letters(exp_name: ExpName, as_json: Json = False, data_dir: DataDir = None) -> None:
    """All letters: what could not be worked on, and why."""
    found: list[dict[str, Any]] = run(_list, quiet(load_settings(data_dir=data_dir)), exp_name)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    table = table_of("id", "holds", "task", "deliveries", "reason", whole=1)
    for each in found:
        reason = each["reason"] if len(each["reason"]) <= SHORT else each["reason"][: SHORT - 1] + "…"
        table.add_row(each["id"], each["kind"], cell(each["task"] or "-"), str(each["deliveries"]), cell(" ".join(reason.split())))
    print_table(table)


@dead.command("show")
def show(letter: Id, exp_name: ExpName, as_json: Json = False, data_dir: DataDir = None) -> None:
    """A whole letter with what it holds."""
    found: dict[str, Any] = run(_show, quiet(load_settings(data_dir=data_dir)), exp_name, letter)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for name in ("id", "kind", "stream", "entry", "task", "deliveries", "reason"):
        typer.echo(visible(f"{name}: {found[name]}"))
    typer.echo(f"\n{_pretty(found['payload'])}")


@dead.command("retry")
def retry(exp_name: ExpName, letters: Ids = None, every: All = False, as_json: Json = False, data_dir: DataDir = None) -> None:
    """Put work back: a task is played again, a build tried again, an entry read again. Each letter is gone with that."""
    done: list[str]
    done, refused = run(_retry, quiet(load_settings(data_dir=data_dir)), exp_name, letters or [], every)
    _tell("put back", done, as_json)
    if refused:
        raise UsageError("; ".join(refused))


@dead.command("drop")
def drop(exp_name: ExpName, letters: Ids = None, every: All = False, as_json: Json = False, data_dir: DataDir = None) -> None:
    """Throw letters away. A task that has died stays settled as dead."""
    _tell("dropped", run(_drop, quiet(load_settings(data_dir=data_dir)), exp_name, letters or [], every), as_json)


def _tell(what: str, ids: list[str], as_json: bool) -> None:
    typer.echo(json.dumps({what.replace(" ", "_"): ids}) if as_json else f"{len(ids)} dead letter{'s' * (len(ids) != 1)} {what}")


def _pretty(payload: str) -> str:
    """JSON laid out; anything else quoted, as it may hold what a terminal would obey."""
    try:
        return json.dumps(json.loads(payload), indent=2)
    except ValueError:
        return json.dumps(payload)


def _fields(namespace: "Namespace", letter: "Letter", *but: str) -> dict[str, Any]:
    return {"id": letter.id, "kind": letter.kind(namespace), **letter.said.model_dump(exclude={"v", *but})}


async def _list(settings: Settings, name: str) -> list[dict[str, Any]]:
    from runtime.bus.dead import read_letters

    async with a_namespace(settings, name) as namespace:
        return [_fields(namespace, letter, "payload") async for letter in read_letters(namespace)]


async def _show(settings: Settings, name: str, letter: str) -> dict[str, Any]:
    from runtime.bus.dead import find_letters

    async with a_namespace(settings, name) as namespace:
        [found] = await find_letters(namespace, [letter])
        return _fields(namespace, found)


async def _retry(settings: Settings, name: str, ids: Sequence[str], every: bool) -> tuple[list[str], list[str]]:
    """Ids of the letters whose work was put back, and why the others' was not."""
    from runtime.bus.dead import find_letters, retry

    done: list[str] = []
    refused: list[str] = []
    async with a_namespace(settings, name) as namespace:
        for each in await _chosen(namespace, ids, every):
            try:
                [letter] = await find_letters(namespace, [each])
                await retry(namespace, letter)
                done.append(each)
            except UsageError as error:
                refused.append(str(error))
    return done, refused


async def _drop(settings: Settings, name: str, ids: Sequence[str], every: bool) -> list[str]:
    from runtime.bus.dead import discard

    async with a_namespace(settings, name) as namespace:
        chosen = await _chosen(namespace, ids, every)
        await discard(namespace, chosen)
        return chosen


async def _chosen(namespace: "Namespace", ids: Sequence[str], every: bool) -> list[str]:
    """Ids of letters that are there: with `every`, not of those that come while these are worked on."""
    from runtime.bus.dead import find_letters, read_letters

    if every == bool(ids):
        raise UsageError("name the letters by their ids, or give --all (`memp dead list` shows them)")
    return [letter.id async for letter in read_letters(namespace)] if every else [each.id for each in await find_letters(namespace, ids)]


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(dead, name="dead")
