"""Episodes of TravelPlanner in a generated country, judged by the environment itself; no model is asked."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from envs import registry
from envs.local import GameTask
from envs.travelplanner.country import generate, trips
from envs.travelplanner.env import TravelPlannerEnv
from experiments.results import EpisodeRow
from runtime.config import Settings
from tests.experiments.samples import sample_row

SEED = 11
Plan = list[dict[str, Any]]


def keep(plan: Plan) -> Plan:
    """All constraints are kept."""
    return plan


def nothing(plan: Plan) -> Plan:
    """No plan is delivered."""
    return []


def same_meals(plan: Plan) -> Plan:
    """Each dinner is eaten for lunch, too."""
    return [day | {"lunch": day["dinner"]} for day in plan]


def made_up(plan: Plan) -> Plan:
    """A room that the database does not have."""
    return [day | {"accommodation": f"<b>Nowhere</b> {number}, Nocity"} for number, day in enumerate(plan)]


def cut(plan: Plan) -> Plan:
    """The last day is missing."""
    return plan[:-1]


SPOILS = (keep, same_meals, made_up, nothing, cut)


class Trips:
    """A generated country with its environment."""

    def __init__(self, folder: Path, count: int) -> None:
        self.data = folder / "country"
        generate(self.data, SEED, {"train": count, "validation": count, "test": count})
        self.settings = Settings(travelplanner_data=self.data, data_dir=folder / "data")
        self._env = registry.make("travelplanner", self.settings)

    def games(self, split: str) -> list[GameTask]:
        return registry.games("travelplanner", split, self.settings)

    def rows(self, split: str, spoils: Sequence[Any] = SPOILS, **changes: Any) -> list[EpisodeRow]:
        """An episode for each query of a split; their known plans are spoilt in turn."""
        found = self.games(split)
        plans = _known(split, len(found))
        spoilt = [spoils[at % len(spoils)](plan) for at, plan in enumerate(plans)]
        return [self.row(index, game, plan, **changes) for index, (game, plan) in enumerate(zip(found, spoilt, strict=True))]

    def row(self, index: int, game: GameTask, plan: Plan, **changes: Any) -> EpisodeRow:
        """The episode that comes of a plan; of none, where the planner says nothing."""
        env = self._env
        assert isinstance(env, TravelPlannerEnv)
        env.reset(game.game)
        env.step("Planner[plan it]")
        result = env.answer("Day 1: …" if plan else "")
        result = env.answer(json.dumps({"plan": plan})) if plan else result
        assert result.done
        assert result.judgement is not None
        told: dict[str, Any] = {"env": "travelplanner", "goal": game.goal, "game": game.game["path"], "task_type": game.game["type"]}
        told |= {"success": bool(result.info["success"]), "reward": result.reward, "judgement": result.judgement.details}
        return sample_row(index, **(told | changes))


@cache
def _known(split: str, count: int) -> list[Plan]:
    return [asked.plan for asked in trips(SEED, split, count)]
