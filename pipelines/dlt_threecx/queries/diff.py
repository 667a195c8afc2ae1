"""What is different between two times, out of the states at both and what happened in between. Pure: rows in, rows out.

Fields that never changed in between are not compared: after an update of the PBX they may hold something new although
no device changed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from dlt_threecx.queries.device_lookup import DeviceKey
from dlt_threecx.queries.json_value import plain
from dlt_threecx.tables import DEVICE_COLUMNS, category

__all__ = ["DiffRow", "diff_rows", "touched_fields"]

_EXTRA = "extra."
_UNSAID = {None, "false"}
"""Older releases leave out what later ones call false: that is no change of the phone."""
_COLUMNS = tuple(column.name for column in DEVICE_COLUMNS if column.name != "extra")

Rows = Mapping[DeviceKey, Mapping[str, Any]]
Touched = Mapping[DeviceKey, Collection[str] | None]


class DiffRow(NamedTuple):
    """A device that is there at one of the times only, or a field that has another value."""

    pbx: str
    device_id: int
    change: str
    """added, removed or changed"""
    field: str | None
    old_value: str | None
    new_value: str | None
    dn_number: str | None
    dn_name: str | None
    mac: str | None


def touched_fields(versions: Iterable[tuple[str, int, str, str]]) -> dict[DeviceKey, set[str] | None]:
    """Device → fields that changed in versions (pbx, device_id, change, changed_fields); None: it came or went."""
    touched: dict[DeviceKey, set[str] | None] = {}
    for pbx, device_id, change, changed_fields in versions:
        fields = touched.setdefault(DeviceKey(pbx, device_id), set())
        if change in ("added", "removed", "returned"):
            touched[DeviceKey(pbx, device_id)] = None
        elif fields is not None:
            fields.update(json.loads(changed_fields))
    return touched


def diff_rows(before: Rows, after: Rows, touched: Touched, *, presence: bool = False) -> Iterator[DiffRow]:
    """By PBX and Id; a changed device has a row per field. Without `presence` volatile fields do not count."""
    for key in sorted(touched):
        old, new = before.get(key), after.get(key)
        if old is None or new is None:
            there = new or old
            if there is not None:
                yield _difference(key, there, "added" if old is None else "removed")
            continue
        for field in _fields(old, new, touched[key]):
            values = _value(old, field), _value(new, field)
            if values[0] != values[1] and set(values) != _UNSAID and (presence or category(field) != "presence"):
                yield _difference(key, new, "changed", field, *values)


def _fields(old: Mapping[str, Any], new: Mapping[str, Any], chosen: Collection[str] | None) -> list[str]:
    extras = sorted({_EXTRA + name for row in (old, new) for name in _extra(row)})
    return [name for name in (*_COLUMNS, *extras) if chosen is None or name in chosen]


def _value(row: Mapping[str, Any], field: str) -> str | None:
    """The value as text."""
    value = _extra(row).get(field.removeprefix(_EXTRA)) if field.startswith(_EXTRA) else row[field]
    value = plain(value)
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _extra(row: Mapping[str, Any]) -> dict[str, Any]:
    extra: dict[str, Any] = json.loads(row["extra"] or "{}")
    return extra


def _difference(
    key: DeviceKey, row: Mapping[str, Any], change: str, field: str | None = None, *values: str | None
) -> DiffRow:
    old, new = values or (None, None)
    return DiffRow(*key, change, field, old, new, row["dn_number"], row["dn_name"], row["mac"])
