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
from memory.update import check_deprecation
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
    holdout: Annotated[float, Field(ge=0, lt=1, exclude_if=lambda share: not share)] = 0.0
    procedure_dropout: Annotated[float, Field(ge=0, lt=1, exclude_if=lambda share: not share)] = 0.0
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
    """Taken from the settings when the run begins, as are the next seven. (What is left out of the file is as before it could be set.)"""
    max_distance: float | None = None
    fact_similarity: float | None = None
    structured_output: Annotated[bool, Field(exclude_if=bool)] = True
    deprecate_uses: Annotated[int, Field(exclude_if=lambda uses: uses == 3)] = 3
    deprecate_share: Annotated[float, Field(exclude_if=lambda share: share == 0.5)] = 0.5
    deprecate_fdr: Annotated[float, Field(exclude_if=lambda rate: rate == 0.1)] = 0.1
    games: str | None = None
    """Digest of the games and their order."""
    experience: Annotated[str | None, Field(exclude_if=lambda digest: digest is None)] = None
    """Digest of what stands in `memory` and `trajectories`; None without them, and in what was written before it was noted."""
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


RULE = ("deprecate_uses", "deprecate_share", "deprecate_fdr")
TAKEN = ("embedding_model", "max_distance", "fact_similarity", "structured_output", *RULE)
"""Settings that results depend on."""
SPEED_ONLY = {"batch_size", "workers"}
"""Fields that may differ when a run is resumed: they say how fast it goes."""


def resolved(config: RunConfig, settings: Settings, tasks: list[Task]) -> RunConfig:
    """The configuration with all that results depend on besides the flags."""
    games = hashlib.sha256("".join(task.id for task in tasks).encode()).hexdigest()[:16]
    taken = {name: getattr(settings, name) for name in TAKEN}
    return config.model_copy(update={**taken, "games": games, "experience": _experience(config)})


def _experience(config: RunConfig) -> str | None:
    files = [path for path in (config.memory, config.trajectories) if path and path.is_file()]
    digest = hashlib.sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
        except OSError as error:
            raise DataError(f"{path} can't be read ({error.strerror}): name a file that can be") from None
    return digest.hexdigest()[:16] if files else None


def run_digest(config: RunConfig) -> str:
    """Identity of a run: what is resumed must have the same. (`experience` is compared with the folder's, which may be of before it.)"""
    return hashlib.sha256(config.model_dump_json(exclude={*SPEED_ONLY, "experience"}).encode()).hexdigest()[:16]


def check_withholding(config: RunConfig) -> None:
    """Raises `UsageError` where what is withheld by chance, or learned from it, would come to nothing."""
    check_deprecation(config.update, config.deprecate)
    if config.deprecate == "uplift" and not config.procedure_dropout:
        raise UsageError("--deprecate uplift learns from withholding procedures by chance: set --procedure-dropout, to 0.3, say")
    if (config.holdout or config.procedure_dropout) and not config.use_memory:
        raise UsageError("--holdout and --procedure-dropout withhold memory, and --no-use-memory leaves it out: drop one of them")


class OtherRun(UsageError):
    """What goes by this name is another run: `found` says so, and the message what to do."""

    def __init__(self, found: str) -> None:
        super().__init__(f"{found}: choose another --exp-name, or --overwrite it")
        self.found = found


def check_folder(config: RunConfig, folder: Path) -> None:
    """Raises `OtherRun` where the folder holds a run of another configuration; changes nothing."""
    if differing := differences(config, folder):
        told = ", ".join(f"{name}: {old} → {new}" for name, (old, new) in differing.items())
        raise OtherRun(f"{config.exp_name} was begun with other settings ({told})")


def differences(config: RunConfig, folder: Path) -> dict[str, tuple[Any, Any]]:
    """By setting, what the run in the folder was begun with and what it is now; empty where none was. Raises `DataError`."""
    stored = folder / "config.json"
    if not stored.exists():
        return {}
    try:
        before = RunConfig.model_validate_json(stored.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{stored} is damaged ({str(error).splitlines()[0]}); --overwrite starts the run afresh") from None
    unknown = {"experience"} if before.experience is None or config.experience is None else set[str]()
    old, new = dict(before), dict(config)
    return {name: (old[name], new[name]) for name in sorted(old.keys() - SPEED_ONLY - unknown) if old[name] != new[name]}


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
