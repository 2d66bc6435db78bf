"""Charts as inline SVG: real text, colours from the page's CSS, nothing loaded from elsewhere."""

import io
import re
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple
from warnings import catch_warnings, filterwarnings

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, PercentFormatter, StrMethodFormatter
from numpy.typing import NDArray

from experiments.analysis.stats import Interval

Floats = NDArray[np.float64]
Unit = Literal["share", "count", "dollars"]

_SIZE = (4.6, 2.6)
_INK, _GRID = "#010203", "#040506"
_COLOURS = ("#070809", "#0a0b0c", "#0d0e0f", "#010302")
_NAMES = ("run", "control", "third", "fourth")
_MARKERS = ("o", "D", "s", "^")
"""The run's, the control's, and two more for what has more than these; markers tell them apart, too."""
_VARIABLES = {_INK: "var(--muted)", _GRID: "var(--line)", **dict(zip(_COLOURS, map("var(--{})".format, _NAMES), strict=True))}
"""Matplotlib wants colours, the page has CSS variables: these stand for them until the SVG is written."""

_RC: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "memp", "font.family": "DejaVu Sans", "font.size": 10.5}
_LOCK = threading.Lock()
"""Matplotlib's settings are global and its drawing is not thread-safe."""


class Line(NamedTuple):
    """One curve: x is the task's place in the order of the run, from 1; `dots` are (x, y) drawn besides the line."""

    name: str
    x: Floats
    y: Floats
    dots: tuple[Floats, Floats] | None = None


class Arm(NamedTuple):
    """A figure at each of a few places, with the bounds of its interval, NaN where it has none."""

    name: str
    x: Floats
    y: Floats
    low: Floats
    high: Floats


class Mark(NamedTuple):
    """A place on the x axis that is pointed out."""

    x: float
    text: str


def moving_mean(y: Floats, window: int) -> Floats:
    """Mean of each value with the `window` - 1 before it; the result is `window` - 1 shorter than `y`."""
    total = np.concatenate([[0.0], np.cumsum(y)])
    return (total[window:] - total[:-window]) / window


def chart(name: str, lines: Sequence[Line], *, unit: Unit, alt: str, x: str = "tasks, in order", mark: Mark | None = None) -> Markup:
    """Draw `lines` (the run's first, then the control's); `name` makes the SVG's ids unique on the page, `x` says what is counted there."""
    with _figure(_SIZE) as (figure, drawn):
        axes = figure.add_subplot()
        for line, colour in zip(lines, _COLOURS, strict=False):
            _draw(axes, line, colour)
        _dress(axes, unit, x)
        if mark:
            _draw_mark(axes, mark)
        axes.set_xlim(0, max(line.x[-1] for line in lines) + 1)
        if len(lines) > 1:
            axes.legend(frameon=False, labelcolor=_INK, fontsize=9.5, loc="best")
    return _inline(drawn.getvalue(), name, alt)


def arms(name: str, drawn: Sequence[Arm], *, unit: Unit, alt: str, x: str) -> Markup:
    """Draw `drawn`, each a line through its figures with their intervals, side by side so that none covers another's.

    The first has the colour that stands back: it is what the others are compared with. One alone is the run's.
    """
    with _figure(_SIZE) as (figure, target):
        axes = figure.add_subplot()
        places = [place for arm in drawn for place in arm.x]
        apart = 0.012 * (max(places) - min(places) or 1.0)
        for at, arm in enumerate(drawn):
            _draw_arm(axes, arm, (at - (len(drawn) > 1)) % len(_COLOURS), shift=(at - (len(drawn) - 1) / 2) * apart)
        _dress(axes, unit, x)
        if len(drawn) > 1:
            legend = figure.legend(
                frameon=False, labelcolor=_INK, fontsize=9.5, loc="outside upper left", ncols=3, columnspacing=1, handletextpad=0.4
            )
            for text in legend.get_texts():
                text.set_parse_math(False)
    return _inline(target.getvalue(), name, alt)


def shares(name: str, labels: Sequence[str], runs: Sequence[tuple[str, Sequence[Interval | None]]], *, alt: str) -> Markup:
    """Draw a share with its interval per label, from the top, for each run; None where a run has none of it."""
    height = (0.4 if len(runs) > 1 else 0.28) * len(labels) + 0.75
    with _figure((_SIZE[0], height)) as (figure, drawn):
        axes = figure.add_subplot()
        for at, (_, found) in enumerate(runs):
            _draw_intervals(axes, found, at, offset=(at - (len(runs) - 1) / 2) * 0.36, told="{:.0%}".format)
        _dress_labels(axes, labels)
        axes.set_xlim(-0.02, 1.02)
        axes.xaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        if len(runs) > 1:
            handles = [
                Line2D([], [], color=_COLOURS[at], marker=_MARKERS[at], markersize=5, label=each) for at, (each, _) in enumerate(runs)
            ]
            figure.legend(handles=handles, frameon=False, labelcolor=_INK, fontsize=9.5, loc="outside upper right", ncols=2)
    return _inline(drawn.getvalue(), name, alt)


def forest(name: str, labels: Sequence[str], found: Sequence[Interval], *, alt: str) -> Markup:
    """Draw differences of shares with their intervals, from the top, about the line where there is none."""
    with _figure((_SIZE[0], 0.28 * len(labels) + 0.75)) as (figure, drawn):
        axes = figure.add_subplot()
        axes.axvline(0, color=_INK, linewidth=1)
        _draw_intervals(axes, found, 0, offset=0, told=lambda share: f"{share * 100:+.0f}".replace("-", "−"))
        _dress_labels(axes, labels)
        axes.set_xlim(-1.02, 1.02)
        axes.xaxis.set_major_locator(FixedLocator([-1, 0, 1]))
        axes.xaxis.set_major_formatter(FixedFormatter(["−100 pp\nharms", "0", "+100 pp\nhelps"]))
    return _inline(drawn.getvalue(), name, alt)


@contextmanager
def _figure(size: tuple[float, float]) -> Generator[tuple[Figure, io.StringIO]]:
    """A figure to draw on, and the text that holds its SVG afterwards."""
    with _LOCK, matplotlib.rc_context(_RC), catch_warnings():
        filterwarnings("ignore", message="Glyph .* missing")  # the browser has them
        figure, target = Figure(figsize=size, layout="constrained"), io.StringIO()
        yield figure, target
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(target, format="svg", transparent=True, metadata=nothing)


def _dress_labels(axes: Axes, labels: Sequence[str]) -> None:
    """A row per label, from the top; whatever a label says, it is no formula."""
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    _dress_axes(axes, "x")


def _draw_intervals(axes: Axes, found: Sequence[Interval | None], at: int, *, offset: float, told: Callable[[float], str]) -> None:
    """One run's shares, each with its interval as a line, and its figure at the right edge."""
    for place, share in enumerate(found):
        if share is None:
            continue
        y, colour = place + offset, _COLOURS[at]
        axes.plot([share.low, share.high], [y, y], color=colour, linewidth=2, alpha=0.55)
        axes.plot([share.mean], [y], color=colour, linestyle="none", marker=_MARKERS[at], markersize=6 - at)
        axes.annotate(
            told(share.mean),
            (1.04, y),
            xycoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=9,
            color=colour,
            annotation_clip=False,
        )


def _draw(axes: Axes, line: Line, colour: str) -> None:
    axes.plot(line.x, line.y, color=colour, linewidth=2, marker="o" if len(line.x) < 2 else None, label=line.name)
    if line.dots:
        axes.plot(*line.dots, color=colour, linestyle="none", marker="o", markersize=4, alpha=0.45)


def _draw_arm(axes: Axes, arm: Arm, at: int, *, shift: float) -> None:
    axes.vlines(arm.x + shift, arm.low, arm.high, color=_COLOURS[at], linewidth=2, alpha=0.45)
    axes.plot(arm.x + shift, arm.y, color=_COLOURS[at], linewidth=2, marker=_MARKERS[at], markersize=6, label=arm.name)


def _draw_mark(axes: Axes, mark: Mark) -> None:
    right = mark.x < sum(axes.get_xlim()) / 2
    axes.axvline(mark.x, color=_INK, linewidth=1, linestyle=(0, (3, 2)))
    axes.annotate(
        mark.text,
        (mark.x, 0.02),
        xycoords=axes.get_xaxis_transform(),
        xytext=(4 if right else -4, 0),
        textcoords="offset points",
        ha="left" if right else "right",
        color=_INK,
        fontsize=9,
    )


def _dress_axes(axes: Axes, grid: Literal["x", "y"]) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    axes.tick_params(colors=_INK, length=0, pad=6)
    axes.grid(axis=grid, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _dress(axes: Axes, unit: Unit, x: str) -> None:
    _dress_axes(axes, "y")
    axes.set_xlabel(x, color=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    if unit == "share":
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        return
    axes.set_ylim(0, max(axes.get_ylim()[1], 1e-9))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.4g}" if unit == "dollars" else "{x:,.12g}"))


def _inline(svg: str, name: str, alt: str) -> Markup:
    """Make a stand-alone SVG part of a page: no header, style sheet or namespaces, its own ids, the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r' (?:xmlns(?::\w+)?|version|width|height)="[^"]*"', "", svg[: (end := svg.index(">"))]) + svg[end:]
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'( id="| href="#|url\(#)', rf"\1{name}-", svg)
    svg = re.sub(r"#0[0-9a-f]{5}\b", lambda found: _VARIABLES.get(found[0], found[0]), svg)
    return Markup(svg.replace("<svg", Markup('<svg role="img" aria-label="{}"').format(escape(alt)), 1))  # noqa: S704 (matplotlib's own)
