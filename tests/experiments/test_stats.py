import numpy as np
import pytest

from experiments.analysis.stats import Interval, mean_interval, paired_interval, ratio_interval, runs_interval, share_interval
from runtime.errors import UsageError


def test_paired_interval_same_difference_everywhere_has_no_width() -> None:
    treated = {f"t{i}": i + 1.0 for i in range(20)}
    control = {f"t{i}": float(i) for i in range(20)}
    assert paired_interval(treated, control) == Interval(1.0, 1.0, 1.0)


def test_paired_interval_same_arguments_twice_gives_the_same_bounds() -> None:
    rng = np.random.default_rng(1)
    treated = {f"t{i}": float(v) for i, v in enumerate(rng.normal(size=30))}
    control = dict.fromkeys(treated, 0.0)
    shuffled = dict(reversed(treated.items()))
    assert paired_interval(treated, control) == paired_interval(shuffled, control)
    assert paired_interval(treated, control) != paired_interval(treated, control, seed=1)


def test_paired_interval_pairing_removes_what_tasks_differ_by() -> None:
    rng = np.random.default_rng(2)
    hard = rng.normal(scale=10, size=50)
    control = {f"t{i}": float(v) for i, v in enumerate(hard)}
    treated = {f"t{i}": float(v + 0.5 + rng.normal(scale=0.1)) for i, v in enumerate(hard)}
    low, high = paired_interval(treated, control)[1:]
    assert 0.4 < low < high < 0.6


def test_paired_interval_missing_task_raises_and_names_it() -> None:
    with pytest.raises(UsageError, match=r"1 tasks .*\(b\)"):
        paired_interval({"a": 1.0, "b": 1.0}, {"a": 0.0})


def test_paired_interval_task_without_seeds_raises_and_names_it() -> None:
    with pytest.raises(UsageError, match="task a has no result"):
        paired_interval({"a": [], "b": [1.0]}, {"a": [1.0], "b": [1.0]})


def test_paired_interval_no_tasks_raises() -> None:
    with pytest.raises(UsageError, match="no task"):
        paired_interval({}, {})


def test_paired_interval_one_task_leaves_the_bounds_unknown() -> None:
    interval = paired_interval({"a": 1.0}, {"a": 0.0})
    assert interval.mean == 1.0
    assert not interval.known
    assert not interval.low > 0


def test_paired_interval_seeds_of_a_task_stay_together() -> None:
    """Ten copies of each task's value carry no more information than one; a bootstrap over episodes would narrow it."""
    values = {f"t{i}": float(i % 2) for i in range(20)}
    control = dict.fromkeys(values, 0.0)
    many = {task: [value] * 10 for task, value in values.items()}
    assert paired_interval(many, {task: [0.0] * 3 for task in many}) == paired_interval(values, control)


def test_paired_interval_many_tasks_are_drawn_in_blocks() -> None:
    treated = {f"t{i}": float(i % 2) for i in range(9_000)}
    mean, low, high = paired_interval(treated, dict.fromkeys(treated, 0.0), samples=500)
    assert mean == 0.5
    assert 0.485 < low < mean < high < 0.515


def test_paired_interval_simulated_runs_covers_the_truth_about_95_percent() -> None:
    rng = np.random.default_rng(3)
    covered, worlds = 0, 300
    for _ in range(worlds):
        solved_control = rng.random((60, 3)) < 0.4
        solved_treated = rng.random((60, 3)) < 0.6
        keys = [f"t{i}" for i in range(60)]
        treated = {key: row.astype(float).tolist() for key, row in zip(keys, solved_treated, strict=True)}
        control = {key: row.astype(float).tolist() for key, row in zip(keys, solved_control, strict=True)}
        _, low, high = paired_interval(treated, control, samples=1_000)
        covered += low <= 0.2 <= high
    assert 0.90 <= covered / worlds <= 0.98


def test_mean_interval_values_spread_contains_the_mean() -> None:
    interval = mean_interval({f"t{i}": float(i) for i in range(100)})
    assert interval.mean == 49.5
    assert 42 < interval.low < 46 < 53 < interval.high < 57


def test_share_interval_all_successes_still_has_a_width() -> None:
    mean, low, high = share_interval(10, 10)
    assert (mean, high) == (1.0, pytest.approx(1.0))
    assert low == pytest.approx(0.7225, abs=1e-3)


def test_share_interval_half_matches_the_published_formula() -> None:
    mean, low, high = share_interval(50, 100)
    assert mean == 0.5
    assert (low, high) == (pytest.approx(0.4038, abs=1e-3), pytest.approx(0.5962, abs=1e-3))


def test_ratio_interval_equal_parts_is_that_of_the_mean() -> None:
    values = {f"t{i}": float(i % 2) for i in range(40)}
    assert ratio_interval({task: (value, 1.0) for task, value in values.items()}) == pytest.approx(mean_interval(values))


def test_ratio_interval_parts_of_other_sizes_is_their_common_share_and_never_more_than_all() -> None:
    shares = {"small": (1.0, 1.0), "large": (3.0, 5.0), "none": (0.0, 2.0), "whole": (4.0, 4.0)}
    mean, low, high = ratio_interval(shares)
    assert mean == pytest.approx(8 / 12)
    assert 0 <= low < mean < high <= 1


def test_ratio_interval_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to take a share of"):
        ratio_interval({"t": (0.0, 0.0)})


def test_runs_interval_simulated_orders_covers_the_truth_more_seldom_with_few() -> None:
    """What the mark `few orders` stands for: the percentile bootstrap of three runs covers far less than 95 %."""
    rng = np.random.default_rng(5)

    def coverage(runs: int, worlds: int = 300) -> float:
        found = [runs_interval(rng.normal(0.2, 0.1, runs).tolist(), samples=500) for _ in range(worlds)]
        return sum(each.low <= 0.2 <= each.high for each in found) / worlds

    few, many = coverage(3), coverage(20)
    assert few < 0.85 < many
    assert coverage(5, worlds=1_000) == pytest.approx(0.84, abs=0.04)


def test_runs_interval_one_run_is_unknown() -> None:
    interval = runs_interval([0.5])
    assert (interval.mean, interval.known) == (0.5, False)
