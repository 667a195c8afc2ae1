"""What can go wrong while a 3CX is read, named by what the reader of the message does next.

    ThreecxError                 1  a bug: report it
    ├── SettingsError            2  correct a setting
    ├── QueryError               2  correct a query option
    ├── CredentialsError         3  check the API key, the role or the licence
    ├── UnreachableError         4  check the network, or wait
    └── ProtocolError            5  the PBX contradicted its API: nothing of that reading can be used
        └── DriftError           5  the collection kept changing while it was read

Every message says what was asked, what came back and what to do. None holds a secret.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Any, ClassVar

from .echo import holds_secret

__all__ = [
    "LOOK",
    "CredentialsError",
    "DriftError",
    "ExitCode",
    "ProtocolError",
    "QueryError",
    "SettingsError",
    "ThreecxError",
    "UnreachableError",
    "quoted",
]

QUOTE_CHARS = 300
"""A PBX's own words are cut at this many characters."""

LOOK = "Nothing was loaded. Run again; if it stays, check that base_url is the PBX itself, not a proxy or login page"
"""What to do when the answer is not that of a PBX."""


class ExitCode(IntEnum):
    """What a command line returns; the higher one counts when several PBXs fail."""

    DONE = 0
    BUG = 1
    USAGE = 2
    """Usage, settings or a query option."""
    CREDENTIALS = 3
    UNREACHABLE = 4
    NOT_PROVEN = 5
    """The PBX contradicted itself, or `verify` found a disagreement, or a history is too old."""
    REFUSED = 6
    DESTINATION = 7
    INTERRUPTED = 130
    TERMINATED = 143
    """Stopped by SIGTERM, as a shell reports it."""
    BROKEN_PIPE = 141
    """What a shell reports of a program whose reader has gone."""


class ThreecxError(Exception):
    """Base of all errors of this package. `asked`, `got` and `do` are the parts of its message."""

    exit_code: ClassVar[ExitCode] = ExitCode.BUG
    reason: ClassVar[str] = "bug"
    retryable: ClassVar[bool] = False
    """Whether the same call may succeed some minutes later without anybody doing anything."""

    def __init__(self, asked: str, got: str, do: str, *, status: int | None = None) -> None:
        self.asked, self.got, self.do, self.status = asked, got, do, status
        super().__init__(f"{asked}: {got.rstrip('.!')}. {do}")

    def __reduce__(self) -> tuple[Any, ...]:
        """So that it can come out of another process."""
        return type(self), (self.asked, self.got, self.do), {"status": self.status}


class SettingsError(ThreecxError):
    """A setting is missing or makes no sense."""

    exit_code = ExitCode.USAGE
    reason = "settings"


class QueryError(ThreecxError):
    """A query option is malformed, or the PBX refused it (HTTP 400)."""

    exit_code = ExitCode.USAGE
    reason = "query"


class CredentialsError(ThreecxError):
    """The PBX refused the API key, the token or the role."""

    exit_code = ExitCode.CREDENTIALS
    reason = "credentials"


class UnreachableError(ThreecxError):
    """No answer: connection refused, name unknown, TLS failed, time-out, or services down."""

    exit_code = ExitCode.UNREACHABLE
    reason = "unreachable"
    retryable = True


class ProtocolError(ThreecxError):
    """The PBX answered something that its API does not promise."""

    exit_code = ExitCode.NOT_PROVEN
    reason = "protocol"


class DriftError(ProtocolError):
    """No walk could be proven: pages of each one contradicted each other."""

    reason = "drifted"
    retryable = True


_JWT = re.compile(r"\beyJ[\w.=-]+")
"""A JSON object in base64 begins so: `{"`."""
_LOOKED_AT_CHARS = 2000


def quoted(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Words of the PBX for use in a message: on one line, cut, without any part of a JWT or of the given secrets."""
    text = text[:_LOOKED_AT_CHARS]
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _JWT.sub("***", text)
    if secrets and holds_secret(text, secrets):
        return "(left out, as it holds a secret)"
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= QUOTE_CHARS else text[:QUOTE_CHARS] + "…"
