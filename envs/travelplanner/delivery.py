"""From a plan in words to its score: the calls that turn it into JSON, and what the evaluator says of it."""

from typing import TYPE_CHECKING, Any, cast

import orjson
from pydantic_core import from_json

from envs.travelplanner import prompts
from envs.travelplanner.plan import FIELDS
from envs.travelplanner.queries import Query
from envs.travelplanner.sandbox import Sandbox
from envs.travelplanner.scoring import PlanScore, details, judge
from runtime.env import Ask, StepResult
from runtime.events import Judgement

if TYPE_CHECKING:
    from runtime.model.llm import Message

_DAY: dict[str, Any] = {"days": {"type": "integer"}} | {name: {"type": "string"} for name in ("current_city", *FIELDS)}
_LIST = {"type": "array", "items": {"type": "object", "properties": _DAY, "required": list(_DAY), "additionalProperties": False}}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"plan": _LIST}, "required": ["plan"], "additionalProperties": False}
"""What a plan looks like as JSON."""


class Delivery:
    """One query's plan on its way; its methods give the results that the steps of an episode have."""

    def __init__(self, query: Query, sandbox: Sandbox, *, structured: bool) -> None:
        self._query, self._sandbox = query, sandbox
        self._schema = SCHEMA if structured else None
        self._plan = ""
        self._asked: list[Message] = []
        _, self._nothing = self._judged(None)

    def going_on(self, observation: str) -> StepResult:
        """Nothing is delivered yet."""
        return StepResult(observation, 0.0, False, {"success": False}, judgement=self._nothing)

    def ended(self, observation: str) -> StepResult:
        """Nothing will be delivered."""
        return self.going_on(observation)._replace(done=True)

    def stopped(self, reason: str) -> StepResult:
        """The episode is stopped before its action is done: upstream shows nothing then. Memory is told why."""
        judgement = self._nothing.model_copy(update={"feedback": f"{self._nothing.feedback}: {reason}"})
        return self.ended("")._replace(judgement=judgement)

    def asking(self, ask: Ask) -> StepResult:
        """A model is to be asked, for the plan first."""
        return self.going_on("")._replace(ask=ask)

    def planned(self, plan: str) -> StepResult:
        """There is a plan in words; its JSON is asked for."""
        self._plan = plan.strip()
        if not self._plan:
            return self.ended(prompts.NO_PLAN)
        return self._converting({"role": "user", "content": prompts.CONVERSION.format(plan=self._plan)})

    def answer(self, text: str) -> StepResult:
        """Take the answer to what was asked: the plan in words, its JSON, or the JSON mended."""
        if not self._plan:
            return self.planned(text)
        try:
            return self._delivered(_days(text))
        except ValueError as error:
            if len(self._asked) > 1:
                return self.ended(self._plan)
            repair = prompts.REPAIR.format(reason=error)
            return self._converting({"role": "assistant", "content": text}, {"role": "user", "content": repair})

    def _converting(self, *messages: "Message") -> StepResult:
        self._asked += messages
        return self.asking(Ask("conversion", self._asked, schema=self._schema))

    def _delivered(self, days: list[Any]) -> StepResult:
        score, judgement = self._judged(days)
        success = score is not None and score.final_pass
        return StepResult(self._plan, _share(score), True, {"success": success}, judgement=judgement)

    def _judged(self, days: list[Any] | None) -> tuple[PlanScore | None, Judgement]:
        """The score, None where the constraints are hidden, and what is told of it."""
        score = judge(self._query, days, self._sandbox) if self._query.scorable else None
        feedback = _told(score) if score else "what the plan is checked against is hidden"
        return score, Judgement(feedback=feedback, details=details(self._query, days, score))


def _days(text: str) -> list[Any]:
    """The days of a plan out of an answer, whatever stands around the JSON; ValueError where there is none."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0:
        raise ValueError("there is no JSON object")
    try:
        found = from_json(text[start : end + 1].encode(errors="replace"), allow_inf_nan=False)
        orjson.dumps(found)  # numbers may be too large to be told
    except (ValueError, TypeError) as error:
        raise ValueError(str(error)) from None
    days = found.get("plan")
    if not isinstance(days, list):
        raise ValueError('it has no list "plan"')
    return cast(list[Any], days)


def _verdicts(score: PlanScore) -> dict[str, Any]:
    return {**score.commonsense, **score.hard}


def _share(score: PlanScore | None) -> float:
    """Constraints passed of all that the query sets; those that were not judged count as failed."""
    verdicts = _verdicts(score).values() if score else ()
    return round(sum(verdict.passed is True for verdict in verdicts) / len(verdicts), 6) if verdicts else 0.0


def _told(score: PlanScore) -> str:
    """The score in words."""
    if not score.delivered:
        return "no plan was delivered"
    verdicts = _verdicts(score)
    failed = [f"{name}: {verdict.reason}" for name, verdict in verdicts.items() if verdict.passed is False]
    unjudged = [name for name, verdict in verdicts.items() if verdict.passed is None]
    told = [f"passed {len(verdicts) - len(failed) - len(unjudged)} of {len(verdicts)} constraints", *(f"failed {each}" for each in failed)]
    return "\n".join([*told, *([f"not judged: {', '.join(unjudged)}"] if unjudged else [])])
