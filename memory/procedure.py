"""What is learned: procedures and their revisions, and the changes that memory is a fold over (paper §3.1)."""

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from runtime.events import Count, Event, Role, Usage

Form = Literal["trajectory", "script", "proceduralization"]
Update = Literal["vanilla", "validation", "adjustment"]
SameGoal = Literal["merge", "add"]
Deprecate = Literal["share", "uplift"]
Status = Literal["active", "deprecated"]
Kind = Literal["built", "merged", "adjusted", "deprecated", "reverted"]


class Record(BaseModel):
    """Base of what is stored: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Content(Record):
    """What a procedure says: a past episode verbatim, an abstraction of it, or both (proceduralization)."""

    trajectory: str | None = None
    script: str | None = None


class Cause(Record):
    """Why a revision came to be: what was done, and from which trajectories."""

    kind: Kind
    trajectories: tuple[str, ...] = ()


class Revision(Record):
    """One numbered state of a procedure; all are kept. `steps` and `success` are those of the episode it was built from."""

    number: Annotated[Count, Field(ge=1)]
    content: Content
    status: Status = "active"
    success: bool = True
    steps: int
    cause: Cause


class Fact(Record):
    """A named fact of a procedure's goal, for `avefact`; `vector` is base64 of float32."""

    name: str
    value: str
    vector: str | None = None


Chance = Annotated[Count, Field(exclude_if=lambda count: not count)]


class Credit(Record):
    """How often a revision was given to an episode, and how often that succeeded.

    Of the episodes that it was by chance given to or withheld from (`--procedure-dropout`), the last four count both arms.
    """

    uses: Count = 0
    successes: Count = 0
    given: Chance = 0
    given_successes: Chance = 0
    withheld: Chance = 0
    withheld_successes: Chance = 0


class Procedure(Record):
    """A learned unit as it is exported: its goal is the retrieval key; `vector` (base64 of float32) embeds it."""

    v: Literal[1] = 1
    id: Annotated[str, Field(pattern=r"^[^\s:{}]{1,200}$")]
    env: str
    goal: str
    unique: bool = True
    """Whether it claims its goal (`--same-goal merge`)."""
    revisions: Annotated[tuple[Revision, ...], Field(min_length=1)]
    sources: tuple[str, ...] = ()
    credit: dict[Count, Credit] = {}
    facts: tuple[Fact, ...] = ()
    vector: str | None = None

    @property
    def current(self) -> Revision:
        return self.revisions[-1]


class Header(Record):
    """First line of an exported memory: whose vectors it holds."""

    format: Literal["memp-memory"] = "memp-memory"
    v: Literal[1] = 1
    embedding_model: str
    dimension: int


class Use(Record):
    """A credit to be given: this revision was used by an episode that ended so, or would have been."""

    procedure: str
    revision: int
    success: bool
    dropout: Annotated[float | None, Field(exclude_if=lambda share: share is None)] = None
    """The chance with which it was withheld; None where that was not left to chance."""
    withheld: Annotated[bool, Field(exclude_if=lambda so: not so)] = False
    """It was withheld, which is no use of it."""


class NewProcedure(Record):
    """What a procedure has besides its revisions. `unique` claims the goal: no second one may serve it."""

    env: str
    goal: str
    unique: bool
    vector: str
    facts: tuple[Fact, ...] = ()


class Write(Record):
    """A revision to be added, computed from revision `expects` (0: there is none yet, and `new` creates it)."""

    procedure: str
    expects: int
    revision: Revision
    new: NewProcedure | None = None
    history: tuple[Revision, ...] = ()
    """Earlier revisions; an imported procedure brings them along, with their counters."""
    credit: dict[int, Credit] = {}
    sources: tuple[str, ...] = ()


class Source(Record):
    """One more trajectory that a procedure stands for, seen at revision `expects`."""

    procedure: str
    expects: int
    trajectory: str


class Change(Event):
    """All that one cause did to memory, in one entry of the changes stream; memory is a fold over these.

    `trajectory` is None for a command of a person (an import, a revert).
    """

    kind: Literal["learned", "build_failed", "command"]
    trajectory: str | None
    uses: tuple[Use, ...] = ()
    writes: tuple[Write, ...] = ()
    sources: tuple[Source, ...] = ()
    reason: str | None = None
    usage: dict[Role, Usage] = Field(default_factory=dict[Role, Usage])
    """What building it cost."""

    @property
    def empty(self) -> bool:
        return not (self.uses or self.writes or self.sources or self.reason)


class Deprecated(Record):
    """A revision that the apply script took out of retrieval."""

    procedure: str
    revision: int
    evidence: Annotated[float | None, Field(exclude_if=lambda value: value is None)] = None
    """Of `--deprecate uplift`: the e-value of its doing harm."""


class CommittedChange(Record):
    """An entry of the changes stream: a change, and what the apply script decided when it was applied.

    `entry` is its id in the stream, `version` memory's with it: the first is 1, and none is left out.
    """

    entry: Annotated[str, Field(pattern=r"^\d+-\d+$")]
    version: Annotated[int, Field(ge=1)]
    deprecated: tuple[Deprecated, ...] = ()
    event: Change


class ChangesHeader(Record):
    """First line of a file of changes: whose they are. An epoch of a namespace has one memory, and so one history."""

    format: Literal["memp-changes"] = "memp-changes"
    v: Literal[1] = 1
    namespace: str
    epoch: int
    embedding_model: str
    dimension: int

    @property
    def told(self) -> str:
        """For people."""
        return f"{self.namespace} (epoch {self.epoch}, {self.embedding_model}, {self.dimension} dimensions)"


def goal_digest(env: str, goal: str) -> str:
    """Identity of a goal: its words, whatever their case and spacing."""
    return _digest(f"{env}\n{' '.join(goal.casefold().split())}")


def procedure_id(namespace: str, trajectory: str) -> str:
    """The id of the procedure that is built from a trajectory (`<epoch>:<task>`): a rebuild gives the same, an import from
    another namespace is never taken for it."""
    return _digest(f"{namespace}/{trajectory}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
