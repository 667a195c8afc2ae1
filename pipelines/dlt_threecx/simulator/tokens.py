"""Access tokens: one lives at a time for each client."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from random import Random
from time import time
from typing import Any

__all__ = ["EXPIRES_IN_UNITS", "Tokens"]

EXPIRES_IN_UNITS = {"seconds": 1, "minutes": 60}
"""Before 20.0.9 `expires_in` counted minutes; since then it counts seconds."""

_SIGNATURE_LENGTH = 86
"""Base64url characters of an ES256 signature."""


class Tokens:
    """The one live token of the one client that a simulated PBX knows."""

    def __init__(self, client_id: str, roles: Sequence[str], life_seconds: int, unit: str, seed: int) -> None:
        """`unit`: what `expires_in` counts in, `seconds` or `minutes`."""
        if unit not in EXPIRES_IN_UNITS:
            raise ValueError(f"expires_in is 'seconds' or 'minutes', not {unit!r}")
        self.uses = 0
        """Pages that were asked for with the live token."""
        self._client_id = client_id
        self._roles = list(roles)
        self._life_seconds = life_seconds
        self._divisor = EXPIRES_IN_UNITS[unit]
        self._rng = Random(f"{seed}/tokens")
        self._live: str | None = None
        self._ends_at = 0.0

    def issue(self) -> dict[str, Any]:
        """A new token in 3CX's answer; the one before dies.

        `{"token_type": "Bearer", "expires_in": 60, "access_token": "eyJ…", "refresh_token": null}`
        """
        issued_at = int(time())
        self._ends_at = issued_at + self._life_seconds
        claims = {
            "sub": self._client_id,
            "role": self._roles,
            "jti": f"{self._rng.getrandbits(64):016x}",
            "iat": issued_at,
            "exp": int(self._ends_at),
        }
        signature = f"pw-secret-sig-{self._rng.getrandbits(300):075x}"[:_SIGNATURE_LENGTH]
        parts = (_part({"alg": "ES256", "typ": "JWT"}), _part(claims), signature)
        self._live = ".".join(parts)
        self.uses = 0
        return {
            "token_type": "Bearer",
            "expires_in": self._life_seconds // self._divisor,
            "access_token": self._live,
            "refresh_token": None,
        }

    def admits(self, authorization: str) -> bool:
        """Whether this `Authorization` header carries the live token."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and token.strip() == self._live and time() < self._ends_at

    def revoke(self) -> None:
        """No token lives any more."""
        self._live = None


def _part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()
