"""What a run prints on a terminal."""

from io import StringIO

from rich.console import Console

from experiments.live import print_procedures
from tests.experiments.samples import revision, sample_procedure


def test_procedure_with_terminal_escapes_and_markup_is_printed_with_them_as_text() -> None:
    said = StringIO()
    odd = sample_procedure(revision(1, "go to [red]desk[/red] 1\x1b]0;me\x07"), goal="put \x1b[2J a mug [/nonsense]")
    print_procedures(Console(file=said, force_terminal=True, no_color=True, width=120), [odd], most=1)
    shown = said.getvalue()
    assert [each for each in ("\x07", "\x1b]", "\x1b[2J") if each in shown] == []
    for text in (r"go to [red]desk[/red] 1\x1b]0;me\x07", r"put \x1b[2J a mug [/nonsense]"):
        assert text in shown
