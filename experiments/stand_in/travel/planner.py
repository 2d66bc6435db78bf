"""Makes a plan from a notebook, from what stands in it and from nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from experiments.stand_in.chance import draw, shuffled
from experiments.stand_in.skills import Skill
from experiments.stand_in.travel import plan, query
from experiments.stand_in.travel.agent import travel_days
from experiments.stand_in.travel.beliefs import believe
from experiments.stand_in.travel.conversation import Order
from experiments.stand_in.travel.mind import Mind
from experiments.stand_in.travel.notebook import Notebook, Restaurant, Room, Way
from experiments.stand_in.travel.plan import NOTHING, Day
from experiments.stand_in.travel.query import Trip
from experiments.stand_in.travel.records import NOTE

_ROUTE = "Route: "
_TYPES = {
    "entire room": ("Entire home/apt",),
    "private room": ("Private room",),
    "shared room": ("Shared room",),
    "not shared room": ("Entire home/apt", "Private room"),
}
_SIGHTS = 2
"""Attractions of a day."""


@dataclass(frozen=True)
class _Planner:
    trip: Trip
    notebook: Notebook
    stops: list[str]
    """The origin, the cities, and the origin again."""
    mind: Mind

    def days(self) -> Iterator[Day]:
        """The plan, day by day."""
        travels = dict(zip(travel_days(len(self.trip.dates), len(self.stops) - 2), pairwise(self.stops), strict=False))
        ways = self._ways([(*way, self.trip.dates[day]) for day, way in travels.items()])
        nights = {way[1]: until - day for (day, way), until in zip(travels.items(), [*list(travels)[1:], 0], strict=True)}
        rooms = {city: self._room(city, count) for city, count in nights.items() if count > 0}
        tables, sights = self._tables(), self._sights()
        here = self.stops[0]
        for number in range(len(self.trip.dates)):
            way = travels.get(number)
            eaten, seen = self._spent(number, way, here, tables, sights)
            there = way[1] if way else here
            last = number == len(self.trip.dates) - 1
            told = ways.get(way) if way else None
            fields = {
                "current_city": f"from {way[0]} to {way[1]}" if way else here,
                "transportation": told.told if told else NOTHING,
                **eaten,
                "attraction": seen,
                "accommodation": self._bed(rooms, there, here, last),
            }
            here = there
            yield Day(number + 1, fields)

    def _bed(self, rooms: dict[str, str], there: str, here: str, last: bool) -> str:
        if last:
            return NOTHING if self.mind.has("last_day") else rooms.get(here, NOTHING)
        return rooms.get(there, NOTHING)

    # Ways

    def _ways(self, legs: list[tuple[str, str, str]]) -> dict[tuple[str, str], Way]:
        """The way that is taken of each journey, for those that the notebook has one for."""
        banned = self.trip.banned if self.mind.has("way_wish") else ""
        found = {leg: [way for way in self.notebook.ways if way[1:3] == leg[:2] and way.date in ("", leg[2])] for leg in legs}
        # A taxi goes with flights; one's own car is left behind by them.
        options = [("flight", "taxi"), ("self-driving",)] if self.mind.has("one_means") else [("flight", "self-driving", "taxi")]
        chosen = [self._taken(found, [mode for mode in modes if mode != banned]) for modes in options]
        # A way that leaves a journey open is no way.
        most = max(len(ways) for ways in chosen)
        whole = [ways for ways in chosen if len(ways) == most]
        return min(whole, key=self._cost) if self.mind.has("cheap") else whole[0]

    def _taken(self, found: dict[tuple[str, str, str], list[Way]], modes: list[str]) -> dict[tuple[str, str], Way]:
        taken: dict[tuple[str, str], Way] = {}
        for leg, ways in found.items():
            open_to = [way for way in ways if way.mode in modes]
            if open_to and self.mind.has("cheap"):
                taken[leg[:2]] = min(open_to, key=lambda way: way.cost_for(self.trip.people))
            elif open_to:
                taken[leg[:2]] = min(open_to, key=lambda way: (modes.index(way.mode), draw(self.mind.key, way.told)))
        return taken

    def _cost(self, ways: dict[tuple[str, str], Way]) -> float:
        return sum(way.cost_for(self.trip.people) for way in ways.values())

    # Rooms

    def _room(self, city: str, nights: int) -> str:
        rooms = self.notebook.rooms.get(city, [])
        fitting = [room for room in rooms if self._fits(room, nights)] or rooms
        if not fitting:
            return NOTHING
        if self.mind.has("cheap"):
            return f"{min(fitting, key=self._price).name}, {city}"
        return f"{shuffled([room.name for room in fitting], self.mind.key, 'room')[0]}, {city}"

    def _fits(self, room: Room, nights: int) -> bool:
        trip, has = self.trip, self.mind.has
        if has("nights") and room.nights > nights:
            return False
        if trip.house_rule and f"No {trip.house_rule}" in room.rules and has("house_rule"):
            return False
        return not trip.room_type or room.room_type in _TYPES[trip.room_type] or not has("room_type")

    def _price(self, room: Room) -> float:
        return room.price * (ceil(self.trip.people / room.people) if self.mind.has("beds") else 1)

    # Meals and sights

    def _tables(self) -> dict[str, Iterator[str]]:
        """For each city the restaurants in the order in which they are gone to."""
        wanted = list(self.trip.cuisines) if self.mind.has("cuisine") else []
        tables: dict[str, Iterator[str]] = {}
        for city in self.stops[1:-1]:
            ranked = self._ranked(city)
            first: list[Restaurant] = []
            for cuisine in list(wanted):
                if serving := [each for each in ranked if cuisine in each.cuisines]:
                    first += serving[:1] if serving[0] not in first else []
                    wanted.remove(cuisine)
            names = [f"{each.name}, {city}" for each in [*first, *(each for each in ranked if each not in first)]]
            tables[city] = self._gone_to("varied_meals", names, len(first))
        return tables

    def _ranked(self, city: str) -> list[Restaurant]:
        found = self.notebook.restaurants.get(city, [])
        if self.mind.has("cheap"):
            return sorted(found, key=lambda each: each.cost)
        return sorted(found, key=lambda each: draw(self.mind.key, "meal", each.name))

    def _sights(self) -> dict[str, Iterator[str]]:
        found = {city: self.notebook.sights.get(city, []) for city in self.stops[1:-1]}
        return {
            city: self._gone_to("varied_sights", [f"{name}, {city}" for name in shuffled(names, self.mind.key, "sight")], 0)
            for city, names in found.items()
        }

    def _gone_to(self, habit: str, names: list[str], first: int) -> Iterator[str]:
        """The names in turn; who does not mind going somewhere again stays with the first few."""
        names = list(dict.fromkeys(names))
        if self.mind.has(habit):
            yield from names
        few = names[: first + 2]
        while few:
            yield from few

    def _spent(
        self, number: int, way: tuple[str, str] | None, here: str, tables: dict[str, Iterator[str]], sights: dict[str, Iterator[str]]
    ) -> tuple[dict[str, str], str]:
        """A day's meals and attractions: on the way, breakfast and lunch where one comes from, dinner where one goes to."""
        cities = (way[0], way[0], way[1]) if way else (here, here, here)
        full = self.mind.has("fills")
        left_out = () if way or full else shuffled(("breakfast", "lunch", "attraction"), self.mind.key, "left out", number)[:1]
        meals = {
            meal: NOTHING if meal in left_out else next(tables.get(city, iter(())), NOTHING)
            for meal, city in zip(plan.MEALS, cities, strict=True)
        }
        if way or "attraction" in left_out:
            return meals, NOTHING
        seen = [each for _ in range(_SIGHTS) if (each := next(sights.get(here, iter(())), ""))]
        return meals, "".join(f"{each};" for each in dict.fromkeys(seen)) or NOTHING


def _stops(note: str, trip: Trip, notebook: Notebook) -> list[str]:
    """The route that the order names; without one, through the cities of the notebook."""
    told = note.partition(_ROUTE)[2].partition(". ")[0].removesuffix(".")
    if " - " in told:
        return told.split(" - ")
    arrived = [way.destination for way in notebook.ways if way.destination != trip.origin]
    cities = list(dict.fromkeys([*arrived, *notebook.rooms])) if trip.cities else [trip.destination]
    return [trip.origin, *cities[: max(trip.cities, 1)], trip.origin]


def make(order: Order, skill: Skill, salt: str) -> str:
    """The plan in words that an order asks for."""
    words, _, note = order.query.partition(NOTE)
    trip, notebook = query.read(words), order.notebook
    if trip is None:
        return "I can't make out what trip is wanted, so there is no plan."
    mind = Mind(believe(f"{note}\n{order.beside}", skill.records), skill, f"{salt}\n{trip.key}")
    return plan.write(_Planner(trip, notebook, _stops(note, trip, notebook), mind).days())
