"""What all benchmarks share: tables for people, and the same figures as JSON beside them."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

FOLDER = Path("bench/results")
"""Where figures go that no `--out` names."""


def show(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print a table: a line per row; columns are the first row's keys, its units named in them."""
    table = Table(*rows[0], title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in rows[0]))
    Console(width=170).print(table)


def save(name: str, figures: dict[str, Any], out: Path | None) -> Path:
    """Write the figures, and on what machine they were measured, as JSON; returns the file."""
    path = out or FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version(), "system": platform.platform()}
    path.write_text(json.dumps({"benchmark": name, "machine": machine, **figures}, indent=2) + "\n", encoding="utf-8")
    print(f"figures: {path}")
    return path


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie (nearest rank); NaN of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def median(values: Sequence[float]) -> float:
    """The median; NaN of none."""
    return statistics.median(values) if values else float("nan")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
