"""Run all ten, tell, and give the exit code: 0 where every defect shows in the model of the reference and none in memp.

uv run python -m bench.reference [--json] [--out FILE]
"""

import argparse
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import anyio

from bench.reference import (
    defect_01_credit,
    defect_02_same_goal,
    defect_03_two_failures,
    defect_04_restart,
    defect_05_retrieval_key,
    defect_06_facts,
    defect_07_prompts,
    defect_08_split,
    defect_09_nothing_retrieved,
    defect_10_update_cost,
)
from bench.reference.stage import Stage, open_stage
from bench.reference.verdicts import Finding
from bench.report import save, show
from runtime.logs import configure_logs

Find = Callable[[Stage], Awaitable[Finding]]
DEFECTS: tuple[Find, ...] = (
    defect_01_credit.find,
    defect_02_same_goal.find,
    defect_03_two_failures.find,
    defect_04_restart.find,
    defect_05_retrieval_key.find,
    defect_06_facts.find,
    defect_07_prompts.find,
    defect_08_split.find,
    defect_09_nothing_retrieved.find,
    defect_10_update_cost.find,
)


async def find_all(defects: Sequence[Find] = DEFECTS) -> list[Finding]:
    """The findings, one after the other, on one server and one stand-in model."""
    with TemporaryDirectory(prefix="reference-") as folder:
        async with open_stage(Path(folder)) as stage:
            return [await find(stage) for find in defects]


def exit_code(findings: Sequence[Finding]) -> int:
    """1 where memp has a defect, or where the model has it not: then the check has shown nothing."""
    return 0 if all(each.as_due for each in findings) else 1


async def main(flags: argparse.Namespace) -> int:
    """Run, tell, and give the exit code."""
    configure_logs("error")
    began = perf_counter()
    findings = await find_all()
    facts = {"seconds": perf_counter() - began, "findings": [each.facts() for each in findings]}
    if flags.json:
        print(json.dumps(facts, indent=2))
    else:
        show("ten defects of the reference implementation: a model of it beside memp", [each.row() for each in findings])
        as_due = sum(each.as_due for each in findings)
        print(f"{as_due} of {len(findings)}: red in the model of the reference and green in memp")
    if flags.out:
        save("reference", facts, flags.out)
    return exit_code(findings)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the figures")
    sys.exit(anyio.run(main, parser.parse_args()))
