"""What a run prints on a terminal."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from experiments.analysis.summary import summarise
from experiments.driver import Result
from experiments.live import print_comparison, print_procedures
from experiments.results import read_rows
from runtime.events import Usage
from tests.experiments.samples import revision, sample_procedure, sample_row, sample_run


def test_procedure_with_terminal_escapes_and_markup_is_printed_with_them_as_text() -> None:
    said = StringIO()
    odd = sample_procedure(revision(1, "go to [red]desk[/red] 1\x1b]0;me\x07"), goal="put \x1b[2J a mug [/nonsense]")
    print_procedures(Console(file=said, force_terminal=True, no_color=True, width=120), [odd], most=1)
    shown = said.getvalue()
    assert [each for each in ("\x07", "\x1b]", "\x1b[2J") if each in shown] == []
    for text in (r"go to [red]desk[/red] 1\x1b]0;me\x07", r"put \x1b[2J a mug [/nonsense]"):
        assert text in shown


@pytest.mark.parametrize(("tokens", "said"), [(700, "saves 300 of 1,000: it is paid for after 4 episodes"), (1000, "it is never paid for")])
def test_comparison_tells_when_learning_is_paid_for(tmp_path: Path, tokens: int, said: str) -> None:
    def result(name: str, tokens: int) -> Result:
        rows = [sample_row(i, usage={"agent": Usage(calls=1, input=tokens)}) for i in range(5)]
        folder = sample_run(tmp_path / name, rows)
        summary = summarise(read_rows(folder / "episodes.jsonl"), learning={"builder": Usage(calls=1, input=1000)})
        return Result(folder, summary, folder / "report.html")

    shown = StringIO()
    print_comparison(Console(file=shown, width=200), "both", result("control", 1000), result("treated", tokens))
    assert "learning took 1,000 tokens" in shown.getvalue()
    assert said in shown.getvalue()
