"""docker-compose.yml, .env.example and the Dockerfile against the command line, the settings and the tree (no engine is needed)."""

import inspect
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import AliasChoices

from bin.memp import app
from runtime.bus.pump import Pump
from runtime.config import Settings

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ["worker", "curator"]
EXAMPLE = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
# Keys of a service in the compose specification that mean the same with every engine.
SERVICE_KEYS = set("build command depends_on environment extra_hosts healthcheck image init restart stop_grace_period volumes".split())


def settings_by_variable() -> dict[str, str]:
    """Environment variables that memp reads, and their fields."""
    names: dict[str, str] = {}
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias or f"MEMP_{name.upper()}"
        for choice in alias.choices if isinstance(alias, AliasChoices) else [alias]:
            names[str(choice)] = name
    return names


def interpolated(text: str) -> str:
    """With the example's values, as compose fills in `${NAME}`, `${NAME:-default}` and `${NAME:?message}`."""
    return re.sub(r"\$\{(\w+)[^}]*\}", lambda match: EXAMPLE[match[1]], text)


def seconds(duration: str) -> int:
    match = re.fullmatch(r"(\d+)s", duration)
    assert match, duration
    return int(match[1])


def instructions(name: str) -> list[list[str]]:
    return [line.split()[1:] for line in DOCKERFILE if line.startswith(f"{name} ")]


def test_compose_file_has_the_shape_of_the_specification() -> None:
    assert COMPOSE.keys() <= {"name", "services", "volumes", "x-memp"}
    for service in SERVICES.values():
        assert service.keys() <= SERVICE_KEYS
        assert service["restart"] in {"no", "always", "on-failure", "unless-stopped"}
        for name, rule in service.get("depends_on", {}).items():
            assert rule == {"condition": "service_healthy"}
            assert {"test", "interval", "timeout", "retries"} <= SERVICES[name]["healthcheck"].keys()
        for volume in service.get("volumes", []):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            assert source.startswith("${") or source in COMPOSE["volumes"]


def test_redis_service_keeps_every_write_and_evicts_nothing() -> None:
    command: list[str] = SERVICES["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert (options["--appendonly"], options["--maxmemory-policy"]) == ("yes", "noeviction")
    assert SERVICES["redis"]["volumes"] == ["redis-data:/data"]


@pytest.mark.parametrize("service", OURS)
def test_service_command_is_one_that_the_command_line_accepts(service: str) -> None:
    words = shlex.split(interpolated(SERVICES[service]["command"]))
    root: Any = typer.main.get_command(app)  # typer's own copy of click has no public types
    context = root.make_context("memp", list(words))
    name, command, rest = root.resolve_command(context, words)
    assert name == service
    command.make_context(name, rest, parent=context)  # raises for an unknown or missing option


@pytest.mark.parametrize("service", OURS)
def test_service_has_more_time_to_stop_than_it_needs(service: str) -> None:
    grace = inspect.signature(Pump).parameters["grace"].default
    assert seconds(SERVICES[service]["stop_grace_period"]) > 2 * grace
    assert SERVICES[service]["init"] is True


@pytest.mark.parametrize("service", OURS)
def test_service_environment_holds_settings_only(service: str) -> None:
    assert SERVICES[service]["environment"].keys() <= settings_by_variable().keys()


def test_service_data_folders_are_where_the_settings_point() -> None:
    volumes, environment = SERVICES["worker"]["volumes"], SERVICES["worker"]["environment"]
    assert [volume["target"] for volume in volumes] == [environment["ALFWORLD_DATA"], environment["MEMP_TRAVELPLANNER_DATA"]]
    assert all(volume["read_only"] for volume in volumes)


def test_env_example_documents_exactly_the_variables_that_compose_reads() -> None:
    passed = {name for service in OURS for name, value in SERVICES[service]["environment"].items() if value is None}
    assert EXAMPLE.keys() == passed | set(re.findall(r"\$\{(\w+)", TEXT))


def test_env_example_shows_the_defaults_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {name: field for name, field in settings_by_variable().items() if name.startswith("MEMP_") and name in EXAMPLE}
    for name in shown:
        monkeypatch.setenv(name, EXAMPLE[name])
    settings = Settings()
    defaults = {field: Settings.model_fields[field].default for field in shown.values() if not Settings.model_fields[field].default_factory}
    assert {field: getattr(settings, field) for field in defaults} == defaults


def test_image_tag_is_pinned() -> None:
    images = [service["image"] for service in SERVICES.values()] + [words[0] for words in instructions("FROM")]
    assert all(re.fullmatch(r"[a-z]+:\d+\.\d+[\w.-]*", image) for image in images), images
    assert SERVICES["worker"]["image"] == f"memp:{PROJECT['project']['version']}"


def test_dockerfile_copies_what_exists_and_what_the_ignore_file_lets_in() -> None:
    sources = {source for words in instructions("COPY") if not words[0].startswith("--from") for source in words[:-1]}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sources == allowed
    assert all((ROOT / source).exists() for source in sources)
    assert sources >= set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


def test_dockerfile_runs_memp_as_a_user_and_holds_no_secret() -> None:
    text = "\n".join(DOCKERFILE)
    assert instructions("USER")[-1] != ["root"]
    assert DOCKERFILE[-1] == 'ENTRYPOINT ["memp"]'
    assert not re.search(r"KEY|SECRET|TOKEN|PASSWORD", text)
    assert not instructions("ARG")
