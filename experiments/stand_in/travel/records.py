"""Finds the records of trips in a text: the query, what was done and what came of it; the rest of the text is prose."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from experiments.stand_in.travel import plan, query

_QUERY = re.compile(r"^(?:\W*Observation\W*?:\s*)?Query:\s*(.*)$")
_ACTION = re.compile(r"^\W*Action\W*?:\s*(.*?)\s*$", re.IGNORECASE)
_OBSERVATION = re.compile(r"^\W*Observation\W*?:\s?(.*)$", re.IGNORECASE)
_THOUGHT = re.compile(r"^\W*Thoughts?\W*?:\s*(.*)$", re.IGNORECASE)
_OUTCOME = re.compile(r"^\W*Outcome\W*?:\s*(.*)$", re.IGNORECASE)
_HEADING = re.compile(r"^(?:\[\d+\] )?(?:Made for the task|When to use):|^(?:Procedure|Record of an episode):\s*$|^Here is your task\.")
_CALL = re.compile(r"^(\w+)\[(.*)\]$", re.DOTALL)
_VERDICT = re.compile(r"\b(success|failure)\b(?:.*?reward (-?\d+(?:\.\d+)?))?", re.IGNORECASE)
_FEEDBACK = re.compile(r"^(?:passed|failed|not judged|no plan|what the plan)\b", re.IGNORECASE)
MASKED = "Masked due to limited length"
NOTE = " Note: "
"""Stands in a planner's query between the traveller's words and the agent's."""


@dataclass
class Step:
    """One action and all that answered it."""

    action: str
    observation: str = ""
    thought: str = ""

    @property
    def name(self) -> str:
        """The action's name, empty where it has not the form."""
        found = _CALL.match(self.action)
        return found[1] if found else ""

    @property
    def arguments(self) -> list[str]:
        """The action's arguments, as the environment takes them apart."""
        found = _CALL.match(self.action)
        return found[2].split(", ") if found else []


@dataclass
class Record:
    """An episode, from its query on; `outcome` is empty where none is marked."""

    words: str = ""
    steps: list[Step] = field(default_factory=list[Step])
    outcome: str = ""
    feedback: list[str] = field(default_factory=list[str])

    @cached_property
    def trip(self) -> query.Trip | None:
        """What was asked for."""
        return query.read(self.words)

    @cached_property
    def days(self) -> tuple[plan.Day, ...]:
        """The plan that was made; empty without one."""
        return plan.read(self.steps[-1].observation) if self.steps else ()

    @property
    def note(self) -> str:
        """What the agent told the planner besides the query."""
        last = self.steps[-1] if self.steps else Step("")
        return last.action.partition(NOTE)[2].removesuffix("]") if last.name == "Planner" else ""

    @property
    def worth(self) -> float:
        """How much this example weighs: its reward if it is marked as a success, nothing if as a failure, all if unmarked."""
        if not self.outcome:
            return 1.0
        found = _VERDICT.search(self.outcome)
        return float(found[2] or 1) if found and found[1].lower() == "success" else 0.0


class _Reader:
    """Sorts lines into the record under way and prose; `part` is what the lines that follow belong to."""

    def __init__(self) -> None:
        self.done: list[Record] = []
        self.prose: list[str] = []
        self.record: Record | None = None
        self.part = ""

    def read(self, line: str) -> None:
        if found := _QUERY.match(line):
            self.record = Record(found[1])
            self.done.append(self.record)
            self.part = "query"
        elif found := _HEADING.match(line):
            # A heading names another trip, and ends what went before.
            self.record, self.part = None, ""
        elif self.record is not None:
            self._step(self.record, line)
        elif not _THOUGHT.match(line) and not _ACTION.match(line) and not _OBSERVATION.match(line):
            self.prose.append(line.strip())

    def _step(self, record: Record, line: str) -> None:
        if found := _ACTION.match(line):
            thought = record.steps.pop().thought if self.part == "thought" else ""
            record.steps.append(Step(found[1], "", thought))
            self.part = "action"
        elif found := _THOUGHT.match(line):
            record.steps.append(Step("", "", found[1]))
            self.part = "thought"
        elif found := _OUTCOME.match(line):
            record.outcome, self.part = found[1], "outcome"
        elif self.part in ("action", "observation") and (found := _OBSERVATION.match(line)):
            record.steps[-1].observation, self.part = found[1], "observation"
        else:
            self._more(record, line)

    def _more(self, record: Record, line: str) -> None:
        if self.part == "observation":
            record.steps[-1].observation += "\n" + line
        elif self.part == "action":
            record.steps[-1].action += line
        elif self.part == "outcome" and _FEEDBACK.match(line):
            record.feedback.append(line)
        elif self.part == "outcome":
            # After its outcome a record is over.
            self.record = None
            self.prose.append(line.strip())


def split(lines: Iterable[str]) -> tuple[list[Record], list[str]]:
    """The records in order, and the lines that belong to none of them."""
    reader = _Reader()
    for line in lines:
        reader.read(line)
    return reader.done, reader.prose
