"""The bearer token of one PBX: fetched when needed, renewed in time, one at a time."""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import CredentialsError, ProtocolError

__all__ = ["LiveTokens", "Token", "TokenStore", "token_from"]

TOKEN_MARGIN_SECONDS = 30.0
"""A token is renewed this long before it ends."""

MAX_RENEWALS = 2
"""How many more tokens to fetch when the PBX refuses one that has not ended."""

_MAX_SECONDS = 1e12
"""A larger number in a token is no time, and is ignored."""
_ASKED = "POST /connect/token"


@dataclass(frozen=True)
class Token:
    """A bearer token; `ends_at` is on the monotonic clock, None when only the PBX knows."""

    value: str
    ends_at: float | None = None
    roles: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Token(ends_at={self.ends_at}, roles={self.roles})"


class _Live:
    """The live token of one API client, for everybody in this run who uses that client."""

    def __init__(self) -> None:
        self.token: Token | None = None
        self.renewals = 0
        self.values: list[str] = []
        self.lock = threading.Lock()


class LiveTokens:
    """The live tokens of a run: one for each API client, also when several PBXs of the settings use it."""

    def __init__(self) -> None:
        self._live: dict[tuple[object, ...], _Live] = {}
        self._lock = threading.Lock()

    def of(self, *client: object) -> _Live:
        """The live token of the API client with this address and these credentials."""
        with self._lock:
            return self._live.setdefault(client, _Live())


class TokenStore:
    """The one live token of an API client.

    xAPI: each new token of a client kills the one before, so threads never fetch in parallel.
    """

    def __init__(
        self, fetch: Callable[[], Token] | None, given: Token | None = None, live: _Live | None = None
    ) -> None:
        """`fetch`: None when a token is given; `live`: what others share."""
        self._fetch = fetch
        self._live = live or _Live()
        if given is not None:
            self._live.token = given
            self._live.values.append(given.value)

    @property
    def values(self) -> tuple[str, ...]:
        """All tokens so far, living and dead: none of them may be shown."""
        return tuple(self._live.values)

    def token(self) -> Token:
        """A token that is good for at least the margin. Raises what the fetch raises."""
        with self._live.lock:
            token = self._live.token
            if token is None or (token.ends_at is not None and token.ends_at <= time.monotonic()):
                token = self._live.token = self._fetched()
            return token

    def renewed(self, refused: Token) -> Token:
        """A token that replaces the refused one; fetches it unless another thread has done so."""
        with self._live.lock:
            if self._live.token is refused:
                if self._fetch is None:
                    raise CredentialsError(
                        "the given access_token",
                        "the PBX refused it (HTTP 401)",
                        "It has ended or is wrong. Set a new one, or client_id and client_secret",
                        status=401,
                    )
                if self._live.renewals >= MAX_RENEWALS:
                    raise CredentialsError(
                        "a new token",
                        f"the PBX refused {self._live.renewals + 1} tokens that it had just given (HTTP 401)",
                        "Each new token ends the one before: use a client_id that no other program uses",
                        status=401,
                    )
                self._live.renewals += 1
                self._live.token = None
            if self._live.token is None:
                self._live.token = self._fetched()
            return self._live.token

    def _fetched(self) -> Token:
        if self._fetch is None:
            raise CredentialsError(
                "the given access_token", "it has ended", "Set a new one, or client_id and client_secret"
            )
        token = self._fetch()
        self._live.values.append(token.value)
        return token


def token_from(body: Any, *, now: float, answered_at: datetime | None = None) -> Token:
    """The token in an answer of `/connect/token`.

    `now` is on the monotonic clock, `answered_at` what the `Date` header said.

    `{"token_type": "Bearer", "expires_in": 60, "access_token": "eyJ…", "refresh_token": null}`

    xAPI: `expires_in` is in minutes before 20.0.9 and in seconds since, so the token's own times go first: `exp - iat`,
    else `exp - nbf`, else `exp` less the `Date` header.
    """
    value = body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
        raise ProtocolError(
            _ASKED, "the answer holds no access_token (HTTP 200)", "Check that base_url is the PBX itself"
        )
    claims = _claims(value)
    issued_at = _number(claims.get("iat")) or _number(claims.get("nbf"))
    if not issued_at and answered_at is not None:
        issued_at = answered_at.timestamp()
    life = _number(claims.get("exp")) - issued_at if issued_at else 0.0
    if life <= 0:
        expires_in = _number(body.get("expires_in"))
        life = expires_in * 60 if expires_in <= 60 else expires_in
    renew_at = now + max(life - TOKEN_MARGIN_SECONDS, life / 2) if life > 0 else None
    roles = claims.get("role") or ()
    roles = (roles,) if isinstance(roles, str) else roles
    return Token(value, renew_at, tuple(str(role) for role in roles) if isinstance(roles, list | tuple) else ())


def _claims(token: str) -> dict[str, Any]:
    """The middle part of a JWT, unverified (the PBX verifies it); empty when the token is opaque."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _MAX_SECONDS:
        return 0.0
    return float(value)
