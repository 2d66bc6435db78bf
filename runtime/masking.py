"""Keeps keys and passwords out of what people read, and of all that is written down.

What a process is given as a secret is hidden from then on: `Settings` tells it here, and errors, logs, dead letters and the
model's own answers pass through `masked` on their way out.
"""

import base64
import html
import json
import re
from functools import cache
from urllib.parse import quote, quote_plus, unquote, urlsplit

HIDDEN: set[str] = set()
"""The secrets of this process."""
SHORTEST = 8
"""Characters from which a secret is looked for in texts: a shorter one ("none", "test") is a word that stands in them by chance."""
KEY_LENGTH = 16
"""Characters from which a secret can be told from a word."""
MASK = "***"

_USERINFO = re.compile(r"://(.*)@", re.DOTALL)
_QUERY = re.compile(r"([?&](?:username|[\w-]*(?:password|token|secret|key))=)([^&#]*)", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d]+(?:[ .-][^\W\d]+)*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def mask_url(url: str) -> str:
    """The address without its user and password, fit for logs and messages; works on malformed addresses, too."""
    return _QUERY.sub(rf"\1{MASK}", _USERINFO.sub(f"://{MASK}@", url))


def url_secrets(url: str | None) -> set[str]:
    """The passwords in an address: as they stand there, decoded, and as HTTP sends them."""
    found = {value for name, value in _QUERY.findall(url or "") if "username" not in name}
    given = _userinfo(url or "")
    if password := given.partition(":")[2]:
        found |= {password, base64.b64encode(unquote(given).encode(errors="replace")).decode()}
    return {each for each in found | {unquote(each) for each in found} if each}


def _userinfo(url: str) -> str:
    """User and password of an address; of one that is malformed, all that may belong to them."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number: a password holds what ends an authority
    except ValueError:
        match = _USERINFO.search(url)
        return match[1] if match else ""
    return parts.netloc.rpartition("@")[0]


def redact(text: str, secret: str | None) -> str:
    """The text with every occurrence of the secret struck out."""
    return text.replace(secret, MASK) if secret else text


def hide(*secrets: str | None) -> None:
    """Have these struck out of all that this process tells from now on."""
    new = {secret.strip() for secret in secrets if secret and len(secret.strip()) >= SHORTEST}
    if not new <= HIDDEN:
        HIDDEN.update(new)
        _forms.cache_clear()


def masked(text: str) -> str:
    """The text without the secrets of this process, in whatever way they are quoted in it."""
    return _without(text, _forms())


def masked_answer(text: str) -> str:
    """A model's answer without the secrets that some endpoints repeat. One that could be a word ("lm-studio", "password1") stays:
    where it is the key of an endpoint that wants none, the answer means the word, and episodes and memory are made of it."""
    return _without(text, _forms(keys_only=True))


def visible(text: str) -> str:
    """The text with control characters but tab and newline quoted: a terminal would obey them."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _without(text: str, forms: list[str]) -> str:
    for form in forms:
        if form in text:
            text = text.replace(form, MASK)
    return text


def _is_key(secret: str) -> bool:
    return len(secret) >= KEY_LENGTH and _WORDS.fullmatch(secret) is None


@cache
def _forms(*, keys_only: bool = False) -> list[str]:
    """The longest first: a secret may be a part of another."""
    secrets = [secret for secret in HIDDEN if not keys_only or _is_key(secret)]
    return sorted({form for secret in secrets for form in _forms_of(secret)}, key=lambda form: (-len(form), form))


def _forms_of(secret: str) -> set[str]:
    """A secret as URLs, JSON, Python and HTML write it, also one within the other, as in a traceback within a line of JSON."""
    percent = {quote(secret, safe="", errors="replace"), quote(secret, errors="replace"), quote_plus(secret, errors="replace")}
    found = {secret, html.escape(secret)} | percent | {re.sub("%..", lambda hexed: hexed[0].lower(), each) for each in percent}
    for _ in range(2):
        found |= {repr(each)[1:-1] for each in found} | {ascii(each)[1:-1] for each in found}
        found |= {json.dumps(each, ensure_ascii=plain)[1:-1] for each in found for plain in (False, True)}
    return found
