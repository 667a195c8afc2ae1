"""Whether the history is still the one that this folder knows, at a price that does not grow with it.

The old part of the tables is looked at row by row only once. After that the work folder has sums over it, and as long
as the sums are the same so is the verdict. Only what is newer is looked at again by each run.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dlt_threecx.destinations.base import Destination
from dlt_threecx.integrity.ledger import Head
from dlt_threecx.loading.recent import recent_since
from dlt_threecx.tables import LOADS, finished_loads

__all__ = ["Checked", "check_history"]

_STEP = timedelta(days=1)
"""The checked part grows by at least this much at a time."""
_OURS = "l.schema_name = 'threecx'"


@dataclass(frozen=True)
class Checked:
    """The part of the history that was looked at row by row, and how much it holds."""

    until: datetime
    """Rows of the ledger whose attempt began no later than this,"""
    load_id: str
    """and loads whose id is no greater than this: the greatest of these rows."""
    rows: int
    rows_sum: int
    loads: int
    loads_sum: int


def check_history(
    destination: Destination | None, remembered: Head | None, unfinished: Collection[str], checked: Checked | None
) -> tuple[str | None, Checked | None]:
    """Why this is not the history that it was, None when nothing speaks against it; and what was checked by now.

    `remembered` is the last row that this folder loaded; `unfinished` are snapshots of a load that was cut off.
    """
    if destination is None or not (destination.has_table("snapshots") and destination.has_table(LOADS)):
        return (_gone(remembered) if remembered else None), None
    if remembered is not None and not (_has_row(destination, remembered) or _is_archived(destination, remembered)):
        return _gone(remembered), None
    if checked is not None and not _is_as_checked(destination, checked):
        checked = None
    why = _objection_to_new(destination, unfinished, checked) if checked else _objection(destination, unfinished)
    if why is not None:
        return why, None
    return None, _grown(destination, checked)


def _gone(remembered: Head) -> str:
    return (
        f"it no longer has snapshot {remembered.snapshot_id} of PBX '{remembered.pbx}', which this folder loaded last"
    )


def _has_row(destination: Destination, head: Head) -> bool:
    schema = destination.schema
    sql = f"""
        select s.chain from {schema}.snapshots s
        where s._dlt_load_id in {finished_loads(f"{schema}.")} and s.snapshot_id = ? and s.pbx = ?
    """  # noqa: S608  identifiers are constants
    return (head.chain,) in list(destination.rows(sql, [head.snapshot_id, head.pbx]))


def _is_archived(destination: Destination, head: Head) -> bool:
    schema = destination.schema
    sql = f"""
        select s.snapshot_id from {schema}.snapshots s
        where s._dlt_load_id in {finished_loads(f"{schema}.")} and s.status = 'join' and s.pbx = ? and s.snapshot_id > ?
    """  # noqa: S608  identifiers are constants
    return next(destination.rows(sql, [head.pbx, head.snapshot_id]), None) is not None


def _objection(destination: Destination, unfinished: Collection[str]) -> str | None:
    """What is wrong among all loads and rows."""
    schema = destination.schema
    sql = f"""
        select l.load_id, l.status from {schema}.{LOADS} l where {_OURS} and (
            l.status <> 0 or l.load_id not in (
                select s._dlt_load_id from {schema}.snapshots s where s._dlt_load_id is not null
            )
        )
    """  # noqa: S608
    for load_id, status in destination.rows(sql):
        return f"load {load_id} has status {status}" if status else f"the ledger has no row of the load {load_id}"
    sql = f"""
        select s.snapshot_id from {schema}.snapshots s
        where (s._dlt_load_id is null or s._dlt_load_id not in {finished_loads(f"{schema}.")}) and s.root in (
            select f.previous_root from {schema}.snapshots f where f.previous_root is not null
        )
    """  # noqa: S608
    for (snapshot_id,) in destination.rows(sql):
        if snapshot_id not in unfinished:
            return f"snapshot {snapshot_id} has lost its load in {LOADS}"
    return None


def _objection_to_new(destination: Destination, unfinished: Collection[str], checked: Checked) -> str | None:
    """The same of what came after the checked part. When anything is odd there, all is looked at."""
    schema = destination.schema
    rows = f"select distinct s._dlt_load_id from {schema}.snapshots s where s.started_at > ?"  # noqa: S608
    finished = f"{rows} and s._dlt_load_id in {finished_loads(f'{schema}.')}"
    loads = f"select l.load_id, l.status from {schema}.{LOADS} l where {_OURS} and l.load_id > ?"  # noqa: S608
    named = {load_id for (load_id,) in destination.rows(rows, [checked.until])}
    is_sound = (
        named == {load_id for (load_id,) in destination.rows(finished, [checked.until])}
        and all(status == 0 and id_ in named for id_, status in destination.rows(loads, [checked.load_id]))
    )  # fmt: skip
    return None if is_sound else _objection(destination, unfinished)


def _is_as_checked(destination: Destination, checked: Checked) -> bool:
    rows = _rows_sum(destination, "s.started_at <= ?", checked.until)
    loads = _loads_sum(destination, "l.load_id <= ?", checked.load_id)
    return (*rows, *loads) == (checked.rows, checked.rows_sum, checked.loads, checked.loads_sum)


def _grown(destination: Destination, checked: Checked | None) -> Checked | None:
    """The checked part with what has become old meanwhile; the youngest rows stay outside, as others may add some."""
    since = recent_since(destination)
    if since is None or (checked is not None and since < checked.until + _STEP):
        return checked
    if checked is None:
        rows, rows_sum = _rows_sum(destination, "s.started_at <= ?", since)
        load_id = _last_load(destination, "s.started_at <= ?", since)
        loads, loads_sum = _loads_sum(destination, "l.load_id <= ?", load_id)
        return Checked(since, load_id, rows, rows_sum, loads, loads_sum)
    between = "s.started_at > ? and s.started_at <= ?"
    rows, rows_sum = _rows_sum(destination, between, checked.until, since)
    load_id = max(checked.load_id, _last_load(destination, between, checked.until, since))
    loads, loads_sum = _loads_sum(destination, "l.load_id > ? and l.load_id <= ?", checked.load_id, load_id)
    return replace(
        checked,
        until=since,
        load_id=load_id,
        rows=checked.rows + rows,
        rows_sum=checked.rows_sum + rows_sum,
        loads=checked.loads + loads,
        loads_sum=checked.loads_sum + loads_sum,
    )


def _rows_sum(destination: Destination, which: str, *params: datetime) -> tuple[int, int]:
    """How many rows of the ledger there are, and a sum over the loads that they name."""
    sql = f"""
        select count(*) as n, sum({destination.checksum}(s._dlt_load_id)) as total
        from {destination.schema}.snapshots s where {which}
    """  # noqa: S608
    rows, total = next(destination.rows(sql, params))
    return rows, int(total or 0)


def _last_load(destination: Destination, which: str, *params: datetime) -> str:
    """The greatest load that rows of the ledger name."""
    sql = f"select max(s._dlt_load_id) as newest from {destination.schema}.snapshots s where {which}"  # noqa: S608
    return next(destination.rows(sql, params))[0] or ""


def _loads_sum(destination: Destination, which: str, *params: str) -> tuple[int, int]:
    """How many finished loads there are, and a sum over them."""
    sql = f"""
        select count(*) as n, sum({destination.checksum}(l.load_id)) as total
        from {destination.schema}.{LOADS} l where {_OURS} and l.status = 0 and {which}
    """  # noqa: S608
    loads, total = next(destination.rows(sql, params))
    return loads, int(total or 0)
