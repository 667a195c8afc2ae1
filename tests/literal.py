"""A history out of literal rows: what each PBX had on some days, put into the real tables under the real views."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.threecx.tables import TABLES
from pipelines.threecx.views import view_statements

__all__ = ["NOW", "Day", "Devices", "days_ago", "empty_history", "write_days"]

Devices = Mapping[int, Mapping[str, Any]]
"""Id → columns of the device; those that are left out are null."""

Day = tuple[float, str, Devices]
"""Days ago, PBX, and the devices that it had then."""

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
    connection.execute("create table _dlt_loads (load_id varchar, status bigint)")
    for statement in view_statements():
        connection.execute(statement)
    return connection


def write_days(
    connection: duckdb.DuckDBPyConnection,
    days: Sequence[Day],
    *,
    doubled: bool = False,
    ledger: Mapping[str, Any] | None = None,
) -> None:
    """Makes this the whole history: each day a complete snapshot; `doubled` has every version twice."""
    for table in ("snapshots", "device_versions", "_dlt_loads"):
        connection.execute(f"truncate {table}")
    before: dict[str, Devices] = {}
    ever: dict[str, set[int]] = {}
    for ago, pbx, devices in sorted(days, key=lambda day: -day[0]):
        at = days_ago(ago)
        snapshot = {"pbx": pbx, "snapshot_id": f"{at:%Y%m%dT%H%M%S}", "_dlt_load_id": f"{pbx}-{at:%s}"}
        taken = {"status": "complete", "taken_at": at, "started_at": at, "devices": len(devices)}
        _insert(connection, "snapshots", [{**snapshot, **taken, **(ledger or {})}])
        _insert(connection, "_dlt_loads", [{"load_id": snapshot["_dlt_load_id"], "status": 0}])
        then, known = before.get(pbx, {}), ever.setdefault(pbx, set())
        versions = []
        for device, columns in sorted({**then, **devices}.items()):
            kind, fields = _change(device, then, devices, known)
            if kind:
                fact = {"device_id": device, "observed_at": at, "change": kind, "changed_fields": json.dumps(fields)}
                versions.append({**snapshot, **fact, **columns})
        _insert(connection, "device_versions", versions)
        before[pbx] = devices
        known.update(devices)
    if doubled:
        connection.execute("insert into device_versions select * from device_versions")


def _change(device: int, then: Devices, now: Devices, ever: set[int]) -> tuple[str | None, list[str]]:
    if device not in now:
        return "removed", []
    if device not in then:
        return ("returned" if device in ever else "added"), []
    old, new = then[device], now[device]
    fields = sorted(name for name in {**old, **new} if old.get(name) != new.get(name))
    if not fields:
        return None, []
    return ("refreshed" if fields == ["online"] else "changed"), fields


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        names = list(dict.fromkeys(name for row in rows for name in row))
        given = pa.table({name: [row.get(name) for row in rows] for name in names})
        connection.register("given", given)
        connection.execute(f"insert into {table} by name from given")
        connection.unregister("given")
