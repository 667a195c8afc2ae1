"""What is said on stderr: errors, warnings and hints. Data goes to stdout.

For people it is a line of text. With `--log-format json` it is an object on a line, and under systemd a line begins
with its priority, such as `<3>` for an error.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal

import click

__all__ = ["LOG_FORMATS", "LogFormat", "error", "event", "is_quiet", "listen", "note", "warning"]

LogFormat = Literal["text", "json"]
LOG_FORMATS: tuple[LogFormat, ...] = ("text", "json")

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_PRIORITIES = {"error": "<3>", "warning": "<4>", "info": "<6>", "debug": "<7>"}
"""As systemd reads them at the begin of a line."""

_format: LogFormat = "text"
_quiet = False


def error(text: str, fields: Mapping[str, Any] | None = None) -> None:
    """One line that says what went wrong; `fields` are for machines."""
    _say("error", f"threecx: error: {text}", text, fields)


def warning(text: str) -> None:
    """One line that says what should be corrected, though the command goes on."""
    _say("warning", f"threecx: warning: {text}", text)


def note(text: str) -> None:
    """One line that helps to read the result; nothing with `--quiet`."""
    if not _quiet:
        _say("info", text, text)


def is_quiet() -> bool:
    """The user asked for warnings and errors only."""
    return _quiet


def event(text: str, fields: Mapping[str, Any]) -> None:
    """What went well. It is said to machines only: people see it on stdout."""
    if _format == "json":
        _say("info", text, text, fields)


def listen(level: int, log_format: LogFormat = "text", *, quiet: bool = False) -> None:
    """How much the libraries may say: 0 warnings, 1 each request to a PBX, 2 everything, and tracebacks."""
    global _format, _quiet
    _format, _quiet = log_format, quiet
    logging.basicConfig(level=_LEVELS[level], handlers=[_Handler()])
    if level == 1:
        logging.getLogger("urllib3.connectionpool").setLevel(logging.DEBUG)


class _Handler(logging.Handler):
    """Says what this package and the libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        text, level = record.getMessage(), record.levelname.lower()
        if record.name.startswith(__name__.partition(".")[0]) and level == "warning":
            warning(text)
        else:
            _say(level, f"threecx: {record.name}: {text}", text, {"logger": record.name})


def _say(level: str, line: str, text: str, fields: Mapping[str, Any] | None = None) -> None:
    """On one line, without signs that could steer a terminal."""
    if _format == "json":
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        content = {"time": now, "level": level, "message": text, **(fields or {})}
        _write(json.dumps(content, default=str))
        return
    line = " ".join(line.splitlines())
    priority = _PRIORITIES.get(level, "") if _is_journal() else ""
    _write(priority + "".join(c if c.isprintable() else "?" for c in line))


def _write(line: str) -> None:
    # When nobody can hear it, the command goes on all the same.
    with suppress(OSError):
        click.echo(line, err=True)


def _is_journal() -> bool:
    """Whether stderr goes to the journal: systemd names the stream that it reads, by device and inode."""
    stream = os.environ.get("JOURNAL_STREAM")
    if not stream:
        return False
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"
