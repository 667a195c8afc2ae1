"""A client that can only read: GET below `/xapi/v1`, and the POST that fetches its token.

Redirects are refused, answers have a size limit and a time limit, and the bearer token goes to the configured
origin only.
"""

from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import urllib3
from requests.auth import AuthBase

from .auth import Token, TokenStore, token_from
from .errors import CredentialsError, ProtocolError, QueryError, ThreecxError, UnreachableError, quoted
from .settings import Settings

__all__ = ["Client"]

MAX_BODY_BYTES = 32 * 1024 * 1024
"""A page of 100 devices takes about 0.1 MB."""
MAX_WAIT_SECONDS = 120.0
"""A `Retry-After` longer than this is not waited for."""
_CHUNK_BYTES = 256 * 1024
_BUSY = (429, 502, 503, 504)
_USER_AGENT = "dlt-threecx"


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: requests.structures.CaseInsensitiveDict[str]
    body: bytes


class _Bearer(AuthBase):
    """Sets the token itself, so that requests does not look into a .netrc file for another one."""

    def __init__(self, token: Token | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token.value}"
        return request


class Client:
    """One PBX. `requests` counts the GETs sent so far; `version` is the PBX's own, once it has answered."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.requests = 0
        self.version: str | None = None
        self._lock = threading.Lock()
        self._session = requests.Session()
        self._session.headers["User-Agent"] = _USER_AGENT
        self._session.verify = settings.ca_file or settings.verify_tls
        pool = requests.adapters.HTTPAdapter(pool_maxsize=settings.pages_in_flight)
        self._session.mount("https://", pool)
        self._session.mount("http://", pool)
        given = Token(settings.access_token) if settings.access_token else None
        self._tokens = TokenStore(None if given else self._fetch_token, given)

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def token(self) -> Token:
        """The live token; fetches one if there is none. Raises CredentialsError when refused."""
        return self._tokens.token()

    def get(self, path: str, query: str = "") -> dict[str, Any]:
        """The JSON object at `/xapi/v1/{path}?{query}`. Raises one of the errors of this package."""
        asked = f"GET /xapi/v1/{path}"
        url = f"{self.settings.base_url}/xapi/v1/{path}" + (f"?{query}" if query else "")
        token = self.token()
        answer = self._send("GET", url, asked, token)
        if answer.status == 401:
            token = self._tokens.renewed(token)
            answer = self._send("GET", url, asked, token)
        self.version = answer.headers.get("X-3CX-Version") or self.version
        if answer.status != 200:
            raise self._failure(asked, answer, token)
        body = self._parsed(asked, answer)
        if not isinstance(body, dict):
            raise ProtocolError(asked, "the answer is no JSON object (HTTP 200)", _LOOK, status=200)
        return body

    def _fetch_token(self) -> Token:
        asked = "POST /connect/token"
        form = {
            "client_id": self.settings.client_id,
            "client_secret": self.settings.client_secret,
            "grant_type": "client_credentials",
        }
        answer = self._send("POST", f"{self.settings.base_url}/connect/token", asked, None, form)
        if answer.status != 200:
            raise self._token_failure(asked, answer)
        return token_from(self._parsed(asked, answer), now=time.monotonic())

    def _send(
        self,
        method: str,
        url: str,
        asked: str,
        token: Token | None,
        form: dict[str, str | None] | None = None,
    ) -> _Answer:
        """One answer that is neither a connection fault nor "busy", after as many attempts as the settings allow."""
        pause = self.settings.backoff_seconds
        for attempt in range(1, self.settings.attempts + 1):
            is_last = attempt == self.settings.attempts
            wait = pause
            try:
                answer = self._send_once(method, url, asked, token, form)
            except (requests.exceptions.SSLError, requests.exceptions.InvalidURL) as error:
                raise self._no_answer(asked, error, attempt) from error
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                if is_last:
                    raise self._no_answer(asked, error, attempt) from error
            else:
                if answer.status not in _BUSY:
                    return answer
                asked_wait = _retry_after_seconds(answer.headers.get("Retry-After"))
                wait = max(pause, asked_wait)
                if is_last or wait > MAX_WAIT_SECONDS:
                    raise UnreachableError(
                        asked,
                        f"the PBX is busy or starting (HTTP {answer.status}, {_times(attempt)}"
                        + (f", it asks for {asked_wait:.0f} s" if asked_wait else "")
                        + ")",
                        "Nothing was loaded. Run again in some minutes",
                        status=answer.status,
                    )
            time.sleep(wait)
            pause *= 2
        raise ThreecxError(asked, "no attempt was made", "Report this")

    def _send_once(
        self, method: str, url: str, asked: str, token: Token | None, form: dict[str, str | None] | None
    ) -> _Answer:
        limit = self.settings.timeout_seconds
        deadline = time.monotonic() + limit
        if method == "GET":
            with self._lock:
                self.requests += 1
        with self._session.request(
            method, url, data=form, auth=_Bearer(token), timeout=limit, stream=True, allow_redirects=False
        ) as response:
            chunks: list[bytes] = []
            size = 0
            while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise ProtocolError(
                        asked,
                        f"the answer is larger than {MAX_BODY_BYTES // 2**20} MB (HTTP {response.status_code})",
                        _LOOK,
                        status=response.status_code,
                    )
                if time.monotonic() > deadline:
                    raise requests.Timeout(f"the answer took longer than {limit:g} s")
            return _Answer(response.status_code, response.headers, b"".join(chunks))

    def _parsed(self, asked: str, answer: _Answer) -> Any:
        try:
            return _DECODER.decode(answer.body.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ProtocolError(
                asked,
                f"the answer is no valid JSON (HTTP {answer.status}, "
                f"{quoted(answer.headers.get('Content-Type', 'no type'))}, {_json_fault(error)})",
                _LOOK,
                status=answer.status,
            ) from error

    def _failure(self, asked: str, answer: _Answer, token: Token) -> ThreecxError:
        status, words = answer.status, self._words(answer, token)
        if status == 400:
            return QueryError(asked, f"the PBX refused the query (HTTP 400): {words}", _MEND_QUERY, status=400)
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

    def _token_failure(self, asked: str, answer: _Answer) -> ThreecxError:
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

    def _unexpected(self, asked: str, answer: _Answer, words: str) -> ThreecxError:
        if 300 <= answer.status < 400:
            return ProtocolError(
                asked,
                f"the answer is a redirect to another address (HTTP {answer.status})",
                "It was not followed, to keep the token safe. Set base_url to the PBX's own address",
                status=answer.status,
            )
        return ProtocolError(asked, f"HTTP {answer.status}: {words}", _LOOK, status=answer.status)

    def _words(self, answer: _Answer, token: Token | None = None) -> str:
        """The PBX's own words: `{"error": {"message": "…"}}` or `{"error": "…", "error_description": "…"}`."""
        secrets = (*self.settings.secrets, *((token.value,) if token else ()))
        try:
            body = json.loads(answer.body)
        except (ValueError, RecursionError):
            return "no JSON in the answer" if answer.body else "the answer is empty"
        error = body.get("error") if isinstance(body, dict) else None
        message = error.get("message") if isinstance(error, dict) else None
        if not message and isinstance(body, dict):
            message = body.get("error_description") or error
        return quoted(str(message), secrets) if message else "the answer gives no reason"

    def _no_answer(self, asked: str, error: Exception, attempts: int) -> UnreachableError:
        base = self.settings.base_url
        if isinstance(error, requests.exceptions.SSLError):
            return UnreachableError(
                asked,
                f"the TLS certificate of {base} could not be verified",
                "Set ca_file to the PBX's certificate authority, or verify_tls = false if you accept the risk",
            )
        if isinstance(error, requests.exceptions.InvalidURL):
            return UnreachableError(asked, f"{base} is no usable address", "Check base_url")
        if isinstance(error, requests.exceptions.ProxyError):
            return UnreachableError(asked, f"the proxy did not reach {base}", "Check HTTPS_PROXY and NO_PROXY")
        if isinstance(error, requests.Timeout | TimeoutError | urllib3.exceptions.TimeoutError):
            got = f"no complete answer from {base} within {self.settings.timeout_seconds:g} s ({_times(attempts)})"
        else:
            got = f"{_connection_fault(error)} {base} ({_times(attempts)})"
        return UnreachableError(asked, got, "Check base_url, the port, the firewall and that the PBX is running")


class DuplicateKeyError(ValueError):
    """A JSON object names a property twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise DuplicateKeyError
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
_LOOK = "Nothing was loaded. Run again; if it stays, check that base_url is the PBX itself, not a proxy or login page"
_MEND_QUERY = "Mend the option that it names (filter, search, orderby, select, expand, top or skip)"


def _json_fault(error: Exception) -> str:
    if isinstance(error, DuplicateKeyError):
        return "a property stands twice in one object"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "cut off or malformed"


def _connection_fault(error: Exception) -> str:
    """What happened on the way, from the innermost exception that says so."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused by"
        if isinstance(cause, urllib3.exceptions.NameResolutionError):
            return "no such host:"
        reason = getattr(cause, "reason", None)
        nested = reason if isinstance(reason, BaseException) else None
        cause = nested or cause.__cause__ or cause.__context__
    return "the connection broke with"


def _retry_after_seconds(value: str | None) -> float:
    """Seconds to wait, from `120` or `Wed, 21 Oct 2026 07:28:00 GMT`; 0 when absent or unreadable."""
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def _times(number: int) -> str:
    return "tried once" if number == 1 else f"tried {number} times"
