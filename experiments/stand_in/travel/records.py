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
_FRUITLESS = ("There is no ", "No valid information", "Illegal", "Invalid")
MASKED = "Masked due to limited length"
NOTE = " Note: "
"""Stands in a planner's query between the traveller's words and the agent's."""
FLIGHTS, ROADS = "FlightSearch", "GoogleDistanceMatrix"
IN_CITY = {"rooms": "AccommodationSearch", "meals": "RestaurantSearch", "sights": "AttractionSearch"}
"""Searches of a city, by the habit of making them."""
SEARCHES = (FLIGHTS, ROADS, *IN_CITY.values())
"""Those whose results can be written down."""


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

    @property
    def way(self) -> tuple[str, str, str] | None:
        """Origin, destination, and day or mode, of a search for a way; None for any other action."""
        found = self.arguments if self.name in (FLIGHTS, ROADS) else []
        return (found[0], found[1], found[2]) if len(found) == 3 else None

    @property
    def is_fruitless(self) -> bool:
        """Whether its result, where it is shown, has brought nothing to light."""
        head = self.observation.partition("\n")[0]
        told = ("no valid information", "is not valid city", "is not in the format")
        return head.startswith(_FRUITLESS) or any(each in head for each in told)


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

    @cached_property
    def written(self) -> frozenset[str]:
        """The searches whose result was written down, were it only once of several times."""
        written, latest = set[str](), ""
        for step in self.steps:
            if step.name in SEARCHES:
                latest = step.action
            elif step.name == "NotebookWrite":
                written.add(latest)
        return frozenset(written)

    def is_dropped(self, step: Step) -> bool:
        """Whether a search's result is shown no more and was never written down: who goes on like that has found nothing."""
        return step.observation.startswith(MASKED) and step is not self.steps[-1] and step.action not in self.written

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
