"""Whole HTTP answers of one PBX, with a limit of time and size. Asks again while the PBX is busy.

Redirects are not followed. Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY, further certificates from
REQUESTS_CA_BUNDLE; this machine itself is never asked through a proxy, and no .netrc file is read.
"""

from __future__ import annotations

import math
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import requests
import urllib3

from .auth import Token
from .deadline import Adapter
from .errors import LOOK, ProtocolError, ThreecxError, UnreachableError, quoted
from .settings import Settings
from .tls import trusted_certificates

__all__ = ["Answer", "Transport"]

MAX_BODY_BYTES = 32 * 1024 * 1024
"""A page of 100 devices takes about 0.1 MB."""
MAX_WAIT_SECONDS = 120.0
"""A `Retry-After` longer than this is not waited for."""
_CHUNK_BYTES = 256 * 1024
_BUSY = (429, 502, 503, 504)
_NO_ADDRESS = (requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError)
_HEADERS = {"User-Agent": "dlt-threecx", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}


@dataclass(frozen=True)
class Answer:
    """Status, headers (by name in any case) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def date(self) -> datetime | None:
        """When the PBX says that it answered."""
        return _date(self.headers.get("Date"))


class Transport:
    """The connections to one PBX. `requests` counts the GETs sent so far.

    `clock_skew` is the time that the PBX's first answer named, minus the time of this machine then; None when it named
    none.
    """

    def __init__(self, settings: Settings) -> None:
        self.requests = 0
        self.clock_skew: timedelta | None = None
        self._settings = settings
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._trusted = trusted_certificates(settings)
        self._proxies = {} if settings.is_loopback else requests.utils.get_environ_proxies(settings.base_url)
        self._timeout = urllib3.Timeout(connect=settings.timeout_seconds, read=settings.timeout_seconds)
        self._adapter = Adapter(pool_maxsize=settings.pages_in_flight)

    def close(self) -> None:
        """Closes the connections; other threads do not try again."""
        self._closed.set()
        self._adapter.close()

    def send(
        self,
        method: str,
        path: str,
        asked: str,
        token: Token | None,
        form: dict[str, str | None] | None = None,
        attempts: int | None = None,
    ) -> Answer:
        """The first answer that is not "busy". Tries as often as the settings allow."""
        pause = self._settings.backoff_seconds
        attempts = attempts or self._settings.attempts
        for attempt in range(1, attempts + 1):
            is_last = attempt == attempts
            wait = pause
            try:
                answer = self._send_once(method, path, asked, token, form)
            except (urllib3.exceptions.SSLError, *_NO_ADDRESS) as error:
                raise self._no_answer(asked, error, attempt) from error
            except (urllib3.exceptions.HTTPError, OSError) as error:
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
            if self._closed.wait(wait):
                break
            pause *= 2
        raise ThreecxError(asked, "the connection was closed meanwhile", "Report this")

    @cached_property
    def _pool(self) -> tuple[Any, str]:
        """The connections, and what goes before the path in a request line.

        They come from requests, which knows proxies and certificates; what it does for every request besides costs as
        much time as the rest of a page.
        """
        base = requests.Request("GET", f"{self._settings.base_url}/").prepare()
        adapter: Any = self._adapter
        pool = adapter.get_connection_with_tls_context(base, self._trusted, self._proxies)
        adapter.cert_verify(pool, base.url, self._trusted, None)
        return pool, adapter.request_url(base, self._proxies)

    def _send_once(
        self, method: str, path: str, asked: str, token: Token | None, form: dict[str, str | None] | None
    ) -> Answer:
        if method == "GET":
            with self._lock:
                self.requests += 1
        pool, prefix = self._pool
        headers = dict(_HEADERS)
        if token is not None:
            headers["Authorization"] = f"Bearer {token.value}"
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        with pool.urlopen(
            method,
            prefix + path,
            body=None if form is None else urlencode(form),
            headers=headers,
            timeout=self._timeout,
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
        ) as response:
            if self.clock_skew is None and (there := _date(response.headers.get("Date"))) is not None:
                self.clock_skew = there - datetime.now(UTC)
            chunks: list[bytes] = []
            size = 0
            while chunk := response.read1(_CHUNK_BYTES, decode_content=True):
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise ProtocolError(
                        asked,
                        f"the answer is larger than {MAX_BODY_BYTES // 2**20} MB (HTTP {response.status})",
                        LOOK,
                        status=response.status,
                    )
            return Answer(response.status, response.headers, b"".join(chunks))

    def _no_answer(self, asked: str, error: Exception, attempts: int) -> UnreachableError:
        base = self._settings.base_url
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                return UnreachableError(asked, *_certificate_fault(base, cause))
            if isinstance(cause, urllib3.exceptions.NameResolutionError):
                return UnreachableError(
                    asked,
                    f"no host of the name in {base} is known ({_times(attempts)})",
                    "Check base_url for a typing error, and this machine's DNS",
                )
        if isinstance(error, urllib3.exceptions.SSLError):
            return UnreachableError(
                asked, f"{base} does not speak https on this port", "Use the https port, often 5001 or 443"
            )
        if isinstance(error, _NO_ADDRESS):
            return UnreachableError(asked, f"{base} is no usable address", "Check base_url")
        if isinstance(error, urllib3.exceptions.ProxyError):
            return UnreachableError(asked, f"the proxy did not reach {base}", "Check HTTPS_PROXY and NO_PROXY")
        # A refused connection is a time-out too, by urllib3's inheritance.
        if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError) and not isinstance(
            error, urllib3.exceptions.NewConnectionError
        ):
            got = f"no complete answer from {base} within {self._settings.timeout_seconds:g} s ({_times(attempts)})"
        else:
            got = f"{_connection_fault(error)} {base} ({_times(attempts)})"
        return UnreachableError(asked, got, "Check base_url, the port, the firewall and that the PBX is running")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and those behind it, outermost first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        reason = getattr(cause, "reason", None)
        nested = reason if isinstance(reason, BaseException) else None
        cause = nested or cause.__cause__ or cause.__context__


_ANOTHER_NAME, _EXPIRED = (62, 64), (10,)
"""OpenSSL's numbers: X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH; _CERT_HAS_EXPIRED."""


def _certificate_fault(base: str, fault: ssl.SSLCertVerificationError) -> tuple[str, str]:
    """What is wrong with a certificate, and what to do."""
    if fault.verify_code in _ANOTHER_NAME:
        return (
            f"the TLS certificate of {base} is for another name",
            "Use the name in the certificate as base_url, often the FQDN of the PBX",
        )
    if fault.verify_code in _EXPIRED:
        return f"the TLS certificate of {base} has expired", "Renew it on the PBX, and check this machine's clock"
    return (
        f"the TLS certificate of {base} could not be verified ({quoted(fault.verify_message)})",
        "Set ca_file to the PBX's certificate authority, or verify_tls = false if you accept the risk",
    )


def _connection_fault(error: Exception) -> str:
    """What happened on the way, from the first exception that says so."""
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused by"
    return "the connection broke with"


def _retry_after_seconds(value: str | None) -> float:
    """Seconds to wait, from `120` or `Wed, 21 Oct 2026 07:28:00 GMT`; 0 when absent or unreadable."""
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        date = _date(value)
        seconds = 0.0 if date is None else (date - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def _date(value: str | None) -> datetime | None:
    """The time in `Wed, 21 Oct 2026 07:28:00 GMT`; None when absent or unreadable."""
    try:
        date = parsedate_to_datetime(value or "")
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _times(number: int) -> str:
    return "tried once" if number == 1 else f"tried {number} times"
