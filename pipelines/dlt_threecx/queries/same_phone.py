"""The same phone elsewhere: a MAC address that goes on under another Id, or on another PBX."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from dlt_threecx.queries.device_lookup import DeviceKey

__all__ = ["COLUMNS", "Elsewhere", "elsewhere", "macs_of"]

COLUMNS = ("pbx", "device_id", "valid_from", "valid_to", "mac", "dn_number", "dn_name")
"""What of `device_history` matters here."""

_MAC = re.compile(r"(?!0{12}|F{12})[0-9A-F]{12}")


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
