import resource
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from experiments.results import EpisodeLog, dead_row, read_rows, row, write_atomically
from runtime.errors import DataError, MempError
from runtime.events import DeadLetter, Recall, Retrieved, Step, Trajectory, Usage
from tests.experiments.samples import sample_row, sample_task


@contextmanager
def files_no_longer_than(size: int) -> Generator[None]:
    """A disk that is full: writing beyond `size` bytes of a file fails, after a part of the data was written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_row_trajectory_keeps_what_results_need() -> None:
    retrieved = (Retrieved(procedure="p", revision=2, distance=0.1),)
    trajectory = Trajectory(
        id="1:dev-7",
        task=sample_task({"path": "valid_seen/heat/trial", "type": "heat"}),
        outcome="finished",
        success=True,
        reward=1.0,
        first_observation="You are in a room.",
        steps=(Step(thought="", action="look", observation="Nothing."),) * 5,
        recall=Recall(arm="memory", retrieved=retrieved, memory_version=4),
        usage={"agent": Usage(calls=5, input=100, output=20)},
        attempt=2,
        worker="w1",
        seconds=3.5,
    )
    kept = row(trajectory, "5-1")
    assert (kept.entry, kept.task_id, kept.index, kept.game, kept.task_type) == ("5-1", "dev-7", 7, "valid_seen/heat/trial", "heat")
    assert (kept.steps, kept.retrieved, kept.memory_version, kept.attempt, kept.tokens) == (5, retrieved, 4, 2, 120)


@pytest.mark.parametrize(("game", "expected"), [({"name": "query 3"}, "query 3"), ({}, "dev-7")])
def test_row_game_without_path_is_called_by_name_or_task(game: dict[str, str], expected: str) -> None:
    letter = DeadLetter(stream="tasks", entry="1-1", deliveries=3, reason="EnvCrashed", payload="{}")
    kept = dead_row(sample_task(game), letter, "9-1")
    assert (kept.game, kept.task_type) == (expected, None)


def test_dead_row_letter_becomes_a_failure_with_its_reason() -> None:
    letter = DeadLetter(stream="tasks", entry="1-1", deliveries=3, reason="EnvCrashed", payload="{}")
    kept = dead_row(sample_task({}), letter, "9-1")
    assert (kept.outcome, kept.success, kept.reason, kept.attempt, kept.counts) == ("dead", False, "EnvCrashed", 3, True)
    assert kept.entry == "dead:9-1"


def test_log_rows_appended_are_read_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "run" / "episodes.jsonl"
    rows = [sample_row(0, goal="two\nlines and “quotes”"), sample_row(1, outcome="aborted", reason="budget")]
    with EpisodeLog(path) as log:
        assert log.append(rows[:1]) == 1
        assert log.append(rows[1:]) == 1
    assert read_rows(path) == rows


def test_log_repeated_append_is_skipped_by_entry_and_by_task(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path) as log:
        assert log.append([sample_row(0), sample_row(0)]) == 1
        assert log.append([sample_row(0, entry="other")]) == 0
    with EpisodeLog(path) as log:
        assert log.append([sample_row(0), sample_row(1, entry="1000-0"), sample_row(2)]) == 1
        assert log.tasks == {"dev-0", "dev-2"}
    assert [each.index for each in read_rows(path)] == [0, 2]


def test_log_row_of_a_dead_task_is_followed_by_one_more_and_no_other_is(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    dead, played = sample_row(0, outcome="dead", entry="dead:1-0"), sample_row(0)
    with EpisodeLog(path) as log:
        assert log.append([dead, sample_row(1)]) == 2
        assert log.append([dead]) == 0
    with EpisodeLog(path) as log:
        assert log.append([sample_row(0, outcome="dead", entry="7-0"), played]) == 1
        assert log.append([dead, sample_row(0, entry="8-0"), sample_row(1, entry="9-0")]) == 0
    assert read_rows(path) == [sample_row(1), played]


@pytest.mark.parametrize("torn", ['{"entry": "1001-0", "task', sample_row(1).model_dump_json(), '{"entry": \n', "\0\0\0"])
def test_log_torn_last_line_is_cut_and_can_be_recorded_again(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "episodes.jsonl"
    path.write_text(sample_row(0).model_dump_json() + "\n" + torn)
    with EpisodeLog(path) as log:
        assert log.tasks == {"dev-0"}
        log.append([sample_row(1)])
    assert read_rows(path) == [sample_row(0), sample_row(1)]


def test_log_malformed_line_before_the_last_raises_and_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    path.write_text(f"{sample_row(0).model_dump_json()}\nnonsense\n{sample_row(1).model_dump_json()}\n")
    before = path.read_bytes()
    with pytest.raises(DataError, match="line 2"):
        EpisodeLog(path)
    assert path.read_bytes() == before


def test_log_full_disk_raises_and_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path) as log:
        log.append([sample_row(0)])
        with files_no_longer_than(path.stat().st_size + 100), pytest.raises(MempError, match="free space"):
            log.append([sample_row(1), sample_row(2)])
        assert read_rows(path) == [sample_row(0)]
        assert log.append([sample_row(1), sample_row(2)]) == 2
    assert len(read_rows(path)) == 3


def test_log_device_without_space_raises(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    path.symlink_to("/dev/full")
    with EpisodeLog(path) as log, pytest.raises(MempError, match="No space left"):
        log.append([sample_row(0)])


def test_log_folder_that_cannot_be_made_raises_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MempError, match=r"episodes\.jsonl can't be written"):
        EpisodeLog(tmp_path / "file" / "episodes.jsonl")


def test_read_rows_malformed_line_raises_and_names_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    good = sample_row(0).model_dump_json()
    bad = good.replace('"steps":12', '"steps":-1')
    path.write_text(f"{good}\n{bad}\n")
    with pytest.raises(DataError, match=r"line 2: steps"):
        read_rows(path)


def test_read_rows_line_still_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    path.write_text(sample_row(0).model_dump_json() + '\n{"entry"')
    assert read_rows(path) == [sample_row(0)]


def test_read_rows_missing_file_raises_and_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"episodes\.jsonl can't be read"):
        read_rows(tmp_path / "episodes.jsonl")


def test_write_atomically_full_disk_keeps_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_atomically(path, "old")
    with files_no_longer_than(100), pytest.raises(MempError, match="free space"):
        write_atomically(path, "new" * 100)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
