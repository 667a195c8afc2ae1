"""The log as the views and rules read it: parts of SQL that they all need, in the words that suit each database."""

from __future__ import annotations

import re

__all__ = ["with_log"]

_PARTS = re.compile(r"\{(is_complete|number_of_versions|log|latest_versions|steps|intervals)(?::(\w+))?\}")

_IS_COMPLETE = "exists (select 1 from {complete} c where c.pbx = v.pbx and c.snapshot_id = v.snapshot_id)"
"""Of a row `v` of device_versions: its snapshot is complete and loaded."""

_NUMBER_OF_VERSIONS = "count(distinct case when v.change not in ('removed', 'refreshed') then v.observed_at end)"
"""Of a group of rows `v` of one device."""

# DuckDB leaves out an aggregate that nobody asks for, unless it is `distinct`; and this one is faster.
_NUMBER_OF_VERSIONS_IN_DUCKDB = (
    "cast(list_unique(list(v.observed_at) filter (where v.change not in ('removed', 'refreshed'))) as bigint)"
)

# Not `with log as (…)`: what is named twice DuckDB reads as a whole first, and a file of DuckDB 1.2 keeps no
# `not materialized`.
_LOG = """(
        select v.pbx, v.device_id, v.observed_at, v.change, v.changed_fields, {columns:v}
        from {schema}device_versions v
        where {is_complete}
    )"""
"""All versions, as far as rules look at them."""

_LATEST_VERSIONS = """(
        select l.*
        from (
            select v.*, row_number() over (partition by v.pbx, v.device_id order by v.change) as copy_number
            from {schema}device_versions v
            where exists (
                select 1
                from (
                    select v.pbx, v.device_id, max(v.observed_at) as observed_at
                    from {schema}device_versions v
                    where {is_complete}
                    group by v.pbx, v.device_id
                ) l
                where l.pbx = v.pbx and l.device_id = v.device_id and l.observed_at = v.observed_at
            )
        ) l
        where l.copy_number = 1
    )"""
"""The last version of each device, once, also of those that are gone."""

_STEPS = """(
        select t.pbx, t.device_id, t.observed_at, t.previous_at
        from (
            select
                v.pbx,
                v.device_id,
                v.observed_at,
                lag(v.observed_at) over (partition by v.pbx, v.device_id order by v.observed_at) as previous_at
            from {schema}device_versions v
            where {is_complete}
        ) t
        where t.previous_at is null or t.previous_at < t.observed_at
    )"""
"""The times of each device's versions, each once and with the one before; null before the first."""

_INTERVALS = """(
        select
            t.pbx, t.device_id, t.observed_at, t.next_at, coalesce(t.previous_at = t.observed_at, false) as is_copied
        from (
            select
                v.pbx,
                v.device_id,
                v.observed_at,
                lag(v.observed_at) over (partition by v.pbx, v.device_id order by v.observed_at) as previous_at,
                lead(v.observed_at) over (partition by v.pbx, v.device_id order by v.observed_at) as next_at
            from {schema}device_versions v
            where {is_complete}
        ) t
        where t.next_at is null or t.observed_at < t.next_at
    )"""
"""The times of each device's versions, each once and with the next one, null after the last.

`is_copied`: the log has that version more than once.
"""

# DuckDB sorts the times of a device in a list four times as fast as in a window, and in half of the memory.
_TIMES = """(
            select v.pbx, v.device_id, list_sort(list(v.observed_at)) as times
            from {schema}device_versions v
            where {is_complete}
            group by v.pbx, v.device_id
        )"""
_STEPS_IN_DUCKDB = f"""(
        select t.pbx, t.device_id, t.observed_at, t.previous_at
        from (
            select
                l.pbx,
                l.device_id,
                unnest(l.times) as observed_at,
                unnest(list_prepend(null, l.times)) as previous_at
            from {_TIMES} l
        ) t
        where t.previous_at is null or t.previous_at < t.observed_at
    )"""  # noqa: S608  a constant
_INTERVALS_IN_DUCKDB = f"""(
        select
            t.pbx, t.device_id, t.observed_at, t.next_at, coalesce(t.previous_at = t.observed_at, false) as is_copied
        from (
            select
                l.pbx,
                l.device_id,
                unnest(l.times) as observed_at,
                unnest(list_prepend(null, l.times)) as previous_at,
                unnest(l.times[2:]) as next_at
            from {_TIMES} l
        ) t
        where t.observed_at is not null and (t.next_at is null or t.observed_at < t.next_at)
    )"""  # noqa: S608  a constant

# PostgreSQL takes the columns of a key for independent, expects next to no rows from such a join or from the first copy
# of each row, and plans for that.
_IS_COMPLETE_IN_POSTGRES = "v.pbx || '/' || v.snapshot_id in (select c.pbx || '/' || c.snapshot_id from {complete} c)"
_LATEST_VERSIONS_IN_POSTGRES = """(
        select v.* from {schema}device_versions v
        where v.ctid in (
            select distinct on (v.pbx, v.device_id) v.ctid
            from {schema}device_versions v
            where {is_complete}
            order by v.pbx, v.device_id, v.observed_at desc
        )
    )"""

_SQL = {
    "is_complete": _IS_COMPLETE,
    "number_of_versions": _NUMBER_OF_VERSIONS,
    "log": _LOG,
    "latest_versions": _LATEST_VERSIONS,
    "steps": _STEPS,
    "intervals": _INTERVALS,
}
_OWN_SQL = {
    "duckdb": {
        "number_of_versions": _NUMBER_OF_VERSIONS_IN_DUCKDB,
        "steps": _STEPS_IN_DUCKDB,
        "intervals": _INTERVALS_IN_DUCKDB,
    },
    "postgres": {"is_complete": _IS_COMPLETE_IN_POSTGRES, "latest_versions": _LATEST_VERSIONS_IN_POSTGRES},
}


def with_log(text: str, dialect: str) -> str:
    """`{is_complete}`, `{steps}` and so on filled in; after a colon the relation that has the complete snapshots."""
    sql = _SQL | _OWN_SQL.get(dialect, {})

    def filled_in(found: re.Match[str]) -> str:
        own = sql[found[1]].replace("{is_complete}", sql["is_complete"])
        return own.replace("{complete}", found[2] or "{schema}complete_snapshots")

    return _PARTS.sub(filled_in, text)
