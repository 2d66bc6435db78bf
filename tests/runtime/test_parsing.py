"""Thought and action out of whatever models answer."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.parsing import parse


@pytest.mark.parametrize(
    ("text", "thought", "action"),
    [
        ("Thought: I look.\nAction: look", "I look.", "look"),
        ("thought: I look.\naction: look", "I look.", "look"),
        ("THOUGHT : I look.\nACTION : look", "I look.", "look"),
        ("**Thought:** I look.\n**Action:** look", "I look.", "look"),
        ("**Thought**: I look.\n**Action**: **look**", "I look.", "look"),
        ("## Thought: I look.\n- Action: `look`", "I look.", "look"),
        ("> Thought 3: I look.\n> Action 3: look", "I look.", "look"),
        ("```\nThought: I look.\nAction: look\n```", "I look.", "look"),
        ("Thought: I look.\n```text\nAction: look\n```", "I look.", "look"),
        ("Thought: I look.\nAction:\nlook", "I look.", "look"),
        ("Thought: I look.\nAction:\n\n  `look`\n", "I look.", "look"),
        ("Thought: I look.\nAction:\n```\nlook\n```", "I look.", "look"),
        ('Thought: I look.\nAction: "look".', "I look.", "look"),
        ("Thought: first,\nthen second.\nAction: look", "first,\nthen second.", "look"),
        ("I look.\nAction: look", "I look.", "look"),
        ("Action: look", "", "look"),
        ("Action: look\nThought: afterwards", "", "look"),
        ("Thought: I look.\nAction: look\nAction: inventory", "I look.", "look"),
        ("Thought: one\nAction: look\nObservation: a room\nThought: two\nAction: inventory", "one", "look"),
        ("Thought: I look.\r\nAction: look\r\n", "I look.", "look"),
        ("Action: take mug 1 from shelf 2", "", "take mug 1 from shelf 2"),
    ],
)
def test_parse_reads_thought_and_first_action(text: str, thought: str, action: str) -> None:
    assert parse(text) == (thought, action)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "I will look around.",
        "Thought: The best action: look.",
        "Thought: I look.\nAction:",
        "Thought: I look.\nAction:\nThought: again",
        "Action:\nObservation: a room",
        "Actions speak louder: than words",
        "```\n```",
    ],
)
def test_parse_of_an_answer_without_an_action_gives_none(text: str) -> None:
    assert parse(text).action is None


@pytest.mark.parametrize(
    "text",
    [
        "x " * 100_000,
        "Thought: a\n" * 20_000,
        "Action: look\n" * 20_000,
        " " * 200_000,
        "*" * 200_000,
        "\n" * 200_000,
        "Thought" + "_" * 200_000,
        "`" * 200_000,
        "Action" + " " * 20_000,
        "Action" + "*" * 20_000,
        "Action: x" + "[" * 2_000_000,
        "Action: x[" + "\n" * 2_000_000,
    ],
)
def test_parse_of_a_huge_answer_takes_no_time(text: str) -> None:
    started = time.process_time()
    parse(text)
    assert time.process_time() - started < 0.3


@given(st.text(alphabet="Action: Thoug\n*`_.12x[]", max_size=200))
def test_parse_of_anything_gives_an_action_of_one_line_or_brackets_or_none(text: str) -> None:
    action = parse(text).action
    assert action is None or action.strip() == action != ""
    assert "\n" not in (action or "") or (action or "").count("[") == (action or "").count("]")


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("Action: Planner[two days,\ncheap] and so on", "Planner[two days,\ncheap]"),
        ("Action: Finish[a [b]\nc\n[d]]\nObservation: x]", "Finish[a [b]\nc\n[d]]"),
        ("Action: Search[Town\nObservation: never closed", "Search[Town"),
        ("Action: Planner[plan\nAction 2: Search[a, b]]", "Planner[plan"),
        ("Action: Search[Town]\nThought: [more]", "Search[Town]"),
    ],
)
def test_parse_reads_an_open_bracket_to_its_end(text: str, action: str) -> None:
    assert parse(text).action == action
