"""What was found of one defect on both sides, and the one rule that judges either."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Figures = Mapping[str, float]
Colour = Literal["red", "green"]


class Range(NamedTuple):
    """Where a figure has to lie, both ends included."""

    low: float
    high: float

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.low:.3g}"
        return f"{self.low:.3g} to {self.high:.3g}" if self.low else f"at most {self.high:.3g}"


def exactly(value: float) -> Range:
    """This value and no other."""
    return Range(value, value)


def at_most(value: float) -> Range:
    """Up to this value; figures are never negative."""
    return Range(0.0, value)


class Finding(NamedTuple):
    """One defect: what is due, and what the model of the reference and memp were measured to do, by the same names. A figure of which
    nothing is due is told only."""

    number: int
    defect: str
    due: Mapping[str, Range]
    reference: Figures
    memp: Figures

    def colour(self, figures: Figures) -> Colour:
        """Green where all figures are as they have to be."""
        return "green" if all(due.low <= figures[name] <= due.high for name, due in self.due.items()) else "red"

    @property
    def as_due(self) -> bool:
        """Whether the defect shows in the model and not in memp; a check that both pass, or neither, shows nothing."""
        return (self.colour(self.reference), self.colour(self.memp)) == ("red", "green")

    def row(self) -> dict[str, Any]:
        """For a table of all."""

        def told(figures: Figures) -> str:
            return "\n".join([self.colour(figures), *(f"{value:.3g}" for value in figures.values())])

        dues = [f"  {name}" + (f" (due: {self.due[name]})" if name in self.due else "") for name in self.memp]
        what = "\n".join([self.defect, *dues])
        return {"": self.number, "defect": what, "reference (a model)": told(self.reference), "memp": told(self.memp)}

    def facts(self) -> dict[str, Any]:
        """For a file."""
        return {
            **self._asdict(),
            "due": {name: due._asdict() for name, due in self.due.items()},
            "colours": {"reference": self.colour(self.reference), "memp": self.colour(self.memp)},
        }
