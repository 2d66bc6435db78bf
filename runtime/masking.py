"""Keeps keys and passwords out of what people read."""

import re


def mask_url(url: str) -> str:
    """The address without its user and password, fit for logs and messages; works on malformed addresses, too."""
    url = re.sub(r"://.*@", "://***@", url, flags=re.DOTALL)
    return re.sub(r"([?&](?:username|password)=)[^&]*", r"\1***", url)


def redact(text: str, secret: str | None) -> str:
    """The text with every occurrence of the secret struck out."""
    return text.replace(secret, "***") if secret else text
