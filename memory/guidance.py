"""Guidance: the text that retrieved procedures become in an agent's prompt."""

from collections.abc import Sequence

from memory import prompts
from memory.procedure import Content


def render(goal: str, content: Content) -> str:
    """One procedure in words: the task it was made for, then its script and its record, those that it has."""
    parts = [f"Made for the task: {goal}"]
    if content.script:
        parts.append(f"Procedure:\n{content.script}")
    if content.trajectory:
        parts.append(f"Record of an episode:\n{content.trajectory}")
    return "\n".join(parts)


def guidance(procedures: Sequence[tuple[str, Content]]) -> str:
    """What goes before the task: (goal, content) pairs, the most similar first; nothing retrieved, nothing said."""
    if not procedures:
        return ""
    numbered = [f"[{number}] {render(goal, content)}" for number, (goal, content) in enumerate(procedures, 1)]
    return prompts.GUIDANCE.format(procedures="\n\n".join(numbered)) + "\n"
