"""Where a model is served, and by which variables that was said."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from runtime.config import Settings, chat_endpoint, embedding_endpoint
from runtime.errors import UsageError
from runtime.masking import mask_url, masked, redact, url_secrets


@dataclass(frozen=True)
class Address:
    """An OpenAI-compatible endpoint; the variables are those that a message tells to set."""

    url: str
    key: SecretStr | None
    url_variable: str
    key_variable: str

    @property
    def secret(self) -> str | None:
        """The key in clear, without the white space around it that copying leaves; None where there is none."""
        return (self.key.get_secret_value().strip() or None) if self.key else None

    @property
    def shown(self) -> str:
        """The address, fit for logs and messages."""
        return mask_url(self.url)

    def redacted(self, text: str) -> str:
        """Text of the endpoint, fit for messages: short, and without the key, which some endpoints repeat, or the password."""
        for secret in (self.secret, *sorted(url_secrets(self.url), key=len, reverse=True)):
            text = redact(text, secret)
        return " ".join(masked(text).split())[:300]


def chat_address(settings: Settings) -> Address:
    """The chat endpoint's."""
    return _checked(Address(chat_endpoint(settings), settings.api_key, "OPENAI_BASE_URL", "OPENAI_API_KEY"))


def embedding_address(settings: Settings) -> Address:
    """The embedding endpoint's, which is the chat endpoint's as far as it has none of its own."""
    key, url = settings.embedding_api_key, settings.embedding_base_url
    return _checked(
        Address(
            embedding_endpoint(settings),
            key or settings.api_key,
            "EMBEDDING_MODEL_BASE_URL" if url else "OPENAI_BASE_URL",
            "EMBEDDING_MODEL_KEY" if key or url else "OPENAI_API_KEY",
        )
    )


def _checked(address: Address) -> Address:
    """Raises UsageError for an address that is none, a key that no header can carry, and a remote address without a key."""
    host = _host(address.url)
    if host is None:
        raise UsageError(f"{address.url_variable}={address.shown} is no address: it must read http://host:port/v1 or https://host/v1.")
    secret = address.secret
    if secret is None and not _local(host) and not urlsplit(address.url).username:
        raise UsageError(f"{address.shown} is remote and needs a key: set {address.key_variable} (to any word if it wants none).")
    if secret and not (secret.isascii() and secret.isprintable()):
        raise UsageError(f"{address.key_variable} holds characters that no key has: set it to the key alone.")
    return address


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    return parts.hostname if parts.scheme in ("http", "https") else None


def _local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
