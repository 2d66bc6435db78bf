"""Every error that memp raises on purpose. A message says what happened and what to do next.

MempError                    exit code 1
├── UsageError               exit code 2: a flag, a setting or a file that can't be used as given
│   ├── DataError            a data file is missing, truncated or malformed (which one, which line)
│   └── EmbeddingMismatch    the memory was embedded by another model
├── ServerError              Redis or the embedded server can't be used
├── BusError                 the event bus refused
│   ├── LeaseLost            another consumer holds the entry now: drop the work, commit nothing
│   └── EpochClosed          the namespace was started afresh while this work was under way
├── LLMError                 the model endpoint
│   ├── LLMUnavailable       still failing when the deadline passed: worth another delivery
│   ├── LLMRejected          refused for good (key, model, address): no retry can help
│   └── RequestRejected      this one request was refused (too long, filtered): the episode ends, the run goes on
├── BudgetSpent              an episode or run reached its token budget
├── EnvError                 the environment
│   └── EnvCrashed           its process died or hung again and again on this task
└── ProcedureError           procedural memory
    └── RevisionConflict     what a change was computed from is no longer current: recompute
"""

from runtime.masking import masked


class MempError(Exception):
    """Base of all errors that a user or operator can cause or act on; `exit_code` is the process's.

    Its text may quote a library or a server, and is without the secrets of the process.
    """

    exit_code = 1

    def __str__(self) -> str:
        return masked(super().__str__())


class UsageError(MempError):
    """What was asked can't be done as asked; the message names the flag, setting or file."""

    exit_code = 2


class DataError(UsageError):
    """A data file is missing, truncated or malformed; the message names the file and, where it has lines, the line."""


class ServerError(MempError):
    """Redis can't be reached or used, or the embedded server can't be started."""


class BusError(MempError):
    """The event bus refused an operation."""


class LeaseLost(BusError):
    """The entry is held by another consumer or delivery now; nothing of this one may be written."""


class EpochClosed(BusError):
    """The namespace's epoch was raised; events of the older one are refused."""


class LLMError(MempError):
    """A call to the model endpoint failed."""


class LLMUnavailable(LLMError):
    """The endpoint kept failing (429, 5xx, connection, malformed body) until the step's deadline."""


class LLMRejected(LLMError):
    """The endpoint refuses this configuration (401, 403, 404, bad address); retrying can't help."""


class RequestRejected(LLMError):
    """The endpoint refuses this one request (400, 413, 422); the episode can't go on, others can."""


class BudgetSpent(MempError):
    """A token budget is used up."""


class EnvError(MempError):
    """The environment can't play this task."""


class EnvCrashed(EnvError):
    """The environment process died or hung too often on this task."""


class ProcedureError(MempError):
    """Procedural memory can't do what was asked."""


class EmbeddingMismatch(UsageError):
    """The memory's vectors come from another embedding model or have another dimension."""


class RevisionConflict(ProcedureError):
    """A procedure changed since the change was computed; recompute it from the current revision."""
