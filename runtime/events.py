"""The events on the bus: versioned pydantic models, JSON on the wire.

Every entry of a stream has one field, `event`, with the JSON; `CommittedChange` adds what only the apply script knows.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError, from_json

SCHEMA_VERSION = 1

MAX_EVENT = 64 << 20
"""Bytes of an event; what is larger is not read."""
Count = Annotated[int, Field(ge=0, le=10**12)]
"""A number that scripts can calculate with: theirs are exact up to 2^53, and told in full up to 10^14."""

Role = Literal["agent", "planner", "conversion", "builder", "facts", "adjustment", "embedding"]
"""Who asks a model; the planner and the conversion of its plan are tools of TravelPlanner."""
Arm = Literal["memory", "control"]
Retrieval = Literal["random", "query", "avefact"]


class Event(BaseModel):
    """Base of all events; unknown fields are refused, so that a newer schema is noticed and not half-read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    v: Literal[1] = SCHEMA_VERSION

    @classmethod
    def read(cls, payload: bytes | None) -> Self:
        """The event in an entry. Raises ValidationError, also for one that is larger than MAX_EVENT."""
        if payload is not None and len(payload) > MAX_EVENT:
            said = PydanticCustomError("too_large", "{size} MiB, more than the {most} that are read", _mebibytes(payload))
            raise ValidationError.from_exception_data(cls.__name__, [{"type": said, "loc": (), "input": None}])
        return cls.model_validate_json(payload or b"")


def _mebibytes(payload: bytes) -> dict[str, Any]:
    return {"size": len(payload) >> 20, "most": MAX_EVENT >> 20}


def _is_zero(share: float) -> bool:
    return not share


class EpisodeSpec(BaseModel):
    """How an episode is to be played. It travels with the task, so that any worker plays it alike."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    max_steps: Annotated[int, Field(ge=1)] = 30
    few_shot: bool = False
    use_memory: bool = True
    retrieve: Retrieval = "query"
    top_k: Annotated[int, Field(ge=1)] = 3
    temperature: float = 0.0
    seed: int = 0
    episode_tokens: int | None = None
    """Token budget of the episode (input + output); None is no limit."""
    run_tokens: int | None = None
    """Token budget of the whole run (of the namespace's epoch); None is no limit."""
    prompt_tokens: Annotated[int | None, Field(exclude_if=lambda limit: limit is None)] = None
    """Tokens of one prompt of the agent from which the episode ends; None is no limit."""
    holdout: Annotated[float, Field(ge=0, lt=1, exclude_if=_is_zero)] = 0.0
    """Share of the episodes that memory is withheld from."""
    procedure_dropout: Annotated[float, Field(ge=0, lt=1, exclude_if=_is_zero)] = 0.0
    """Share of the retrieved procedures that are withheld, each by itself."""


class Task(Event):
    """One work item. `id` is unique within (namespace, epoch); `game` is what the environment needs to find it."""

    id: str
    epoch: Count
    env: str
    goal: str
    """The task's text, the retrieval key of the `query` strategy on both sides."""
    game: dict[str, Any]
    index: Count
    """Position within the run, from 0; the order in which a group is applied."""
    group: Count | None = None
    """Number of the group in grouped mode; None when free-running."""
    spec: EpisodeSpec


class Usage(BaseModel):
    """Tokens and calls of one role; failed and discarded attempts are counted as attempts."""

    model_config = ConfigDict(extra="forbid")

    calls: int = 0
    attempts: int = 0
    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            calls=self.calls + other.calls,
            attempts=self.attempts + other.attempts,
            input=self.input + other.input,
            cached=self.cached + other.cached,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
        )

    @property
    def tokens(self) -> int:
        """Input plus output tokens: what a budget counts."""
        return self.input + self.output


class Step(BaseModel):
    """Thought, action, and the observation that answered it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    thought: str
    action: str
    observation: str


class Retrieved(BaseModel):
    """One procedure that was given to an episode: which revision, and how far it was (cosine distance; None for random)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    procedure: str
    revision: Count
    distance: float | None = None


class Recall(BaseModel):
    """Entry 0 of an episode's journal: all that memory contributed, so that a redelivery plays on the same footing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: Arm
    """`control` is without memory: a run without it, or an episode that it is withheld from."""
    retrieved: tuple[Retrieved, ...] = ()
    """What was given."""
    withheld: Annotated[tuple[Retrieved, ...], Field(exclude_if=lambda some: not some)] = ()
    """What would have been given but for the dropout."""
    guidance: str = ""
    facts: dict[str, str] = {}
    memory_version: int = 0


class Judgement(BaseModel):
    """What an environment says of an episode's outcome beyond its reward."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feedback: str
    """In words, for memory; the agent is not told."""
    details: dict[str, Any]
    """For reports: whatever the benchmark knows, JSON types only."""


class Trajectory(Event):
    """The record of one episode. `aborted` ends (infrastructure, budget) carry a reason and are never learned from."""

    id: str
    """`<epoch>:<task id>`: there is exactly one per task and epoch."""
    task: Task
    outcome: Literal["finished", "aborted"]
    reason: str | None = None
    success: bool
    reward: float
    first_observation: str
    steps: tuple[Step, ...]
    recall: Recall
    usage: dict[Role, Usage] = {}
    attempt: int
    """Deliveries that the task needed."""
    worker: str
    seconds: float
    """Wall time of the last attempt."""
    judgement: Annotated[Judgement | None, Field(exclude_if=lambda judgement: judgement is None)] = None
    """None where the environment says no more than the reward."""
    retry: Annotated[str | None, Field(exclude_if=lambda retry: retry is None)] = None
    """Id of a dead letter where only what it was built into is tried again: the episode is recorded, its credit given."""

    @property
    def mark(self) -> str:
        """What it is applied under, once."""
        return self.id if self.retry is None else f"build:{self.id}:{self.retry}"


class Place(BaseModel):
    """What can be read of a task whose schema is another version's: which one it is."""

    id: str
    epoch: Count
    index: Count
    group: Count | None = None


class _Placed(BaseModel):
    task: Place


def task_place(payload: bytes | str) -> Place | None:
    """Which task an event holds, as far as it can be read; None where not even that can. Its `index` stands behind fields of any length."""
    try:
        return Place.model_validate(from_json(payload[:MAX_EVENT], allow_partial=True))
    except ValueError:
        return None


def trajectory_place(payload: bytes | str) -> Place | None:
    """Like `task_place`, of a trajectory."""
    try:
        return _Placed.model_validate(from_json(payload[:MAX_EVENT], allow_partial=True)).task
    except ValueError:
        return None


class DeadLetter(Event):
    """An entry that could not be worked on: where it stood, why, and what it held."""

    stream: str
    entry: str
    deliveries: int
    reason: str
    payload: str
    task: str | None = None


class Progress(BaseModel):
    """Counters of one epoch: `committed` and `dead` settle a task, `applied` counts trajectories in memory, `dropped` those that
    no curator could use.

    `procedures` and `version` are memory's own: how many there are, and how many changes it has absorbed. `tokens`
    are the episodes' and the curator's together; `learning` is what the curator spent, by role.
    """

    submitted: int = 0
    committed: int = 0
    dead: int = 0
    applied: int = 0
    dropped: int = 0
    tokens: int = 0
    procedures: int = 0
    version: int = 0
    learning: dict[Role, Usage] = Field(default_factory=dict[Role, Usage])

    @property
    def settled(self) -> int:
        return self.committed + self.dead

    @property
    def consumed(self) -> int:
        """Trajectories that the curators are done with."""
        return self.applied + self.dropped


def unreadable(error: ValidationError) -> str:
    """Why an event could not be read: the first field that is wrong, and how."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
