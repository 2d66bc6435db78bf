"""What TravelPlanner says of itself, in each of its two modes."""

from functools import cache
from importlib.resources import files

import orjson

from envs.travelplanner import prompts
from runtime.env import EnvDescription

NAMES = ("travelplanner", "travelplanner-sole")
"""Its environments: two stages, and planning alone."""
SUCCESS_REWARD = 0.8
"""Share of the constraints from which an episode counts as a success for memory: final passes are too rare to learn from."""


@cache
def _few_shot() -> tuple[tuple[str, str], ...]:
    stored = orjson.loads(files("envs.travelplanner").joinpath("few_shot.json").read_bytes())
    return tuple((str(role), str(text)) for episode in stored for role, text in episode["messages"])


def two_stage() -> EnvDescription:
    """Look up and note, then plan."""
    return EnvDescription(NAMES[0], prompts.TOOLS, _few_shot(), SUCCESS_REWARD)


def sole_planning() -> EnvDescription:
    """Plan from what is given."""
    return EnvDescription(NAMES[1], prompts.SOLE, (), SUCCESS_REWARD)
