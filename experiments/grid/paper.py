"""What the paper prints in its tables, for the columns that ours have."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

FILE = Path(__file__).with_name("paper.toml")


class PaperLine(BaseModel):
    """One arm of one of the paper's models; shares in [0, 1], steps as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str
    model: str
    arm: str
    entries: dict[str, float]
    """By column of our table; what the paper does not tell by split stands at each."""
    source: str


def paper_lines(table: str | None, splits: Mapping[str, Sequence[str]], arms: Sequence[str]) -> tuple[PaperLine, ...]:
    """The lines of a table of the paper for the environments that are played, and the arms; none where it has no such table."""
    figures = tomllib.loads(FILE.read_text(encoding="utf-8"))
    found = figures.get(table or "", {})
    return tuple(
        PaperLine(env=env, model=model, arm=arm, entries=_entries(found[env]["columns"], values, played), source=figures["source"])
        for env, played in splits.items()
        if env in found
        for model, told in found[env]["models"].items()
        for arm, values in ((arm, told[arm]) for arm in arms if arm in told)
    )


def _entries(columns: Sequence[str], values: Sequence[float], splits: Sequence[str]) -> dict[str, float]:
    entries: dict[str, float] = {}
    for column, value in zip(columns, values, strict=True):
        told = value if column == "steps" else value / 100
        named = column == "steps" or " " in column
        entries |= {column: told} if named else {f"{split} {column}": told for split in splits}
    return entries
