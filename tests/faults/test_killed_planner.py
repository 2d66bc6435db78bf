"""A worker that is killed while a tool's own model call is under way: TravelPlanner's planner, the conversion of its plan, the repair."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import anyio

from envs.registry import games
from envs.travelplanner.country import generate, trips
from runtime.bus.namespace import Namespace
from runtime.config import Settings
from tests.faults.scene import scene, task_of
from tests.faults.test_killed_worker import kill_holder
from tests.support import until

SEED = 5
CALLS: tuple[str, ...] = ("agent 0", "agent 1", "planner", "conversion", "repair")


class Planner:
    """A model that notes the rooms of a city and has a known plan made, and keeps one call waiting when it is told to."""

    def __init__(self, plan: list[dict[str, Any]]) -> None:
        self._plan = plan
        self.asked: Counter[str] = Counter()
        self.held: str | None = None

    async def reply(self, messages: list[dict[str, str]]) -> str:
        """The answer of this call, which no other's request asks for."""
        call = self._call(messages)
        self.asked[call] += 1
        while self.held == call:  # noqa: ASYNC110 (the test sets a plain attribute)
            await anyio.sleep(0.01)
        city = self._plan[1]["current_city"]
        search, plan = f"Thought: rooms.\nAction: AccommodationSearch[{city}]", "Thought: plan.\nAction: Planner[plan it]"
        return dict(zip(CALLS, (search, plan, "A plan in words.", "no JSON", json.dumps({"plan": self._plan})), strict=True))[call]

    def _call(self, messages: list[dict[str, str]]) -> str:
        if "<information>" in messages[-1]["content"]:
            return "planner"
        if "<plan>" in messages[0]["content"]:
            return "conversion" if len(messages) == 1 else "repair"
        return f"agent {sum(message['role'] == 'assistant' for message in messages)}"


async def test_worker_killed_under_any_call_of_a_tool_repeats_that_call_alone(
    namespace: Namespace, server_url: str, household: Path, tmp_path: Path
) -> None:
    country = tmp_path / "country"
    generate(country, SEED, {"train": 0, "validation": 1, "test": 0})
    [game] = games("travelplanner", "validation", Settings(travelplanner_data=country, data_dir=tmp_path / "data"))
    planner = Planner(trips(SEED, "validation", 1)[0].plan)
    async with scene(namespace, server_url, household, tmp_path, planner.reply) as playing:
        await playing.start("worker", MEMP_TRAVELPLANNER_DATA=str(country))
        for index, held in enumerate(CALLS[2:]):
            await playing.start("worker", MEMP_TRAVELPLANNER_DATA=str(country))
            await playing.at_work(2)
            planner.asked.clear()
            planner.held = held
            await namespace.submit_tasks([task_of(game, index, env="travelplanner")])
            await until(lambda: _asked(planner))
            await kill_holder(playing)
            planner.held = None
            await playing.settled(index + 1)
            assert {call for call, times in planner.asked.items() if times > 1} == {held}
            assert planner.asked.keys() == set(CALLS)
        last = (await playing.trajectories())[-1]
    assert (last.success, last.reward, last.attempt) == (True, 1.0, 2)
    assert last.steps[-1].observation == "A plan in words."
    assert {role: usage.calls for role, usage in last.usage.items()} == {"agent": 2, "planner": 1, "conversion": 2}


async def _asked(planner: Planner) -> bool:
    return planner.asked[planner.held or ""] > 0
