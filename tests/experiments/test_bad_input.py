"""What a user can get wrong: each gives one clear line, exit code 2 for usage and 1 for failure, and no traceback."""

import shutil
from pathlib import Path

import pytest

from envs.alfworld_env.households import generate
from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from tests.experiments.command import Memp

ONLINE = ("online", "--model", "stand-in-strong", "--split", "dev", "--exp-name", "bad")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("households")
    generate(2, 12, folder, "dev")
    return folder


async def expect_refusal(memp: Memp, code: int, words: str, *command: str, **environment: str) -> None:
    found, output = await memp.run(*command, **environment)
    assert "Traceback" not in output, output
    assert words in output, output
    assert found == code, output


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--update", "sometimes"), "sometimes"),
        (("--build", "poem"), "poem"),
        (("--retrieve", "guess"), "guess"),
        (("--env", "chess"), "chess"),
        (("--split", "holiday"), "holiday"),
        (("--max-steps", "0"), "max-steps"),
        (("--exp-name", "../b"), "../b"),
        (("--no-such-flag",), "no-such-flag"),
        (("--memory", "/no/such/file"), "/no/such/file"),
    ],
)
async def test_flag_value_unknown_is_refused_with_its_name(tmp_path: Path, data: Path, flags: tuple[str, ...], words: str) -> None:
    async with stand_in() as model:
        await expect_refusal(Memp(tmp_path, model.base_url, data), 2, words, *ONLINE, *flags)


async def test_key_missing_for_a_remote_endpoint_is_refused_before_anything_is_sent(tmp_path: Path, data: Path) -> None:
    memp = Memp(tmp_path, "https://models.example.org/v1", data)
    await expect_refusal(memp, 2, "OPENAI_API_KEY", *ONLINE, OPENAI_API_KEY="")


async def test_start_that_fails_leaves_the_name_free_and_its_results_alone(tmp_path: Path, data: Path) -> None:
    async with stand_in() as model:
        memp = Memp(tmp_path, model.base_url, data)
        folder = tmp_path / "runs" / "bad"
        folder.mkdir(parents=True)
        (folder / "episodes.jsonl").write_text("")
        await expect_refusal(memp, 1, "no-such-model", *ONLINE, "--overwrite", "--model", "no-such-model")
        assert [path.name for path in folder.iterdir()] == ["episodes.jsonl"]


async def test_endpoint_unreachable_is_told_at_once(tmp_path: Path, data: Path) -> None:
    await expect_refusal(Memp(tmp_path, "http://127.0.0.1:9/v1", data), 1, "Nobody answers", *ONLINE)


async def test_key_wrong_is_refused_without_a_storm_of_retries(tmp_path: Path, data: Path) -> None:
    async with stand_in(Options(key="the-right-one")) as model:
        await expect_refusal(Memp(tmp_path, model.base_url, data), 1, "OPENAI_API_KEY", *ONLINE)
        assert model.stats.attempts <= 2


async def test_model_unknown_to_the_endpoint_is_named(tmp_path: Path, data: Path) -> None:
    async with stand_in() as model:
        await expect_refusal(Memp(tmp_path, model.base_url, data), 1, "no-such-model", *ONLINE, "--model", "no-such-model")


async def test_game_data_missing_or_empty_says_where_to_get_it(tmp_path: Path) -> None:
    async with stand_in() as model:
        await expect_refusal(Memp(tmp_path, model.base_url), 2, "ALFWORLD_DATA", *ONLINE)
        (tmp_path / "empty").mkdir()
        await expect_refusal(Memp(tmp_path, model.base_url, tmp_path / "empty"), 2, "memp households", *ONLINE)


async def test_game_file_truncated_is_named(tmp_path: Path, data: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(data, broken)
    file = sorted(broken.rglob("game.tw-pddl"))[0]
    file.write_bytes(file.read_bytes()[:1000])
    async with stand_in() as model:
        await expect_refusal(Memp(tmp_path, model.base_url, broken), 2, str(file.parent.name), *ONLINE)


async def test_trajectories_malformed_are_refused_with_the_line(tmp_path: Path, data: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"messages": [{"role": "user", "content": "Your task is to: look."}]}\n{"messages": 3}\n')
    async with stand_in() as model:
        command = ("build", "--trajectories", str(tmp_path / "bad.jsonl"), "--model", "stand-in-strong", "--exp-name", "bad")
        await expect_refusal(Memp(tmp_path, model.base_url, data), 2, "line", *command)


async def test_run_of_other_settings_is_not_resumed(tmp_path: Path, data: Path) -> None:
    async with stand_in() as model:
        memp = Memp(tmp_path, model.base_url, data)
        code, output = await memp.run(*ONLINE, "--limit", "1")
        assert code == 0, output
        await expect_refusal(memp, 2, "top_k: 3 → 5", *ONLINE, "--limit", "1", "--top-k", "5")


async def test_results_that_can_not_be_written_end_the_run_and_lose_nothing(tmp_path: Path, data: Path) -> None:
    async with stand_in() as model:
        memp = Memp(tmp_path, model.base_url, data)
        folder = tmp_path / "runs" / "bad"
        folder.mkdir(parents=True)
        (folder / "episodes.jsonl").symlink_to("/dev/full")
        await expect_refusal(memp, 1, "free space", *ONLINE, "--limit", "1")
        (folder / "episodes.jsonl").unlink()
        code, output = await memp.run(*ONLINE, "--limit", "1")
        assert code == 0, output
        assert len(memp.rows("bad")) == 1
