"""What a run is: all that its results depend on, written down in its folder, and compared when it is resumed."""

import errno
import fcntl
import hashlib
import random
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from envs.registry import games
from memory.procedure import Deprecate, Form, SameGoal, Update
from runtime.config import Settings
from runtime.errors import DataError, UsageError
from runtime.events import EpisodeSpec, Retrieval, Task

log = structlog.get_logger()

Mode = Literal["online", "offline", "build"]


class RunConfig(BaseModel):
    """The flags of `memp online` and `memp offline`; see `bin/run.py` for their meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode
    exp_name: str
    model: str
    env: str = "alfworld"
    split: str = "dev"
    max_steps: int = 30
    few_shot: bool = False
    use_memory: bool = True
    build: Form = "proceduralization"
    retrieve: Retrieval = "query"
    update: Update = "adjustment"
    same_goal: SameGoal = "merge"
    deprecate: Annotated[Deprecate, Field(exclude_if=lambda rule: rule == "share")] = "share"
    top_k: int = 3
    holdout: Annotated[float, Field(exclude_if=lambda share: not share)] = 0.0
    procedure_dropout: Annotated[float, Field(exclude_if=lambda share: not share)] = 0.0
    group_size: int | None = None
    limit: int | None = None
    seed: int = 0
    temperature: float = 0.0
    builder_model: str | None = None
    episode_tokens: int | None = None
    run_tokens: int | None = None
    prompt_tokens: Annotated[int | None, Field(exclude_if=lambda limit: limit is None)] = None
    trajectories: Path | None = None
    memory: Path | None = None
    embedding_model: str | None = None
    """Taken from the settings when the run begins, as are the next four. (What is left out of the file is as before it could be set.)"""
    max_distance: float | None = None
    fact_similarity: float | None = None
    structured_output: Annotated[bool, Field(exclude_if=bool)] = True
    games: str | None = None
    """Digest of the games and their order."""
    batch_size: int = 16
    workers: int = 1

    @property
    def learns(self) -> bool:
        """Whether a curator runs beside the workers: online with memory; offline memory is frozen before the first task."""
        return self.mode == "online" and self.use_memory

    @property
    def spec(self) -> EpisodeSpec:
        shared = EpisodeSpec.model_fields.keys() & type(self).model_fields.keys()
        return EpisodeSpec(**{name: getattr(self, name) for name in shared})


TAKEN = ("embedding_model", "max_distance", "fact_similarity", "structured_output")
"""Settings that results depend on."""
SPEED_ONLY = {"batch_size", "workers"}
"""Fields that may differ when a run is resumed: they say how fast it goes."""


def resolved(config: RunConfig, settings: Settings, tasks: list[Task]) -> RunConfig:
    """The configuration with all that results depend on besides the flags."""
    games = hashlib.sha256("".join(task.id for task in tasks).encode()).hexdigest()[:16]
    taken = {name: getattr(settings, name) for name in TAKEN}
    return config.model_copy(update={**taken, "games": games})


def run_digest(config: RunConfig) -> str:
    """Identity of a run: what is resumed must have the same."""
    return hashlib.sha256(config.model_dump_json(exclude=SPEED_ONLY).encode()).hexdigest()[:16]


def check_folder(config: RunConfig, folder: Path) -> None:
    """Raises `UsageError` where the folder holds a run of another configuration; changes nothing."""
    stored = folder / "config.json"
    if stored.exists():
        _check_same(config, stored)


@contextmanager
def hold_folder(config: RunConfig, folder: Path) -> Generator[None]:
    """Keep others out of the folder, which is made if need be; a process that dies lets go. Raises `UsageError` where another has it."""
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((folder / ".lock").open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{config.exp_name} is under way in another process, which writes to {folder}: wait for its end, or stop it"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise _unwritable(folder, error) from None
            log.warning("folder_not_locked", path=str(folder), error=error.strerror)
        yield


_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
"""What file systems answer that know no locks, as some of clusters do."""


def clear_folder(folder: Path) -> None:
    """Delete what an earlier run left. `config.json` goes first: without it, what is left is not taken for a run to go on with."""
    try:
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None


FILES = ("config.json", "episodes.jsonl", "trajectories.jsonl", "summary.json", "report.html", "memory.jsonl", "changes.jsonl")
"""Files of a run, in the order in which they are deleted."""


def prepare_folder(config: RunConfig, folder: Path) -> None:
    """Write `config.json`; one that says the same already is left alone, as a crash could damage it."""
    file, text = folder / "config.json", config.model_dump_json(indent=2) + "\n"
    try:
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(f"{folder} can't be written ({error.strerror}); free some space or choose another --runs-dir")


def _check_same(config: RunConfig, stored: Path) -> None:
    try:
        before = RunConfig.model_validate_json(stored.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{stored} is damaged ({str(error).splitlines()[0]}); --overwrite starts the run afresh") from None
    old, new = dict(before), dict(config)
    differing = sorted(name for name in old if old[name] != new[name] and name not in SPEED_ONLY)
    if differing:
        changes = ", ".join(f"{name}: {old[name]} → {new[name]}" for name in differing)
        raise UsageError(f"{config.exp_name} was begun with other settings ({changes}): choose another --exp_name, or --overwrite it")


def make_tasks(config: RunConfig, settings: Settings, epoch: int) -> list[Task]:
    """Every game of the split once, in an order drawn by the seed; the first `limit` of them, cut into groups."""
    found = games(config.env, config.split, settings)
    random.Random(config.seed).shuffle(found)  # noqa: S311 - an order, no secret
    if config.learns and not all(game.get("scored", True) for _, game in found):
        raise UsageError(
            f"what {config.split} asks for is hidden, so nothing can be learned from it: --no-use_memory, or offline with --memory"
        )
    return [_task(config, epoch, index, goal, game) for index, (goal, game) in enumerate(found[: config.limit])]


def in_groups(tasks: list[Task]) -> list[list[Task]]:
    """The tasks by group; all in one where there are none."""
    numbers = sorted({task.group for task in tasks if task.group is not None})
    return [[task for task in tasks if task.group == number] for number in numbers] or [tasks]


def _task(config: RunConfig, epoch: int, index: int, goal: str, game: dict[str, Any]) -> Task:
    group = None if config.group_size is None else index // config.group_size
    digest = hashlib.sha256(repr(sorted(game.items())).encode()).hexdigest()[:8]
    return Task(
        id=f"{config.split}-{index:05d}-{digest}",
        epoch=epoch,
        env=config.env,
        goal=goal,
        game=game,
        index=index,
        group=group,
        spec=config.spec,
    )
