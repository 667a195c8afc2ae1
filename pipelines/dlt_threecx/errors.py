"""What can go wrong after reading: a guard refuses, or the destination fails.

ThreecxError
├── RefusedError        6  a guard refused a complete but suspicious reading: look, then accept it or not
└── DestinationError    7  the destination is busy or broken: wait, or repair it
    └── OvertakenError  7  another sync added to the history of the same PBX meanwhile: run again
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from dlt_threecx.source.errors import ExitCode, ThreecxError

__all__ = ["DestinationError", "OvertakenError", "RefusedError", "first_line"]


class RefusedError(ThreecxError):
    """A guard refused the snapshot before anything was written to the history."""

    exit_code = ExitCode.REFUSED
    reason = "refused"


class DestinationError(ThreecxError):
    """The destination could not be read or written."""

    exit_code = ExitCode.DESTINATION
    reason = "destination"
    retryable = True


class OvertakenError(DestinationError):
    """Another sync added to the history of a PBX while it was read."""

    reason = "overtaken"


def first_line(error: BaseException) -> str:
    """The first line of the words of somebody else's error, cut."""
    words = str(error).strip()
    if "Traceback (most recent call last)" in words:
        # dlt quotes the traceback of what failed: the last line says why.
        words = words.splitlines()[-1].partition(": ")[2]
    # dlt explains at length before it says why.
    words = words.rpartition("The actual reason given is: ")[2]
    return next((line.strip() for line in words.splitlines() if line.strip()), type(error).__name__)[:300]


def suggestion(name: str, known: Iterable[str]) -> str:
    """`Did you mean 'base_url'?`, or all there is."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"There is: {', '.join(names)}"
