"""Recorded conversations, in the shapes that chat models and their tools keep them in, as episodes.

A conversation is a list of turns, of the agent and of its world. Where an episode begins in it, after instructions
and examples, is told by the sentence behind "Your task is to:".
"""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeGuard

from runtime.events import Step
from runtime.parsing import Answer, parse

_AGENT = ("gpt", "assistant")
_WORLD = ("human", "user", "environment", "tool", "function")
_SKIPPED = ("system", "developer")

# To the end of the line, or of the sentence where a prompt went on without a blank ("… in desk.Here are some guidelines").
_GOAL = re.compile(r"Your task is to:\s*(\S.*?(?:\.(?=[A-Z])|$))", re.MULTILINE)
_ACKNOWLEDGED = re.compile(r"\W*(ok|okay|sure|understood|got it)\W*", re.IGNORECASE)
_OBSERVATION = re.compile(r"\A\s*Observation[ \d]*:\s*", re.IGNORECASE)
_THOUGHT = re.compile(r"\s*Thoughts?[ \d]*:", re.IGNORECASE)
_LABEL = re.compile(r"^[ \t>*_#-]*(Thought|Action|Observation)[ \t*_]*(?:\d+[ \t*_]*)?:[ \t*_]*", re.IGNORECASE | re.MULTILINE)


class Malformed(ValueError):
    """A record can't be read; the message says why, its place in the file is the caller's to add."""


class Turn(NamedTuple):
    """What the agent said (`agent`), or what its world answered."""

    agent: bool
    text: str


class Episode(NamedTuple):
    """An episode as a conversation shows it; `goal` is None where no turn states the task."""

    goal: str | None
    first_observation: str
    steps: tuple[Step, ...]


@dataclass
class _Move:
    answer: Answer
    observations: list[str] = field(default_factory=list[str])


def stated_goal(text: str) -> str | None:
    """The last sentence behind "Your task is to:" in a text: a prompt shows examples and guidance before the task."""
    goals = _GOAL.findall(text)
    return str(goals[-1]).strip() if goals else None


def is_messages(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Whether this is a message list, `{"role", "content"}` or `{"from", "value"}`, going by its first element."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and bool({"role", "from"} & value[0].keys())


def turns_of_messages(messages: list[Any]) -> list[Turn]:
    """The turns of a message list, without system messages."""
    turns = [_turn(message, number) for number, message in enumerate(messages, 1)]
    return [turn for turn in turns if turn is not None]


def _turn(message: Any, number: int) -> Turn | None:
    if not isinstance(message, dict):
        raise Malformed(f"message {number} is no object with role and content")
    role = message.get("role", message.get("from"))
    if role in _SKIPPED:
        return None
    if role not in _AGENT + _WORLD:
        raise Malformed(f"message {number} has the role {role!r:.80}, not one of {', '.join(_AGENT + _WORLD + _SKIPPED)}")
    text = _text(message.get("content", message.get("value")))
    if text is None:
        hint = " but tool calls; actions must be text" if message.get("tool_calls") else ""
        raise Malformed(f"message {number} has no text{hint}")
    return Turn(role in _AGENT, text)


def _text(content: Any) -> str | None:
    """A message's text, also where it comes in OpenAI's parts."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        return "\n".join(texts) if len(texts) == len(parts) else None
    return content if isinstance(content, str) else None


def turns_of_text(text: str) -> list[Turn]:
    """The turns of a text with lines that begin with `Thought:`, `Action:` and `Observation:`; what precedes them is the world's."""
    before, *labelled = _LABEL.split(text)
    turns = [Turn(False, before)] if before.strip() else []
    thought = ""
    for label, said in zip(labelled[::2], labelled[1::2], strict=True):
        match label.lower():
            case "thought":
                thought = said.strip()
            case "action":
                turns.append(Turn(True, f"Thought: {thought}\nAction: {said.strip()}"))
                thought = ""
            case _:
                turns.append(Turn(False, said))
    return turns


def episode(turns: list[Turn]) -> Episode:
    """The last episode of a conversation; raises `Malformed` where the agent does nothing in it."""
    turns = turns[_start(turns) :]
    opening: list[str] = []
    moves: list[_Move] = []
    for turn in turns:
        if turn.agent and (moves or not _ACKNOWLEDGED.fullmatch(turn.text)):
            moves.append(_Move(_answer(turn.text)))
        elif not turn.agent:
            (moves[-1].observations if moves else opening).append(_OBSERVATION.sub("", turn.text, count=1).strip())
    if moves and moves[-1].answer.action is None and not moves[-1].observations:
        moves.pop()  # A closing remark, or an answer that was cut off.
    if not moves:
        raise Malformed("the agent does nothing in it: no turn and no line of it holds an action")
    return Episode(stated_goal("\n".join(opening)), "\n".join(opening), tuple(_step(move) for move in moves))


def _start(turns: list[Turn]) -> int:
    """Where the last episode begins: the first turn that states the last task (some prompts state it in every turn)."""
    goals = {number: goal for number, turn in enumerate(turns) if not turn.agent and (goal := stated_goal(turn.text))}
    if goals:
        last = list(goals.values())[-1]
        return next(number for number, goal in goals.items() if goal == last)
    instructed = len(turns) > 2 and not turns[0].agent and turns[1].agent and _ACKNOWLEDGED.fullmatch(turns[1].text)
    return 2 if instructed else 0


def _answer(text: str) -> Answer:
    """Thought and action of an agent's turn; a single line without labels is a bare command."""
    answer = parse(text)
    bare = answer.action is None and "\n" not in text.strip() and not _THOUGHT.match(text)
    return parse(f"Action: {text.strip()}") if bare else answer


def _step(move: _Move) -> Step:
    thought, action = move.answer
    return Step(thought=thought, action=action or "", observation="\n".join(move.observations))
