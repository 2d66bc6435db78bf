"""The arithmetic of the comparison: gains paired by seed, the share that is kept, and what is said of it."""

from typing import Any

from bench.staleness import Arm, Run, arms, line, notes

CONTROL, GROUPS, FREE = arms([1], [])[0], arms([1], [])[1], arms([1], [])[-1]


def lines(free: float, groups: float = 0.8) -> list[dict[str, Any]]:
    """The table of two seeds; every arm is worse by a tenth in the second."""

    def runs(success: float) -> list[Run]:
        return [Run(10, success - less, 20.0 - 10 * success, [0, 3, 4]) for less in (0.0, 0.1)]

    played: dict[Arm, list[Run]] = {CONTROL: runs(0.6), GROUPS: runs(groups), FREE: runs(free)}
    return [line(arm, played, GROUPS) for arm in played]


def test_gain_is_paired_by_seed_and_its_share_kept_is_told() -> None:
    control, groups, free = lines(0.7)
    assert (control["n"], control["to control"], control["kept %"]) == (20, None, None)
    assert (groups["to control"], groups["kept %"]) == ("+20.0 (+20.0 to +20.0)", None)
    assert (free["to the reference"], round(free["kept %"])) == ("-10.0 (-10.0 to -10.0)", 50)
    assert (free["lag, median"], free["lag, p90"]) == (3, 4)


def test_arm_that_keeps_less_than_it_should_is_named_and_one_that_keeps_it_is_not() -> None:
    assert any("free, 1 in flight: 50 %" in said for said in notes(lines(0.7), 10, [FREE]))
    assert not any("in flight" in said for said in notes(lines(0.8), 10, [FREE]))


def test_groups_that_gain_nothing_leave_no_share_to_keep() -> None:
    assert lines(0.7, groups=0.6)[2]["kept %"] is None
    assert any("gained nothing" in said for said in notes(lines(0.7, groups=0.6), 10, [FREE]))


def test_more_in_flight_than_half_of_the_games_is_told() -> None:
    assert any("free, 8 in flight" in said for said in notes(lines(0.8), 10, arms([4, 8], [])))
