"""The names of all streams, keys and indexes, in one place (the hash tag keeps a namespace on one cluster slot)."""

import re
from dataclasses import dataclass

from runtime.errors import UsageError

WORKERS = "workers"
"""Consumer group of the episode workers on the task stream."""
CURATORS = "curators"
"""Consumer group of the memory curators on the trajectory stream."""
RECORDER = "recorder"
"""Consumer group of the run's recorder on the trajectory stream; exists while a run is under way."""

_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Keys:
    """Keys of one namespace. Raises `UsageError` for a namespace that is no plain name."""

    namespace: str

    def __post_init__(self) -> None:
        if not _VALID.fullmatch(self.namespace):
            raise UsageError(f"{self.namespace!r} is no name for an experiment: use letters, digits, '.', '_' and '-', at most 100")

    @property
    def prefix(self) -> str:
        return f"memp:{{{self.namespace}}}:"

    @property
    def meta(self) -> str:
        """Hash: epoch, memory version, embedding model and dimension, the layout of what is stored; `trials`, `discoveries` where
        procedures are withheld."""
        return f"{self.prefix}meta"

    @property
    def tasks(self) -> str:
        return f"{self.prefix}tasks"

    @property
    def trajectories(self) -> str:
        return f"{self.prefix}trajectories"

    @property
    def changes(self) -> str:
        return f"{self.prefix}changes"

    @property
    def dead(self) -> str:
        return f"{self.prefix}dead"

    def submitted(self, epoch: int) -> str:
        """Set of task ids that were put on the task stream."""
        return f"{self.prefix}submitted:{epoch}"

    def committed(self, epoch: int) -> str:
        """Hash: task id to the token of the delivery that settled it (the mark)."""
        return f"{self.prefix}committed:{epoch}"

    def applied(self, epoch: int) -> str:
        """Set of trajectory ids that memory has absorbed; `dropped:<id>` for those that no curator could use, `build:<id>:<letter>`
        for builds that were tried again."""
        return f"{self.prefix}applied:{epoch}"

    def progress(self, epoch: int) -> str:
        """Hash of counters: submitted, committed, dead, applied, dropped, tokens."""
        return f"{self.prefix}progress:{epoch}"

    def group(self, epoch: int, number: int | None) -> str:
        """Hash of one group of tasks: size, committed, dead, next, `dead:<index>` for those that it goes on without."""
        return f"{self.prefix}group:{epoch}:{'-' if number is None else number}"

    def journal(self, epoch: int, owner: str) -> str:
        """Hash: what an episode (owner: task id) or the curator (owner: `curator:<task id>`) was answered so far."""
        return f"{self.prefix}journal:{epoch}:{owner}"

    @property
    def goals(self) -> str:
        """Hash: digest of (environment, goal) to the procedure that serves it under `--same-goal merge`."""
        return f"{self.prefix}goals"

    @property
    def index(self) -> str:
        """Alias of the procedure index."""
        return f"{self.prefix}procedures"

    @property
    def fact_index(self) -> str:
        return f"{self.prefix}facts"

    def procedure(self, procedure: str) -> str:
        return f"{self.prefix}procedure:{procedure}"

    def credit(self, procedure: str) -> str:
        """Hash: a counter per field of `Credit` and revision (`uses:<revision>` …); of one that was tried by chance, as which of them
        (`trial:…`) and how far it is shown to do harm (`evidence:…`). Apart, as on most servers any write to an indexed hash re-indexes
        its vector."""
        return f"{self.prefix}credit:{procedure}"

    def revisions(self, procedure: str) -> str:
        """Hash: revision number to its JSON."""
        return f"{self.prefix}revisions:{procedure}"

    def sources(self, procedure: str) -> str:
        """List of the trajectory ids that this procedure stands for."""
        return f"{self.prefix}sources:{procedure}"

    def fact(self, fact: str) -> str:
        """Hash: environment, name, value and vector of a fact, whoever has it (see `memory.facts.fact_id`)."""
        return f"{self.prefix}fact:{fact}"
