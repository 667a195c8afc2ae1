"""What a receiver was told already. One file for each receiver, in the work folder of the history."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import fasteners

from dlt_threecx.errors import DestinationError

__all__ = ["Cursors", "PbxCursor", "cursors_held", "load_cursors", "save_cursors"]

LOCK_SECONDS = 30.0
"""How long to wait for another run that sends news."""


@dataclass(frozen=True)
class PbxCursor:
    """What a receiver was told about one PBX."""

    begun_at: datetime
    """When this PBX was looked at for the first time."""
    changes_until: datetime | None = None
    """Changes up to then were told; None before the first complete snapshot."""
    told: tuple[str, ...] = ()
    """The problems told since the PBX was last well, such as `refused shrink`."""
    told_at: datetime | None = None
    """When the last of them was told."""
    is_reminded: bool = False
    findings: frozenset[str] = frozenset()
    """The findings that were there last time, by `Finding.key`."""
    digest_at: datetime | None = None
    """When the receiver last got a digest of changes, whether or not this PBX was in it."""


Cursors = Mapping[str, PbxCursor]
"""The cursors of a receiver, by PBX."""


@contextmanager
def cursors_held(folder: Path) -> Iterator[None]:
    """Makes the folder, and lets only one run at a time send news. Raises DestinationError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = fasteners.InterProcessLock(folder / "lock")
    if not lock.acquire(timeout=LOCK_SECONDS):
        raise DestinationError(
            "sending the news", f"another run has been sending for {LOCK_SECONDS:g} s", "Run threecx notify again"
        )
    try:
        yield
    finally:
        lock.release()


def load_cursors(file: Path, begun: Cursors) -> Cursors:
    """The cursors in a file, or those that begin now when there is none. Raises DestinationError for a damaged file."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {pbx: _pbx_cursor(values) for pbx, values in content.items()}
    except FileNotFoundError:
        return begun
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DestinationError(
            f"reading {file}", "it does not hold what was told", "Delete it: the receiver starts afresh"
        ) from error


def save_cursors(file: Path, cursors: Cursors) -> None:
    """Replaces the file; it is there as a whole or not at all."""
    content = {
        pbx: {
            "begun_at": _text(one.begun_at),
            "changes_until": _text(one.changes_until),
            "told": one.told,
            "told_at": _text(one.told_at),
            "is_reminded": one.is_reminded,
            "findings": sorted(one.findings),
            "digest_at": _text(one.digest_at),
        }
        for pbx, one in sorted(cursors.items())
    }
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    new.replace(file)


def _pbx_cursor(values: Mapping[str, Any]) -> PbxCursor:
    return PbxCursor(
        begun_at=datetime.fromisoformat(values["begun_at"]),
        changes_until=_time(values["changes_until"]),
        told=tuple(values["told"]),
        told_at=_time(values["told_at"]),
        is_reminded=values["is_reminded"],
        findings=frozenset(values["findings"]),
        digest_at=_time(values["digest_at"]),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
