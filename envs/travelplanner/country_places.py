"""Where the travellers of the generated country sleep, eat and look around."""

import random
from itertools import product
from typing import NamedTuple

from envs.travelplanner import country_words as words

_ROOMS, _RESTAURANTS, _SIGHTS = 24, 22, 9
"""Of each city."""


class Room(NamedTuple):
    """A row of the accommodations table; None for what the file leaves out, and the row with it."""

    name: str
    price: float | None
    room_type: str
    house_rules: str | None
    minimum_nights: int
    maximum_occupancy: int
    rating: int
    city: str


class Restaurant(NamedTuple):
    """A row of the restaurants table."""

    name: str
    average_cost: int
    cuisines: tuple[str, ...]
    rating: float
    city: str


class Sight(NamedTuple):
    """A row of the attractions table."""

    name: str
    latitude: float
    longitude: float
    address: str
    phone: str
    website: str
    city: str


def rooms(seed: int, city: str) -> list[Room]:
    """The rooms of a city: no name is part of another."""
    rng = random.Random(f"rooms {seed} {city}")  # noqa: S311 (a country, not secrets)
    names = rng.sample([f"{view} {room} {near}" for view, room, near in product(words.VIEWS, words.ROOMS, words.NEAR)], _ROOMS)
    return [_room(rng, name, city) for name in names]


def _room(rng: random.Random, name: str, city: str) -> Room:
    kind = rng.choice(("Entire home/apt", "Entire home/apt", "Private room", "Private room", "Shared room"))
    forbidden = sorted(rng.sample(words.RULES, rng.choice((1, 1, 2, 3))))
    rules = None if rng.random() < 0.1 else " & ".join(f"No {rule}" for rule in forbidden)
    price = None if rng.random() < 0.03 else float(rng.randint(40, 420))
    nights = rng.choice((1, 1, 1, 2, 2, 3, 5, 14))
    return Room(name, price, kind, rules, nights, rng.randint(1, 6), rng.randint(1, 5), city)


def restaurants(seed: int, city: str) -> list[Restaurant]:
    """The restaurants of a city: no name is part of another, and each cuisine is served somewhere."""
    rng = random.Random(f"restaurants {seed} {city}")  # noqa: S311
    names = rng.sample([f"{manner} {kitchen}" for manner, kitchen in product(words.MANNERS, words.KITCHENS)], _RESTAURANTS)
    found: list[Restaurant] = []
    for number, name in enumerate(names):
        always = words.CUISINES[number] if number < len(words.CUISINES) else rng.choice(words.CUISINES)
        others = rng.sample([other for other in words.CUISINES + words.FARE if other != always], rng.randint(1, 4))
        cuisines = [always, *others]
        rng.shuffle(cuisines)
        found.append(Restaurant(name, rng.randint(10, 95), tuple(cuisines), rng.randint(0, 49) / 10, city))
    rng.shuffle(found)
    return found


def sights(seed: int, city: str, where: tuple[float, float]) -> list[Sight]:
    """The attractions of a city."""
    rng = random.Random(f"sights {seed} {city}")  # noqa: S311
    names = rng.sample([f"{owner} {sight}" for owner, sight in product(words.OWNERS, words.SIGHTS)], _SIGHTS)
    return [_sight(rng, name, city, where) for name in names]


def _sight(rng: random.Random, name: str, city: str, where: tuple[float, float]) -> Sight:
    latitude = round(40 + where[1] / 111 + rng.uniform(-0.1, 0.1), rng.choice((6, 7)))
    longitude = round(-95 + where[0] / 85 + rng.uniform(-0.1, 0.1), 7)
    address = f"{rng.randint(1, 999)} {rng.choice(words.STREETS)}, {city}"
    site = f"https://{name.lower().replace(' ', '-')}.example/{city.lower().replace(' ', '-')}"
    return Sight(name, latitude, longitude, address, f"({rng.randint(200, 999)}) 555-{rng.randint(100, 199):04d}", site, city)
