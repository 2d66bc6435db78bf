"""Reading stored trajectories: every format, from small samples, and the published expert episodes."""

import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from memory.importers import Stored, read_trajectories
from runtime.events import Step
from tests.memory.stored_samples import GOAL, INSTRUCTIONS, ROOM, STEPS, TURNS, eto, openai, trajectory, write

LABELLED = (
    f"Observation: {ROOM}\nThought: there.\nAction: go to desk 1\nObservation: You see a pen 1.\nThought:\nAction: put mug 1 in/on desk 1"
)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param((trajectory(),), id="own"),
        pytest.param((trajectory(entry="1-0", group=None),), id="own-with-more-fields"),
        pytest.param([{"id": "1:t", "conversations": eto(TURNS)}], id="eto"),
        pytest.param([{"id": "1:t", "conversations": eto(INSTRUCTIONS + TURNS)}], id="eto-instructed"),
        pytest.param([{"id": "1:t", "query": "?", "trajectory": eto(INSTRUCTIONS + TURNS), "facts": None, "source": "x"}], id="reference"),
        pytest.param(({"id": "1:t", "query": "?", "trajectory": openai(TURNS), "facts": "{}", "source": "x"},), id="reference-openai"),
        pytest.param([{"id": "1:t", "query": "?", "trajectory": LABELLED, "facts": {}, "source": "x"}], id="reference-text"),
        pytest.param([{"id": "1:t", "messages": openai([("system", "Be good."), *TURNS])}], id="openai"),
        pytest.param(({"id": "1:t", "messages": openai(TURNS)},), id="openai-jsonl"),
        pytest.param(json.dumps({"id": "1:t", "messages": openai(TURNS)}, indent=2), id="one-record-over-many-lines"),
    ],
)
def test_read_every_format_gives_the_same_episode(tmp_path: Path, content: Any) -> None:
    wanted = Stored(id="1:t", goal=GOAL, first_observation=ROOM, steps=STEPS, success=True, reward=1.0)
    assert read_trajectories(write(tmp_path, content)) == [wanted]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (openai(TURNS), ["some-1"]),
        ([openai(TURNS), openai(TURNS)], ["some-1", "some-2"]),
        ((openai(TURNS), openai(TURNS)), ["some-1", "some-2"]),
        ([eto(TURNS)], ["some-1"]),
    ],
)
def test_read_bare_messages_are_named_after_the_file(tmp_path: Path, content: Any, names: list[str]) -> None:
    read = read_trajectories(write(tmp_path, content))
    assert [one.id for one in read] == names
    assert all(one.steps == STEPS and one.goal == GOAL for one in read)


def test_read_rewrite_changes_every_action_of_every_format(tmp_path: Path) -> None:
    path = write(tmp_path, (trajectory("a"), {"id": "b", "messages": openai(TURNS)}))
    read = read_trajectories(path, rewrite=str.upper)
    assert [[step.action for step in one.steps] for one in read] == [["GO TO DESK 1", "PUT MUG 1 IN/ON DESK 1"]] * 2


def test_read_same_id_twice_keeps_both_under_distinct_ids(tmp_path: Path) -> None:
    path = write(tmp_path, [{"id": name, "conversations": eto(TURNS)} for name in ("a", "a", "a#2", "a", 7, None, "")])
    assert [one.id for one in read_trajectories(path)] == ["a", "a#2", "a#2#2", "a#3", "7", "some-6", "some-7"]


@pytest.mark.parametrize(
    ("fields", "success", "reward"),
    [
        ({}, True, 1.0),
        ({"reward": True}, True, 1.0),
        ({"reward": 0}, False, 0.0),
        ({"reward": 0.8}, True, 0.8),
        ({"score": 0.7}, False, 0.7),
        ({"reward": 0.9, "success": False}, False, 0.9),
        ({"success": False}, False, 0.0),
        ({"won": True, "reward": None}, True, 1.0),
    ],
)
def test_read_outcome_comes_from_the_record_where_it_tells_one(
    tmp_path: Path, fields: dict[str, Any], success: bool, reward: float
) -> None:
    (read,) = read_trajectories(write(tmp_path, [{"messages": openai(TURNS), **fields}]), success_reward=0.8)
    assert (read.success, read.reward) == (success, reward)


def test_read_own_failure_stays_a_failure(tmp_path: Path) -> None:
    (read,) = read_trajectories(write(tmp_path, (trajectory(success=False, reward=0.9),)), success_reward=0.8)
    assert (read.success, read.reward) == (False, 0.9)


def test_read_aborted_trajectory_is_left_out(tmp_path: Path) -> None:
    aborted = trajectory("a", outcome="aborted", reason="budget", success=False, reward=0.0, steps=[])
    assert [one.id for one in read_trajectories(write(tmp_path, (aborted, trajectory("b"))))] == ["b"]


@pytest.mark.parametrize("field", ["query", "goal", "task"])
def test_read_goal_comes_from_the_record_where_no_observation_states_it(tmp_path: Path, field: str) -> None:
    turns = [("human", "You are in a room."), *TURNS[1:]]
    (read,) = read_trajectories(write(tmp_path, [{"conversations": eto(INSTRUCTIONS + turns), field: " plan a trip. For two. "}]))
    assert (read.goal, read.first_observation) == ("plan a trip. For two.", "You are in a room.")
    (read,) = read_trajectories(write(tmp_path, [{"conversations": eto(turns), field: ROOM}]))
    assert read.goal == GOAL


def test_read_goal_behind_which_a_prompt_goes_on_ends_with_its_sentence(tmp_path: Path) -> None:
    turns = [("human", ROOM + "Here are some guidelines:\n[]"), *TURNS[1:]]
    (read,) = read_trajectories(write(tmp_path, [openai(turns)]))
    assert read.goal == GOAL


def test_read_examples_before_the_task_are_no_part_of_it(tmp_path: Path) -> None:
    example = [("human", "Your task is to: eat."), ("gpt", "Action: eat"), ("human", "Eaten.")]
    (read,) = read_trajectories(write(tmp_path, [openai(example + TURNS)]))
    assert (read.goal, read.steps) == (GOAL, STEPS)


def test_read_task_stated_in_every_turn_keeps_all_steps(tmp_path: Path) -> None:
    (read,) = read_trajectories(write(tmp_path, [openai([*TURNS, ("human", "Done.\nYour task is to: put a mug on desk.")])]))
    assert len(read.steps) == 2


def test_read_task_within_the_instructions_drops_the_ok(tmp_path: Path) -> None:
    (read,) = read_trajectories(write(tmp_path, [eto([("human", ROOM), ("gpt", "OK."), ("human", "Begin."), *TURNS[1:]])]))
    assert (read.first_observation, read.steps) == (f"{ROOM}\nBegin.", STEPS)


def test_read_answer_without_an_action_is_a_step_and_a_closing_remark_none(tmp_path: Path) -> None:
    odd = [("gpt", "Hm.\nLet me think."), ("human", "No action found."), ("gpt", "That was it.\nGoodbye!")]
    (read,) = read_trajectories(write(tmp_path, [eto([*TURNS, ("human", "Fine."), *odd])]))
    assert read.steps[2:] == (Step(thought="Hm.\nLet me think.", action="", observation="No action found."),)


def test_read_content_in_parts_is_joined(tmp_path: Path) -> None:
    parts = {"role": "user", "content": [{"type": "text", "text": "You are here."}, {"type": "text", "text": ROOM}]}
    (read,) = read_trajectories(write(tmp_path, [[parts, *openai(TURNS[1:])]]))
    assert read.first_observation == f"You are here.\n{ROOM}"


def test_read_numbered_labels_in_text_are_understood(tmp_path: Path) -> None:
    text = "Thought 1: see\nwhere\nAction 1: Search[x]\nObservation 1: a\nb\n**Action 2:** Finish[y]"
    (read,) = read_trajectories(write(tmp_path, [{"query": "find x", "trajectory": text}]))
    assert read.steps == (
        Step(thought="see\nwhere", action="Search[x]", observation="a\nb"),
        Step(thought="", action="Finish[y]", observation=""),
    )


def test_read_byte_order_mark_crlf_and_blank_lines_are_fine(tmp_path: Path) -> None:
    lines = b"\r\n\r\n".join(orjson.dumps({"id": name, "messages": openai(TURNS)}) for name in ("a", "b"))
    assert [one.id for one in read_trajectories(write(tmp_path, b"\xef\xbb\xbf" + lines + b"\r\n"))] == ["a", "b"]


@pytest.mark.skipif("ALFWORLD_DATA" not in os.environ, reason="ALFWORLD_DATA is not set: the expert episodes are there")
def test_read_expert_episodes_are_all_found() -> None:
    read = read_trajectories(Path(os.environ["ALFWORLD_DATA"]) / "expert_trajectories.json")
    assert len(read) == len({one.id for one in read}) == 300
    assert all(one.success and one.reward == 1.0 for one in read)
    assert all(one.first_observation.endswith(f"Your task is to: {one.goal}") for one in read)
    assert all(step.action and step.observation for one in read for step in one.steps)
    assert sum(len(one.steps) > 30 for one in read) == 36
