"""The story of a device out of its intervals and changes: what happened when, and how long it stayed so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

__all__ = ["Event", "events"]

_FINGERPRINT = "_fp"
_ANEW = "recorded anew, the device did not change"
_TOLD = ("mac", "vendor", "model", "firmware_version", "ip_address", "dn_number", "dn_name")
"""Columns in which a device that comes or comes back is described."""


class Event(NamedTuple):
    """One thing that happened to a device."""

    at: datetime
    kind: str
    what: str
    lasted: timedelta
    """How long the state after it stayed."""
    is_last: bool
    """Nothing happened since."""


def events(intervals: Sequence[Mapping[str, Any]], changes: Iterable[Mapping[str, Any]], now: datetime) -> list[Event]:
    """The events of one device, oldest first; `intervals` are rows of `device_history` in that order, too."""
    changed: dict[datetime, list[str]] = {}
    for row in changes:
        if row["field"]:
            changed.setdefault(row["changed_at"], []).append(_arrow(row["field"], row["old_value"], row["new_value"]))
    story: list[tuple[datetime, str, str]] = []
    before: Mapping[str, Any] | None = None
    for interval in intervals:
        kind, at = str(interval["opened_by"]), interval["valid_from"]
        if kind == "rebaselined":
            what = _ANEW
        elif kind == "changed":
            what = "; ".join(changed.get(at, []))
        elif before is None:
            what = ", ".join(str(interval[name]) for name in _TOLD[1:] if interval[name] not in (None, ""))
        else:
            what = "; ".join(
                _arrow(name, before[name], interval[name]) for name in _TOLD if before[name] != interval[name]
            )
        story.append((at, kind, what))
        if interval["closed_by"] == "removed":
            story.append((interval["valid_to"], "removed", ""))
        before = interval
    ends = [*(at for at, _, _ in story[1:]), now][: len(story)]
    return [
        Event(at, kind, what, end - at, number == len(story))
        for number, ((at, kind, what), end) in enumerate(zip(story, ends, strict=True), start=1)
    ]


def _arrow(field: str, old: Any, new: Any) -> str:
    if field.endswith(_FINGERPRINT):
        return f"another {field.removesuffix(_FINGERPRINT)}"
    return f"{field}: {_text(old)} → {_text(new)}"


def _text(value: Any) -> str:
    return "–" if value in (None, "") else str(value)
