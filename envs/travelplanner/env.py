"""TravelPlanner as an environment, in two stages: look up and note, then have a plan made; or planning alone.

The planner, the conversion of its plan to JSON and one repair of that are calls of a model, which the loop makes.
Everything else follows from the actions and these answers.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

from envs.travelplanner import prompts
from envs.travelplanner.database import Database, is_built, open_database
from envs.travelplanner.delivery import Delivery
from envs.travelplanner.query_games import Queries
from envs.travelplanner.sandbox import Sandbox
from envs.travelplanner.stopping import Patience
from envs.travelplanner.tokens import count
from envs.travelplanner.tools import MASK, PLANNER, PLANNER_TOKENS, TOO_LONG, Tools, parse
from runtime.env import Ask, StepResult

FINISH = "Finish"
"""The one action of planning alone."""


class _Opened:
    """The database of a data folder, opened when the first game is.

    `structured`: whether the endpoint is asked to hold the JSON of a plan to its schema.
    """

    def __init__(self, folder: Path, cache: Path, *, structured: bool) -> None:
        self._folder, self._cache, self._structured = folder, cache, structured
        self._queries = Queries(folder)

    @cached_property
    def _database(self) -> Database:
        return open_database(self._folder, self._cache)

    @cached_property
    def _sandbox(self) -> Sandbox:
        return Sandbox(self._database)

    @cached_property
    def _tools(self) -> Tools:
        return Tools(self._database)

    def prepared(self, game: dict[str, Any]) -> bool:  # noqa: ARG002 - one database serves all games
        """Whether the database is built."""
        return "_database" in vars(self) or is_built(self._folder, self._cache)

    def prepare(self, game: dict[str, Any]) -> None:  # noqa: ARG002
        """Build the database."""
        open_database(self._folder, self._cache).close()

    def _begin(self, game: dict[str, Any]) -> str:
        """The text of a game's query, whose delivery begins."""
        query = self._queries.load(game)
        self._delivery = Delivery(query, self._sandbox, structured=self._structured)
        return query.query

    def answer(self, text: str) -> StepResult:
        """Go on with the plan that was asked for, or with its JSON."""
        return self._delivery.answer(text)


class TravelPlannerEnv(_Opened):
    """The two-stage mode; satisfies `envs.local.AskingEnv`.

    The reward is the share of the constraints that the plan passes, 0.0 without a plan; success is the benchmark's final
    pass.
    """

    def reset(self, game: dict[str, Any]) -> str:
        """Start on a query; EnvError where it is not in the data folder, or is another there."""
        self._tools.reset()
        self._patience = Patience()
        return prompts.QUERY.format(query=self._begin(game))

    def step(self, action: str) -> StepResult:
        """Do one action, whose line breaks count for nothing, as upstream."""
        action = action.replace("\n", "")
        if stop := self._patience.refuse(action):
            return self._delivery.stopped(stop)
        if not action:
            return self._delivery.going_on(prompts.EMPTY)
        name, argument = parse(action) or ("", "")
        return self._plan(argument) if name == PLANNER else self._look_up(action)

    def _look_up(self, action: str) -> StepResult:
        result = self._tools.call(action)
        self._patience.count(result)
        return self._delivery.going_on(result.text)._replace(masks=[(result.masked, MASK)] if result.masked else [])

    def _plan(self, query: str) -> StepResult:
        prompt = prompts.PLANNER.format(notebook=self._tools.notebook.text, query=query)
        if count(prompt) > PLANNER_TOKENS:
            return self._delivery.ended(TOO_LONG)
        return self._delivery.asking(Ask("planner", [{"role": "user", "content": prompt}], guided=True))


class SolePlanningEnv(_Opened):
    """Planning alone: all that a known plan draws from is given with the query; satisfies `envs.local.AskingEnv`."""

    def reset(self, game: dict[str, Any]) -> str:
        """Start on a query; EnvError as in two stages, or where nothing is given with it."""
        query, self._information = self._begin(game), self._queries.information(game)
        return prompts.REFERENCE.format(query=query, information=self._information)

    def step(self, action: str) -> StepResult:
        """Hand in the plan, or be told how to."""
        name, _, rest = action.partition("[")
        whole = name.strip() == FINISH and rest.endswith("]")
        return self._recorded(self._delivery.planned(rest[:-1]) if whole else self._delivery.going_on(prompts.SOLE_INVALID))

    def answer(self, text: str) -> StepResult:
        """Go on with the JSON of the plan."""
        return self._recorded(super().answer(text))

    def _recorded(self, result: StepResult) -> StepResult:
        """What was given is not learned: it is ten thousand words of places."""
        return result._replace(masks=[(self._information, prompts.GIVEN)])
