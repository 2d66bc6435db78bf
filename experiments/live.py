"""What a person sees of a run: live progress on a terminal, plain lines elsewhere, and the closing tables."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from math import ceil
from statistics import fmean

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from experiments.analysis.economics import break_even, savings_against
from experiments.analysis.judged import is_scored
from experiments.analysis.prices import Models
from experiments.analysis.stats import paired_interval
from experiments.analysis.summary import Summary
from experiments.driver import Result, Snapshot
from experiments.results import EpisodeRow, read_rows
from memory.procedure import Procedure
from runtime.masking import visible

RECENT = 20
"""Episodes of the moving rates."""


@contextmanager
def live(console: Console, title: str) -> Generator[Callable[[Snapshot], None]]:
    """Gives the function that shows a snapshot: in place on a terminal, a line for every tenth part elsewhere."""
    if not console.is_terminal:
        yield _Lines(console, title).show
        return
    with Live(console=console, refresh_per_second=4) as display:
        yield lambda snapshot: display.update(panel(title, snapshot))


class _Lines:
    """Progress where nobody watches: few lines, so that a log stays readable."""

    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title, self._last = console, title, ("", -1)

    def show(self, snapshot: Snapshot) -> None:
        done = snapshot.progress.applied if snapshot.phase == "building memory" else len(snapshot.rows)
        tenth = 10 * done // max(1, snapshot.total)
        if (snapshot.phase, tenth) != self._last:
            self._last = (snapshot.phase, tenth)
            self._console.print(
                f"{self._title}: {snapshot.phase}, {done} of {snapshot.total}, {_figures(snapshot)}", highlight=False, soft_wrap=True
            )


def panel(title: str, snapshot: Snapshot) -> Panel:
    """One snapshot as a box."""
    done = snapshot.progress.applied if snapshot.phase == "building memory" else len(snapshot.rows)
    grid = Table.grid(padding=(0, 1))
    grid.add_row(snapshot.phase, ProgressBar(total=max(1, snapshot.total), completed=done, width=40), f"{done}/{snapshot.total}")
    grid.add_row("", _figures(snapshot))
    return Panel(grid, title=title, title_align="left")


def _figures(snapshot: Snapshot) -> str:
    counted = [row for row in snapshot.rows if row.counts]
    scored = [row for row in counted if is_scored(row)]
    reward = [f"reward {_recently([row.reward for row in scored])}"] if _is_graded(scored) else []
    success = [f"success {_recently([row.success for row in scored])}"] if scored else []
    steps = f"steps {fmean(row.steps for row in counted):.1f}" if counted else ""
    progress = snapshot.progress
    parts = [
        *reward,
        *success,
        steps,
        f"in flight {snapshot.in_flight}",
        f"procedures {progress.procedures}",
        f"tokens {_short(progress.tokens)}",
    ]
    if progress.dead or progress.dropped:
        parts.append(f"dead letters {progress.dead + progress.dropped}")
    return ", ".join(part for part in parts if part)


def _recently(values: Sequence[float]) -> str:
    recent = values[-RECENT:]
    return f"{fmean(values):.0%} (last {len(recent)}: {fmean(recent):.0%})"


def _is_graded(rows: Sequence[EpisodeRow]) -> bool:
    """Whether rewards tell more than success does."""
    return any(row.reward != row.success for row in rows)


def _short(number: int) -> str:
    return f"{number / 1e6:.1f}M" if number >= 1_000_000 else f"{number / 1e3:.0f}k" if number >= 1000 else str(number)


def summary_table(title: str, runs: Sequence[tuple[str, Summary]]) -> Table:
    """One row per run; rewards where they tell more than success does."""
    graded = any(summary.mean_reward != summary.success_rate for _, summary in runs)
    table = Table(title=title, title_justify="left")
    rewards = ["reward"] if graded else []
    for column in ("run", "n", *rewards, "success", "95 %", "steps", "1st half", "2nd half", "tokens"):
        table.add_column(column, justify="left" if column == "run" else "right")
    for name, summary in runs:
        interval = summary.success_interval
        table.add_row(
            name,
            str(summary.n),
            *([_share(summary.mean_reward)] if graded else []),
            _share(summary.success_rate),
            f"{interval[0]:.0%}–{interval[1]:.0%}" if interval else "-",
            f"{summary.mean_steps:.1f}" if summary.mean_steps is not None else "-",
            *(_share(half.success_rate) for half in summary.halves),
            _short(summary.tokens),
        )
    return table


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def print_procedures(console: Console, procedures: Sequence[Procedure], most: int) -> None:
    """The procedures that were used most, in words."""
    ranked = sorted(procedures, key=lambda each: -sum(credit.uses for credit in each.credit.values()))
    for procedure in ranked[:most]:
        uses = sum(credit.uses for credit in procedure.credit.values())
        successes = sum(credit.successes for credit in procedure.credit.values())
        text = procedure.current.content.script or procedure.current.content.trajectory or ""
        about = f"{procedure.goal} (revision {procedure.current.number}, used {uses} times, {successes} successes)"
        console.print(Panel(Text(visible(text)), title=Text(visible(about)), title_align="left"))


def print_comparison(console: Console, title: str, control: Result, treated: Result) -> None:
    """Two runs over the same games side by side, and what memory changed, game by game."""
    console.print(summary_table(title, [("control", control.summary), ("with memory", treated.summary)]))
    before, after = ({row.game: row for row in read_rows(result.folder / "episodes.jsonl")} for result in (control, treated))
    shared = sorted(before.keys() & after.keys())
    graded = _is_graded([*before.values(), *after.values()])
    for name in (*(["reward"] if graded else []), "success", "steps"):
        scores = ({game: float(getattr(rows[game], name)) for game in shared} for rows in (after, before))
        interval = paired_interval(*scores)
        console.print(f"{name}: {interval.mean:+.2f} (paired 95 % interval {interval.low:+.2f} to {interval.high:+.2f}, n = {len(shared)})")
    _print_payback(console, list(before.values()), list(after.values()), sum(each.tokens for each in treated.summary.learning.values()))


def _print_payback(console: Console, control: Sequence[EpisodeRow], treated: Sequence[EpisodeRow], learning: int) -> None:
    """What learning cost, and after how many episodes it has paid for itself."""
    saving = savings_against(treated, control, Models(), Models()).get("tokens")
    if saving is None or not learning:
        return
    even = break_even(learning, saving).episodes
    said = "it is never paid for" if even is None else f"it is paid for after {ceil(even)} episodes"
    console.print(f"learning took {learning:,} tokens, an episode saves {saving.saved:,.0f} of {saving.control:,.0f}: {said}")


def print_result(console: Console, title: str, result: Result) -> None:
    """The closing words of one run."""
    console.print(summary_table(title, [(result.folder.name, result.summary)]))
    if result.summary.aborted or result.summary.dead:
        console.print(f"{result.summary.aborted} aborted, {result.summary.dead} dead-lettered: see {result.folder / 'episodes.jsonl'}")
    if result.summary.travelplanner:
        console.print(", ".join(f"{name.replace('_', ' ')} {value:.2f} %" for name, value in result.summary.travelplanner.items()))
    console.print(f"report: {result.report}", soft_wrap=True, highlight=False)
