from pathlib import Path

import pytest

from experiments.analysis.economics import (
    Ledger,
    Measure,
    Saving,
    account,
    break_even,
    economics,
    of_same_game,
    open_ledger,
    savings_against,
    savings_within,
    value_of,
)
from experiments.analysis.prices import Models
from experiments.analysis.run_changes import read_run_changes
from experiments.results import EpisodeRow
from runtime.events import Usage
from tests.experiments.histories import learned, write_changes
from tests.experiments.samples import sample_row

PRICED = Models("gpt-4o-mini", "gpt-4o-mini")
"""0.15 dollars per million tokens of input, 0.60 of output."""


def row(index: int, tokens: int, **changes: object) -> EpisodeRow:
    return sample_row(index, usage={"agent": Usage(calls=10, input=tokens)}, **changes)


def ledger(learning: int, by_task: dict[str, int], models: Models = PRICED) -> Ledger:
    parts = {task: {"builder": Usage(calls=1, input=tokens)} for task, tokens in by_task.items()}
    return Ledger({"builder": Usage(calls=3, input=learning)} if learning else {}, parts, models)  # pyright: ignore[reportArgumentType]


RUN = [row(i, 500) for i in range(5)]
CONTROL = [row(i, 1000) for i in range(5)]
LEARNED = ledger(1500, {"dev-0": 1200})
"""300 tokens came of no episode of the run."""


def books(
    run: list[EpisodeRow], control: list[EpisodeRow], learned: Ledger, measure: Measure = "tokens"
) -> tuple[list[float], list[float], int | None]:
    value = value_of(measure, learned.models)
    found = account(run, value, of_same_game(control, value), learned, measure)
    assert found is not None
    return found.run, found.control, found.crossing


def test_account_learning_counts_with_the_episode_that_it_came_of() -> None:
    assert books(RUN, CONTROL, LEARNED) == ([2000, 2500, 3000, 3500, 4000], [1000, 2000, 3000, 4000, 5000], 3)


def test_account_crossing_is_for_good() -> None:
    run = [row(0, 500), row(1, 500), row(2, 1600), row(3, 500), row(4, 500)]
    assert books(run, CONTROL, ledger(300, {"dev-0": 300}))[::2] == ([800, 1300, 2900, 3400, 3900], 1)
    assert books(run, CONTROL, ledger(600, {"dev-2": 600}))[::2] == ([500, 1000, 3200, 3700, 4200], 4)
    assert books(run, CONTROL, ledger(9000, {}))[2] is None


def test_account_game_of_one_run_only_is_left_out_but_what_it_taught_is_paid() -> None:
    assert books(RUN, CONTROL[1:], LEARNED) == ([2000, 2500, 3000, 3500], [1000, 2000, 3000, 4000], 3)


def test_account_in_dollars_is_priced_and_without_a_price_there_is_none() -> None:
    run, control, crossing = books(RUN, CONTROL, LEARNED, "dollars")
    assert run == pytest.approx([tokens * 0.15e-6 for tokens in (2000, 2500, 3000, 3500, 4000)], rel=1e-3)
    assert control[-1] == pytest.approx(5000 * 0.15e-6, rel=1e-3)
    assert crossing is not None
    unpriced = ledger(1500, {"dev-0": 1200}, Models("stand-in", "stand-in"))
    value = value_of("dollars", unpriced.models)
    assert account(RUN, value, value, unpriced, "dollars") is None


def test_savings_against_another_run_are_paired_by_game_and_of_episodes_with_memory() -> None:
    held_out = row(5, 9000, arm="control")
    found = savings_against([*RUN, held_out, row(6, 1)], [*CONTROL, row(5, 1000)], PRICED, PRICED)
    tokens = found["tokens"]
    assert (tokens.run, tokens.control, tokens.saved, tokens.low, tokens.high) == (500, 1000, 500, 500, 500)
    assert (tokens.run_n, tokens.control_n) == (5, 5)
    assert found["calls"].saved == found["steps"].saved == 0
    assert found["dollars"].saved == pytest.approx(500 * 0.15e-6)


def test_savings_within_a_run_are_against_what_was_held_out() -> None:
    found = savings_within([*RUN, *RUN, *(row(at, 800, arm="control") for at in range(20, 30))], Models())
    tokens = found["tokens"]
    assert (tokens.run, tokens.control, tokens.saved, tokens.low, tokens.high) == (500, 800, 300, 300, 300)
    assert (tokens.run_n, tokens.control_n) == (10, 10)
    assert "dollars" not in found
    assert savings_within(RUN, PRICED) == {}


def saving(saved: float, low: float | None, high: float | None) -> Saving:
    return Saving(run=0, run_n=9, control=saved, control_n=9, saved=saved, low=low, high=high)


def test_break_even_is_cost_over_saving_and_never_where_nothing_is_saved() -> None:
    even = break_even(1500, saving(500, -100, 750))
    assert (even.episodes, even.earliest, even.latest) == (3.0, 2.0, None)
    never = break_even(1500, saving(-20, -40, 0))
    assert (never.episodes, never.earliest, never.latest) == (None, None, None)


def test_economics_of_a_memory_whose_cost_is_not_known_breaks_even_nowhere() -> None:
    rows = [sample_row(0, steps=5), sample_row(1, arm="control", steps=20)]
    found = economics(rows, ledger(0, {}))
    assert found is not None
    assert (found.saved["steps"].saved, found.break_even) == (15.0, {})


def test_economics_part_tells_cost_saving_and_break_even() -> None:
    rows = [*RUN, row(5, 800, arm="control"), row(6, 800, arm="control")]
    found = economics(rows, LEARNED)
    assert found is not None
    assert (found.learning.calls, found.learning.tokens) == (3, 1500)
    assert found.learning.dollars == pytest.approx(1500 * 0.15e-6)
    assert found.break_even["tokens"].episodes == 5.0
    assert found.break_even["calls"].episodes is None
    assert "steps" not in found.break_even
    assert economics(RUN, ledger(0, {})) is None


def test_open_ledger_without_a_total_sums_the_changes_and_a_task_has_all_of_its_own(tmp_path: Path) -> None:
    usage = {"builder": Usage(calls=1, input=100), "adjustment": Usage(calls=2, input=30)}
    write_changes(tmp_path, learned(1, "dev-0", usage=usage), learned(2, "dev-1", usage=usage), learned(3, "dev-0", usage=usage))
    changes = read_run_changes(tmp_path)
    found = open_ledger({}, changes, PRICED)
    assert (found.spent.calls, found.spent.tokens) == (9, 390)
    assert found.of("tokens", found.by_task["dev-0"]) == 260
    assert open_ledger({"builder": Usage(input=7)}, changes, PRICED).spent.tokens == 7
    assert open_ledger({}, None, PRICED).learning == {}


def test_models_builder_has_its_own_price() -> None:
    models = Models.of({"model": "gpt-4o-mini", "builder_model": "gpt-4o", "embedding_model": None})
    usage = {"builder": Usage(calls=1, input=1000)}
    assert models.learning(usage) == pytest.approx(1000 * 2.5e-6)  # pyright: ignore[reportArgumentType]
    assert Models.of({"model": "gpt-4o-mini"}).builder == "gpt-4o-mini"
