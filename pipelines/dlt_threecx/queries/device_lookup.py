"""Which device somebody means: by extension, MAC address in any spelling, Id, or part of a name."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from dlt_threecx.destinations.base import History
from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.source.device import normal_mac

__all__ = ["DeviceKey", "device_text", "find_devices", "find_macs"]

_MAX_ID = 2**31


class DeviceKey(NamedTuple):
    """A device of a PBX."""

    pbx: str
    device_id: int


def device_text(number: str | None, name: str | None, mac: str | None, device_id: int | None) -> str:
    """What a device is called in a table: `101 Chloé Horvát (805E0C0EA605)`."""
    key = mac or (f"Id {device_id}" if device_id is not None else None)
    return " ".join(part for part in (number, name, f"({key})" if key else None) if part)


def find_devices(history: History, text: str, pbx: Collection[str] = ()) -> list[DeviceKey]:
    """Devices, also of the past, that have or had this extension; if there are none, this MAC, this Id, this name.

    `id:12` is the device with that Id, whatever extension is called 12.
    """
    text = text.strip()
    if text.lower().startswith("id:"):
        return _found(history, pbx, "device_id = ?", _id(text[3:].strip()))
    return (
        _found(history, pbx, "dn_number = ?", text)
        or _found(history, pbx, "mac = ?", normal_mac(text))
        or (_found(history, pbx, "device_id = ?", _id(text)) if _id(text) is not None else [])
        or _found(history, pbx, "position(lower(?) in lower(dn_name)) > 0", text)
    )


def find_macs(history: History, macs: Collection[str]) -> list[DeviceKey]:
    """Devices of all PBXs that have, or had, one of these MAC addresses."""
    query = SqlQuery(("distinct pbx", "device_id"), "device_versions").among("mac", sorted(macs))
    _, rows = history.rows(query.ordered("pbx", "device_id").sql, query.params)
    return [DeviceKey(*row) for row in rows] if macs else []


def _found(history: History, pbx: Collection[str], condition: str, *values: object) -> list[DeviceKey]:
    query = SqlQuery(("distinct pbx", "device_id"), "device_versions").where(condition, *values)
    query.among("pbx", pbx).ordered("pbx", "device_id")
    _, rows = history.rows(query.sql, query.params)
    return [DeviceKey(*row) for row in rows]


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) < _MAX_ID else None
