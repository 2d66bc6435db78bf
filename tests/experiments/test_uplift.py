import pytest

from experiments.analysis.uplift import memory_uplift, procedure_uplifts, uplift
from experiments.results import EpisodeRow
from runtime.events import Retrieved
from tests.experiments.samples import failed_row, sample_row


def tried(index: int, *given: str, withheld: tuple[str, ...] = (), success: bool = True) -> EpisodeRow:
    """An episode that was given these procedures (`name` or `name/revision`) while those were withheld."""
    row = sample_row if success else failed_row
    return row(index, retrieved=tuple(map(_one, given)), withheld=tuple(map(_one, withheld)))


def _one(name: str) -> Retrieved:
    procedure, _, number = name.partition("/")
    return Retrieved(procedure=procedure, revision=int(number or 1))


def arms(name: str, given: tuple[int, int], withheld: tuple[int, int], start: int) -> list[EpisodeRow]:
    """Episodes that one procedure was given to or withheld from: (successes, n) of either."""
    return [
        *(tried(start + i, name, success=i < given[0]) for i in range(given[1])),
        *(tried(start + 50 + i, withheld=(name,), success=i < withheld[0]) for i in range(withheld[1])),
    ]


def test_uplift_held_out_episodes_give_the_difference_of_the_arms() -> None:
    rows = [sample_row(i, steps=10) for i in range(8)] + [failed_row(i, steps=30) for i in range(8, 10)]
    rows += [sample_row(i, arm="control", steps=20) for i in range(10, 12)] + [
        failed_row(i, arm="control", steps=30) for i in range(12, 14)
    ]
    found = memory_uplift(
        [*rows, sample_row(14, outcome="aborted", reason="budget"), failed_row(15, arm="control", outcome="dead", steps=0)]
    )
    assert found is not None
    assert (found.success.treated, found.success.treated_n, found.success.control, found.success.control_n) == (0.8, 10, 0.4, 5)
    assert found.success.difference == pytest.approx(0.4)
    assert (found.steps.treated, found.steps.control, found.steps.control_n) == (14.0, 25.0, 4)
    assert found.steps.difference == -11.0
    assert found.aborted == (1, 0)


@pytest.mark.parametrize("arm", ["memory", "control"])
def test_uplift_run_of_one_arm_has_none(arm: str) -> None:
    assert uplift([sample_row(i, arm=arm, retrieved=(_one("a"),) if arm == "memory" else ()) for i in range(5)]) is None


def test_uplift_procedure_counts_each_episode_once_per_arm_and_revision() -> None:
    rows = [tried(0, "a", "b", success=False), tried(1, "a/2"), tried(2, "b", withheld=("a/2",)), tried(3, withheld=("a",), success=False)]
    found = {each.procedure: each for each in procedure_uplifts(rows)}
    assert (found["a"].contrast.treated, found["a"].contrast.treated_n) == (0.5, 2)
    assert (found["a"].contrast.control, found["a"].contrast.control_n) == (0.5, 2)
    assert [(number, each.treated, each.control) for number, each in found["a"].revisions.items()] == [(1, 0.0, 0.0), (2, 1.0, 1.0)]
    assert found["b"].verdict == "too few"
    assert (found["b"].contrast.treated_n, found["b"].contrast.control_n) == (2, 0)


def test_uplift_procedures_stand_in_order_of_what_they_do() -> None:
    rows = [
        *arms("unclear-seldom", (1, 2), (1, 2), 0),
        *arms("helpful", (10, 10), (0, 10), 100),
        *arms("unclear-often", (5, 10), (5, 10), 200),
        *arms("never-withheld", (9, 9), (0, 0), 300),
        *arms("harmful", (2, 10), (9, 10), 400),
        *arms("most-harmful", (0, 10), (10, 10), 500),
    ]
    found = procedure_uplifts(rows)
    assert [each.procedure for each in found] == [
        "most-harmful",
        "harmful",
        "helpful",
        "unclear-often",
        "unclear-seldom",
        "never-withheld",
    ]
    part = uplift(rows)
    assert part is not None
    assert part.memory is None
    assert part.procedures == {"harmful": 2, "helpful": 1, "unclear": 2, "too few": 1}


def test_uplift_procedure_of_trips_counts_success_as_memory_does() -> None:
    rows = [
        tried(0, "a", success=False).model_copy(update={"env": "travelplanner", "reward": 0.85}),
        tried(1, withheld=("a",), success=False).model_copy(update={"env": "travelplanner", "reward": 0.75}),
    ]
    assert procedure_uplifts(rows)[0].contrast.difference == 1.0


def test_uplift_aborted_episode_says_nothing_of_a_procedure() -> None:
    rows = [tried(0, "a"), tried(1, withheld=("a",)), sample_row(2, retrieved=(_one("a"),), outcome="aborted", reason="budget")]
    assert procedure_uplifts(rows)[0].contrast.treated_n == 1
