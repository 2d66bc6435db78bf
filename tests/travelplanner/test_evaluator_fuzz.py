"""Plans of every shape that a model could write: judged without a crash, each failure with its reason, in no time."""

import copy
import functools
import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from envs.travelplanner.commonsense import COMMONSENSE
from envs.travelplanner.plan import FIELDS
from envs.travelplanner.sandbox import Sandbox
from envs.travelplanner.scoring import PlanScore, judge
from tests.travelplanner.judging import GOOD, failed, little_country, query

PLANS = 12_000
ALL = (*FIELDS, "current_city", "days")
DEEP: list[Any] = functools.reduce(lambda inside, _: [inside], range(500), list[Any]())
TEXTS = (
    *("", "-", " ", "\n", "from", "from ", "to ", "from A to B", "from Home to Alpha(", "(", ")", "(x)", ",", ";", ";;", "a,", ", Alpha"),
    *("\x00", "\ud800", "🏨, Alpha", "Ａｌｐｈａ", "é" * 50, "\u202eAlpha", "İstanbul", "You don't need to fill in"),
    *("Flight Number: ", "flight number", "Flight Number: \ud800, from Home to Alpha", "Self-driving", "taxi"),
    *("from " * 200, "from " + " " * 5000, "A, " * 500, "Sight 1, Alpha;" * 200),
)
JUNK: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    3.5,
    float("nan"),
    float("inf"),
    10**400,
    [],
    {},
    ["Meal 1, Alpha"],
    {"a": 1},
    DEEP,
    *TEXTS,
)
Day = dict[str, Any]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with little_country(tmp_path_factory.mktemp("country")) as opened:
        yield opened


def _spoil(rng: random.Random, day: Day) -> None:
    day[rng.choice(ALL)] = rng.choice(JUNK)


def _drop(rng: random.Random, day: Day) -> None:
    day.pop(rng.choice(ALL), None)


def _splice(rng: random.Random, day: Day) -> None:
    name = rng.choice(ALL)
    text = day.get(name)
    if isinstance(text, str):
        at = rng.randint(0, len(text))
        day[name] = text[:at] + rng.choice(TEXTS) + text[at + rng.randint(0, 3) :]


def _empty(rng: random.Random, day: Day) -> None:
    day.clear()


def _crowd(rng: random.Random, day: Day) -> None:
    day.update({rng.choice(TEXTS): rng.choice(JUNK) for _ in range(5)})


CHANGES: tuple[Callable[[random.Random, Day], None], ...] = (_spoil, _spoil, _splice, _splice, _drop, _empty, _crowd)


def _made(rng: random.Random) -> object:
    """A good plan with a few things wrong, or something that is no plan at all."""
    if rng.random() < 0.03:
        return rng.choice(JUNK)
    days: list[Any] = copy.deepcopy(GOOD)
    for _ in range(rng.randint(0, 4)):
        rng.choice(CHANGES)(rng, rng.choice([day for day in days if isinstance(day, dict)] or [{}]))
    if rng.random() < 0.2:
        days[rng.randrange(len(days))] = rng.choice(JUNK)
    if rng.random() < 0.1:
        rng.shuffle(days)
    return days[: rng.randint(0, 5)] if rng.random() < 0.1 else days


def _expect_sound(score: PlanScore) -> None:
    failed(score)  # each has its reason
    assert set(score.commonsense) == set(COMMONSENSE)
    assert json.dumps(score.model_dump(mode="json"), ensure_ascii=False).encode(), "any file can hold the reasons"
    assert score.delivered or not any(verdict.passed for verdict in score.commonsense.values())


@pytest.mark.parametrize("seed", range(4))
def test_plans_malformed_by_chance_are_judged_with_reasons(sandbox: Sandbox, seed: int) -> None:
    rng = random.Random(seed)
    asked = [query(), query(local_constraint={"transportation": "no flight", "cuisine": None}), query(days=3, dest="Alpha")]
    passed = 0
    for _ in range(PLANS // 4):
        made = _made(rng)
        score = judge(rng.choice(asked), made, sandbox, rng.choice(("official", "strict")))
        _expect_sound(score)
        passed += score.commonsense_pass
    assert passed > PLANS / 400, "some plans must be good, or only junk was tried"


@pytest.mark.parametrize("day", [GOOD[1], {}, None, DEEP, "from A to B"])
def test_plan_of_a_thousand_days_is_judged_by_its_first(sandbox: Sandbox, day: object) -> None:
    _expect_sound(judge(query(), [day] * 1000, sandbox))


@pytest.mark.parametrize("text", ["from ", " ", "from A ", "from A to ", "A, ", "(", "Flight Number: ", ";", "from\n", "to "])
def test_text_repeated_without_end_takes_no_time(sandbox: Sandbox, text: str) -> None:
    """A model that goes round in circles fills its answer, tens of thousands of characters, with one word."""
    endless = "from " + text * (60_000 // len(text))
    began = time.process_time()
    for name in ALL:
        _expect_sound(judge(query(), [{**day, name: endless} for day in GOOD], sandbox, "strict"))
    assert time.process_time() - began < 10
