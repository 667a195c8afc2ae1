"""The story of a device: what happened when, how long it stayed so, and where else the same phone is or was."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from dlt_threecx.queries.device_lookup import DeviceKey
from dlt_threecx.queries.told_change import told_change

__all__ = ["SAME_COLUMNS", "Elsewhere", "Event", "elsewhere", "events", "macs_of"]

_STORED_AGAIN = "stored again, the device did not change"
_TOLD = ("mac", "vendor", "model", "firmware_version", "ip_address", "dn_number", "dn_name")
"""Columns in which a device that comes or comes back is described."""

SAME_COLUMNS = ("pbx", "device_id", "valid_from", "valid_to", "mac", "dn_number", "dn_name")
"""The columns of `device_history` that `elsewhere` needs."""

_MAC = re.compile(r"(?!0{12}|F{12})[0-9A-F]{12}")


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
            changed.setdefault(row["changed_at"], []).append(
                told_change(row["field"], row["old_value"], row["new_value"])
            )
    story: list[tuple[datetime, str, str]] = []
    before: Mapping[str, Any] | None = None
    for interval in intervals:
        kind, at = str(interval["opened_by"]), interval["valid_from"]
        if kind == "rebaselined":
            what = _STORED_AGAIN
        elif kind == "changed":
            what = "; ".join(changed.get(at, []))
        elif before is None:
            what = ", ".join(str(interval[name]) for name in _TOLD[1:] if interval[name] not in (None, ""))
        else:
            what = "; ".join(
                told_change(name, before[name], interval[name]) for name in _TOLD if before[name] != interval[name]
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


class Elsewhere(NamedTuple):
    """A phone under another Id than the one that was asked for."""

    key: DeviceKey
    mac: str
    dn_number: str | None
    dn_name: str | None
    """What it was called there last."""
    since: datetime
    until: datetime | None
    """None: it is there still."""


def macs_of(intervals: Iterable[Mapping[str, Any]]) -> set[str]:
    """The MAC addresses in these rows of `device_history` that can be those of one phone."""
    return {row["mac"] for row in intervals if row["mac"] and _MAC.fullmatch(row["mac"])}


def elsewhere(key: DeviceKey, macs: Collection[str], intervals: Iterable[Mapping[str, Any]]) -> list[Elsewhere]:
    """Where phones with these MAC addresses are or were besides `key`, by time; intervals come by device and time."""
    found: dict[tuple[DeviceKey, str], Elsewhere] = {}
    for other, row in _others(key, macs, intervals):
        known = found.get((other, row["mac"]))
        since = known.since if known else row["valid_from"]
        last = Elsewhere(other, row["mac"], row["dn_number"], row["dn_name"], since, row["valid_to"])
        found[other, row["mac"]] = last
    return sorted(found.values(), key=lambda one: (one.since, one.key))


def _others(
    key: DeviceKey, macs: Collection[str], intervals: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[DeviceKey, Mapping[str, Any]]]:
    for row in intervals:
        other = DeviceKey(row["pbx"], row["device_id"])
        if other != key and row["mac"] in macs:
            yield other, row
