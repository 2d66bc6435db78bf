"""Line charts as inline SVG: real text, colours from the page's CSS, nothing loaded from elsewhere."""

import io
import re
import threading
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Unit = Literal["share", "count", "dollars"]

_SIZE = (4.6, 2.6)
_INK, _GRID = "#010203", "#040506"
_COLOURS = ("#070809", "#0a0b0c")
_VARIABLES = {_INK: "var(--muted)", _GRID: "var(--line)", _COLOURS[0]: "var(--run)", _COLOURS[1]: "var(--control)"}
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


def moving_mean(y: Floats, window: int) -> Floats:
    """Mean of each value with the `window` - 1 before it; the result is `window` - 1 shorter than `y`."""
    total = np.concatenate([[0.0], np.cumsum(y)])
    return (total[window:] - total[:-window]) / window


def chart(name: str, lines: Sequence[Line], *, unit: Unit, alt: str) -> Markup:
    """Draw `lines` (the run's first, then the control's); `name` makes the SVG's ids unique on the page."""
    with _LOCK, matplotlib.rc_context(_RC):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        for line, colour in zip(lines, _COLOURS, strict=False):
            _draw(axes, line, colour)
        _dress(axes, unit)
        axes.set_xlim(0, max(line.x[-1] for line in lines) + 1)
        if len(lines) > 1:
            axes.legend(frameon=False, labelcolor=_INK, fontsize=9.5, loc="best")
        target = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(target, format="svg", transparent=True, metadata=nothing)
    return _inline(target.getvalue(), name, alt)


def _draw(axes: Axes, line: Line, colour: str) -> None:
    axes.plot(line.x, line.y, color=colour, linewidth=2, marker="o" if len(line.x) < 2 else None, label=line.name)
    if line.dots:
        axes.plot(*line.dots, color=colour, linestyle="none", marker="o", markersize=4, alpha=0.45)


def _dress(axes: Axes, unit: Unit) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    axes.tick_params(colors=_INK, length=0, pad=6)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("tasks, in order", color=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    if unit == "share":
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        return
    axes.set_ylim(0, max(axes.get_ylim()[1], 1e-9))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.4g}" if unit == "dollars" else "{x:,.6g}"))


def _inline(svg: str, name: str, alt: str) -> Markup:
    """Make a stand-alone SVG part of a page: no header, style sheet or namespaces, its own ids, the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r' (?:xmlns(?::\w+)?|version|width|height)="[^"]*"', "", svg[: (end := svg.index(">"))]) + svg[end:]
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'( id="| href="#|url\(#)', rf"\1{name}-", svg)
    svg = re.sub(r"#0[0-9a-f]{5}\b", lambda found: _VARIABLES.get(found[0], found[0]), svg)
    return Markup(svg.replace("<svg", Markup('<svg role="img" aria-label="{}"').format(escape(alt)), 1))  # noqa: S704 (matplotlib's own)
