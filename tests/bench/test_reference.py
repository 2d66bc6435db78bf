"""The ten defects of the reference implementation: red in a model of it, green in memp, and a check that can fail both ways."""

import pytest

from bench.reference import defect_04_restart
from bench.reference.__main__ import DEFECTS, exit_code, find_all
from bench.reference.verdicts import Figures, Finding, at_most, exactly

SLOW = (defect_04_restart.find,)
"""Its six processes take 13 s even where they are forked, half as long as all others together; what it shows of memp, the tests of
killed workers and curators show, too. That the model has the defect, `python -m bench.reference` alone shows."""
DUE = {"results": exactly(134), "ratio": at_most(2)}
WRONG, RIGHT = {"results": 140, "ratio": 1}, {"results": 134, "ratio": 2}


async def test_reference_kit_shows_each_defect_in_the_model_and_none_in_memp() -> None:
    findings = await find_all([find for find in DEFECTS if find not in SLOW])
    colours = {each.number: (each.colour(each.reference), each.colour(each.memp)) for each in findings}
    assert colours == dict.fromkeys((1, 2, 3, 5, 6, 7, 8, 9, 10), ("red", "green")), findings
    assert exit_code(findings) == 0


@pytest.mark.parametrize(("reference", "memp", "code"), [(WRONG, RIGHT, 0), (WRONG, WRONG, 1), (RIGHT, RIGHT, 1), (RIGHT, WRONG, 1)])
def test_reference_kit_fails_where_memp_is_red_or_the_model_is_not(reference: Figures, memp: Figures, code: int) -> None:
    assert exit_code([Finding(8, "a split", DUE, reference, memp)]) == code
