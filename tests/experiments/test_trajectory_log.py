"""`trajectories.jsonl`: each trajectory whole and once, whatever a crash has left."""

import json
from pathlib import Path

import pytest

from experiments.trajectory_log import TrajectoryLog
from runtime.errors import DataError


def event(name: str) -> bytes:
    return json.dumps({"id": name, "steps": ["a\nb"]}).encode()


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def test_trajectory_is_written_once_whoever_opens_the_log(tmp_path: Path) -> None:
    path = tmp_path / "run" / "trajectories.jsonl"
    for names in (["1:a", "1:b"], ["1:b", "1:c"]):
        log = TrajectoryLog(path)
        log.append({name: event(name) for name in names})
        log.append({name: event(name) for name in names})
        log.close()
    assert ids(path) == ["1:a", "1:b", "1:c"]


def test_torn_line_is_cut_and_written_again(tmp_path: Path) -> None:
    path = tmp_path / "trajectories.jsonl"
    path.write_bytes(event("1:a") + b"\n" + event("1:b")[:9])
    log = TrajectoryLog(path)
    log.append({"1:b": event("1:b")})
    log.close()
    assert ids(path) == ["1:a", "1:b"]


@pytest.mark.parametrize("line", [b"{", b"[1]", b"{}"])
def test_line_that_is_no_trajectory_is_told_by_its_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "trajectories.jsonl"
    path.write_bytes(event("1:a") + b"\n" + line + b"\n")
    with pytest.raises(DataError, match="line 2: it is no trajectory"):
        TrajectoryLog(path)
