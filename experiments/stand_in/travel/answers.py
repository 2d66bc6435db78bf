"""Answers the requests of trips: agent, planner, conversion."""

from experiments.stand_in.chance import draw
from experiments.stand_in.conversation import Message
from experiments.stand_in.skills import Skill
from experiments.stand_in.travel import agent, plan, planner
from experiments.stand_in.travel.conversation import order, reference, take_apart, to_convert


def answer(messages: list[Message], skill: Skill, salt: str) -> tuple[str, str] | None:
    """Role and answer; None where the messages are of no trip."""
    if (asked := order(messages)) is not None:
        return "planner", planner.make(asked, skill, salt)
    if (words := to_convert(messages)) is not None:
        return "conversion", _converted(words, len(messages) > 1, skill, salt)
    if (conversation := take_apart(messages)) is not None:
        if (alone := reference(conversation)) is not None:
            return "agent", f"Thought: All is given, so I plan.\nAction: Finish[{planner.make(alone, skill, salt)}]"
        move = agent.play(conversation, skill, salt)
        return "agent", f"Thought: {move.thought}\nAction: {move.action}" if move.action else move.thought
    return None


def _converted(words: str, repairing: bool, skill: Skill, salt: str) -> str:
    text = plan.convert(words)
    if not repairing and draw(salt, "conversion", words) < skill.malformed:
        return text[:-2]
    return text
