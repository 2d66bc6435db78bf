"""What a dry run takes for granted where nothing has been measured yet. Round figures, to be read beside the estimate."""

from typing import NamedTuple

from envs.registry import describe
from envs.travelplanner.description import NAMES as TRIPS
from memory.procedure import Form


class Habit(NamedTuple):
    """How episodes of an environment go; tokens are of any model."""

    steps: float
    """Of an episode without memory, and `guided` of one with."""
    guided: float
    solved: float
    """Share of the episodes without memory that memory would learn from, and `solved_guided` of those with."""
    solved_guided: float
    first: int
    """Tokens of the first observation."""
    step: int
    """Tokens that each step adds to the prompt: thought, action, observation."""
    answer: int
    """Tokens of an answer."""
    procedure: dict[Form, int]
    """Tokens of a procedure in the prompt."""
    planning: tuple[int, int] | None = None
    """Input and output tokens of a planner's call, and as much again of turning its plan into JSON; None where there is none."""


HOUSEHOLDS = Habit(24, 16, 0.4, 0.8, 150, 80, 45, {"trajectory": 700, "script": 250, "proceduralization": 950})
TRIPS_HABIT = Habit(18, 16, 0.3, 0.4, 250, 110, 60, {"trajectory": 2500, "script": 400, "proceduralization": 2900}, (8000, 900))
LETTERS = 4
"""Letters of a token, on average."""

WORDS = (
    "steps per episode {0.steps:g} without memory, {0.guided:g} with it (or --max-steps, if fewer);",
    "each step is one call whose prompt holds all before it: rules and first observation {opening} tokens, then {0.step} per step,",
    "{0.answer} of them answered; a procedure in the prompt {trajectory} tokens as a trajectory, {script} as a script, {both} as both;",
    "memory learns from {0.solved:.0%} of the episodes without it, {0.solved_guided:.0%} of those with it, by one builder call per",
    "procedure that is no bare trajectory; adjustment asks once per procedure retrieved by a failed episode",
)


def habit(env: str) -> Habit:
    """What is assumed of an environment; of one that is not ours, as of households."""
    return TRIPS_HABIT if env in TRIPS else HOUSEHOLDS


def rules_tokens(env: str) -> int:
    """Tokens of an environment's rules."""
    return len(describe(env).rules) // LETTERS + 60  # the frame of the prompt


def words(env: str) -> str:
    """The assumptions on an environment, to be read by people."""
    each = habit(env)
    planned = (
        f"; a planner's call of {each.planning[0]} + {each.planning[1]} tokens and one that converts its plan" if each.planning else ""
    )
    sizes = {"trajectory": each.procedure["trajectory"], "script": each.procedure["script"], "both": each.procedure["proceduralization"]}
    return f"{env}: {' '.join(WORDS).format(each, opening=rules_tokens(env) + each.first, **sizes)}{planned}"
