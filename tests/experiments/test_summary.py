import json
from pathlib import Path

import pytest

from experiments.analysis.summary import summarise, write_summary
from runtime.events import Retrieved, Usage
from tests.experiments.samples import failed_row, sample_row

GIVEN = (Retrieved(procedure="p", revision=1),)


def test_summary_dead_counts_as_failure_and_aborted_for_nothing() -> None:
    dead = sample_row(2, outcome="dead", success=False, reward=0.0, steps=0, usage={})
    aborted = sample_row(3, outcome="aborted", success=False, reward=0.0, steps=3)
    summary = summarise([sample_row(0, retrieved=GIVEN), failed_row(1), dead, aborted])
    assert (summary.n, summary.finished, summary.aborted, summary.dead) == (4, 2, 1, 1)
    assert summary.success_rate == pytest.approx(1 / 3)
    assert summary.mean_reward == pytest.approx(1 / 3)
    assert summary.mean_steps == 21
    assert summary.retrieved_share == 0.5
    assert summary.tokens == 3 * 7_200


def test_summary_no_rows_leaves_rates_unknown() -> None:
    summary = summarise([], model="gpt-4o-mini")
    assert (summary.n, summary.success_rate, summary.success_interval, summary.mean_steps, summary.cost_total) == (
        0,
        None,
        None,
        None,
        None,
    )
    assert summary.halves[0].n == 0


def test_summary_rows_out_of_order_split_by_index_type_and_group() -> None:
    rows = [sample_row(i, group=i // 2, task_type="heat" if i % 2 else None) for i in (3, 2)]
    rows += [failed_row(i, group=i // 2, task_type="heat" if i % 2 else None) for i in (1, 0)]
    summary = summarise(rows)
    assert [half.success_rate for half in summary.halves] == [0.0, 1.0]
    assert {group: each.success_rate for group, each in summary.groups.items()} == {0: 0.0, 1: 1.0}
    assert {kind: each.n for kind, each in summary.task_types.items()} == {"heat": 2}


def test_summary_known_model_is_priced_and_unknown_is_not() -> None:
    priced = summarise([sample_row()], model="gpt-4o-mini")
    assert priced.cost_total == priced.cost["agent"] == pytest.approx(6_000 * 0.15e-6 + 1_200 * 0.6e-6)
    assert summarise([sample_row()], model="stand-in-strong").cost_total is None
    assert summarise([sample_row()]).cost == {}


def test_summary_unpriced_embedding_is_left_out_and_unpriced_role_is_not_hidden() -> None:
    both = {"agent": Usage(calls=1, input=10), "embedding": Usage(calls=1, input=10)}
    with_agent = summarise([sample_row(usage=both)], model="gpt-4o-mini", embedding_model="my-own")
    assert with_agent.cost_total == with_agent.cost["agent"]
    only_embedding = summarise([sample_row(usage=both)], model="stand-in", embedding_model="text-embedding-3-small")
    assert "embedding" in only_embedding.cost
    assert only_embedding.cost_total is None


def test_summary_long_run_is_not_priced_as_one_long_call() -> None:
    """gemini-2.5-pro costs twice as much beyond 200,000 tokens of input; no call here comes near that."""
    usage = {"agent": Usage(calls=100, input=500_000, output=5_000)}
    summary = summarise([sample_row(usage=usage)], model="gemini-2.5-pro")
    assert summary.cost_total == pytest.approx(500_000 * 1.25e-6 + 5_000 * 10e-6)


def test_write_summary_file_holds_the_figures(tmp_path: Path) -> None:
    path = write_summary(tmp_path, summarise([sample_row(0), failed_row(1)]))
    stored = json.loads(path.read_text())
    assert path.name == "summary.json"
    assert (stored["n"], stored["success_rate"]) == (2, 0.5)
