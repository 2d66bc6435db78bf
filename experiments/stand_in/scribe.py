"""Answers memory's requests: writes a procedure from a record, corrects one after a failure, names a task's facts.

It extracts and rephrases what it is shown and adds nothing of its own.
"""

import re

import orjson

from experiments.stand_in.goals import Goal, parse, phrase
from experiments.stand_in.knowledge import Knowledge, from_procedure, from_record, merged
from experiments.stand_in.transcript import Episode, Turn, kind, split
from experiments.stand_in.travel import query
from experiments.stand_in.travel import scribe as travel
from runtime.prompts import NOTHING

_PART = re.compile(r"<(environment|task|outcome|trajectory|procedure)>\n(.*?)\n</\1>", re.DOTALL)
_NOUN = re.compile(r"(?:\b(?:in|on|or|then|from|with|to)|,) the ([a-z]+)\b")
_LONGEST = 300


def parts(text: str) -> dict[str, str]:
    """The tagged parts of a request."""
    return dict(_PART.findall(text))


def role(text: str) -> str:
    """Whose work a request is: builder, adjustment, facts, or agent where it is none of memory's."""
    given = parts(text).keys()
    if not {"environment", "task"} <= given:
        return "agent"
    if "trajectory" not in given:
        return "facts"
    return "adjustment" if "procedure" in given else "builder"


def write(role: str, text: str) -> str:
    """The answer to a request of memory's."""
    given = parts(text)
    if trip := query.read(given["task"]):
        return _travelled(role, trip, given)
    if role == "facts":
        return facts(given["task"])
    record = _record(given["trajectory"])
    return adjust(given["procedure"], given["task"], record) if role == "adjustment" else build(given["task"], record)


def _travelled(role: str, trip: query.Trip, given: dict[str, str]) -> str:
    if role == "facts":
        return travel.facts(trip)
    outcome = given.get("outcome", "")
    if role == "adjustment":
        return travel.adjust(trip, given["procedure"], given["trajectory"], outcome)
    return travel.build(trip, given["trajectory"], outcome)


def _record(text: str) -> Episode:
    """The whole trajectory as one episode, whatever environment it comes from."""
    episodes, _ = split(text.splitlines())
    turns = tuple(turn for episode in episodes for turn in episode.turns)
    return Episode(episodes[0].introduction if episodes else "", turns)


def facts(task: str) -> str:
    """A JSON object of the task's facts."""
    goal = parse(task)
    if goal is None:
        return orjson.dumps({"words": " ".join(re.findall(r"\b(?:[A-Z]\w+|\d[\w,.]*)\b", task)) or task.strip()}).decode()
    named = {"operation": goal.operation, "object": goal.thing, "target": goal.target, "tool": goal.lamp}
    amount = {"amount": "two"} if goal.amount == 2 else {}
    return orjson.dumps({name: value for name, value in (named | amount).items() if value}).decode()


def build(task: str, record: Episode) -> str:
    """A script from one record."""
    goal = parse(task)
    return _listed(task, record) if goal is None else script(goal, from_record(goal, record))


def adjust(procedure: str, task: str, record: Episode) -> str:
    """A script that mends a procedure by the record of a failure under it."""
    goal = next(filter(None, map(parse, (*procedure.splitlines(), task))), None)
    if goal is None:
        return _listed(task, record, procedure)
    failed = parse(task)
    new = from_record(goal, record)
    if failed is None or failed.thing != goal.thing:
        # Nobody looked for this procedure's thing then, so not having seen it says nothing.
        new = Knowledge(new.found, (), new.tools, new.idle, new.lamps, new.shut)
    places = {kind(name) for name in record.receptacles} | set(_NOUN.findall(procedure.lower()))
    known = from_procedure(goal, procedure, frozenset(places - {goal.thing, goal.lamp}))
    return script(goal, merged(known, new))


# Scripts. Their sentences keep to one claim each, so that a reader takes from them what they mean and no more.


def script(goal: Goal, known: Knowledge) -> str:
    """Knowledge in the asked form."""
    steps = [*_finding(goal, known), *(_lighting(goal, known) if goal.lamp else [*_treating(goal, known), *_delivering(goal)])]
    return _form(f'a task like "{phrase(goal)}"', _preconditions(goal, known), steps, _pitfalls(goal, known))


def _form(when: str, preconditions: str, steps: list[str], pitfalls: str) -> str:
    numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
    return f"When to use: {when}\nPreconditions: {preconditions}\nSteps:\n{numbered}\nPitfalls: {pitfalls}"


def _listing(places: tuple[str, ...], last: str) -> str:
    named = [f"the {place}" for place in places]
    return f"{', '.join(named[:-1])} {last} {named[-1]}" if len(named) > 1 else named[0]


def _preconditions(goal: Goal, known: Knowledge) -> str:
    needed = tuple(filter(None, (*known.tools[:1], goal.target, goal.lamp)))
    return f"the room has {_listing(needed, 'and')}; the hands are free."


def _finding(goal: Goal, known: Knowledge) -> list[str]:
    thing = goal.thing
    if not known.found:
        return [f"Look for the {thing} among the places that the pitfalls leave."]
    best = known.found[0]
    opening = tuple(place for place in known.found if place in known.shut)
    steps = [f"Look for the {thing} in or on {_listing(known.found, 'and then')}."]
    if opening:
        steps.append(f"Open {_listing(opening, 'and')} where closed.")
    return [*steps, f"Take the {thing} from the {best} (take {thing} N from {best} N)."]


def _treating(goal: Goal, known: Knowledge) -> list[str]:
    if not goal.treats:
        return []
    if not known.tools:
        return [f"Find out what will {goal.operation} the {goal.thing}."]
    tool = known.tools[0]
    wording = f"{goal.operation} {goal.thing} N with {tool} N"
    return [f"Carry the {goal.thing} to the {tool} and {goal.operation} the {goal.thing} with the {tool} ({wording})."]


def _delivering(goal: Goal) -> list[str]:
    thing, target = goal.thing, goal.target
    steps = [f"Go to the {target}, open it where it is closed, and put the {thing} there (move {thing} N to {target} N)."]
    return [*steps, f"Do the same with a second {thing} and the same {target}."] if goal.amount == 2 else steps


def _lighting(goal: Goal, known: Knowledge) -> list[str]:
    stands = [f"The {goal.lamp} is on {_listing(known.lamps, 'or')}."] if known.lamps else []
    return [*stands, f"Go there with the {goal.thing} in hand and use the {goal.lamp} (use {goal.lamp} N)."]


def _pitfalls(goal: Goal, known: Knowledge) -> str:
    told: list[str] = []
    if known.vain:
        told.append(f"The {goal.thing} was not in or on {_listing(known.vain, 'or')}.")
    if goal.treats and known.idle:
        told.append(f"It is no use to {goal.operation} the {goal.thing} with {_listing(known.idle, 'or')}.")
    if not known.found:
        told.append(f"No {goal.thing} was found.")
    return " ".join(told) or "none that the record shows."


def _worked(turns: tuple[Turn, ...]) -> list[str]:
    return list(dict.fromkeys(turn.action for turn in turns if NOTHING not in turn.observation))


def _listed(task: str, record: Episode, procedure: str = "") -> str:
    """For tasks of another kind: the actions that had an effect, in order, and those that had none."""
    refused = list(dict.fromkeys(turn.action for turn in record.turns if NOTHING in turn.observation))
    pitfalls = f"without effect: {'; '.join(refused)}" if refused else "none that the record shows."
    if "Steps:" in procedure:
        # What a failed record did is no model to follow: the older steps stand.
        kept, _, warned = procedure.partition("\nPitfalls:")
        return f"{kept}\nPitfalls: {warned.strip()} {pitfalls}".strip()
    return _form(" ".join(task.split())[:_LONGEST], "none that the record shows.", _worked(record.turns), pitfalls)
