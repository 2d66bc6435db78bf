"""Looks up what a trip needs, writes it down, and hands it over to be planned: one move from the messages alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import islice, pairwise, permutations
from typing import NamedTuple

from experiments.stand_in.chance import draw, shuffled
from experiments.stand_in.player import Move
from experiments.stand_in.skills import Skill
from experiments.stand_in.travel.beliefs import believe
from experiments.stand_in.travel.conversation import Conversation
from experiments.stand_in.travel.habits import HABITS, PLANNING
from experiments.stand_in.travel.mind import Mind
from experiments.stand_in.travel.query import Trip
from experiments.stand_in.travel.records import FLIGHTS, IN_CITY, NOTE, Record, Step
from experiments.stand_in.travel.searches import Searches, take_stock

_PATIENCE = 28
"""Steps after which one who minds the time has the plan made of what there is."""
_SURE = 2
"""Searches that are made again by one who wants to be sure."""
_ROUTES = 2000
"""Routes that it thinks over, at most."""


class Leg(NamedTuple):
    """A journey of the trip."""

    origin: str
    destination: str
    date: str


def travel_days(days: int, cities: int) -> list[int]:
    """The days (from 0) on which a trip goes on to its next city or home: nights are shared out evenly, the rest go to the last city."""
    nights = max((days - 1) // max(cities, 1), 1)
    return [min(number * nights, days - 1) for number in range(cities)] + [days - 1]


@dataclass(frozen=True)
class _Agent:
    trip: Trip
    record: Record
    searches: Searches
    mind: Mind

    def move(self) -> Move:
        """The next move: what was found is written down, what is missing is looked up, then the plan is made."""
        if written := self._write():
            return written
        if len(self.record.steps) < _PATIENCE or not self.mind.has("in_time"):
            done = self.searches.done
            for action, why in self._wanted():
                if action not in done:
                    return Move(f"{self._seen()}{why}", action)
            again = [each for each in done if not each.startswith("CitySearch")]
            if again and len(done) < len(set(done)) + _SURE and not self.mind.has("once"):
                return Move(f"{self._seen()}To be sure I look at this again.", shuffled(set(again), self.mind.key, "again", len(done))[0])
        route = " - ".join([self.trip.origin, *self.cities, self.trip.origin])
        notes = " ".join(f"{HABITS[name].say}." for name in PLANNING if self.mind.has(name))
        return Move(f"{self._seen()}The plan can be made.", f"Planner[{self.record.words}{NOTE}Route: {route}. {notes}".rstrip() + "]")

    def _seen(self) -> str:
        """What the result that is shown says, in words of its own: it will be shown no more."""
        step = self.searches.latest
        if step is None or not step.is_fruitless:
            return ""
        if not step.way:
            return "That found nothing. "
        origin, destination, last = step.way
        way = f"No flight goes from {origin} to {destination} on {last}. "
        return way if step.name == FLIGHTS else f"No road is known from {origin} to {destination}. "

    def _write(self) -> Move | None:
        """Write down what is shown; not what was written before."""
        step = self.searches.latest
        if step is None or (step.is_fruitless and self.mind.has("skips")) or "is not valid city" in step.observation:
            return None
        if self.searches.done.count(step.action) > 1:
            return None
        return Move(f"{self._seen()}This belongs in the notebook.", f"NotebookWrite[{self._title(step)}]")

    @staticmethod
    def _title(step: Step) -> str:
        if not step.way:
            return f"{step.name.removesuffix('Search')}s in {', '.join(step.arguments)}"
        origin, destination, last = step.way
        return f"Flights from {origin} to {destination} on {last}" if step.name == FLIGHTS else f"{last} from {origin} to {destination}"

    # What is needed

    @cached_property
    def known(self) -> tuple[str, ...]:
        """The cities that may be visited, in the order that they come to mind."""
        trip = self.trip
        if not trip.cities:
            return (trip.destination,)
        return tuple(
            shuffled((city for city in self.searches.facts.cities.get(trip.destination, ()) if city != trip.origin), self.mind.key, "route")
        )

    @cached_property
    def cities(self) -> tuple[str, ...]:
        """The cities to be visited: the first that come to mind, or others where a way to them is known to be missing."""
        routes = islice(permutations(self.known, max(self.trip.cities, 1)), _ROUTES if self.mind.has("reroute") else 0)
        open_to = (route for route in routes if not any(self._is_blocked(leg) for leg in self._route(route)))
        return next(open_to, self.known[: max(self.trip.cities, 1)])

    def _route(self, cities: tuple[str, ...]) -> list[Leg]:
        """All journeys of a trip through these cities."""
        stops = [self.trip.origin, *cities, self.trip.origin]
        days = travel_days(len(self.trip.dates), len(cities))
        return [Leg(origin, there, self.trip.dates[day]) for (origin, there), day in zip(pairwise(stops), days, strict=True)]

    def _is_blocked(self, leg: Leg) -> bool:
        """Whether a journey has no way that it would take."""
        flies, drives = self._wish
        by_road = drives and (self.mind.has("drives") or not flies)
        return leg[:2] in self.searches.facts.roadless and (by_road or not self.searches.facts.flies(*leg))

    @property
    def _wish(self) -> tuple[bool, bool]:
        """Whether flights and driving are open to it."""
        banned = self.trip.banned if self.mind.has("way_wish") else ""
        return banned != "flight", banned != "self-driving"

    def _wanted(self) -> Iterator[tuple[str, str]]:
        """All searches that this trip calls for in order, with why."""
        trip = self.trip
        if not self.known:
            yield f"CitySearch[{trip.destination}]", f"I need the cities of {trip.destination}."
            if not self.known:
                return
        yield from self._ways()
        extra = () if self.mind.has("focused") else tuple(city for city in self.known if city not in self.cities)[:1] or (trip.origin,)
        for city in (*self.cities, *extra):
            for habit, action in IN_CITY.items():
                if self.mind.has(habit):
                    yield f"{action}[{city}]", f"{city} may have {habit} of use."

    @cached_property
    def legs(self) -> list[Leg]:
        """The journeys that it thinks of looking up."""
        legs = self._route(self.cities)
        between = legs[1:-1] if self.mind.has("between") else []
        return [legs[0], *between, *(legs[-1:] if self.mind.has("back") else [])]

    def _ways(self) -> Iterator[tuple[str, str]]:
        """Flights, or roads first for one who drives; then what is left open by those that there are not."""
        has, facts = self.mind.has, self.searches.facts
        flies, drives = self._wish
        if drives and (has("drives") or not flies):
            yield from self._roads(self.legs, "self-driving")
            legs = [leg for leg in self.legs if leg[:2] in facts.roadless]
            legs = self.legs if legs and has("one_means") else legs
        else:
            legs = self.legs
        yield from self._flights(legs if flies else [])
        grounded = [leg for leg in legs if flies and not facts.flies(*leg)]
        # Who does not mix flights with driving drives all the way, once a flight is missing.
        driven = self.legs if has("one_means") else grounded
        if not has("road"):
            yield from self._flights([leg._replace(date=self._day_after(leg.date)) for leg in grounded])
        elif grounded and drives:
            yield from self._roads(driven, "self-driving")
        if has("road") and (not drives or any(leg[:2] in facts.roadless for leg in driven)):
            yield from self._roads(grounded, "taxi")
        if not has("lean"):
            yield from self._roads(legs, "self-driving" if drives else "taxi")

    @staticmethod
    def _day_after(day: str) -> str:
        return (date.fromisoformat(day) + timedelta(1)).isoformat()

    def _flights(self, legs: list[Leg]) -> Iterator[tuple[str, str]]:
        for leg in legs:
            if self.searches.facts.flies(*leg):
                yield f"FlightSearch[{', '.join(leg)}]", f"There may be a flight from {leg.origin} to {leg.destination}."

    def _roads(self, legs: list[Leg], mode: str) -> Iterator[tuple[str, str]]:
        for leg in legs:
            if leg[:2] not in self.searches.facts.roadless:
                yield f"GoogleDistanceMatrix[{leg.origin}, {leg.destination}, {mode}]", f"I look up the road to {leg.destination}."


def _lapse(skill: Skill, key: str, conversation: Conversation) -> Move | None:
    """What a weak traveller does instead of the next move, now and then."""
    turn = len(conversation.record.steps)
    if conversation.repairing or not turn:
        return None
    if draw(key, "malformed", turn) < skill.malformed:
        return Move("I am not sure what to do next, let me think about the trip again.", "")
    last = conversation.record.steps[-1].action
    # What has just been written down is looked at once more, not what is yet to be written.
    if draw(key, "thread", turn) < skill.drops_thread and last.startswith("NotebookWrite") and turn > 1:
        return Move("Where was I? Let me look at this again.", conversation.record.steps[-2].action)
    return None


def play(conversation: Conversation, skill: Skill, salt: str) -> Move:
    """The move that answers a conversation; `salt` (model and seed) is what sets two travellers of one trip apart."""
    record = conversation.record
    trip = record.trip
    if trip is None:
        return Move("I can't make out what trip is wanted; the planner may.", f"Planner[{record.words}]")
    key = f"{salt}\n{trip.key}"
    if lapse := _lapse(skill, key, conversation):
        return lapse
    beliefs = believe(conversation.beside, skill.records)
    return _Agent(trip, record, take_stock(record, beliefs.facts), Mind(beliefs, skill, key)).move()
