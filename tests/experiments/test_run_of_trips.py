"""Whole runs of TravelPlanner with real processes: from one's own episodes to a memory, to its evaluation, to a submission."""

import json
from pathlib import Path

import pytest

from envs.travelplanner.country import generate
from experiments.results import EpisodeRow
from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from memory.transfer import read_memory
from tests.experiments.command import Memp

COUNTRY = {"train": 10, "validation": 8, "test": 2}
MODEL = ("--model", "stand-in-strong")


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("country")
    generate(folder, 3, COUNTRY)
    return str(folder)


def mean(rows: list[EpisodeRow], field: str) -> float:
    return sum(float(getattr(row, field)) for row in rows) / len(rows)


@pytest.mark.timeout(240)
async def test_own_train_episodes_build_a_memory_that_raises_the_constraints_passed(tmp_path: Path, country: str) -> None:
    async with stand_in(Options()) as model:
        memp = Memp(tmp_path, model.base_url)
        trips = ("--env", "travelplanner", *MODEL)

        async def run(*arguments: str) -> str:
            code, output = await memp.run(*arguments, MEMP_TRAVELPLANNER_DATA=country)
            assert code == 0, output
            return output

        await run("warm", "--env", "travelplanner")
        await run("online", *trips, "--split", "train", "--exp-name", "source", "--no-use_memory")
        await run("online", *trips, "--split", "validation", "--exp-name", "control", "--no-use_memory")
        whole = tmp_path / "runs" / "source" / "trajectories.jsonl"
        taught = ("--trajectories", str(whole), "--retrieve", "avefact")
        output = await run("offline", *trips, "--split", "validation", "--exp-name", "taught", *taught)
        assert "commonsense micro" in output
        source, control, after = memp.rows("source"), memp.rows("control"), memp.rows("taught")
        assert sorted(json.loads(line)["task"]["id"] for line in whole.read_text().splitlines()) == sorted(row.task_id for row in source)
        _, procedures = read_memory(tmp_path / "runs" / "taught" / "memory.jsonl")
        assert len(procedures) == sum(row.reward >= 0.8 for row in source) > 0
        assert {"origin", "destination", "days", "people", "budget"} <= {fact.name for fact in procedures[0].facts}
        assert all(row.retrieved for row in after)
        assert mean(after, "reward") > mean(control, "reward") + 0.1
        assert all(row.usage["planner"].calls == 1 for row in after if row.judgement and row.judgement["delivered"])
        await run("travelplanner", "submission", "--exp-name", "taught", "--out", str(tmp_path / "plans.jsonl"))
        scored = json.loads(
            await run("travelplanner", "score", "--split", "validation", "--submission", str(tmp_path / "plans.jsonl"), "--json")
        )
        summary = json.loads((tmp_path / "runs" / "taught" / "summary.json").read_text())
        assert scored["metrics"] == pytest.approx(summary["travelplanner"])


@pytest.mark.timeout(240)
async def test_runs_of_the_hidden_split_and_of_planning_alone(tmp_path: Path, country: str) -> None:
    async with stand_in(Options()) as model:
        memp = Memp(tmp_path, model.base_url)

        async def run(*arguments: str) -> tuple[int, str]:
            return await memp.run(*arguments, *MODEL, MEMP_TRAVELPLANNER_DATA=country)

        code, output = await run("online", "--env", "travelplanner", "--split", "test", "--exp-name", "hidden")
        assert (code, "hidden, so nothing can be learned" in output) == (2, True)
        code, output = await run("online", "--env", "travelplanner-sole", "--split", "test", "--exp-name", "hidden", "--no-use_memory")
        assert (code, "test_ref_info.jsonl can't be read" in output) == (2, True)
        code, output = await run("online", "--env", "travelplanner-sole", "--split", "validation", "--exp-name", "sole")
        assert code == 0, output
        rows = memp.rows("sole")
        assert {row.outcome for row in rows} == {"finished"}
        assert all("planner" not in row.usage and row.usage["conversion"].calls == 1 for row in rows)
        assert mean(rows, "reward") > 0.5
