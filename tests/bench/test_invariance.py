"""Results do not depend on how a run is spread out, and a difference would be seen."""

from dataclasses import dataclass

import pytest

from bench.invariance import Played, Shape, compare, differs, lines, opened
from memory.transfer import read_memory

GAMES = 8
"""The eighth is the first that memory is withheld from."""


@pytest.mark.timeout(240)
async def test_grouped_and_frozen_runs_are_the_same_by_one_worker_and_by_two() -> None:
    with opened(GAMES, real=False) as bench:
        told = await compare(bench, (Shape(1, 1), Shape(2, 16)), (Shape(1, 1), Shape(2, 16)), group=3)
        _, procedures = read_memory(bench.learned)
    assert [line["games"] for line in told] == [GAMES] * 4
    assert [line for line in told if differs(line)] == []
    assert procedures
    assert all(line["without memory"] and line["procedures withheld"] for line in told if line["kind"] == "grouped"), "nothing by chance"
    assert len({(line["kind"], line["memory"]) for line in told}) == 2, "one that was learned; and that, read without its trials by chance"


@dataclass(frozen=True)
class Other:
    """A second run that is not as the first in one respect."""

    episodes: dict[str, tuple[object, ...]]
    memory: str = "hash"


@pytest.mark.parametrize(
    "other",
    [
        Other({"t0": ("go to desk 2",), "t1": ("look",)}),
        Other({"t0": ("go to desk 1",)}),
        Other({"t0": ("go to desk 1",), "t1": ("look",), "t2": ("look",)}),
        Other({"t0": ("go to desk 1",), "t1": ("look",)}, "another"),
    ],
    ids=["an action", "one less", "one more", "the memory"],
)
def test_run_that_differs_in_one_respect_is_told_of(other: Other) -> None:
    first = Played(Shape(1, 1), {"t0": ("go to desk 1",), "t1": ("look",)}, "hash")
    told = lines("frozen", [first, first, Played(Shape(8, 1), other.episodes, other.memory)])
    assert [differs(line) for line in told] == [False, False, True]
