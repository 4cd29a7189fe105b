"""Where to call, as whom, and how patiently."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from genie.client.errors import NotConfigured
from genie.client.retrying import Retrying

DEFAULT_BASE_URL = "http://127.0.0.1:8000"  # where `make up` listens
_MOUNTS = (
    "/openai/v1",
    "/api/v1",
    "/v1",
)  # what callers of other clients have at the end of their address


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What every call of one client has in common; its repr does not show the key.

    Attributes:
        base_url: Scheme, host and, behind a proxy, a path; no slash at the end.
        api_key: ``sk-genie-...``.
        timeout_s: How long a call that waits for a result waits by default, in seconds.
        connect_s: How long a connection may take, in seconds.
        read_s: How long the server may be silent; on top of what it was asked to wait for.
        retrying: When calls are sent again.
        store: Whether the server may keep what is asked and answered beyond its delivery.
    """

    base_url: str
    api_key: str = field(repr=False)
    timeout_s: float = 120.0
    connect_s: float = 10.0
    read_s: float = 30.0
    retrying: Retrying = field(default_factory=Retrying)
    store: bool = True

    def once(self) -> "Config":
        """Return the same for calls that are not repeated."""
        return replace(self, retrying=replace(self.retrying, attempts=1))


def resolve(
    *,
    api_key: str | None,
    base_url: str | None,
    timeout_s: float = 120.0,
    retrying: Retrying | None = None,
    store: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Return the configuration of these arguments; what is None comes from the environment.

    Raises:
        NotConfigured: There is no key, or something cannot be what it should.
    """
    environ = os.environ if environ is None else environ
    if timeout_s <= 0:
        raise NotConfigured(f"timeout_s must be above 0 seconds, not {timeout_s:g}.")
    address = base_url or environ.get("GENIE_BASE_URL") or DEFAULT_BASE_URL
    # The key that the client and the command `genie` call with.
    key = api_key or environ.get("GENIE_API_KEY") or ""
    return Config(
        base_url=_address(address),
        api_key=_key(key),
        timeout_s=timeout_s,
        retrying=retrying or Retrying(),
        store=store,
    )


def _key(text: str) -> str:
    text = text.strip()
    if not text:
        raise NotConfigured("There is no API key: pass api_key, or set GENIE_API_KEY.")
    if not all("!" <= char <= "~" for char in text):  # said here, where the key is not quoted
        raise NotConfigured("The API key has characters that no key has; was it copied whole?")
    return text


def _address(text: str) -> str:
    address = text.strip().rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise NotConfigured(
            f"{text!r} is no address: write http://host:port or https://host; see GENIE_BASE_URL."
        )
    if parts.username is not None:  # not quoted: it may be a secret
        raise NotConfigured("The address has a user; the API key alone says who calls.")
    for mount in _MOUNTS:
        address = address.removesuffix(mount)
    return address
