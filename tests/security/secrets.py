"""Secrets as people and machines make them up, and how each would look wherever it leaks."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

from hypothesis import strategies as st

_PRINTABLE = "".join(map(chr, range(33, 127)))


def _rare(text: str) -> str:
    """With a middle that no text of ours has: a key that is a word, such as "embedding", stands everywhere by itself."""
    return f"{text[:4]}Zq9{text[4:]}"


KEYS = (st.text(_PRINTABLE, min_size=8, max_size=60) | st.from_regex(r"sk-[A-Za-z0-9_-]{8,40}", fullmatch=True)).map(_rare)
"""What a header can carry."""
PASSWORDS = (
    st.text(st.characters(blacklist_categories=["Cs", "Cc", "Z"]), min_size=8, max_size=30)
    | st.text("@:/?#[]%&=+ \"'\\<>{}!*é🛋Aa1", min_size=8, max_size=20).filter(lambda text: len(text.strip()) >= 8)
).map(_rare)
"""What a person may choose, in any script, and with all that has a meaning in addresses."""


def traces(secret: str) -> set[str]:
    """How a secret may be written: in addresses, JSON, Python, HTML, a header; one within the other."""
    once = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), html.escape(secret)}
    once |= {quote(secret, safe="").replace("%2F", "%2f").replace("%3A", "%3a"), base64.b64encode(secret.encode()).decode()}
    twice = {json.dumps(each)[1:-1] for each in once} | {json.dumps(each, ensure_ascii=False)[1:-1] for each in once}
    return once | twice | {repr(each)[1:-1] for each in once}


def found(secrets: list[str], text: str | bytes) -> list[str]:
    """The traces that are in a text."""
    content = text if isinstance(text, bytes) else text.encode(errors="replace")
    return [trace for secret in secrets for trace in traces(secret) if trace.encode() in content]
