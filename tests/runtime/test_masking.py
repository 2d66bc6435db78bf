"""Keys and passwords stay out of what people read, and what a terminal would obey, too."""

from collections.abc import Generator

import pytest

from runtime import masking
from runtime.config import Settings
from runtime.masking import mask_url, masked, masked_answer, url_secrets, visible


@pytest.fixture
def hidden() -> Generator[None]:
    """What the tests hide is no secret of this process afterwards."""
    before = set(masking.HIDDEN)
    masking.HIDDEN.clear()
    yield
    masking.HIDDEN.clear()
    masking.hide("a word, so that what is cached goes", *before)
    masking.HIDDEN.discard("a word, so that what is cached goes")


def test_mask_url_hides_user_and_password_wherever_they_stand() -> None:
    assert mask_url("redis://u:p@ss/w@host:1/0") == "redis://***@host:1/0"
    assert mask_url("unix:///s?password=x&db=1") == "unix:///s?password=***&db=1"
    assert mask_url("unix:///s") == "unix:///s"


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        (None, set()),
        ("redis://localhost:6379/0?client_name=a@b", set()),
        ("http://host:1/v1/people/a:b@c", set()),
        ("redis://default@localhost:6379/0", set()),
        ("redis://:p%40ss@localhost:6379/0", {"p%40ss", "p@ss", "OnBAc3M="}),
        ("redis://u:pa/ss@host:1/0", {"pa/ss", "dTpwYS9zcw=="}),
        ("unix:///s?username=me&password=x", {"x"}),
    ],
)
def test_url_secrets_are_its_passwords_only(url: str | None, secrets: set[str]) -> None:
    assert url_secrets(url) == secrets


@pytest.mark.usefixtures("hidden")
@pytest.mark.parametrize("word", ["lm-studio", "password1", "no key is needed here"])
def test_answer_with_a_word_that_stands_in_for_a_key_is_left_as_it_is(word: str) -> None:
    Settings.model_validate({"api_key": word})
    said = f"I put {word} on the desk"
    assert (masked_answer(said), masked(said)) == (said, "I put *** on the desk")


@pytest.mark.usefixtures("hidden")
@pytest.mark.parametrize("key", ["sk-0123456789abcdef", "gate:way/%@secret"])
def test_answer_that_repeats_a_key_is_without_it(key: str) -> None:
    Settings.model_validate({"api_key": key})
    assert masked_answer(f"my key is {key}") == "my key is ***"


def test_visible_quotes_what_a_terminal_would_obey_and_leaves_the_rest() -> None:
    assert visible("a\x1b[2J\r\x07\x9b1m\x7f") == r"a\x1b[2J\x0d\x07\x9b1m\x7f"
    assert visible("gö\t🛋\n") == "gö\t🛋\n"
