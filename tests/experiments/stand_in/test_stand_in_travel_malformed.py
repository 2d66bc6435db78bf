"""Whatever becomes of a text about trips on its way, it is answered."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.travelplanner import prompts
from experiments.stand_in.travel import scribe
from experiments.stand_in.travel.beliefs import believe
from experiments.stand_in.travel.query import Trip, read
from memory import prompts as memory_prompts
from tests.experiments.stand_in.trips import Messages, ask, country, guide, play, user

QUERY = (
    "Plan a 3-day trip from Eastwarren to Lindwater for 5 people. We leave on March 3rd, are back on March 5th, 2022, "
    "and can spend $5,100 in all."
)
MARKS = ("", "Query:", "Action:", "Observation:", "Outcome:", "Day ", ": ", "]", "</", "\n\n", "\n")


def trip() -> Trip:
    found = read(QUERY)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "text", ["", "Query: ", f"Query: {QUERY}", f"Observation: Query: {QUERY}\nOutcome: success (reward 1)", "Thought: x"]
)
@pytest.mark.parametrize("outcome", ["", "success (reward 1) after 0 steps", "failure (reward 0) after 0 steps\nno plan was delivered"])
def test_record_without_steps_is_read_and_written_down(text: str, outcome: str) -> None:
    assert not believe(text).weights
    script = scribe.build(trip(), text, outcome)
    assert "Steps:\n\nPitfalls:" in script
    assert scribe.adjust(trip(), script, text, outcome).startswith("When to use: a trip of 3 days")


def test_sole_planning_behind_a_record_without_steps_is_answered() -> None:
    asked = guide(f"Record of an episode:\nQuery: {QUERY}") + prompts.REFERENCE.format(query=QUERY, information="Nothing.")
    assert "Action: Finish[Day 1:" in ask(user(asked))[1]


@pytest.fixture(scope="module")
def request_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Messages]:
    """By number (0 to 6), of all roles, with records of real play in them."""
    land = country(tmp_path_factory.mktemp("country"), 3)
    played = [play(land, query) for query in land.queries]
    last, material = played[-1], {"environment": prompts.TOOLS, "task": played[-1].query.query}
    ended = {"outcome": last.outcome, "trajectory": last.trajectory}
    guidance, query = guide(*(each.record for each in played)), last.query.query
    texts = [
        memory_prompts.FACTS.format(**material),
        memory_prompts.BUILD.format(**material, **ended),
        memory_prompts.ADJUST.format(**material, **ended, procedure=guidance),
        guidance + prompts.PLANNER.format(notebook=land.tools.notebook.text, query=query),
        guidance + prompts.REFERENCE.format(query=query, information=land.tools.notebook.text),
        prompts.CONVERSION.format(plan=last.steps[-1][1]),
    ]
    made = [last.messages, *map(user, texts)]
    return lambda number: made[number]


def cut(text: str, behind: str, share: float, until: str) -> str:
    """Without what stands between one of the marks and the next of another kind, or the end; an empty mark is anywhere."""
    places = [found.end() for found in re.finditer(re.escape(behind), text)] or [0]
    start = places[round(share * (len(places) - 1))]
    end = text.find(until, start + 1)
    return text[:start] + (text[end:] if end >= 0 else "")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    which=st.integers(0, 6),
    cuts=st.lists(st.tuples(st.integers(0), st.sampled_from(MARKS), st.floats(0, 1), st.sampled_from(MARKS)), min_size=1, max_size=4),
)
def test_request_cut_anywhere_is_answered(
    request_of: Callable[[int], Messages], which: int, cuts: list[tuple[int, str, float, str]]
) -> None:
    messages = [dict(message) for message in request_of(which)]
    for number, behind, share, until in cuts:
        message = messages[number % len(messages)]
        message["content"] = cut(message["content"], behind, share, until)
    role, text = ask(messages, "stand-in-weak")
    assert role in ("agent", "planner", "conversion", "builder", "adjustment", "facts")
    assert text
