"""What the page says of causes, staleness, costs and lineage."""

from pathlib import Path

import pytest

from experiments.analysis.run_changes import read_run_changes
from experiments.analysis.summary import read_learning, summarise, write_summary
from experiments.report import write_report
from experiments.results import EpisodeRow
from memory.procedure import Cause, Credit, Deprecated
from runtime.errors import DataError
from runtime.events import Retrieved, Role, Usage
from tests.experiments.histories import learned, write_changes
from tests.experiments.samples import failed_row, revision, sample_procedure, sample_row, sample_run, write_memory
from tests.experiments.test_report import EVIL, Page

GIVEN = (Retrieved(procedure="0123456789abcdef", revision=1),)
LEARNED: dict[Role, Usage] = {"builder": Usage(calls=2, input=900, output=100)}


def played() -> list[EpisodeRow]:
    """Ten with the procedure, ten that it was withheld from (nine fail), ten held out (eight fail)."""
    rows = [sample_row(i, retrieved=GIVEN, memory_version=i) for i in range(10)]
    rows += [(failed_row if i < 19 else sample_row)(i, withheld=GIVEN, memory_version=i) for i in range(10, 20)]
    return rows + [(failed_row if i < 28 else sample_row)(i, arm="control") for i in range(20, 30)]


def learning_run(folder: Path, **config: object) -> Path:
    """A run whose task 3 (dev-2) made the one procedure, whose task 5 (dev-4) had it deprecated, and whose others changed nothing."""
    run = sample_run(folder, played(), **config)
    gone = (Deprecated(procedure="0123456789abcdef", revision=1, evidence=23.456),)
    write_changes(
        run,
        learned(1, "dev-1"),
        learned(2, "dev-0"),
        learned(3, "dev-2", procedure=GIVEN[0].procedure, usage=LEARNED),
        learned(4, "dev-3"),
        learned(5, "dev-8"),
        learned(6, "dev-4", deprecated=gone),
    )
    first = revision(1, "go", cause=Cause(kind="built", trajectories=("1:dev-2",)))
    last = revision(2, "go", status="deprecated", cause=Cause(kind="deprecated", trajectories=("1:dev-4",)))
    credit = {1: Credit(uses=10, successes=10, given=10, given_successes=10, withheld=10, withheld_successes=1)}
    write_memory(run / "memory.jsonl", sample_procedure(first, last, credit=credit, sources=("1:dev-2", "1:dev-7")))
    return run


def test_report_of_chance_shows_uplift_of_memory_and_of_each_procedure(tmp_path: Path) -> None:
    page = Page(write_report(learning_run(tmp_path / "mine")))
    assert "Success rate 55.0% 20.0% +35.0 pp −2.3 to +58.9 20 and 10" in page.text
    assert "Steps 20.1 26.4" in page.text
    assert "1 put a clean mug in cabinet. helpful +90 pp +49 to +98 100.0% of 10 10.0% of 10" in page.text
    assert "not corrected for looking at many procedures" in page.text
    assert any("put a clean mug in cabinet. +90% (+49% to +98%, helpful)" in chart for chart in page.charts)
    assert "#procedure-1" in page.values("href")


def test_report_of_history_shows_lag_and_what_it_goes_along_with(tmp_path: Path) -> None:
    """Tasks 1 to 4 made versions 1 to 4, having seen 0, 0, 1 and 1: their lags are 0, 1, 1 and 2."""
    rows = [sample_row(i, memory_version=seen) for i, seen in enumerate((0, 0, 1, 1))]
    run = sample_run(tmp_path / "mine", [*rows, failed_row(4)])
    write_changes(run, *(learned(i + 1, f"dev-{i}") for i in range(4)))
    page = Page(write_report(run))
    assert "median 1.0, nine in ten at most 1.7, the longest 2" in page.text
    assert "Of 4 episodes with memory; 1 more changed nothing" in page.text
    assert "Lag in changes, from 0 at task 1 to 2 at task 4; the longest is 2." in page.charts
    assert "Versions of memory, in the order of the changes. made: from 1 to 4; seen: from 0 to 1." in page.charts


def test_report_of_costs_tells_when_learning_is_paid_for(tmp_path: Path) -> None:
    def spent(index: int, tokens: int) -> EpisodeRow:
        return sample_row(index, usage={"agent": Usage(calls=10, input=tokens)})

    run = sample_run(tmp_path / "mine", [spent(i, 500) for i in range(5)])
    control = sample_run(tmp_path / "control", [spent(i, 1000) for i in range(5)])
    write_summary(run, summarise([], learning=LEARNED))
    page = Page(write_report(run, control))
    assert "builder 2 1,000 0.0002" in page.text
    assert "tokens 500 1,000 +500 +500 to +500 1,000 2 episodes 5 and 5" in page.text
    assert (
        "Tokens, added up over 5 episodes. with memory and learning: 3,500; control: 5,000. Learning is paid for from episode 2 on."
        in page.charts
    )
    assert "steps 12.0 12.0 +0.0 +0.0 to +0.0 – – 5 and 5" in page.text
    alone = Page(write_report(run)).text
    assert "There is no control to tell what was saved" in alone


def test_report_of_costs_that_are_never_paid_says_so(tmp_path: Path) -> None:
    run = sample_run(tmp_path / "mine", [sample_row(i) for i in range(3)])
    write_summary(run, summarise([], learning=LEARNED))
    page = Page(write_report(run, sample_run(tmp_path / "control", [sample_row(i) for i in range(3)])))
    assert "tokens 7,200 7,200 +0 +0 to +0 1,000 never 3 and 3" in page.text
    assert page.text.count("Learning is not paid for within the run.") == 2


def test_report_procedure_leads_to_the_episodes_that_made_it(tmp_path: Path) -> None:
    page = Page(write_report(learning_run(tmp_path / "mine")))
    assert "built from task 3 (success)" in page.text
    assert "deprecated by uplift (e-value 23.5) from task 5 (success)" in page.text
    assert "by chance given 10 times (10 successes), withheld 10 times (1 success)" in page.text
    assert {"#episode-2", "#episode-4"} <= set(page.values("href"))
    assert "Stands for 2 episodes: task 3 (success), 1:dev-7." in page.text, "what another run's task 7 taught is not this one's"


@pytest.mark.parametrize(("config", "linked"), [({}, True), ({"memory": "other.jsonl"}, False)])
def test_report_without_history_links_episodes_unless_memory_was_imported(tmp_path: Path, config: dict[str, str], linked: bool) -> None:
    run = learning_run(tmp_path / "mine", **config)
    (run / "changes.jsonl").unlink()
    page = Page(write_report(run))
    assert ("built from task 3 (success)" in page.text) == linked
    assert ("built from 1:dev-2" in page.text) != linked
    assert "How old memory was" not in page.text


def test_report_old_run_has_none_of_the_new_sections(tmp_path: Path) -> None:
    text = Page(write_report(sample_run(tmp_path / "mine", [sample_row(i) for i in range(3)]))).text
    for heading in ("What memory causes", "How old memory was", "What memory costs"):
        assert heading not in text


def test_report_untrusted_procedure_in_the_forest_is_escaped(tmp_path: Path) -> None:
    evil = (Retrieved(procedure=EVIL, revision=1),)
    rows = [sample_row(0, retrieved=evil), sample_row(1, retrieved=evil), failed_row(2, withheld=evil)]
    run = sample_run(tmp_path / "mine", rows)
    write_memory(run / "memory.jsonl", sample_procedure(revision(1, "go"), id=EVIL, goal=f"--> {EVIL} $x^2$ 猫"))
    path = write_report(run)
    assert "<script" not in path.read_text()
    assert "--> <script>" in Page(path).text


def test_summary_of_a_learning_run_has_the_parts_and_of_an_old_one_none(tmp_path: Path) -> None:
    run = learning_run(tmp_path / "mine")
    changes = read_run_changes(run)
    summary = summarise(played(), model="gpt-4o-mini", learning=LEARNED, changes=changes)
    assert summary.uplift is not None
    assert summary.uplift.memory is not None
    assert summary.uplift.memory.success.difference == pytest.approx(0.35)
    assert summary.uplift.procedures == {"helpful": 1}
    assert summary.economics is not None
    assert summary.economics.learning.tokens == 1000
    assert (summary.staleness and summary.staleness.unknown) == 14
    old = summarise([sample_row(0)]).model_dump_json()
    assert not [part for part in ("uplift", "staleness", "economics") if part in old]


def test_read_learning_takes_any_version_and_names_a_damaged_file(tmp_path: Path) -> None:
    assert read_learning(tmp_path) == {}
    (tmp_path / "summary.json").write_text('{"n": 3, "of_another_version": true}')
    assert read_learning(tmp_path) == {}
    write_summary(tmp_path, summarise([], learning=LEARNED))
    assert read_learning(tmp_path) == LEARNED
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(DataError, match=r"summary\.json is damaged"):
        read_learning(tmp_path)
