"""What is withheld, at random and so that a replay withholds the same: memory from whole episodes, single procedures from others.

What then differs between episodes with and without it was caused by it (Rubin 1974). How episodes fared that used a procedure says
less: hard tasks retrieve it, too.
"""

import hashlib
from collections.abc import Sequence

from memory.index import Hit
from runtime.events import Arm, Task


def arm(task: Task) -> Arm:
    """Whether an episode is played with memory; `--holdout` is the share of those without, in a run that has one."""
    with_memory = task.spec.use_memory and _draw(task, "memory") >= task.spec.holdout
    return "memory" if with_memory else "control"


def shown(task: Task, hits: Sequence[Hit]) -> tuple[list[Hit], list[Hit]]:
    """Of the procedures that were retrieved, those that are shown to the episode, and those withheld: each drawn by itself."""
    withheld = {hit.procedure for hit in hits if _draw(task, f"procedure/{hit.procedure}") < task.spec.procedure_dropout}
    return [hit for hit in hits if hit.procedure not in withheld], [hit for hit in hits if hit.procedure in withheld]


def _draw(task: Task, what: str) -> float:
    """In [0, 1), by a hash: the same for every delivery, another in every epoch (of procedures in every namespace, as their ids are)."""
    digest = hashlib.sha256(f"{task.spec.seed}/{task.epoch}/{task.id}/{what}".encode()).digest()
    return int.from_bytes(digest[:6]) / 256**6
