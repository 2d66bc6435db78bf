"""A plan beside the query that it answers: what both kinds of constraints read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from envs.travelplanner.plan import Day, days_of, named, without_state
from envs.travelplanner.queries import Query
from envs.travelplanner.sandbox import Room, Sandbox

Mode = Literal["official", "strict"]
"""official: as the benchmark's evaluator judges, loopholes included, for figures that compare. strict: without these:

- a means of travel that is neither flight, self-driving nor taxi (`Drive from …`) is checked by nothing and costs nothing;
- the last attraction is not looked at unless a `;` follows it;
- a flight may go the other way than the day does;
- on a day that stays, single letters of the city are sought in meals and the rest, not its name;
- a ban on `Flight` or `Self-driving` is evaded by writing it in another case;
- null counts as something planned.
"""


@dataclass(frozen=True)
class Trip:
    """One plan under judgement; `plan` is whatever the submission holds. Days beyond the query's are not read."""

    query: Query
    plan: object
    sandbox: Sandbox
    strict: bool = False

    def days(self) -> Iterator[Day]:
        """The days that count; `Unreadable` where the plan or a day is not what it should be."""
        return days_of(self.plan, self.query.days)

    def attractions(self, day: Day) -> list[str]:
        """The attractions of a day; officially only those that a `;` follows."""
        text = day.entry("attraction") or ""
        if self.strict:
            return [piece.strip() for piece in text.split(";") if piece.strip()]
        return text.split(";")[:-1]

    def cities(self, day: Day) -> list[str]:
        """The texts of which the entries of a day must hold one (the room: the last): officially, letters on a day that stays."""
        route = day.route()
        if route is not None:
            return list(route)
        city = without_state(day.city)
        if self.strict:
            return [city.strip()] if city.strip() else []
        return list(city)

    def rooms(self) -> Iterator[tuple[Day, str, Room]]:
        """Each night in a room that the sandbox knows: its day, its text, and the room that counts."""
        for day in self.days():
            text = day.entry("accommodation")
            found = self.sandbox.rooms(named(text)) if text is not None else []
            if text is not None and found:
                yield day, text, found[0]


Check = Callable[[Trip], Iterator[str]]
"""A constraint: yields what is wrong, in words; may raise `Unreadable`, which is a failure, too. Only the first is asked for."""
