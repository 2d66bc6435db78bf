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
        log.append(map(event, names))
        log.append(map(event, names))
        log.close()
    assert ids(path) == ["1:a", "1:b", "1:c"]


def test_event_that_somebody_has_indented_becomes_one_line(tmp_path: Path) -> None:
    path = tmp_path / "trajectories.jsonl"
    log = TrajectoryLog(path)
    log.append([json.dumps(json.loads(event("1:a")), indent=2).encode()])
    log.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [json.loads(event("1:a"))]


@pytest.mark.parametrize("torn", [event("1:b")[:9], event("1:b")[:9] + b"\n", b"\0\0\0\n", b"\0\n\0"])
def test_torn_line_is_cut_and_written_again(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "trajectories.jsonl"
    path.write_bytes(event("1:a") + b"\n" + torn)
    log = TrajectoryLog(path)
    log.append([event("1:b")])
    log.close()
    assert ids(path) == ["1:a", "1:b"]


@pytest.mark.parametrize("line", [b"[1]", b"{}", b"{\n" + event("1:b")])
def test_line_that_is_no_trajectory_is_told_by_its_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "trajectories.jsonl"
    path.write_bytes(event("1:a") + b"\n" + line + b"\n")
    before = path.read_bytes()
    with pytest.raises(DataError, match="line 2: it is no trajectory"):
        TrajectoryLog(path)
    assert path.read_bytes() == before
