"""Whether the history is still the one that this folder knows, at a price that does not grow with it.

The old part of the tables is looked at row by row only once. After that the work folder has sums over it, and as long
as the sums are the same so is the verdict. Each run adds up all loads and one slice of the ledger, the next run the
next one; a ledger of less than half a million old rows is one slice. What is newer is looked at again by each run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from dlt_threecx.destinations.base import Destination
from dlt_threecx.integrity.ledger import Head
from dlt_threecx.loading.recent import recent_since
from dlt_threecx.tables import LOADS, finished_loads

__all__ = ["Checked", "Slice", "check_history"]

_STEP = timedelta(days=1)
"""The checked part grows by at least this much at a time."""
_SLICE_ROWS = 500_000
"""No slice of the ledger gets more days when it has so many rows."""
_BEGIN = datetime(1, 1, 2, tzinfo=UTC)
_OURS = "l.schema_name = 'threecx'"


class Slice(NamedTuple):
    """Rows of the ledger whose attempts began before a time and not before the slice in front of it."""

    until: datetime
    rows: int
    rows_sum: int


@dataclass(frozen=True)
class Checked:
    """The part of the history that was looked at row by row, and how much it holds."""

    slices: Sequence[Slice]
    """The rows of the ledger, in order of time; at least one."""
    turn: int
    """The slice that the next run adds up."""
    load_id: str
    """The loads whose id is no greater than this: the greatest of these rows."""
    loads: int
    loads_sum: int

    @property
    def until(self) -> datetime:
        """All rows of attempts that began before this are in a slice."""
        return self.slices[-1].until


def check_history(
    destination: Destination | None,
    remembered: Head | None,
    unfinished: Collection[str],
    checked: Checked | None,
    slice_rows: int = _SLICE_ROWS,
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
    return None, _grown(destination, checked, slice_rows)


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
    # Plain joins: of `not in` PostgreSQL makes a loop in a loop as soon as the tables are large.
    schema = destination.schema
    sql = f"select l.load_id, l.status from {schema}.{LOADS} l where {_OURS} and l.status <> 0"  # noqa: S608
    for load_id, status in destination.rows(sql):
        return f"load {load_id} has status {status}"
    sql = f"""
        select l.load_id from {schema}.{LOADS} l where {_OURS}
            and not exists (select 1 as one from {schema}.snapshots s where s._dlt_load_id = l.load_id)
    """  # noqa: S608
    for (load_id,) in destination.rows(sql):
        return f"the ledger has no row of the load {load_id}"
    sql = f"""
        select s.root, min(s.snapshot_id) as snapshot_id from {schema}.snapshots s
        left join {finished_loads(f"{schema}.")} l on l.load_id = s._dlt_load_id
        where l.load_id is null and s.root is not null group by s.root
    """  # noqa: S608
    lost = {root: snapshot_id for root, snapshot_id in destination.rows(sql) if snapshot_id not in unfinished}
    if lost:
        followed = f"select distinct s.previous_root from {schema}.snapshots s where s.previous_root is not null"  # noqa: S608
        for (root,) in destination.rows(followed):
            if root in lost:
                return f"snapshot {lost[root]} has lost its load in {LOADS}"
    return None


def _objection_to_new(destination: Destination, unfinished: Collection[str], checked: Checked) -> str | None:
    """The same of what came after the checked part. When anything is odd there, all is looked at."""
    schema = destination.schema
    rows = f"select distinct s._dlt_load_id from {schema}.snapshots s where s.started_at >= ?"  # noqa: S608
    finished = f"{rows} and s._dlt_load_id in {finished_loads(f'{schema}.')}"
    loads = f"select l.load_id, l.status from {schema}.{LOADS} l where {_OURS} and l.load_id > ?"  # noqa: S608
    named = {load_id for (load_id,) in destination.rows(rows, [checked.until])}
    is_sound = (
        named == {load_id for (load_id,) in destination.rows(finished, [checked.until])}
        and all(status == 0 and id_ in named for id_, status in destination.rows(loads, [checked.load_id]))
    )  # fmt: skip
    return None if is_sound else _objection(destination, unfinished)


def _is_as_checked(destination: Destination, checked: Checked) -> bool:
    """Whether all loads, and the rows of the slice whose turn it is, add up to what they did."""
    after = checked.slices[checked.turn - 1].until if checked.turn else _BEGIN
    until, *rows = checked.slices[checked.turn]
    days = list(_days(destination, after, until))
    return (
        [sum(day.rows for day in days), sum(day.rows_sum for day in days)] == rows
        and _loads_sum(destination, "l.load_id <= ?", checked.load_id) == (checked.loads, checked.loads_sum)
    )  # fmt: skip


def _grown(destination: Destination, checked: Checked | None, slice_rows: int) -> Checked | None:
    """The checked part with what has become old meanwhile; the youngest rows stay outside, as others may add some."""
    if checked is not None:
        checked = replace(checked, turn=(checked.turn + 1) % len(checked.slices))
    since = recent_since(destination)
    if since is None or (checked is not None and since < checked.until + _STEP):
        return checked
    before = checked or Checked((), 0, "", 0, 0)
    after = before.until if checked else _BEGIN
    slices = list(before.slices)
    for day in _days(destination, after, since):
        is_full = not slices or slices[-1].rows >= slice_rows
        last = Slice(after, 0, 0) if is_full else slices.pop()
        slices.append(Slice(day.until, last.rows + day.rows, last.rows_sum + day.rows_sum))
    if not slices:
        return None
    slices[-1] = slices[-1]._replace(until=since)
    load_id = max(before.load_id, _last_load(destination, after, since))
    loads, loads_sum = _loads_sum(destination, "l.load_id > ? and l.load_id <= ?", before.load_id, load_id)
    return Checked(slices, before.turn, load_id, before.loads + loads, before.loads_sum + loads_sum)


def _days(destination: Destination, after: datetime, until: datetime) -> Iterator[Slice]:
    """The rows of the ledger day by day: how many there are, and a sum over the loads that they name."""
    sql = f"""
        select date_trunc('day', s.started_at) as day, count(*) as n,
            sum({destination.checksum}(s._dlt_load_id)) as total
        from {destination.schema}.snapshots s where s.started_at >= ? and s.started_at < ?
        group by date_trunc('day', s.started_at) order by day
    """  # noqa: S608
    for day, rows, total in destination.rows(sql, [after, until]):
        yield Slice(day + timedelta(days=1), rows, int(total or 0))


def _last_load(destination: Destination, after: datetime, until: datetime) -> str:
    """The greatest load that rows of the ledger name."""
    sql = f"""
        select max(s._dlt_load_id) as newest from {destination.schema}.snapshots s
        where s.started_at >= ? and s.started_at < ?
    """  # noqa: S608
    return next(destination.rows(sql, [after, until]))[0] or ""


def _loads_sum(destination: Destination, which: str, *params: str) -> tuple[int, int]:
    """How many finished loads there are, and a sum over them."""
    sql = f"""
        select count(*) as n, sum({destination.checksum}(l.load_id)) as total
        from {destination.schema}.{LOADS} l where {_OURS} and l.status = 0 and {which}
    """  # noqa: S608
    loads, total = next(destination.rows(sql, params))
    return loads, int(total or 0)
