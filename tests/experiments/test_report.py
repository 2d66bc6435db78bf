import re
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import pytest

from experiments.report import write_report
from experiments.report.page import SHOWN_EPISODES, SHOWN_PROCEDURES
from memory.procedure import Cause, Content, Credit
from runtime.errors import DataError
from tests.experiments.samples import failed_row, revision, sample_procedure, sample_row, sample_run, write_memory

EVIL = '<script>alert("x")</script>'


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, ids, and the text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.charts: list[str] = []
        """What is said of each to those who can't see it."""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "svg":
            self.charts.append(dict(attrs)["aria-label"] or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


def test_report_run_shows_its_figures_and_episodes(tmp_path: Path) -> None:
    rows = [sample_row(i, group=i // 5, goal=f"goal number {i}") for i in range(30)] + [failed_row(i, group=i // 5) for i in range(30, 40)]
    rows.append(sample_row(40, outcome="aborted", reason="the episode's token budget"))
    page = Page(write_report(sample_run(tmp_path / "mine", rows)))
    assert "75.0%" in page.text
    assert "40 finished, 1 aborted, 0 dead" in page.text
    assert "goal number 17" in page.text
    assert "the episode's token budget" in page.text
    assert "Played by gpt-4o-mini" in page.text
    assert "stand-in" not in page.text


def test_report_charts_are_inline_with_text_and_description(tmp_path: Path) -> None:
    page = Page(write_report(sample_run(tmp_path / "mine", [sample_row(i, group=i // 5) for i in range(40)])))
    assert page.tags.count("svg") == 4
    assert "tasks, in order" in page.text
    assert any(label.startswith("Success, Mean of the last 8 episodes. this run: from 100% to 100%") for label in page.values("aria-label"))
    assert len(page.values("id")) == len(set(page.values("id")))


def test_report_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    path = write_report(sample_run(tmp_path / "mine", [sample_row(i) for i in range(10)]))
    page = Page(path)
    assert not re.search(r"https?:|//\w", path.read_text())
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert all(value.startswith("#") for value in page.values("href") + page.values("src"))


def test_report_references_within_charts_meet_their_ids(tmp_path: Path) -> None:
    path = write_report(sample_run(tmp_path / "mine", [sample_row(i, group=i // 5) for i in range(40)]))
    ids = set(Page(path).values("id"))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', path.read_text()))
    assert used
    assert used <= ids


def test_report_untrusted_text_is_escaped_everywhere(tmp_path: Path) -> None:
    rows = [sample_row(0, goal=EVIL, task_type=EVIL), sample_row(1, goal=EVIL, outcome="aborted", reason=EVIL)]
    folder = sample_run(tmp_path / "mine", rows, exp_name=EVIL, model=EVIL, env=EVIL, notes=[EVIL])
    first = revision(1, EVIL, content=Content(script=EVIL, trajectory=EVIL))
    second = revision(2, f"{EVIL}!", cause=Cause(kind="adjusted", trajectories=(EVIL,)))
    write_memory(folder / "memory.jsonl", sample_procedure(first, second, goal=EVIL, id=EVIL))
    path = write_report(folder, sample_run(tmp_path / "control", rows, exp_name=EVIL, model=f"{EVIL}2"))
    assert "<script" not in path.read_text()
    assert Page(path).text.count(EVIL) > 12


def test_report_stand_in_model_is_labelled(tmp_path: Path) -> None:
    page = Page(write_report(sample_run(tmp_path / "mine", [sample_row()], model="stand-in-strong")))
    assert "A scripted stand-in played these episodes, not a language model" in page.text
    assert "No price is known for this model" in page.text


@pytest.mark.parametrize("count", [0, 1, 2])
def test_report_tiny_run_is_written(tmp_path: Path, count: int) -> None:
    rows = [sample_row(i, group=0) for i in range(count)]
    page = Page(write_report(sample_run(tmp_path / "mine", rows), sample_run(tmp_path / "control", rows)))
    assert f"Episodes ({count})" in page.text
    assert page.tags.count("svg") == (4 if count else 0)


def test_report_only_aborted_episodes_has_no_rate(tmp_path: Path) -> None:
    page = Page(write_report(sample_run(tmp_path / "mine", [sample_row(0, outcome="aborted", reason="budget")])))
    assert "nothing counted yet" in page.text


def test_report_run_without_episodes_file_or_memory_is_written(tmp_path: Path) -> None:
    folder = sample_run(tmp_path / "mine", [])
    (folder / "episodes.jsonl").unlink()
    assert "No memory was exported" in Page(write_report(folder)).text


def test_report_procedures_show_content_credit_and_differences(tmp_path: Path) -> None:
    folder = sample_run(tmp_path / "mine", [sample_row()])
    deprecated = revision(3, "1. open the fridge", status="deprecated", cause=Cause(kind="deprecated"))
    procedure = sample_procedure(revision(1, "1. open the drawer"), revision(2, "1. open the fridge"), deprecated)
    write_memory(folder / "memory.jsonl", procedure)
    text = Page(write_report(folder)).text
    assert "1 procedure, 0 of them active" in text
    assert "deprecated revision 3 · 4 uses · 1 success" in text
    assert "-1. open the drawer +1. open the fridge" in text
    assert "adjusted from 1:dev-2" in text
    assert "The text is as it was." in text


def test_report_more_than_it_shows_says_how_many_are_left(tmp_path: Path) -> None:
    folder = sample_run(tmp_path / "mine", [sample_row(i) for i in range(SHOWN_EPISODES + 7)])
    uses = range(SHOWN_PROCEDURES + 5)
    procedures = [sample_procedure(revision(1, "go"), id=str(n), goal=f"goal {n}.", credit={1: Credit(uses=n)}) for n in uses]
    write_memory(folder / "memory.jsonl", *procedures)
    text = Page(write_report(folder)).text
    assert "7 more are in episodes.jsonl" in text
    assert "5 more are in memory.jsonl" in text
    assert "goal 5." in text
    assert "goal 4." not in text


def test_report_control_of_another_model_is_priced_by_its_own(tmp_path: Path) -> None:
    rows = [sample_row(i) for i in range(3)]
    page = Page(write_report(sample_run(tmp_path / "mine", rows), sample_run(tmp_path / "control", rows, model="gpt-4o")))
    label = next(each for each in page.values("aria-label") if each.startswith("Cost"))
    assert "this run: from 0.0016 dollars to 0.0049 dollars" in label
    assert "control: from 0.0270 dollars to 0.0810 dollars" in label


def test_report_control_shows_the_paired_difference_of_shared_games(tmp_path: Path) -> None:
    folder = sample_run(tmp_path / "mine", [sample_row(i) for i in range(20)])
    control = sample_run(tmp_path / "control", [failed_row(i, arm="control") for i in range(5, 25)])
    text = Page(write_report(folder, control)).text
    assert "Success rate 100.0% 0.0% +100.0 pp +100.0 to +100.0 15" in text
    assert "Steps 12.0 30.0 −18.0 −18.0 to −18.0 15" in text


def test_report_control_of_other_games_says_so(tmp_path: Path) -> None:
    folder = sample_run(tmp_path / "mine", [sample_row(0)])
    control = sample_run(tmp_path / "control", [sample_row(1)])
    assert "nothing to compare" in Page(write_report(folder, control)).text


def test_report_control_of_another_model_says_so(tmp_path: Path) -> None:
    folder = sample_run(tmp_path / "mine", [sample_row()])
    control = sample_run(tmp_path / "control", [sample_row()], model="another")
    assert "Another model in the control" in Page(write_report(folder, control)).text


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_report_unusable_config_raises_and_names_it(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(DataError, match=r"config\.json"):
        write_report(tmp_path)


def test_report_same_run_in_many_threads_is_always_the_same_page(tmp_path: Path) -> None:
    folders = [sample_run(tmp_path / str(i) / "mine", [sample_row(j) for j in range(30)]) for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        pages = {path.read_text() for path in pool.map(write_report, folders)}
    assert len(pages) == 1
