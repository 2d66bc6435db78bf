"""Figures and arms in words, the same on the terminal, in Markdown and on the page."""

from collections.abc import Sequence

from experiments.grid.measures import FEW, Figure
from experiments.grid.overlap import Overlap
from experiments.grid.plan import NONE
from experiments.grid.table import Line, Table

STAND_IN = (
    "Played by the stand-in, a scripted player and no language model: this shows what the machinery does with memory, not how well "
    "any model does."
)
PORTABILITY = (
    "Between skills of the stand-in this shows that a memory can be carried from one to the other, not that knowledge transfers "
    "between models."
)


def number(value: float, column: str) -> str:
    """A figure as its column tells it: shares in percent, tokens whole, steps with a decimal."""
    if column.endswith("tokens"):
        return f"{value:,.0f}"
    return f"{value:.1f}" if column.endswith("steps") else f"{value * 100:.1f}"


def quoted(value: float, column: str) -> str:
    """A figure of the paper, with its two decimals."""
    return f"{value:.2f}" if column == "steps" else f"{value * 100:.2f}"


def signed(value: float, column: str) -> str:
    """A difference, with a typographic minus."""
    return ("+" if value >= 0 else "−") + number(abs(value), column)


def bounds(figure: Figure, column: str, *, change: bool = False) -> str:
    """Its 95 % interval, or that there is nothing it could be drawn from; empty where unknown."""
    if figure.same:
        return f"same in every {'task' if figure.over == 'games' else 'order'}"
    if figure.low is None or figure.high is None:
        return ""
    each = signed if change else number
    return f"[{each(figure.low, column)}, {each(figure.high, column)}]{' few orders' if figure.few else ''}"


def arm(name: str, vary: str) -> str:
    """An arm as a table names it."""
    if name == NONE:
        return "no memory"
    return {"top_k": f"k = {name}", "builder_model": f"built by {name}"}.get(vary, name)


def header(column: str) -> str:
    """A column, with its unit."""
    return column if column in ("steps", "tokens") or column.endswith(" steps") else f"{column} %"


def known_by(overlap: Overlap) -> str:
    """Whose goals are the known ones."""
    return "the memory" if overlap.memory is None else f"{overlap.memory} (other arms' memories know other goals)"


def notes(table: Table) -> list[str]:
    """What must be known to read the table."""
    said = [STAND_IN] if table.stand_in else []
    said += [PORTABILITY] if table.stand_in and table.vary == "builder_model" else []
    said += [f"The games of {' and '.join(table.generated)} are generated, not the benchmark's."] if table.generated else []
    if table.says:
        said.append(f"The paper: {table.says}")
    said.append(_intervals(table))
    if table.limit:
        said.append(f"At most {table.limit} tasks per split{', drawn anew for each seed' if table.seeds > 1 else ''}.")
    if table.paper:
        said.append(
            f"Lines marked “paper” are quoted from {table.paper[0].source}, played by the model that they name; of TravelPlanner they "
            "are on the test split, and steps of ALFWorld on both splits."
        )
    said += [
        f"The memories are the same: {' and '.join(names)}; where arms differ that use them, it is by the order of ties."
        for names in table.alike
    ]
    said += _scant(table)
    return said + _left_out(table.lines)


def _intervals(table: Table) -> str:
    if table.mode == "offline":
        return (
            "In brackets 95 % intervals: tasks are drawn anew, differences to no memory are paired by game; success is Wilson's where "
            "each task was played once. What is the same in every task has none."
        )
    orders = "one order of the tasks" if table.seeds == 1 else f"{table.seeds} orders of the tasks"
    few = (
        f"; fewer than {FEW} are marked “few orders”: such an interval is too narrow (of five orders, it holds the true mean in about "
        "84 % of cases, not 95), and one order has none"
    )
    few = few if table.seeds < FEW else ""
    return f"In brackets 95 % intervals: whole runs are drawn anew, of {orders}, each paired with the control of its order{few}."


def _scant(table: Table) -> list[str]:
    """Memories with fewer procedures than are to be retrieved: more can't be."""
    most = max((cell.config["top_k"] for cell in table.cells if cell.kind == "episodes" and cell.config["use_memory"]), default=0)
    few = [cell for cell in table.cells if cell.procedures is not None and cell.procedures < most]
    return [f"{cell.name} holds {cell.procedures} procedure(s), so that no more are ever retrieved." for cell in few]


def _left_out(lines: Sequence[Line]) -> list[str]:
    aborted = sum(line.aborted for line in lines)
    dead = sum(line.dead for line in lines)
    said = [f"{aborted} aborted episode(s) are left out."] if aborted else []
    return said + ([f"{dead} dead task(s) count as failures."] if dead else [])
