"""The games of a split, read from a data folder as `alfworld-download` lays it out.

`<ALFWORLD_DATA>/json_2.1.1/<split folder>/<type-Object-MovableReceptacle-Receptacle-scene>/<trial>/game.tw-pddl`;
`traj_data.json`, which may stand beside a game, is not read.
"""

import hashlib
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any, cast

import orjson
import structlog

from envs.local import GameTask
from runtime.config import Settings
from runtime.errors import DataError, EnvError

log = structlog.get_logger()

RELEASE = "json_2.1.1"
SPLIT_FOLDERS = {"train": "train", "dev": "valid_seen", "test": "valid_unseen"}
SPLITS = tuple(SPLIT_FOLDERS)
TASK_TYPES = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
GAME_FILE = "game.tw-pddl"
_TEXTS = ("pddl_domain", "grammar", "pddl_problem")
_TASK_LINE = re.compile(r'"Your task is to: ((?:[^"\\]|\\.)*)"')
_AGAIN = "download the data again (alfworld-download) or remove the file"


def data_folder(settings: Settings) -> Path:
    """The data folder of the settings; DataError where it is unset or not there."""
    folder = settings.alfworld_data
    if folder is None:
        raise DataError("ALFWORLD_DATA is not set: point it at a folder filled by `alfworld-download` or by `memp households`")
    if not (folder / RELEASE).is_dir():
        raise DataError(f"ALFWORLD_DATA={folder} has no folder {RELEASE}: fill it with `alfworld-download` or `memp households`")
    return folder.resolve()


def digest(content: bytes) -> str:
    """The hash by which a task names the content of its game file: 16 hex digits of its SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]


def parse(content: bytes, name: str) -> dict[str, Any]:
    """The game in a file's bytes; DataError, naming the file, where it is truncated or lacks what a game needs."""
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{name} is truncated or not JSON ({error}): {_AGAIN}") from None
    lacking = [key for key in _TEXTS if not isinstance(data, dict) or not isinstance(cast(dict[str, Any], data).get(key), str)]
    if lacking:
        raise DataError(f"{name} is not a game, it lacks {', '.join(lacking)}: {_AGAIN}")
    return cast(dict[str, Any], data)


def goal_of(data: dict[str, Any], name: str) -> str:
    """The sentence that stands behind "Your task is to: " in the game's first observation."""
    found = _TASK_LINE.search(data["grammar"])
    if found is None or not found[1].strip():
        raise DataError(f"{name} has no task line in its grammar: {_AGAIN}")
    try:
        return str(json.loads(f'"{found[1]}"', strict=False)).strip().encode().decode()
    except ValueError as error:
        raise DataError(f"{name} has a task line that can't be read ({error}): {_AGAIN}") from None


def games(split: str, settings: Settings) -> list[GameTask]:
    """The playable games of a split, each once, sorted by path; those marked unsolvable are left out, as upstream does."""
    folder = data_folder(settings)
    root = folder / RELEASE / SPLIT_FOLDERS[split]
    files = sorted(root.glob(f"*/*/{GAME_FILE}"), key=lambda file: file.relative_to(folder).as_posix())
    read = [_read(file, folder) for file in files if _supported(file)]
    found = [task for task in read if task is not None]
    if not found:
        raise DataError(f"split {split!r} has no games in {root}: fill it with `alfworld-download` or `memp households`")
    if len(found) < len(files):
        log.info("games_skipped", split=split, unsolvable=len(read) - len(found), unsupported=len(files) - len(read))
    return found


def _supported(file: Path) -> bool:
    # The released folders also hold tasks with sliced objects and movable receptacles, which the text games leave out.
    folder = file.parent.parent.name
    return folder.split("-", 1)[0] in TASK_TYPES and "Sliced" not in folder


def _read(file: Path, folder: Path) -> GameTask | None:
    path = file.relative_to(folder).as_posix()
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): check its permissions or remove it") from None
    data = parse(content, path)
    if data.get("solvable") is not True:
        return None
    kind = file.parent.parent.name.split("-", 1)[0]
    return GameTask(goal_of(data, path), {"path": path, "hash": digest(content), "type": kind})


def load(game: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The content of a task's game, its hash with it; EnvError where it is not there or is not the one that the task was made for."""
    path = str(game.get("path", ""))
    if not path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise EnvError(f"the task names no game within the data folder: {path!r}")
    try:
        content = (folder / path).read_bytes()
    except OSError as error:
        raise EnvError(f"{path} is not in {folder} ({error.strerror}): use the data folder that the tasks were made from") from None
    if digest(content) != game.get("hash"):
        raise EnvError(f"{path} in {folder} has changed since the task was made: restore it, or submit the tasks anew")
    return {**parse(content, path), "hash": game["hash"]}
