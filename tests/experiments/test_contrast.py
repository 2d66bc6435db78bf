import numpy as np
import pytest

from experiments.analysis.contrast import contrast_means, contrast_shares


@pytest.mark.parametrize(
    ("treated", "control", "low", "high"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 10), 0.6075, 1.0)],
)
def test_contrast_shares_published_examples_match(treated: tuple[int, int], control: tuple[int, int], low: float, high: float) -> None:
    """Newcombe 1998, table II, method 10."""
    arms = ([place < successes for place in range(n)] for successes, n in (treated, control))
    found = contrast_shares(*arms)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert found.difference == pytest.approx(treated[0] / treated[1] - control[0] / control[1])
    assert found.helpful
    assert not found.harmful


def test_contrast_shares_swapped_arms_turn_the_interval_round() -> None:
    there, back = contrast_shares([True] * 9 + [False], [False] * 10), contrast_shares([False] * 10, [True] * 9 + [False])
    assert there.low is not None
    assert (back.low, back.high) == (-(there.high or 0), -there.low)
    assert back.harmful


def test_contrast_shares_empty_arm_has_no_difference() -> None:
    found = contrast_shares([True, False], [])
    assert (found.treated, found.treated_n, found.control, found.control_n) == (0.5, 2, None, 0)
    assert found.difference is found.low is found.high is None
    assert not found.harmful
    assert not found.helpful


def test_contrast_means_constant_arms_have_no_width() -> None:
    found = contrast_means([3.0] * 12, [1.0] * 10)
    assert (found.treated, found.control, found.difference, found.low, found.high) == (3.0, 1.0, 2.0, 2.0, 2.0)


def test_contrast_means_few_episodes_leave_the_bounds_unknown() -> None:
    found = contrast_means([3.0] * 9, [1.0, 2.0] * 10)
    assert (found.difference, found.low, found.high) == (1.5, None, None)


def test_contrast_means_large_arms_agree_with_the_normal_interval() -> None:
    rng = np.random.default_rng(5)
    treated, control = rng.normal(12, 4, 400).tolist(), rng.normal(15, 6, 300).tolist()
    found = contrast_means(treated, control)
    half = 1.96 * float(np.var(treated) / 400 + np.var(control) / 300) ** 0.5
    assert found.difference is not None
    assert found.low == pytest.approx(found.difference - half, abs=0.1 * half)
    assert found.high == pytest.approx(found.difference + half, abs=0.1 * half)
    assert found == contrast_means(treated, control)
