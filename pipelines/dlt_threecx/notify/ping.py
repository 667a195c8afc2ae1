"""Tells a dead man's switch about each run: an address of healthchecks.io, or of a program that works like it.

`URL/start` is called when a run begins, `URL/EXIT-CODE` with the last lines when it ends. The switch raises an alarm
after a code other than 0, and when it hears nothing for too long. The address is a secret: whoever knows it can call.
"""

from __future__ import annotations

import logging
import signal
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from types import TracebackType
from urllib.parse import quote, urlsplit, urlunsplit

from dlt_threecx.compare.decide import SyncResult
from dlt_threecx.source.errors import ExitCode, SettingsError, ThreecxError

__all__ = ["Ping"]

PING_SECONDS = 5.0
"""How long a call may take. A run never fails because of it."""

BODY_CHARACTERS = 10_000

_log = logging.getLogger(__name__)


class Ping:
    """Calls the address when a run begins and ends; does nothing without an address. A context manager."""

    def __init__(self, url: str | None) -> None:
        """Raises SettingsError, which does not quote the address."""
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
            raise SettingsError("setting ping_url", "it is not an http or https address", "Correct it in secrets.toml")
        self._url = url
        self._code, self._text = ExitCode.DONE, ""

    def finished(self, results: Sequence[SyncResult]) -> None:
        """Keeps what the run has done, until it ends."""
        self._code = ExitCode(max((result.exit_code for result in results), default=0))
        self._text = "\n".join(_line(result) for result in results)

    def __enter__(self) -> Ping:
        self._call("start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ThreecxError):
            self._code, self._text = error.exit_code, str(error)
        elif error is not None:
            self._code, self._text = _end(error)
        self._call(str(int(self._code)), self._text)

    def _call(self, what: str, text: str = "") -> None:
        if self._url is None:
            return
        parts = urlsplit(self._url)
        url = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(what)}"))
        body = text[:BODY_CHARACTERS].encode("utf-8", errors="replace")
        try:
            # Not requests: its log names the address.
            with urllib.request.urlopen(url, data=body, timeout=PING_SECONDS):  # noqa: S310  http or https, see above
                pass
        except (OSError, HTTPException, ValueError) as error:
            why = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
            _log.warning("the address in ping_url was not reached (%s)", why)


def _end(error: BaseException) -> tuple[ExitCode, str]:
    """Of a run that was stopped, or that met a bug."""
    if getattr(error, "signal_code", None) == signal.SIGTERM:
        return ExitCode.TERMINATED, "stopped by SIGTERM"
    return (ExitCode.BUG, "a bug") if isinstance(error, Exception) else (ExitCode.INTERRUPTED, "interrupted")


def _line(result: SyncResult) -> str:
    row = result.row
    return f"{row.pbx}: {result.error}" if result.error else f"{row.pbx}: {row.status}, {row.devices} devices"
