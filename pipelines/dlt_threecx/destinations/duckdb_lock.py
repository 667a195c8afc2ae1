"""Connects to a DuckDB file as soon as no other program keeps it, and names the one that does."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from dlt_threecx.errors import DestinationError, first_line
from dlt_threecx.source.errors import quoted

__all__ = ["connected"]

_log = logging.getLogger(__name__)

_LOCKED = re.compile(
    r"could not set lock|conflicting lock|used by another process|already open in|different configuration",
    re.IGNORECASE,
)
_HOLDER = re.compile(r"(?:held in|already open in)\s+(.+?) \(PID (\d+)\)")
_RETRY_SECONDS = 0.1


def connected(
    connect: Callable[[], duckdb.DuckDBPyConnection], db: Path, wait_seconds: float, *, cannot: str, busy: str
) -> duckdb.DuckDBPyConnection:
    """A connection, as soon as no other program has locked the file; `cannot` and `busy` say what to do."""
    deadline, is_told = time.monotonic() + wait_seconds, False
    while True:
        try:
            return connect()
        except duckdb.Error as error:
            holder = _holder(error)
            if holder is None:
                raise DestinationError(f"open {db}", quoted(first_line(error).rstrip(".!?")), cannot) from error
            if time.monotonic() >= deadline:
                got = f"{holder} holds it open, and did so for {wait_seconds:g} s"
                raise DestinationError(f"open {db}", got, busy) from error
            if not is_told:
                # Said at once: a question that seems to hang would be ended by its user.
                _log.warning("%s: %s holds it open; waiting, up to %g s …", db, holder, wait_seconds)
                is_told = True
            time.sleep(_RETRY_SECONDS)


def _holder(error: duckdb.Error) -> str | None:
    """The program that holds the file, as DuckDB names it; None when the error is another one."""
    if not _LOCKED.search(str(error)):
        return None
    found = _HOLDER.search(str(error))
    return f"{_program(found[1], found[2])} (process {found[2]})" if found else "another program"


def _program(path: str, process: str) -> str:
    """What its user calls it: `threecx devices`, not python3.11. Other arguments may be private."""
    try:
        words = Path("/proc", process, "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        words = []
    for number, word in enumerate(words[:-1]):
        if Path(word).name == "threecx":
            called = f"threecx {words[number + 1]}".strip()
            return f"`{called}`"
    return Path(path).name
