"""A client that can only read: GET below `/xapi/v1`, and the POST that fetches its token.

Redirects are refused, answers have a size limit and a time limit, and the bearer token goes to the configured
origin only.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from .auth import LiveTokens, Token, TokenStore, token_from
from .echo import holds_secret
from .errors import LOOK, CredentialsError, ProtocolError, QueryError, ThreecxError, quoted
from .settings import Settings
from .strict_json import json_fault, strict_json
from .transport import Answer, Transport

__all__ = ["Client"]

SYSTEM_PATH = "Defs/Pbx.GetSystemParameters()"
"""xAPI: names `Version`, `FQDN`, `IsMulticompanyMode`, `IsHosted3CX`."""

_NAMED = re.compile(r"[A-Za-z0-9][\w.+ -]{0,252}")


class Client:
    """One PBX. `version` and `fqdn` are the PBX's own, once it has named them.

    `quick` may parse an answer faster than `json` does; where it returns None, `json` decides. `tokens` are shared with
    the other clients of a run.
    """

    def __init__(
        self, settings: Settings, quick: Callable[[bytes], Any] | None = None, tokens: LiveTokens | None = None
    ) -> None:
        self.settings = settings
        self._quick = quick
        self.version: str | None = None
        self.fqdn: str | None = None
        self._told: tuple[str | None, tuple[str, ...]] | None = None
        self._transport = Transport(settings)
        given = Token(settings.access_token) if settings.access_token else None
        live = tokens.of(settings.origin, settings.client_id, settings.client_secret) if tokens and not given else None
        self._tokens = TokenStore(None if given else self._fetch_token, given, live)

    @property
    def requests(self) -> int:
        """How many GETs were sent so far."""
        return self._transport.requests

    @property
    def clock_skew(self) -> timedelta | None:
        """How far the PBX's clock is ahead of this machine's, by the `Date` header of its first answer."""
        return self._transport.clock_skew

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def token(self) -> Token:
        """The live token; fetches one if there is none. Raises CredentialsError when refused."""
        return self._tokens.token()

    def get(self, path: str, query: str = "") -> dict[str, Any]:
        """The JSON object at `/xapi/v1/{path}?{query}`. Raises one of the errors of this package."""
        return self.body(path, self.answer(path, query))

    def answer(self, path: str, query: str = "", attempts: int | None = None) -> Answer:
        """The answer at `/xapi/v1/{path}?{query}`, whatever its status; a token that was refused is renewed once.

        Raises UnreachableError when there is none, and what the fetch of a token raises.
        """
        asked = f"GET /xapi/v1/{path}"
        target = f"xapi/v1/{path}" + (f"?{query}" if query else "")
        token = self.token()
        answer = self._transport.send("GET", target, asked, token, attempts=attempts)
        if answer.status == 401:
            token = self._tokens.renewed(token)
            answer = self._transport.send("GET", target, asked, token, attempts=attempts)
        self._note_version(answer.headers.get("X-3CX-Version"))
        return answer

    def body(self, path: str, answer: Answer) -> dict[str, Any]:
        """The JSON object of an answer. Raises one of the errors of this package when it holds none."""
        asked = f"GET /xapi/v1/{path}"
        if answer.status != 200:
            raise self._failure(asked, answer)
        body = self._parsed(asked, answer)
        if not isinstance(body, dict):
            raise ProtocolError(asked, "the answer is no JSON object (HTTP 200)", LOOK, status=200)
        return body

    def ask_system(self) -> None:
        """Asks the PBX once for its version and its FQDN. Any failure is ignored."""
        try:
            body = self.body(SYSTEM_PATH, self.answer(SYSTEM_PATH, attempts=1))
        except ThreecxError:
            return
        self.version = self._named(body.get("Version")) or self.version
        fqdn = self._named(body.get("FQDN"))
        self.fqdn = fqdn.lower() if fqdn else None

    def _fetch_token(self) -> Token:
        asked = "POST /connect/token"
        form = {
            "client_id": self.settings.client_id,
            "client_secret": self.settings.client_secret,
            "grant_type": "client_credentials",
        }
        answer = self._transport.send("POST", "connect/token", asked, None, form)
        if answer.status != 200:
            raise self._token_failure(asked, answer)
        return token_from(self._parsed(asked, answer), now=time.monotonic(), answered_at=answer.date)

    def _note_version(self, header: str | None) -> None:
        """Notes the version that an answer names.

        The search for secrets in it takes half as long as the page, so it is done again only for another version or
        token.
        """
        told = header, self._secrets
        if told != self._told:
            self._told = told
            self.version = self._named(header) or self.version

    def _named(self, value: Any) -> str | None:
        """A version or a host name, if the value looks like one."""
        text = value.strip() if isinstance(value, str) else ""
        return text if _NAMED.fullmatch(text) and not self.holds_secret(text) else None

    def _parsed(self, asked: str, answer: Answer) -> Any:
        try:
            value = self._quick(answer.body) if self._quick else None
            return strict_json(answer.body.decode("utf-8-sig")) if value is None else value
        except (ValueError, RecursionError) as error:
            kind = self.quoted(answer.headers.get("Content-Type", "no type"))
            raise ProtocolError(
                asked,
                f"the answer is no valid JSON (HTTP {answer.status}, {kind}, {json_fault(error)})",
                LOOK,
                status=answer.status,
            ) from error

    def _failure(self, asked: str, answer: Answer) -> ThreecxError:
        status, words = answer.status, self._words(answer)
        if status == 400:
            return QueryError(asked, f"the PBX refused the query (HTTP 400): {words}", _CORRECT_QUERY, status=400)
        if status == 401:
            return CredentialsError(
                asked,
                "the PBX refuses the token that it has just given (HTTP 401)",
                "Each new token ends the one before: use a client_id that no other program uses",
                status=status,
            )
        if status == 403:
            return CredentialsError(
                asked,
                f"access is forbidden (HTTP 403): {words}",
                "Give the API client the role System Owner, and check the PBX's list of allowed addresses",
                status=status,
            )
        if status == 404:
            return CredentialsError(
                asked,
                "there is no such API (HTTP 404)",
                "Check base_url; the Configuration API needs 3CX 20 with an Enterprise licence",
                status=status,
            )
        return self._unexpected(asked, answer, words)

    def _token_failure(self, asked: str, answer: Answer) -> ThreecxError:
        status, words = answer.status, self._words(answer)
        if status in (400, 401, 403):
            return CredentialsError(
                asked,
                f"the PBX refused client_id and client_secret (HTTP {status}): {words}",
                "It was tried once only, as repeated failures block this address. "
                "Check both in the 3CX console under Integrations > API",
                status=status,
            )
        if status == 404:
            return CredentialsError(
                asked,
                "the PBX offers no API here (HTTP 404)",
                "Check base_url, and that 'Configuration API access' is ticked for the API client",
                status=status,
            )
        return self._unexpected(asked, answer, words)

    def _unexpected(self, asked: str, answer: Answer, words: str) -> ThreecxError:
        if 300 <= answer.status < 400:
            return ProtocolError(
                asked,
                f"the answer is a redirect to another address (HTTP {answer.status})",
                "It was not followed, to keep the token safe. Set base_url to the PBX's own address",
                status=answer.status,
            )
        return ProtocolError(asked, f"HTTP {answer.status}: {words}", LOOK, status=answer.status)

    def _words(self, answer: Answer) -> str:
        """The PBX's own words: `{"error": {"message": "…"}}` or `{"error": "…", "error_description": "…"}`."""
        try:
            body = json.loads(answer.body)
        except (ValueError, RecursionError):
            return "no JSON in the answer" if answer.body else "the answer is empty"
        error = body.get("error") if isinstance(body, dict) else None
        message = error.get("message") if isinstance(error, dict) else None
        if not message and isinstance(body, dict):
            message = body.get("error_description") or error
        return self.quoted(message) if message and isinstance(message, str) else "the answer gives no reason"

    def quoted(self, text: str) -> str:
        """Words of the PBX for use in a message, without our secrets, should it send them back."""
        return quoted(text, self._secrets)

    def holds_secret(self, text: str) -> bool:
        """Whether a part of our secrets stands in words of the PBX, plain or encoded."""
        return holds_secret(text, self._secrets)

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (*self.settings.secrets, *self._tokens.values)


_CORRECT_QUERY = "Correct the option that it names (filter, search, orderby, select, expand, top or skip)"
