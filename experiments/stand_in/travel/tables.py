"""Reads tables as they are printed: columns to the right, told apart by where their headers end."""

from collections.abc import Callable, Iterable
from typing import TypeVar

Row = dict[str, str]
"""Cells by header, without the blanks around them."""

_HEADERS = {
    "flights": (
        "Flight Number",
        "Price",
        "DepTime",
        "ArrTime",
        "ActualElapsedTime",
        "FlightDate",
        "OriginCityName",
        "DestCityName",
        "Distance",
    ),
    "rooms": ("NAME", "price", "room type", "house_rules", "minimum nights", "maximum occupancy", "review rate number", "city"),
    "restaurants": ("Name", "Average Cost", "Cuisines", "Aggregate Rating", "City"),
    "sights": ("Name", "Latitude", "Longitude", "Address", "Phone", "Website", "City"),
}
_Cell = TypeVar("_Cell")


def _ends(header: str, names: Iterable[str]) -> list[int] | None:
    """Where each name ends in the header, None unless they are all there in this order."""
    ends, at = list[int](), 0
    for name in names:
        found = header.find(name, at)
        if found < 0 or header[at:found].strip():
            return None
        at = found + len(name)
        ends.append(at)
    return ends if not header[at:].strip() else None


def read(text: str) -> tuple[str, list[Row]]:
    """What a text is a table of, and its rows; nothing where it is no table that is known."""
    header, *lines = text.rstrip("\n").split("\n")
    width = max(map(len, lines), default=0)
    # Who shows a table may have stripped it: then its first line has lost the blanks that the others keep.
    header = header.strip().rjust(width)
    for kind, names in _HEADERS.items():
        if ends := _ends(header, names):
            cuts = list(zip([0, *ends[:-1]], ends, strict=True))
            return kind, [{name: line[start:end].strip() for name, (start, end) in zip(names, cuts, strict=True)} for line in lines]
    return "", []


def made(make: Callable[[Row], _Cell], rows: Iterable[Row]) -> list[_Cell]:
    """What the rows tell of, without those that lack a number."""
    found: list[_Cell] = []
    for row in rows:
        try:
            found.append(make(row))
        except (ValueError, OverflowError):
            continue
    return found
