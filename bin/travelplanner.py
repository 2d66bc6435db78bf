"""`memp travelplanner`: a run's plans as a file for the leaderboard, and any such file judged as the benchmark judges it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bin.database import built_database
from bin.options import DataDir, ExpName, Json, RunsDir, load_settings, print_table, quiet, table_of
from runtime.config import Settings
from runtime.errors import UsageError

if TYPE_CHECKING:
    from envs.travelplanner.scoring import Count, Report

OFFICIAL_FLIGHTS = 3_000_000
"""A table of flights that is smaller than this is not the official one, of some four million."""

Split = Annotated[str, typer.Option("--split", help="train or validation; the constraints of test are hidden.")]
File = Annotated[Path, typer.Option("--submission", exists=True, dir_okay=False, help="A JSON object a line: idx, query, plan.")]
Out = Annotated[Path, typer.Option("--out", help="File to write (JSON lines); one that is there is replaced.")]
Partial = Annotated[bool, typer.Option("--partial", help="Put null for queries that the run has no result of.")]
ModeName = Annotated[str, typer.Option("--mode", help="official: as the benchmark's evaluator; strict: without its loopholes.")]

travelplanner = typer.Typer(help="The TravelPlanner benchmark.", no_args_is_help=True)


@travelplanner.callback()
def group() -> None:
    """The TravelPlanner benchmark."""


@travelplanner.command()
def score(split: Split, submission: File, mode: ModeName = "official", as_json: Json = False, data_dir: DataDir = None) -> None:
    """Score a submission by the 8 commonsense and 5 hard constraints; --json holds a reason for each failed one.

    `memp travelplanner submission` writes such a file from a run.
    """
    settings = quiet(load_settings(data_dir=data_dir))
    report, flights = _scored(settings, split, submission, mode)
    if as_json:
        told = {"split": split, "queries": len(report.plans), "flights": flights, **report.model_dump(mode="json")}
        typer.echo(json.dumps(told, indent=2))
        return
    typer.echo(f"{submission.name} on {split}: {len(report.plans)} queries, {mode}")
    _show(report)
    if flights < OFFICIAL_FLIGHTS:
        typer.echo(f"This database has {flights:,} flights, the official one some four million: plans with other flights fail here.")


@travelplanner.command()
def submission(exp_name: ExpName, out: Out, partial: Partial = False, runs_dir: RunsDir = None) -> None:
    """Write a run's plans as the file that the leaderboard takes, a line for each query of its split.

    Of train and validation, `memp travelplanner score` finds the run's own figures in it.
    """
    from experiments.submission import write_submission

    settings = quiet(load_settings(runs_dir=runs_dir))
    written = write_submission(settings, exp_name, out, partial=partial)
    typer.echo(f"{written.queries} queries of {written.split} in {out}, {written.plans} with a plan")


def _scored(settings: Settings, split: str, submission: Path, mode: str) -> tuple["Report", int]:
    """The report, and how many flights the database has."""
    from envs.travelplanner.database import Database
    from envs.travelplanner.queries import read_queries
    from envs.travelplanner.query_games import data_folder
    from envs.travelplanner.sandbox import Sandbox
    from envs.travelplanner.scoring import score as scores
    from envs.travelplanner.submission import read_submission

    if mode not in ("official", "strict"):
        raise UsageError(f"--mode {mode}: choose official or strict")
    if split not in ("train", "validation"):
        raise UsageError(f"--split {split}: choose train or validation; what test asks for is known to the leaderboard alone")
    folder = data_folder(settings)
    queries = read_queries(folder, split)
    if lacking := next((query.index for query in queries if not query.scorable), None):
        raise UsageError(f"query {lacking} of {split} has no constraints: put the benchmark's own queries in {folder / 'queries'}")
    plans = read_submission(submission, len(queries))
    with Database(built_database(settings)) as database:
        sandbox = Sandbox(database)
        return scores(queries, plans, sandbox, mode), sandbox.flight_count


def _show(report: "Report") -> None:
    metrics = table_of("figure", "%")
    for name, value in report.metrics.model_dump().items():
        metrics.add_row(name.replace("_", " "), f"{value:.2f}")
    print_table(metrics)
    table = table_of("", "constraint", "passed", "failed", "not judged", "of")
    for group, name, found in _counts(report):
        unjudged = found.total - found.passed - found.failed
        table.add_row(group, name, *map(str, (found.passed, found.failed, unjudged, found.total)))
    print_table(table)


def _counts(report: "Report") -> Iterator[tuple[str, str, "Count"]]:
    """Each constraint with its group, over all levels and days."""
    from envs.travelplanner.commonsense import COMMONSENSE
    from envs.travelplanner.hard import HARD
    from envs.travelplanner.scoring import count

    for name in COMMONSENSE:
        yield "commonsense", name, count([plan.commonsense for plan in report.plans], name)
    for name in HARD:
        yield "hard", name, count([plan.hard for plan in report.plans], name)


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(travelplanner, name="travelplanner")
