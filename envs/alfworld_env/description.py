"""What ALFWorld says of itself: the rules for agents, and two example episodes of our own playing."""

from functools import cache
from importlib.resources import files

import orjson

from runtime.env import EnvDescription

RULES = """\
The environment is one room of a household, told in text. The first observation names the receptacles of the room (the
places that can hold things: furniture, surfaces, appliances, containers) and ends with the task. Everything has a kind
and a number, as in `mug 2`; use both, in lower case. What lies in or on a receptacle is told when you are at it, and
inside a closed one only once it is open.

These are the actions, word for word, with O for a thing and R for a receptacle:
go to R              walk to a receptacle
open R               open it, where it can be opened
close R              close it
take O from R        pick up a thing from the receptacle that you are at
move O to R          put the thing that you carry in or on the receptacle that you are at
use O                switch on something that can be switched, where you are
heat O with R        change a thing that you carry by means of
cool O with R          the receptacle that you are at,
clean O with R         where it serves for that
slice O with K       slice a thing where you are, with a cutting tool K that you carry
examine O            look closely at a thing, or at a receptacle: what is in or on it
look                 look around where you are
inventory            what you carry

You can carry one thing at a time. Only a receptacle that you are at can be acted on. A closed receptacle must be opened
before anything is taken from it or put into it. The answer `Nothing happens.` means that the action did not apply: it is
worded differently from the above, it names what is not there, you are not at the place (or you are there already), your
hands are full or empty, or that thing can't be done with that receptacle. Such an action still counts as one.
The episode ends with success as soon as the state that the task asks for is reached."""


@cache
def _few_shot() -> tuple[tuple[str, str], ...]:
    stored = orjson.loads(files("envs.alfworld_env").joinpath("few_shot.json").read_bytes())
    return tuple((str(role), str(text)) for episode in stored for role, text in episode["messages"])


def describe() -> EnvDescription:
    """The description of ALFWorld; an episode counts as a success at the full reward, 1.0."""
    return EnvDescription("alfworld", RULES, _few_shot(), 1.0)
