"""A tiny grid played by real processes on a bare machine: killed in the middle, gone on with, and given once more.

One of its two models is none that the endpoint has.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from experiments.analysis.summary import read_learning
from experiments.demo import with_stand_in
from experiments.grid.cells import Cell, lay_out
from experiments.grid.estimate import Estimate, estimate, total
from experiments.grid.ground import with_generated
from experiments.grid.plan import read_plan
from experiments.grid.play import Survey, start_over, survey
from experiments.results import EpisodeRow, read_rows
from runtime.config import Settings
from tests.experiments.command import Memp, until
from tests.experiments.grid.grids import TINY, choice

TASKS = 4
GIVEN = ("--stand-in", "--model", "stand-in-strong,gone", "--builder-model", "stand-in-strong", "--limit", str(TASKS), "--batch-size", "2")
SOURCE, MEMORY = "tiny-source-alfworld-stand-in-strong", "tiny-memory-alfworld-script-stand-in-strong"
PLAYED = ("tiny-alfworld-dev-none-stand-in-strong-0", "tiny-alfworld-dev-script-stand-in-strong-0", SOURCE)


@dataclass(frozen=True)
class Played:
    """What the commands left."""

    memp: Memp
    plan: str
    before: list[EpisodeRow]
    """Of the first cell, when the command was killed in the second."""
    dry: str
    code: int
    output: str
    runs: Path

    def table(self) -> Any:
        return json.loads((self.runs / "tiny" / "table.json").read_text())


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, clean_environment: None) -> Played:
    async def play() -> Played:
        folder = tmp_path_factory.mktemp("grid")
        (folder / "tiny.toml").write_text(TINY)
        memp, command = Memp(folder, "http://127.0.0.1:9/v1"), ("experiment", str(folder / "tiny.toml"), *GIVEN)
        code, dry = await memp.run(*command, "--dry-run", COLUMNS="200")
        assert code == 0, dry
        assert sorted(path.name for path in folder.iterdir()) == ["tiny.toml"]  # nothing was started or made
        async with memp.start(*command) as run:
            await until(lambda: memp.rows(SOURCE))
            run.kill()
            await run.wait()
        before = memp.rows(PLAYED[0])
        code, output = await memp.run(*command, COLUMNS="200")
        return Played(memp, str(folder / "tiny.toml"), before, dry, code, output, folder / "runs")

    return anyio.run(play)


def grid(played: Played) -> tuple[Settings, list[Cell]]:
    """The settings and the cells of the grid that were played, as the command had them."""
    settings = Settings(data_dir=played.runs.parent / "data", runs_dir=played.runs, alfworld_data=None)  # whatever the tester has set
    settings = with_stand_in(settings, "http://127.0.0.1:9/v1")
    settings = with_generated(settings, ["alfworld"], TASKS)
    chosen = choice(played.runs, models=("stand-in-strong",), builder="stand-in-strong", limit=TASKS)
    return settings, lay_out(read_plan(played.plan), chosen)


def reckoned(played: Played, runs_dir: Path) -> list[Estimate]:
    """The estimate of the whole grid by what stands in a folder of runs."""
    settings, cells = grid(played)
    changed = settings.model_copy(update={"runs_dir": runs_dir})
    afresh = Survey(set(), {}, {cell.name for cell in cells})
    return estimate(read_plan(played.plan), cells, changed, afresh, games=TASKS)


def spent(played: Played) -> tuple[int, int, int]:
    """Episodes, model calls and tokens of the run, embeddings apart."""
    rows = [row for name in PLAYED for row in played.memp.rows(name)]
    used = [usage for row in rows for role, usage in row.usage.items() if role != "embedding"]
    used += [usage for role, usage in read_learning(played.runs / MEMORY).items() if role != "embedding"]
    return len(rows), sum(each.calls for each in used), sum(each.tokens for each in used)


@pytest.mark.timeout(400)
def test_grid_killed_in_the_middle_keeps_its_finished_cells_and_plays_the_rest(played: Played) -> None:
    assert len(played.before) == TASKS
    assert played.memp.rows(PLAYED[0]) == played.before
    assert "1 of 6 cells are finished already" in played.output
    for name in PLAYED:
        rows = played.memp.rows(name)
        assert len({row.task_id for row in rows}) == len(rows) == TASKS
    control, memory = played.table()["lines"][:2]
    assert control["entries"]["dev success"]["value"]["episodes"] == TASKS
    assert memory["entries"]["dev success"]["change"] is not None


def test_grid_cell_that_fails_is_told_and_lets_the_others_go_on(played: Played) -> None:
    assert played.code == 1
    assert "2 of 6 cells failed" in played.output
    failed = [cell["name"] for cell in played.table()["cells"] if cell["problem"]]
    assert failed == ["tiny-alfworld-dev-none-gone-0", "tiny-alfworld-dev-script-gone-0"]
    assert "Traceback" not in played.output


def test_grid_given_again_plays_nothing_and_gives_the_same_table(played: Played) -> None:
    async def again() -> tuple[int, str]:
        with_one = [part.removesuffix(",gone") for part in GIVEN]
        return await played.memp.run("experiment", played.plan, *with_one, COLUMNS="200")

    stamps = {name: (played.runs / name / "report.html").stat().st_mtime_ns for name in PLAYED}
    before = played.table()
    code, output = anyio.run(again)
    assert (code, "4 of 4 cells are finished" in output) == (0, True), output
    assert {name: (played.runs / name / "report.html").stat().st_mtime_ns for name in PLAYED} == stamps
    assert played.table()["lines"] == before["lines"][:2]
    assert (played.runs / "tiny" / "table.html").read_text().count("no language model") >= 1


def test_cells_whose_memory_is_gone_or_that_start_over_are_played_again(played: Played, tmp_path: Path) -> None:
    settings, cells = grid(played)
    assert survey(cells, settings, overwrite=False) == ({cell.name for cell in cells}, {}, set())
    (played.runs / MEMORY / "summary.json").rename(tmp_path / "summary.json")
    try:
        assert survey(cells, settings, overwrite=False) == ({PLAYED[0], SOURCE}, {}, {PLAYED[1]})
    finally:
        (tmp_path / "summary.json").rename(played.runs / MEMORY / "summary.json")
    copied = tmp_path / "runs"
    shutil.copytree(played.runs, copied)
    elsewhere = settings.model_copy(update={"runs_dir": copied})
    start_over(cells, elsewhere)
    assert survey(cells, elsewhere, overwrite=False) == (set(), {}, set())


def test_estimate_by_assumption_has_the_episodes_and_about_the_calls_and_tokens(played: Played, tmp_path: Path) -> None:
    episodes, calls, tokens = spent(played)
    reckoned_total = total(reckoned(played, tmp_path))
    assert reckoned_total.episodes == episodes
    assert calls / 3 < reckoned_total.calls < calls * 3
    assert tokens / 5 < reckoned_total.tokens < tokens * 5
    assert reckoned_total.cost is None
    assert "no known price" in played.dry


def test_estimate_by_what_was_measured_is_what_the_run_took(played: Played) -> None:
    estimates = reckoned(played, played.runs)
    assert {each.basis for each in estimates} == {"measured"}
    episodes, calls, tokens = spent(played)
    found = total(estimates)
    assert (found.episodes, found.calls) == (episodes, pytest.approx(calls, rel=0.02))
    assert found.tokens == pytest.approx(tokens, rel=0.02)


def test_estimate_of_a_model_with_a_price_is_in_dollars(played: Played, tmp_path: Path) -> None:
    settings, _ = grid(played)
    plan, chosen = read_plan(played.plan), choice(tmp_path, models=("gpt-4o",), limit=TASKS)
    settings, nothing = settings.model_copy(update={"runs_dir": tmp_path}), Survey(set(), {}, set())
    found = estimate(plan, lay_out(plan, chosen), settings, nothing, games=TASKS)
    dollars = total(found).cost
    assert dollars is not None
    assert 0.1 < dollars < 10


def test_grid_of_other_settings_is_refused_before_anything_is_played(played: Played) -> None:
    async def other() -> tuple[int, str]:
        return await played.memp.run("experiment", played.plan, *GIVEN)

    Path(played.plan).write_text(TINY.replace('same_goal = "add"', 'same_goal = "merge"'))
    try:
        code, output = anyio.run(other)
    finally:
        Path(played.plan).write_text(TINY)
    assert (code, "same_goal: add → merge" in " ".join(output.split())) == (2, True), output
    assert read_rows(played.runs / PLAYED[0] / "episodes.jsonl") == played.before
