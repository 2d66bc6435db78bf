"""Line charts with intervals, as inline SVG in the page's colours; four colours and markers take turns to tell series apart."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 50, 428, 10, 208
"""Edges of the field that is drawn on."""
SPREAD = 5
"""By how much the series stand apart, so that their intervals do not cover each other."""


class Point(NamedTuple):
    """A figure at a place; the bounds of its interval are None where unknown."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


class Series(NamedTuple):
    """One line; its place among the series gives its colour and its marker."""

    name: str
    points: Sequence[Point]


Scale = Callable[[float], float]

_MARKERS = (
    Markup('<circle cx="{x}" cy="{y}" r="4"/>'),
    Markup('<path d="M{x} {y}m0-5.2l5.2 5.2l-5.2 5.2l-5.2-5.2z"/>'),
    Markup('<path d="M{x} {y}m-4-4h8v8h-8z"/>'),
    Markup('<path d="M{x} {y}m0-5l5 9h-10z"/>'),
)


def line_chart(series: Sequence[Series], *, axis: str, percent: bool, alt: str) -> Markup:
    """Draw `series`, of at least one point; `axis` says what stands along x, `alt` what is to be seen."""
    points = [point for each in series for point in each.points]
    heights = [value for point in points for value in (point.y, point.low, point.high) if value is not None]
    ys = [0.0, 0.25, 0.5, 0.75, 1.0] if percent else _ticks([0.0, *heights])
    places = sorted({point.x for point in points})
    across = _scale(places[0], places[-1], LEFT + 14, RIGHT - 14)
    up = _scale(ys[0], max(ys[-1], *heights), BOTTOM, TOP)
    parts = [_grid(up(y), f"{y:.0%}" if percent else _short(y)) for y in ys]
    parts += [_label(across(x), BOTTOM + 17, f"{x:g}") for x in _thinned(places, across)]
    parts += [_label((LEFT + RIGHT) / 2, HEIGHT - 6, axis)]
    parts += [_series(at, each, across, up, (at - (len(series) - 1) / 2) * SPREAD) for at, each in enumerate(series)]
    head = Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}" class="lines">').format(alt, WIDTH, HEIGHT)
    return head + Markup("").join(parts) + Markup("</svg>")


def key(name: str, at: int) -> Markup:
    """The entry of a legend: a series' marker and name."""
    marker = _MARKERS[at % len(_MARKERS)].format(x=7, y=7)
    drawn = Markup('<svg aria-hidden="true" class="lines" viewBox="0 0 14 14"><g class="s{}">{}</g></svg>').format(
        at % len(_MARKERS), marker
    )
    return Markup('<span class="key">{}{}</span>').format(drawn, name)


def _series(at: int, series: Series, across: Scale, up: Scale, shift: float) -> Markup:
    bars, markers, line = Markup(""), Markup(""), list[str]()
    for point in series.points:
        x, y = round(across(point.x) + shift, 1), up(point.y)
        line.append(f"{x},{y}")
        markers += _MARKERS[at % len(_MARKERS)].format(x=x, y=y)
        if point.low is not None and point.high is not None:
            bars += Markup('<line class="bar" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(x, up(point.low), up(point.high))
    return Markup('<g class="s{}">{}<polyline points="{}"/>{}</g>').format(at % len(_MARKERS), bars, " ".join(line), markers)


def _grid(y: float, said: str) -> Markup:
    return Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>').format(
        LEFT, RIGHT, y, y, LEFT - 8, y + 4, said
    )


def _label(x: float, y: float, said: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(x, y, said)


def _thinned(places: Sequence[float], across: Scale) -> list[float]:
    """The places that have room for their label."""
    kept: list[float] = []
    for place in places:
        if not kept or across(place) - across(kept[-1]) >= 18:
            kept.append(place)
    return kept


def _short(value: float) -> str:
    return f"{value / 1000:,.6g}k" if abs(value) >= 10_000 else f"{value:,.6g}"


def _ticks(values: Sequence[float]) -> list[float]:
    found = MaxNLocator(nbins=5).tick_values(min(values), max(values))
    return [float(each) for each in found]


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    span = (high - low) or 1.0
    return lambda value: round(start + (value - low) / span * (end - start), 1)
