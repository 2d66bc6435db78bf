"""The land of the generated country: cities, the roads between them, and a month of flights."""

import math
import random
from datetime import date, timedelta
from itertools import permutations
from typing import NamedTuple

from envs.travelplanner import country_words as words

FIRST_DAY = date(2022, 3, 1)
DAYS = 31
"""The days on which flights go, from the first on."""
_RADIUS = 1_300
"""Kilometres from the middle of the country to the middles of its states."""
_SPREAD = 220
_CAR, _PLANE = 100, 700
"""Kilometres an hour."""
_DAY = 24 * 60


class Road(NamedTuple):
    """Minutes and kilometres by car; a road of a day or more counts as none."""

    minutes: int
    km: float

    @property
    def duration(self) -> str:
        """As a distance service words it: `2 hours 1 min`, `1 day 3 hours`."""
        days, rest = divmod(self.minutes, _DAY)
        hours, minutes = divmod(rest, 60)
        units = ((days, "day"), (hours, "hour")) if days else ((hours, "hour"), (minutes, "min"))
        return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in units if count or unit == "min")

    @property
    def distance(self) -> str:
        """`1,144 km`, or `44.8 km` below a hundred."""
        return f"{self.km:,.0f} km" if self.km >= 100 else f"{self.km:.1f} km"

    @property
    def usable(self) -> bool:
        """Whether a plan may use it."""
        return self.minutes < _DAY

    def cost(self, mode: str) -> int:
        """Dollars for one car, `self-driving` or `taxi`, from the distance as it is told."""
        return int(float(self.distance.removesuffix(" km").replace(",", "")) * (0.05 if mode == "self-driving" else 1))


class Flight(NamedTuple):
    """A row of the flights table."""

    number: str
    price: int
    departure: str
    arrival: str
    elapsed: str
    date: str
    origin: str
    destination: str
    distance: float


Roads = dict[tuple[str, str], Road | None]
"""By origin and destination; None where nobody knows the way."""
Flights = dict[tuple[str, str, str], list[Flight]]
"""By origin, destination and date."""


def states() -> dict[str, str]:
    """The state of each city."""
    return {city: state for state, cities in zip(words.STATES, words.CITIES, strict=True) for city in cities}


def positions(seed: int) -> dict[str, tuple[float, float]]:
    """Where each city lies, in kilometres east and north: states around the middle, their cities about them."""
    rng = random.Random(f"land {seed}")  # noqa: S311 (a country, not secrets)
    found: dict[str, tuple[float, float]] = {}
    for number, cities in enumerate(words.CITIES):
        angle, far = 2 * math.pi * number / len(words.STATES), _RADIUS * rng.uniform(0.5, 1.0)
        for city in cities:
            found[city] = (math.cos(angle) * far + rng.gauss(0, _SPREAD), math.sin(angle) * far + rng.gauss(0, _SPREAD))
    return found


def roads(seed: int, where: dict[str, tuple[float, float]]) -> Roads:
    """A road for each ordered pair of cities; one in twenty-five is not known."""
    rng = random.Random(f"roads {seed}")  # noqa: S311
    found: Roads = {}
    for origin, destination in permutations(where, 2):
        km = math.dist(where[origin], where[destination]) * rng.uniform(1.15, 1.3) + 5
        found[origin, destination] = None if rng.random() < 0.04 else Road(int(km / _CAR * 60 * rng.uniform(0.9, 1.1)) + 5, km)
    return found


def flights(seed: int, where: dict[str, tuple[float, float]]) -> Flights:
    """Flights of a month, in the order of their days: none between neighbours, and not between all others."""
    rng = random.Random(f"flights {seed}")  # noqa: S311
    served = {pair: rng.uniform(0.5, 1.0) for pair in permutations(where, 2) if math.dist(where[pair[0]], where[pair[1]]) > 350}
    served = {pair: share for pair, share in served.items() if rng.random() < 0.6}
    found: Flights = {}
    number = 0
    for day in range(DAYS):
        when = (FIRST_DAY + timedelta(day)).isoformat()
        for (origin, destination), share in served.items():
            for _ in range((rng.random() < share) * rng.randint(1, 3)):
                number += rng.randint(1, 40)
                flight = _flight(rng, number, when, origin, destination, math.dist(where[origin], where[destination]))
                found.setdefault((origin, destination, when), []).append(flight)
    return found


def _flight(rng: random.Random, number: int, when: str, origin: str, destination: str, km: float) -> Flight:
    leaves, minutes = rng.randrange(5 * 60, 23 * 60), int(km / _PLANE * 60) + rng.randint(25, 50)
    hours, rest = divmod(minutes, 60)
    price = int(30 + km * rng.uniform(0.12, 0.35))
    elapsed = f"{hours} hours {rest} minutes"
    return Flight(
        f"F{number:07d}", price, _clock(leaves), _clock(leaves + minutes), elapsed, when, origin, destination, float(int(km * 0.621))
    )


def _clock(minutes: int) -> str:
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
