"""`memp travelplanner score`: plans judged as the benchmark judges them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bin.options import DataDir, Json, load_settings, print_table, quiet, table_of
from runtime.config import Settings
from runtime.errors import UsageError

if TYPE_CHECKING:
    from envs.travelplanner.scoring import Counts, Report

OFFICIAL_FLIGHTS = 3_000_000
"""A table of flights that is smaller than this is not the official one, of some four million."""

Split = Annotated[str, typer.Option("--split", help="train or validation; the constraints of test are hidden.")]
File = Annotated[Path, typer.Option("--submission", exists=True, dir_okay=False, help="A JSON object a line: idx, query, plan.")]
ModeName = Annotated[str, typer.Option("--mode", help="official: as the benchmark's evaluator; strict: without its loopholes.")]

travelplanner = typer.Typer(help="The TravelPlanner benchmark.", no_args_is_help=True)


@travelplanner.callback()
def group() -> None:
    """The TravelPlanner benchmark."""


@travelplanner.command()
def score(split: Split, submission: File, mode: ModeName = "official", as_json: Json = False, data_dir: DataDir = None) -> None:
    """Score a submission by the 8 commonsense and 5 hard constraints; --json holds a reason for each failed one."""
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


def _scored(settings: Settings, split: str, submission: Path, mode: str) -> tuple["Report", int]:
    """The report, and how many flights the database has."""
    from envs.travelplanner.database import open_database
    from envs.travelplanner.queries import read_queries
    from envs.travelplanner.sandbox import Sandbox
    from envs.travelplanner.scoring import score as scores
    from envs.travelplanner.submission import read_submission

    if mode not in ("official", "strict"):
        raise UsageError(f"--mode {mode}: choose official or strict")
    if split not in ("train", "validation"):
        raise UsageError(f"--split {split}: choose train or validation; what test asks for is known to the leaderboard alone")
    folder = settings.travelplanner_data
    if folder is None:
        raise UsageError("MEMP_TRAVELPLANNER_DATA is not set: point it at a folder with the benchmark's database/ and queries/")
    queries = read_queries(folder, split)
    if lacking := next((query.index for query in queries if not query.scorable), None):
        raise UsageError(f"query {lacking} of {split} has no constraints: put the benchmark's own queries in {folder / 'queries'}")
    plans = read_submission(submission, len(queries))
    with open_database(folder, settings.data_dir / "cache") as database:
        sandbox = Sandbox(database)
        return scores(queries, plans, sandbox, mode), sandbox.flight_count


def _show(report: "Report") -> None:
    metrics = table_of("figure", "%")
    for name, value in report.metrics.model_dump().items():
        metrics.add_row(name.replace("_", " "), f"{value:.2f}")
    print_table(metrics)
    table = table_of("", "constraint", "passed", "failed", "not judged", "of")
    for group, counts in (("commonsense", report.commonsense), ("hard", report.hard)):
        for name, (passed, failed, total) in _sums(counts).items():
            table.add_row(group, name, str(passed), str(failed), str(total - passed - failed), str(total))
    print_table(table)


def _sums(counts: "Counts") -> dict[str, tuple[int, int, int]]:
    """Passed, failed and all, by constraint over the levels and days."""
    sums: dict[str, tuple[int, int, int]] = {}
    for rows in counts.values():
        for cell in rows.values():
            for name, count in cell.items():
                passed, failed, total = sums.get(name, (0, 0, 0))
                sums[name] = (passed + count.passed, failed + count.failed, total + count.total)
    return sums


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(travelplanner, name="travelplanner")
