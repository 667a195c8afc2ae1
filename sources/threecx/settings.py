"""Settings of one 3CX: its address, the credentials, and how long to wait and try."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from .errors import SettingsError

__all__ = ["CONSISTENCIES", "PAGE_SIZE", "PLACEHOLDERS", "Consistency", "Settings"]

Consistency = Literal["once", "twice"]
CONSISTENCIES: tuple[Consistency, ...] = ("once", "twice")

PAGE_SIZE = 100
"""Devices per request. xAPI: `$top` above 100 is answered with 400."""

_PORTS = {"http": 80, "https": 443}
_WEB_PAGES = re.compile(r"/(xapi(/v1)?|connect/token|webclient|management|login)(/.*)?$", re.IGNORECASE)
"""Where the web client, the console and the API are below the address of a PBX."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
PLACEHOLDERS = ("<configure me>", "please set me up!")
"""What templates put where a value is wanted."""


@dataclass(frozen=True)
class Settings:
    """One PBX. Secrets are kept out of `repr`. Raises SettingsError when a value makes no sense."""

    base_url: str
    """Scheme, host and port, e.g. `https://pbx.example.com:5001`, without `/xapi/v1`."""
    client_id: str | None = None
    """Of the API client that 3CX was asked to make."""
    client_secret: str | None = field(default=None, repr=False)
    """The API key that 3CX shows once."""
    access_token: str | None = field(default=None, repr=False)
    """A ready bearer token instead of client id and secret; it is never renewed."""
    fingerprint_key: str | None = field(default=None, repr=False)
    """With it, secrets of phones leave a keyed hash behind; without it, nothing."""
    filter: str | None = None
    """OData `$filter`: only these devices, e.g. `DN/Type eq 'Extension'`."""
    search: str | None = None
    """OData `$search`: only devices that the PBX finds by this text."""
    page_size: int = PAGE_SIZE
    """Rows per request, 2 to 100."""
    pages_in_flight: int = 4
    """Requests sent at once to a PBX that has many pages and answers slowly."""
    max_walks: int = 3
    """How many walks to try when pages contradict each other."""
    consistency: Consistency = "once"
    """`twice`: only two walks in a row with the same content count."""
    timeout_seconds: float = 30.0
    """For one whole answer, from the request to the last byte."""
    attempts: int = 4
    """Per request, when the connection fails or the PBX is busy (429, 502, 503, 504)."""
    backoff_seconds: float = 0.5
    """The first pause between two attempts; each further one is twice as long."""
    ca_file: str | None = None
    """PEM file of the authority behind the PBX's certificate, when the system does not know it."""
    verify_tls: bool = True
    """Whether to verify the TLS certificate; without it anybody in between can read the API key."""
    allow_http: bool = False
    """Plain http to another host than this one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", _checked_base_url(self.base_url, self.allow_http))
        if self.access_token in PLACEHOLDERS:
            object.__setattr__(self, "access_token", None)
        if not self.access_token:
            for key in ("client_id", "client_secret"):
                value = getattr(self, key)
                if not value or value in PLACEHOLDERS:
                    raise SettingsError(
                        f"setting {key}",
                        "it is missing" if not value else "it still is the placeholder",
                        "Set client_id and client_secret, or access_token",
                    )
        if self.access_token and not (self.access_token.isascii() and self.access_token.isprintable()):
            raise SettingsError("setting access_token", "it is no bearer token", "Copy it again, on one line")
        _check_range("page_size", self.page_size, 2, PAGE_SIZE, int)
        _check_range("pages_in_flight", self.pages_in_flight, 1, 16, int)
        _check_range("max_walks", self.max_walks, 1, 100, int)
        _check_range("attempts", self.attempts, 1, 100, int)
        _check_range("timeout_seconds", self.timeout_seconds, 0.01, 3600)
        _check_range("backoff_seconds", self.backoff_seconds, 0, 600)
        for key in ("verify_tls", "allow_http"):
            if not isinstance(getattr(self, key), bool):
                raise SettingsError(
                    f"setting {key}", f"{getattr(self, key)!r} is not true or false", "Correct the setting"
                )
        if self.consistency not in CONSISTENCIES:
            raise SettingsError("setting consistency", f"'{self.consistency}' is unknown", "Use once or twice")
        if self.consistency == "twice" and self.max_walks < 2:
            raise SettingsError("setting max_walks", "twice needs 2 walks", "Set max_walks to 2 or more")

    @property
    def is_loopback(self) -> bool:
        """Whether the PBX is on this machine, as a simulated one is."""
        return urlsplit(self.base_url).hostname in _LOOPBACK

    @property
    def origin(self) -> tuple[str, str | None, int | None, str]:
        """Scheme, host, port and path of the PBX, however base_url spells them."""
        parts = urlsplit(self.base_url)
        return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme], parts.path

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not appear anywhere."""
        return tuple(s for s in (self.client_secret, self.access_token, self.fingerprint_key) if s)


def _checked_base_url(base_url: Any, allow_http: bool) -> str:
    example = "Use the address of the web client, such as https://pbx.example.com:5001"
    if not base_url or base_url in PLACEHOLDERS:
        raise SettingsError("setting base_url", "it is missing", example)
    if not isinstance(base_url, str):
        raise SettingsError("setting base_url", "it is no text", example)
    # The web client shows addresses such as https://pbx.example.com/#/login.
    text: str = re.sub("#(/.*)?$", "", base_url.strip())
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError("setting base_url", "it is no address", example) from error
    if "@" in parts.netloc:
        raise SettingsError("setting base_url", "it holds a user name or password", example)
    if "?" in text or "#" in text:
        # Not quoted: it could be a secret.
        raise SettingsError("setting base_url", "it has a part after '?' or '#'", example)
    if parts.scheme not in ("http", "https") or not host or not text.isprintable() or " " in text:
        raise SettingsError("setting base_url", f"{text!r} is no http(s) address of a PBX", example)
    if parts.scheme == "http" and not allow_http and host not in _LOOPBACK:
        raise SettingsError(
            "setting base_url",
            f"'{text}' would send the API key unencrypted",
            "Use https, or set allow_http = true if you accept that",
        )
    return _WEB_PAGES.sub("", text.rstrip("/")).rstrip("/")


def _check_range(key: str, value: Any, low: float, high: float, kind: type = float) -> None:
    number = int if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, number) or not low <= value <= high:
        whole = "a whole number " if kind is int else ""
        raise SettingsError(
            f"setting {key}", f"{value!r} is not {whole}between {low} and {high}", "Correct the setting"
        )
