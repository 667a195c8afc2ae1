"""A history out of literal rows: what each PBX had on some days, put into the real tables under the real views."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from dlt_threecx.tables import TABLES
from dlt_threecx.views.views import view_statements

__all__ = ["NOW", "Day", "Devices", "When", "days_ago", "empty_history", "write_attempt", "write_days"]

Devices = Mapping[int, Mapping[str, Any]]
"""Id → columns of the device; those that are left out are null."""

Day = tuple[float, str, Devices]
"""Days ago, PBX, and the devices that it had then."""

When = float | datetime
"""Days ago, or a time."""

NOW = datetime.now(UTC).replace(microsecond=0)

_TYPES = {"text": "varchar", "bigint": "bigint", "double": "double", "bool": "boolean", "timestamp": "timestamptz"}


def days_ago(days: float) -> datetime:
    """That many days before the tests began."""
    return NOW - timedelta(days=days)


def empty_history(db: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """A database with the tables and views in the schema `threecx`, and no rows."""
    connection = duckdb.connect(db)
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("create schema threecx")
    connection.execute("use threecx")
    for name, columns in TABLES.items():
        types = ", ".join(f"{column.name} {_TYPES[column.type]}" for column in columns)
        connection.execute(f"create table {name} ({types}, _dlt_load_id varchar, _dlt_id varchar)")
    connection.execute("create table _dlt_loads (load_id varchar, schema_name varchar, status bigint)")
    for statement in view_statements():
        connection.execute(statement)
    return connection


def write_days(
    connection: duckdb.DuckDBPyConnection,
    days: Sequence[tuple[When, str, Devices]],
    *,
    doubled: bool = False,
    rebaselined: Collection[When] = (),
    volatile: Collection[str] = ("online",),
    ledger: Mapping[str, Any] | None = None,
) -> None:
    """Makes this the whole history: each day a complete snapshot.

    `doubled` has every version and every row of the ledger twice. On the days `rebaselined`
    the API is what differs.
    """
    for table in ("snapshots", "device_versions", "_dlt_loads"):
        connection.execute(f"truncate {table}")
    before: dict[str, Devices] = {}
    ever: dict[str, set[int]] = {}
    snapshots, versions = [], []
    for when, pbx, devices in sorted(days, key=lambda day: _time(day[0])):
        at = _time(when)
        key = _key(at, pbx)
        taken = {"status": "complete", "taken_at": at, "started_at": at, "devices": len(devices)}
        snapshots.append({**key, **taken, **(ledger or {})})
        then, known = before.get(pbx, {}), ever.setdefault(pbx, set())
        for device, columns in sorted({**then, **devices}.items()):
            kind, fields = _change(device, then, devices, known, volatile)
            if kind in ("changed", "refreshed") and when in rebaselined:
                kind, fields = "rebaselined", []
            if kind:
                fact = {"device_id": device, "observed_at": at, "change": kind, "changed_fields": json.dumps(fields)}
                versions.append({**key, **fact, **columns})
        before[pbx] = devices
        known.update(devices)
    _insert(connection, "snapshots", snapshots)
    _insert(connection, "device_versions", versions)
    _insert(connection, "_dlt_loads", [{"load_id": snapshot["_dlt_load_id"], "status": 0} for snapshot in snapshots])
    if doubled:
        connection.execute("insert into device_versions select * from device_versions")
        connection.execute("insert into snapshots select * from snapshots")


def write_attempt(
    connection: duckdb.DuckDBPyConnection,
    when: When,
    pbx: str,
    status: str | None,
    devices: Devices | None = None,
    *,
    load_status: int | None = 0,
    **ledger: Any,
) -> None:
    """Adds an attempt with these devices as versions; without a status or a load status that row is missing."""
    at = _time(when)
    key = _key(at, pbx)
    taken = {"taken_at": at, "devices": len(devices)} if devices is not None else {}
    fact = {"observed_at": at, "change": "added", "changed_fields": "[]"}
    versions = [{**key, **fact, "device_id": device, **columns} for device, columns in (devices or {}).items()]
    _insert(connection, "device_versions", versions)
    if status is not None:
        _insert(connection, "snapshots", [{**key, "status": status, "started_at": at, **taken, **ledger}])
    if load_status is not None:
        _insert(connection, "_dlt_loads", [{"load_id": key["_dlt_load_id"], "status": load_status}])


def _time(when: When) -> datetime:
    return when if isinstance(when, datetime) else days_ago(when)


def _key(at: datetime, pbx: str) -> dict[str, Any]:
    return {"pbx": pbx, "snapshot_id": f"{at:%Y%m%dT%H%M%S}", "_dlt_load_id": f"{pbx}-{at:%Y%m%dT%H%M%S}"}


def _change(
    device: int, then: Devices, now: Devices, ever: set[int], volatile: Collection[str]
) -> tuple[str | None, list[str]]:
    if device not in now:
        return "removed", []
    if device not in then:
        return ("returned" if device in ever else "added"), []
    old, new = _fields(then[device]), _fields(now[device])
    fields = sorted(name for name in {**old, **new} if old.get(name) != new.get(name))
    if not fields:
        return None, []
    return ("refreshed" if set(fields) <= set(volatile) else "changed"), fields


def _fields(columns: Mapping[str, Any]) -> dict[str, Any]:
    extra = json.loads(columns.get("extra") or "{}")
    return {name: columns[name] for name in columns if name != "extra"} | {
        f"extra.{name}": extra[name] for name in extra
    }


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        names = list(dict.fromkeys(name for row in rows for name in row))
        given = pa.table({name: [row.get(name) for row in rows] for name in names})
        connection.register("given", given)
        connection.execute(f"insert into {table} by name from given")
        connection.unregister("given")
