"""A run of TravelPlanner as a submission: the plan that it brought for each query of its split."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from envs.travelplanner.description import NAMES
from envs.travelplanner.queries import Query, read_queries
from envs.travelplanner.query_games import data_folder
from envs.travelplanner.submission import submission_text
from experiments.analysis.judged import is_delivered, query_number
from experiments.results import EpisodeRow, read_rows
from experiments.run_folder import read_config
from memory.lines import replacing
from runtime.config import Settings
from runtime.errors import DataError, UsageError

_RANGES = 20
"""Of the queries that a run lacks, how many are told."""


class Written(NamedTuple):
    """What a submission file holds."""

    split: str
    queries: int
    plans: int


def write_submission(settings: Settings, exp_name: str, out: Path, *, partial: bool) -> Written:
    """Write the submission file of a run to `out`, whole or not at all.

    With `partial`, null stands for the queries that the run has no result of; else they are a `UsageError`, as is a run of another
    environment. `DataError` where the run's files or the queries can't be read, or don't belong together.
    """
    folder = settings.runs_dir / exp_name
    if not (folder / "config.json").is_file():
        raise UsageError(f"there is no run {exp_name} in {settings.runs_dir}: check --exp-name and --runs-dir")
    config = read_config(folder)
    if config.get("env") not in NAMES:
        raise UsageError(f"{exp_name} is a run of {config.get('env')}: only those of {' and '.join(NAMES)} make plans to submit")
    split = str(config.get("split"))
    queries = read_queries(data_folder(settings), split)
    found = _by_query(read_rows(folder / "episodes.jsonl"), split, queries)
    if not partial:
        _check_complete(exp_name, found, len(queries))
    plans = {index: row.judgement["plan"] for index, row in found.items() if row.counts and row.judgement and is_delivered(row)}
    with replacing(out) as file:
        file.write(submission_text(queries, plans))
    return Written(split, len(queries), len(plans))


def _by_query(rows: Sequence[EpisodeRow], split: str, queries: Sequence[Query]) -> dict[int, EpisodeRow]:
    """The episodes by the index of their query, which must be the one of the data folder, and stand once."""
    asked, found = {each.index: each for each in queries}, dict[int, EpisodeRow]()
    for row in rows:
        index = query_number(row)
        if row.game != f"{split}/{index}" or index not in asked or asked[index].query != row.goal:
            raise DataError(
                f"the run played {row.game}, and the data folder has another query there: "
                "set MEMP_TRAVELPLANNER_DATA to the data that the run was made from"
            )
        if index in found:
            raise DataError(
                f"the run has two results of idx {index} (tasks {found[index].task_id} and {row.task_id}): only one can be handed in"
            )
        found[index] = row
    return found


def _check_complete(exp_name: str, found: dict[int, EpisodeRow], queries: int) -> None:
    """Refuse a run that lacks results; those of aborted episodes say nothing of the agent, and so are none."""
    unplayed = [index for index in range(1, queries + 1) if index not in found]
    aborted = sorted(index for index, row in found.items() if not row.counts)
    lacking = [
        *([f"idx {_ranges(unplayed)} not played (the run's command, given again, goes on with it)"] if unplayed else []),
        *([f"idx {_ranges(aborted)} aborted (episodes.jsonl has the reasons)"] if aborted else []),
    ]
    if lacking:
        count = len(unplayed) + len(aborted)
        raise UsageError(f"{exp_name} lacks {count} of {queries} results: {'; '.join(lacking)}. With --partial, null stands for them")


def _ranges(indexes: list[int]) -> str:
    """Numbers in words: `1, 4-9`."""
    breaks = [at for at, (before, after) in enumerate(pairwise(indexes), start=1) if after != before + 1]
    parts = [indexes[start:end] for start, end in pairwise([0, *breaks, len(indexes)])]
    told = [str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts[:_RANGES]]
    return ", ".join(told) + (" …" if len(parts) > _RANGES else "")
