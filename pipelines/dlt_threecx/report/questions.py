"""The questions of a report in SQL; `{among}` stands for the PBXs, whose rows are named `s`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from dlt_threecx.destinations.base import History, Row
from dlt_threecx.queries.change_groups import FieldChange
from dlt_threecx.tables import finished_loads

__all__ = ["DAILY_CHANGES", "FINDINGS", "INVENTORY", "KINDS", "LAST_CHANGES", "LINES", "MOVED", "PBXS", "rows_of"]

CHANGE_ROWS = 5_000
"""The last changes are looked for in this many rows."""

_LOADED = f"s._dlt_load_id in {finished_loads('')}"

PBXS = """
    select distinct s.pbx from snapshots s where {loaded} order by s.pbx
""".replace("{loaded}", _LOADED)

LINES = """
    with attempts as (
        select s.pbx, s.started_at, s.status, s.reason, s.detail, s.pbx_version,
            row_number() over (partition by s.pbx order by s.snapshot_id desc) as place
        from snapshots s
        where {loaded} and s.status in ('complete', 'refused', 'failed') and s.started_at <= ? and {among}
    ), complete as (
        select s.pbx, s.taken_at, s.devices,
            row_number() over (partition by s.pbx order by s.snapshot_id desc) as place
        from complete_snapshots s
        where not s.is_archived and s.taken_at <= ? and {among}
    )
    select a.pbx, a.started_at, a.status, a.reason, a.detail, a.pbx_version, c.taken_at, c.devices
    from attempts a
    left join complete c on c.pbx = a.pbx and c.place = 1
    where a.place = 1
    order by a.pbx
""".replace("{loaded}", _LOADED)

KINDS = """
    select s.vendor, s.model, s.firmware_version, count(*) as devices
    from devices_as_of(?) s
    where {among}
    group by s.vendor, s.model, s.firmware_version
    order by devices desc, s.vendor, s.model, s.firmware_version
"""

INVENTORY = """
    select s.day, coalesce(nullif(s.vendor, ''), 'unknown') as kind, sum(s.devices) as devices, s.is_carried
    from daily_inventory s
    where s.day <= ? and s.day > ? and {among}
    group by s.day, coalesce(nullif(s.vendor, ''), 'unknown'), s.is_carried
    order by s.day, devices desc, kind
"""

DAILY_CHANGES = """
    select u.changed_on, u.category, count(*) as devices
    from (
        select distinct s.pbx, s.device_id, s.changed_on, s.category
        from device_changes s
        where s.changed_at <= ? and s.changed_at > ? and not s.is_initial_load and s.category <> 'presence' and {among}
    ) u
    group by u.changed_on, u.category
    order by u.changed_on, devices desc, u.category
"""

_CHANGE_COLUMNS = ", ".join(f"s.{name}" for name in FieldChange._fields)
LAST_CHANGES = """
    select {columns}
    from device_changes s
    where s.changed_at <= ? and not s.is_initial_load and s.category <> 'presence' and {among}
    order by s.changed_at desc, s.pbx, s.device_id, s.field
    limit {limit}
""".replace("{columns}", _CHANGE_COLUMNS).replace("{limit}", str(CHANGE_ROWS))

FINDINGS = """
    select s.rule, s.title, s.severity, s.why, s.what_to_do,
        s.pbx, s.device_id, s.dn_number, s.dn_name, s.mac, s.detail, s.since
    from findings s
    where {among}
    order by s.severity_rank, s.rule, s.pbx, s.since, s.device_id
"""

MOVED = """
    select m.change, m.pbx, m.device_id, m.dn_number, m.dn_name, m.mac, m.vendor, m.model, m.changed_at, m.before_at
    from (
        select s.change, s.pbx, s.device_id, s.dn_number, s.dn_name, s.mac, s.vendor, s.model, s.changed_at,
            lag(s.changed_at) over (partition by s.pbx, s.device_id order by s.changed_at) as before_at,
            row_number() over (partition by s.pbx, s.device_id order by s.changed_at desc) as place
        from device_changes s
        where s.change in ('removed', 'returned') and s.changed_at <= ? and {among}
    ) m
    left join (select distinct d.pbx, d.mac from devices_as_of(?) d where d.mac <> '') h
        on h.pbx = m.pbx and h.mac = m.mac
    where m.place = 1 and m.changed_at > ? and (m.change <> 'removed' or h.mac is null)
    order by m.changed_at desc, m.pbx, m.device_id
"""


def rows_of(history: History, sql: str, values: Sequence[Any], pbxs: Sequence[str]) -> Iterator[Row]:
    """The rows of a query in which each `?` is the next of the values, and each `{among}` means these PBXs, or all."""
    given = iter(values)
    among = f"s.pbx in ({', '.join('?' for _ in pbxs)})" if pbxs else "true"
    params: list[Any] = []
    for mark in re.findall(r"\?|\{among\}", sql):
        params.extend([next(given)] if mark == "?" else pbxs)
    return history.rows(sql.replace("{among}", among), params)[1]
