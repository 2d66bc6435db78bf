"""What TravelPlanner's evaluator says of a run's episodes, as far as the run tells: the constraints of its test split are hidden."""

from collections.abc import Sequence

from pydantic import ValidationError

from envs.travelplanner.description import NAMES
from envs.travelplanner.scoring import PlanScore, metrics
from experiments.results import EpisodeRow
from runtime.errors import DataError


def is_hidden(row: EpisodeRow) -> bool:
    """Whether nobody here can tell what the episode is worth: its success and reward say nothing."""
    return row.env in NAMES and row.judgement is not None and "commonsense" not in row.judgement


def is_scored(row: EpisodeRow) -> bool:
    """Whether success and reward say something of the agent."""
    return row.counts and not is_hidden(row)


def is_delivered(row: EpisodeRow) -> bool:
    """Whether the episode brought a plan."""
    return bool(row.judgement and row.judgement.get("delivered"))


def query_number(row: EpisodeRow) -> int:
    """The `idx` of the query that was played. Raises `DataError` where the episode is none of TravelPlanner's."""
    number = row.game.rpartition("/")[2]
    if not (number.isascii() and number.isdecimal()):
        raise DataError(f"task {row.task_id} played {row.game!r}, which is no query: mend or delete its line in episodes.jsonl")
    return int(number)


def plan_scores(rows: Sequence[EpisodeRow]) -> list[PlanScore]:
    """The scores of the episodes that are scored, in their order; a dead one delivered nothing. Empty for other environments."""
    return [_score(row) for row in rows if row.env in NAMES and is_scored(row)]


def figures(rows: Sequence[EpisodeRow]) -> dict[str, float]:
    """The benchmark's six figures in percent, over the episodes that count; where the constraints are hidden, delivery alone.

    Empty for other environments, and before an episode counts.
    """
    trips = [row for row in rows if row.env in NAMES and row.counts]
    if any(map(is_hidden, trips)):
        return {"delivery": sum(map(is_delivered, trips)) / len(trips) * 100}
    return metrics(plan_scores(trips)).model_dump() if trips else {}


def _score(row: EpisodeRow) -> PlanScore:
    try:
        return PlanScore.model_validate(row.judgement)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(
            f"task {row.task_id}: its judgement is damaged ({where}: {first['msg']}); mend its line in episodes.jsonl"
        ) from None
