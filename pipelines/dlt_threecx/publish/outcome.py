"""How the last publication of a history ended, kept in its work folder: `sync` and `status` tell it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["Outcome", "read_outcome", "write_outcome"]

_NOTE = "publication.json"


@dataclass(frozen=True)
class Outcome:
    """The end of a publication; `error` is None when it went well."""

    folder: str
    ended_at: datetime
    error: str | None


def read_outcome(work: Path) -> Outcome | None:
    """What was noted in a work folder; None when nothing was published yet."""
    try:
        found = json.loads((work / _NOTE).read_text(encoding="utf-8"))
        return Outcome(found["folder"], datetime.fromisoformat(found["ended_at"]), found["error"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def write_outcome(work: Path, folder: Path, error: str | None) -> None:
    """Notes the end of a publication. A note that cannot be written is no reason to fail."""
    noted = {"folder": str(folder), "ended_at": datetime.now(UTC).isoformat(), "error": error}
    with suppress(OSError):
        work.mkdir(parents=True, exist_ok=True, mode=0o700)
        half_written = work / f"{_NOTE}.new"
        half_written.write_text(json.dumps(noted), encoding="utf-8")
        half_written.replace(work / _NOTE)
