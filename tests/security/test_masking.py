"""Whatever a secret is made of, it is in no log line, no error, no traceback and no event of a process that was given it."""

import io
import logging
import sys
import traceback
from collections.abc import Generator
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as examples

from envs.forks import Forks
from runtime import masking
from runtime.bus.consumer import Delivery
from runtime.bus.letters import dead_letter
from runtime.config import Settings
from runtime.errors import MempError, ServerError, UsageError
from runtime.logs import configure_logs
from runtime.masking import mask_url, masked
from runtime.model.address import chat_address
from runtime.server import connect, probe
from tests.security.secrets import KEYS, PASSWORDS, found

RARE = examples(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


class Terminal(io.StringIO):
    """What stderr is to whoever sits before it, or to a file."""

    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


@pytest.fixture(autouse=True)
def own_process() -> Generator[None]:
    """What a process hides and how it logs is its own."""
    before, hook, last, stderr = set(masking.HIDDEN), sys.excepthook, logging.lastResort, sys.stderr
    yield
    masking.HIDDEN.clear()
    masking.hide(*before)
    sys.excepthook, logging.lastResort, sys.stderr = hook, last, stderr
    structlog.reset_defaults()


def given_secrets(key: str, password: str) -> tuple[Settings, list[str]]:
    """A process that was given these, and what it must not tell."""
    masking.HIDDEN.clear()
    coded = quote(password, safe="")
    settings = Settings.model_validate(
        {
            "api_key": key,
            "redis_url": f"redis://user:{coded}@127.0.0.1:1/0",
            "base_url": f"http://bob:{coded}@127.0.0.1:1/v1",
            "embedding_api_key": f"{key}-2",
            "embedding_base_url": f"http://127.0.0.1:1/v1?api_key={coded}",
        }
    )
    return settings, [key, f"{key}-2", password, f"bob:{password}"]


def careless(settings: Settings, secrets: list[str]) -> None:
    """A frame whose locals, message and cause hold everything."""
    headers = {"Authorization": f"Bearer {secrets[0]}", "url": settings.base_url}
    try:
        raise KeyError(headers, secrets)
    except KeyError as error:
        raise RuntimeError(f"{headers} {settings!r} {secrets} {secrets[2]} {error!r}") from error


@RARE
@given(key=KEYS, password=PASSWORDS)
@pytest.mark.parametrize("level", ["info", "debug"])
@pytest.mark.parametrize("tty", [True, False])
def test_log_line_and_traceback_hold_no_secret(key: str, password: str, level: str, tty: bool) -> None:
    settings, secrets = given_secrets(key, password)
    sys.stderr = said = Terminal(tty=tty)
    configure_logs(level)
    log = structlog.get_logger().bind(settings=settings)
    log.info("started", url=settings.base_url, key=secrets[0], nested={"a": [secrets], secrets[2]: 1}, raw=secrets[2].encode())
    log.debug("detail", text=f"password={secrets[2]}")
    logging.getLogger("aiohttp.client").warning("cannot connect to %s with %s", settings.base_url, secrets)
    try:
        careless(settings, secrets)
    except RuntimeError as error:
        log.exception("failed", of=repr(error))
        logging.getLogger("asyncio").exception("never retrieved %s", secrets)
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stderr = sys.__stderr__
    assert said.getvalue().count("RuntimeError") >= 3
    assert found(secrets, said.getvalue()) == []


@RARE
@given(key=KEYS, password=PASSWORDS)
def test_error_letter_and_settings_hold_no_secret(key: str, password: str) -> None:
    settings, secrets = given_secrets(key, password)
    assert found(secrets, repr(settings) + str(settings)) == []
    quoted = MempError(f"the server said {secrets} of {settings.base_url}")
    assert found(secrets, str(quoted) + "".join(traceback.format_exception_only(quoted))) == []
    delivery = Delivery("s", "g", "1-1", "c", 1, b"{}")
    assert found(secrets, dead_letter(delivery, f"KeyError: {secrets!r} {settings.base_url}").model_dump_json()) == []
    assert found(secrets, mask_url(str(settings.base_url)) + mask_url(str(settings.embedding_base_url))) == []


@RARE
@given(key=KEYS, password=PASSWORDS)
def test_text_without_a_secret_is_left_as_it_is(key: str, password: str) -> None:
    given_secrets(key, password)
    assert masked("go to desk 1") == "go to desk 1"
    assert masked(f"a {key} b").count("***") >= 1


def test_short_words_that_stand_in_for_a_key_are_not_struck_out_of_texts() -> None:
    masking.HIDDEN.clear()
    Settings.model_validate({"api_key": "desk", "redis_url": "redis://default@localhost:6379/0"})
    assert masked("go to desk 1 of redis://localhost:6379/0") == "go to desk 1 of redis://localhost:6379/0"


@RARE
@given(password=PASSWORDS)
def test_address_that_is_none_is_refused_without_its_password(password: str) -> None:
    for url in (f"nonsense://u:{password}@host:1/0", f"{password}"):
        masking.HIDDEN.clear()
        with pytest.raises(UsageError) as refused:
            connect(url)
        with pytest.raises(UsageError) as also:
            chat_address(Settings.model_validate({"base_url": url, "api_key": password}))
        assert found([password], f"{refused.value} {also.value}") == []


@examples(max_examples=30, deadline=None)
@given(password=PASSWORDS)
async def test_server_that_is_away_is_told_without_the_password(password: str) -> None:
    masking.HIDDEN.clear()
    url = f"redis://user:{quote(password, safe='')}@127.0.0.1:1/0"
    Settings.model_validate({"redis_url": url})
    async with connect(url) as client:
        with pytest.raises(ServerError) as refused:
            await probe(client)
    assert found([password], "".join(traceback.format_exception(refused.value)) + repr(client)) == []


async def test_environment_processes_are_given_no_secret() -> None:
    settings, secrets = given_secrets("sk-0123456789abcdef", "open sesame/@")
    forks = Forks(settings)
    given: dict[str, Any] = vars(forks)["_settings"]
    assert found(secrets, repr(given)) == []
    assert "base_url" not in given
    vars(forks)["_theirs"].close()
    vars(forks)["_link"].close()
