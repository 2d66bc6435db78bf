"""Which run a folder holds: what may differ when its command is given again, and what is another run."""

from pathlib import Path
from typing import Any

import pytest

from experiments.config import RULE, RunConfig, check_folder, check_withholding, prepare_folder, resolved, run_digest
from runtime.config import Settings
from runtime.errors import DataError, UsageError


def config(**given: Any) -> RunConfig:
    return resolved(RunConfig(mode="online", exp_name="run", model="m", **given), Settings(), [])


def begun(folder: Path, **given: Any) -> Path:
    prepare_folder(config(**given), folder)
    return folder


def test_same_command_with_another_speed_goes_on(tmp_path: Path) -> None:
    check_folder(config(batch_size=3, workers=2), begun(tmp_path))
    assert run_digest(config(batch_size=3, workers=2)) == run_digest(config())


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({}, {"seed": 1}, "seed: 0 → 1"),
        ({}, {"prompt_tokens": 9}, "prompt_tokens: None → 9"),
        ({"prompt_tokens": 9}, {}, "prompt_tokens: 9 → None"),
        ({}, {"holdout": 0.2}, "holdout: 0.0 → 0.2"),
    ],
)
def test_command_that_differs_in_what_results_depend_on_is_refused(
    tmp_path: Path, before: dict[str, Any], now: dict[str, Any], told: str
) -> None:
    begun(tmp_path, **before)
    with pytest.raises(UsageError, match=told):
        check_folder(config(**now), tmp_path)
    assert run_digest(config(**before)) != run_digest(config(**now))


def test_run_whose_endpoint_is_asked_in_another_way_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(tmp_path)
    for asked, told in (("false", "True → False"), ("true", "False → True")):
        before = run_digest(config())
        monkeypatch.setenv("MEMP_STRUCTURED_OUTPUT", asked)
        with pytest.raises(UsageError, match=f"structured_output: {told}"):
            check_folder(config(), tmp_path)
        assert run_digest(config()) != before
        begun(tmp_path)


def test_run_whose_rule_of_deprecation_is_set_otherwise_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(tmp_path)
    monkeypatch.setenv("MEMP_DEPRECATE_FDR", "0.01")
    with pytest.raises(UsageError, match=r"deprecate_fdr: 0\.1 → 0\.01"):
        check_folder(config(), tmp_path)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"deprecate": "uplift", "procedure_dropout": 0.3}, "add --update validation"),
        ({"deprecate": "uplift", "update": "validation"}, "set --procedure-dropout"),
        ({"holdout": 0.3, "use_memory": False}, "drop one of them"),
        ({"procedure_dropout": 0.3, "use_memory": False}, "drop one of them"),
    ],
)
def test_withholding_that_would_come_to_nothing_is_refused(given: dict[str, Any], told: str) -> None:
    check_withholding(config(holdout=0.3, procedure_dropout=0.3, deprecate="uplift", update="validation"))
    with pytest.raises(UsageError, match=told):
        check_withholding(config(**given))


def test_what_was_added_since_leaves_the_digest_of_an_older_run_as_it_was() -> None:
    added = {"prompt_tokens", "structured_output", "holdout", "procedure_dropout", "deprecate", *RULE}
    assert not added & config().model_dump().keys()


def test_damaged_configuration_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        check_folder(config(), tmp_path)
