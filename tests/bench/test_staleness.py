"""The arithmetic of the comparison: gains paired by seed, the share that is kept, and what is said of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.staleness import Run, Runs, arms, line, notes, saved, tell
from runtime.errors import DataError

CONTROL, GROUPS, OTHER, FREE = arms([1], [])
OPTIONS = {"games": 10, "seeds": 2, "in_flight": [1], "slow": [], "real": False}


def played(free: Sequence[float], groups: float = 0.8) -> Runs:
    """One run per seed, of which the free-running arm succeeds as given; all others are worse by a tenth from the second on."""

    def run(success: float) -> Run:
        return Run(10, success, 20.0 - 10 * success, [0, 3, 4])

    worse = [0.0 if seed == 0 else 0.1 for seed in range(len(free))]
    fixed = {CONTROL: 0.6, GROUPS: groups, OTHER: 0.8}
    return {**{arm: [run(success - less) for less in worse] for arm, success in fixed.items()}, FREE: [run(success) for success in free]}


def lines(runs: Runs) -> list[dict[str, Any]]:
    return [line(arm, runs) for arm in (CONTROL, GROUPS, FREE)]


def said(*free: float, groups: float = 0.8) -> str:
    return "\n".join(notes(played(free, groups), 10))


def test_gain_is_paired_by_seed_and_its_share_kept_is_told_with_its_interval() -> None:
    control, groups, free = lines(played([0.7, 0.6]))
    assert (control["n"], control["to control"], control["kept %"]) == (20, None, None)
    assert (groups["to control"], groups["kept %"]) == ("+20.0 (+20.0 to +20.0)", None)
    assert (free["to the reference"], free["kept %"]) == ("-10.0 (-10.0 to -10.0)", "50 (50 to 50)")
    assert (free["lag, median"], free["lag, p90"]) == (3, 4)
    assert lines(played([0.7, 0.7]))[-1]["kept %"] == "75 (50 to 100)"


@pytest.mark.parametrize(
    ("free", "told"),
    [
        ((0.7, 0.6), "free, 1 in flight: does not keep it, 50 (50 to 50) %"),
        ((0.8, 0.72), "free, 1 in flight: keeps it, 105 (100 to 110) %"),
        ((0.7, 0.7), "free, 1 in flight: not shown, 75 (50 to 100) %"),
        ((0.7,), "free, 1 in flight: not shown, 50 %"),
    ],
    ids=["wholly below", "wholly above", "on both sides", "one seed"],
)
def test_verdict_follows_the_whole_interval(free: tuple[float, ...], told: str) -> None:
    assert told in said(*free)


def test_groups_that_gain_nothing_leave_no_share_to_keep() -> None:
    assert lines(played([0.7, 0.6], groups=0.6))[-1]["kept %"] is None
    assert "gained nothing" in said(0.7, 0.6, groups=0.6)


def test_more_in_flight_than_half_of_the_games_is_told() -> None:
    runs = {arm: [Run(10, 0.8 * arm.learns, 9.0, [])] for arm in arms([4, 8], [])}
    assert "before any is learned from: free, 8 in flight" in notes(runs, 10)[-1]


def test_runs_that_were_saved_are_told_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, file = played([0.7, 0.6]), tmp_path / "staleness.json"
    file.write_text(json.dumps({"options": OPTIONS, "runs": {arm.name: [run._asdict() for run in some] for arm, some in runs.items()}}))
    options, again = saved(file)
    assert again == runs
    assert tell(options, again) == [line(arm, runs) for arm in runs]
    assert "does not keep it" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"options": {}, "runs": {}}'])
def test_file_of_something_else_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(DataError, match=r"other\.json"):
        saved(tmp_path / "other.json")
