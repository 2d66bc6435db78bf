"""Tables as pandas prints them without an index (`DataFrame.to_string(index=False)`), byte for byte and without pandas.

Its rules: numbers get the fewest of six decimals that no value of the column needs more than, or an exponent where they
are too large or too small; all cells and headers stand to the right; a number column's header has one more space before
it. What kind of numbers a column holds is decided by the whole file, which is why the tables remember it.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

_DIGITS = 6
_LONGEST = _DIGITS + 6
"""Characters beyond which a number is too long, if there are large ones."""
_LARGE = 1e6
_SMALL = 10**-_DIGITS
_DECIMAL = re.compile(r"[+-]?[0-9]+\.[0-9]*")
_ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r"})


def text(value: str) -> str:
    """A cell of a text column."""
    return value.translate(_ESCAPES)


def whole(value: float) -> str:
    """A cell of a column of whole numbers."""
    return str(int(value))


def decimals(values: Sequence[float]) -> list[str]:
    """The cells of a column of numbers with decimals."""
    cells = _trimmed([f"{value:.{_DIGITS}f}" for value in values])
    sizes = [abs(value) for value in values]
    too_long = any(len(cell) > _LONGEST for cell in cells) and any(size > _LARGE for size in sizes)
    if too_long or any(0 < size < _SMALL for size in sizes):
        return _trimmed([f"{value:.{_DIGITS}e}" for value in values])
    return cells


def _trimmed(cells: list[str]) -> list[str]:
    """Without the zeros that all numbers end with; one stays behind the point."""
    numbers = [cell for cell in cells if _DECIMAL.fullmatch(cell)]
    while numbers and all(cell.endswith("0") for cell in numbers):
        numbers = [cell[:-1] for cell in numbers]
    shorter = iter(numbers)
    found = [next(shorter) if _DECIMAL.fullmatch(cell) else cell for cell in cells]
    return [cell + "0" if cell.endswith(".") else cell for cell in found]


def column(header: str, values: Sequence[Any], *, number: bool, is_whole: bool) -> list[str]:
    """A header and its cells, each as wide as the widest of them."""
    shown: Callable[[Any], str] = whole if is_whole else text
    cells = decimals(values) if number and not is_whole else [shown(value) for value in values]
    cells.insert(0, f" {header}" if number else header)
    width = max(map(len, cells))
    return [cell.rjust(width) for cell in cells]


def table(columns: Sequence[Sequence[str]]) -> str:
    """Columns side by side."""
    return "\n".join(" ".join(row) for row in zip(*columns, strict=True))
