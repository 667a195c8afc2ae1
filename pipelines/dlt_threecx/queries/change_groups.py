"""Changes by their cause: a roll-out of firmware to forty phones is one thing that happened, not many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from dlt_threecx.queries.device_lookup import device_text

__all__ = ["ChangeGroup", "FieldChange", "Values", "change_groups"]

EXAMPLES = 5
"""This many devices of a cause are named."""


class FieldChange(NamedTuple):
    """A row of `device_changes`, as much of it as matters here."""

    changed_at: datetime
    pbx: str
    device_id: int
    dn_number: str | None
    dn_name: str | None
    mac: str | None
    vendor: str | None
    model: str | None
    change: str
    category: str | None
    field: str | None
    old_value: str | None
    new_value: str | None


class Values(NamedTuple):
    """A field, before and after."""

    field: str
    old_value: str | None
    new_value: str | None


class ChangeGroup(NamedTuple):
    """The same change of phones of one model, seen in one snapshot."""

    changed_at: datetime
    pbx: str
    change: str
    category: str | None
    vendor: str | None
    model: str | None
    devices: int
    examples: list[str]
    """What its first devices are called: the whole name of a single one, else extension or MAC address."""
    changes: list[Values]
    """Empty when devices were added, removed or came back."""


def change_groups(rows: Iterable[FieldChange]) -> Iterator[ChangeGroup]:
    """In the order of the rows, which come by time, PBX and device. Fields of one category belong together."""
    for _, seen in groupby(rows, key=lambda row: (row.changed_at, row.pbx)):
        alike: dict[tuple[object, ...], list[list[FieldChange]]] = {}
        for _, changed in groupby(seen, key=lambda row: row.device_id):
            parts: dict[tuple[str, str | None], list[FieldChange]] = {}
            for row in changed:
                parts.setdefault((row.change, row.category), []).append(row)
            for kind, fields in parts.items():
                values = ((row.field, row.old_value, row.new_value) for row in fields)
                alike.setdefault((*kind, fields[0].vendor, fields[0].model, *values), []).append(fields)
        yield from map(_cause, alike.values())


def _cause(devices: list[list[FieldChange]]) -> ChangeGroup:
    """One cause of what changed in these devices, which is the same in all of them."""
    fields = devices[0]
    first = fields[0]
    if len(devices) == 1:
        key = (None, None) if first.dn_number else (first.mac, first.device_id)
        examples = [device_text(first.dn_number, first.dn_name, *key)]
    else:
        named = (rows[0] for rows in devices[:EXAMPLES])
        examples = [row.dn_number or row.mac or f"Id {row.device_id}" for row in named]
    changes = [Values(row.field, row.old_value, row.new_value) for row in fields if row.field]
    return ChangeGroup(
        *(first.changed_at, first.pbx, first.change, first.category, first.vendor, first.model),
        devices=len(devices),
        examples=examples,
        changes=changes,
    )
