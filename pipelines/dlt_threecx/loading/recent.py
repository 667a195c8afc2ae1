"""The newest part of the ledger, which is all that most questions of a run need.

The ledger is appended in the order of time. So a condition on `started_at` lets DuckDB and files skip all that is
older, and PostgreSQL use an index: the length of the history does not matter.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dlt_threecx.destinations.base import Destination
from dlt_threecx.tables import finished_loads

__all__ = ["RECENT", "recent_since"]

RECENT = timedelta(days=2)
"""How far back the newest part reaches. Workers that load at the same time are much closer than that."""


def recent_since(destination: Destination) -> datetime | None:
    """Where the newest part begins: before the newest loaded row. None when nothing was ever loaded.

    A row of the future had a wrong clock, and others have followed it since: it belongs to the newest part, but does
    not say where that begins.
    """
    if not destination.has_table("snapshots"):
        return None
    schema, now = destination.schema, datetime.now(UTC)
    loaded = f"s._dlt_load_id in {finished_loads(f'{schema}.')}"
    newest = _newest(destination, "s.started_at <= ?", now)
    if newest is not None:
        # The newest row may be one that was not loaded completely, of a run that was killed.
        recent = f"{loaded} and s.started_at <= ? and s.started_at > ?"
        newest = _newest(destination, recent, now, newest - RECENT)
    if newest is None:
        newest = _newest(destination, f"{loaded} and s.started_at <= ?", now) or _newest(destination, loaded)
    return None if newest is None else newest - RECENT


def _newest(destination: Destination, which: str, *params: datetime) -> datetime | None:
    sql = f"select max(s.started_at) as newest from {destination.schema}.snapshots s where {which}"  # noqa: S608
    newest: datetime | None = next(destination.rows(sql, params))[0]
    return newest
