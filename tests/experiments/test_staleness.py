from pathlib import Path

import pytest

from experiments.analysis.run_changes import RunChanges, read_run_changes
from experiments.analysis.staleness import lag_quartiles, seen_versions, staleness
from memory.procedure import Deprecated
from runtime.errors import DataError
from tests.experiments.histories import imported, learned, write_changes
from tests.experiments.samples import failed_row, sample_row

LAGS = (0, 0, 1, 1, 2, 3, 5, 7)
ROWS = [sample_row(i, memory_version=i - lag, steps=10 + i) for i, lag in enumerate(LAGS)]
"""The episode of task i makes version i + 1; so many changes of others came between."""


def history(folder: Path, count: int = len(LAGS)) -> RunChanges:
    write_changes(folder, *(learned(i + 1, f"dev-{i}", procedure="p") for i in range(count)))
    found = read_run_changes(folder)
    assert found is not None
    return found


def test_staleness_lag_is_what_others_changed_in_between(tmp_path: Path) -> None:
    changes = history(tmp_path)
    assert tuple(each.lag for each in seen_versions(ROWS, changes)) == LAGS
    found = staleness(ROWS, changes)
    assert found is not None
    assert (found.n, found.unknown, found.median, found.most) == (8, 0, 1.5, 7)
    assert found.p90 == pytest.approx(5.6)


def test_staleness_episodes_that_changed_nothing_are_counted_apart(tmp_path: Path) -> None:
    """Held-out and aborted episodes are not: they saw no version, or made none."""
    others = [failed_row(8), failed_row(9, arm="control"), sample_row(10, outcome="aborted", reason="budget")]
    found = staleness([*ROWS, *others], history(tmp_path))
    assert found is not None
    assert (found.n, found.unknown, found.unknown_successes) == (8, 1, 0)


def test_staleness_held_out_episode_that_taught_has_no_lag(tmp_path: Path) -> None:
    rows = [ROWS[0].model_copy(update={"arm": "control"}), *ROWS[1:]]
    assert [each.made for each in seen_versions(rows, history(tmp_path))] == [2, 3, 4, 5, 6, 7, 8]


def test_staleness_quartiles_keep_equal_lags_together(tmp_path: Path) -> None:
    changes = history(tmp_path)
    found = lag_quartiles(seen_versions([ROWS[0], failed_row(1, memory_version=1), *ROWS[2:]], changes))
    assert [(each.low, each.high, each.n) for each in found] == [(0, 0, 2), (1, 1, 2), (2, 3, 2), (5, 7, 2)]
    assert [each.steps.mean for each in found] == [20.0, 12.5, 14.5, 16.5]
    assert found[0].success is not None
    assert found[0].success.mean == 0.5


def test_staleness_same_lag_everywhere_is_one_part(tmp_path: Path) -> None:
    rows = [sample_row(i, memory_version=i) for i in range(8)]
    assert [(each.low, each.high, each.n) for each in lag_quartiles(seen_versions(rows, history(tmp_path)))] == [(0, 0, 8)]


def test_run_changes_first_change_of_a_trajectory_is_its_own(tmp_path: Path) -> None:
    """Building it again later, from a dead letter, is another one; a person's command is nobody's."""
    failed = learned(2, "dev-0", kind="build_failed", reason="no model")
    evidence = (Deprecated(procedure="q", revision=3, evidence=21.5), Deprecated(procedure="r", revision=1))
    write_changes(
        tmp_path, imported(1, "old"), failed, learned(3, "dev-1", procedure="p", deprecated=evidence), learned(4, "dev-0", procedure="p")
    )
    changes = read_run_changes(tmp_path)
    assert changes is not None
    assert [(each.version, each.trajectory) for each in changes.learned] == [(2, "1:dev-0"), (3, "1:dev-1"), (4, "1:dev-0")]
    known = changes.of("dev-0")
    assert known is not None
    assert known.version == 2
    assert changes.of("dev-9") is None
    assert changes.touched == {("1:dev-0", "p"), ("1:dev-1", "p"), ("1:dev-1", "q"), ("1:dev-1", "r")}
    assert changes.evidence == {("q", 3): 21.5}


def test_run_changes_no_file_is_no_history_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    assert read_run_changes(tmp_path) is None
    (tmp_path / "changes.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"changes\.jsonl"):
        read_run_changes(tmp_path)
