"""What the history holds, read back from the destination itself: committed packages only.

Local files could be lost or belong to another destination; what stands in the destination cannot disagree with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from dlt_threecx.compare.differences import Known
from dlt_threecx.compare.previous import PbxState
from dlt_threecx.destinations.base import Destination
from dlt_threecx.loading.recent import recent_since
from dlt_threecx.tables import DEVICE_COLUMNS, LEDGER, finished_loads

__all__ = ["LastVersion", "api_shapes", "device_rows", "known_devices", "last_versions", "pbx_states"]

_CHUNK = 5000
_LEDGER_NAMES = tuple(column.name for column in LEDGER)
_ROW_NAMES = ("device_id", *(column.name for column in DEVICE_COLUMNS), "row_version", "tracked_version")


class LastVersion(NamedTuple):
    """What the history says last of a device."""

    row_version: str
    tracked_version: str
    change: str


def pbx_states(destination: Destination, names: Sequence[str]) -> dict[str, PbxState]:
    """The state of each PBX. Recent rows are looked at first, all rows only for what is not among them."""
    since = recent_since(destination) if names else None
    if since is None:
        return {name: PbxState() for name in names}
    states = _last_rows(destination, names, "s.started_at > ?", since)
    unknown = [name for name in names if name not in states]
    named = {}
    for name, state in states.items():
        if state.last and state.complete is None:
            # A row that was refused or that failed names the last complete snapshot, if there is one.
            if state.last["status"] not in ("refused", "failed"):
                unknown.append(name)
            elif state.last["previous_snapshot_id"]:
                named[name] = state.last["previous_snapshot_id"]
    if named:
        marks = _marks(named)
        rows = _last_rows(destination, list(named), f"s.snapshot_id in ({marks})", *named.values())
        for name, snapshot_id in named.items():
            state = rows.get(name, PbxState())
            if state.snapshot_id == snapshot_id:
                states[name] = PbxState(states[name].last, state.complete)
            else:
                unknown.append(name)
    if unknown:
        states |= _last_rows(destination, unknown, "1 = 1")
    return {name: states.get(name, PbxState()) for name in names}


def _last_rows(destination: Destination, names: Sequence[str], which: str, *params: Any) -> dict[str, PbxState]:
    """The last attempt and the last complete snapshot of PBXs, among some rows of the ledger."""
    # Two plain queries: one that joins the ledger with itself reads much more of it. Identifiers are constants of this
    # package; values are bound.
    committed = f"""
        from {destination.schema}.snapshots s
        where s.pbx in ({_marks(names)}) and {which}
            and s._dlt_load_id in {finished_loads(f"{destination.schema}.")}
    """
    newest = f"""
        select s.pbx, max(s.snapshot_id) as last_id,
            max(case when s.status = 'complete' then s.snapshot_id end) as complete_id
        {committed} group by s.pbx
    """
    named = {pbx: (last, complete) for pbx, last, complete in destination.rows(newest, [*names, *params])}
    wanted = sorted({snapshot_id for pair in named.values() for snapshot_id in pair if snapshot_id})
    rows: dict[tuple[str, str], Mapping[str, Any]] = {}
    if wanted:
        columns = ", ".join(f"s.{name}" for name in _LEDGER_NAMES)
        sql = f"select {columns} {committed} and s.snapshot_id in ({_marks(wanted)})"
        for values in destination.rows(sql, [*names, *params, *wanted]):
            row = dict(zip(_LEDGER_NAMES, values, strict=True))
            rows[row["pbx"], row["snapshot_id"]] = row
    return {
        pbx: PbxState(rows[pbx, last], rows[pbx, complete] if complete else None)
        for pbx, (last, complete) in named.items()
    }


def api_shapes(destination: Destination, names: Sequence[str]) -> dict[str, str]:
    """The last `shape` in the ledger of each PBX that has one, as JSON.

    Few rows have one. DuckDB and files skip the parts of the ledger that have none, PostgreSQL has an index of the few.
    """
    if not names or not destination.has_table("snapshots"):
        return {}
    found = f"""
        from {destination.schema}.snapshots s
        where s.shape is not null and s.status in ('complete', 'join') and s.pbx in ({_marks(names)})
            and s._dlt_load_id in {finished_loads(f"{destination.schema}.")}
    """
    newest = f"select s.pbx, max(s.snapshot_id) as snapshot_id {found} group by s.pbx"
    last = dict(destination.rows(newest, names))
    if not last:
        return {}
    sql = f"select s.pbx, s.snapshot_id, s.shape {found} and s.snapshot_id in ({_marks(last)})"
    rows = destination.rows(sql, [*names, *last.values()])
    return {pbx: shape for pbx, snapshot_id, shape in rows if last[pbx] == snapshot_id}


def known_devices(destination: Destination, names: Sequence[str]) -> Iterator[tuple[str, Iterator[Known]]]:
    """PBX by PBX, in any order, the last version of every device, ascending by device_id; the removed ones too.

    Each PBX is to be used up before the next. Those without devices are left out.
    """
    if not names or not destination.has_table("device_versions"):
        return
    sql = f"""
        select * from ({_latest(destination, names, ("pbx", "device_id", "row_version", "change"))}) l
        order by l.pbx, l.device_id
    """  # noqa: S608
    for pbx, rows in groupby(destination.rows(sql, [*names, *names]), key=itemgetter(0)):
        yield pbx, (Known(device_id, row_version, change == "removed") for _, device_id, row_version, change in rows)


def device_rows(destination: Destination, pbx: str, device_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The columns of the last version of some devices, by device_id."""
    if not device_ids:
        return {}
    among = f"and v.device_id in ({', '.join(str(int(device_id)) for device_id in device_ids)})"
    sql = _latest(destination, [pbx], _ROW_NAMES, among)
    return {row[0]: dict(zip(_ROW_NAMES, row, strict=True)) for row in destination.rows(sql, [pbx, pbx])}


def last_versions(destination: Destination, devices: Sequence[tuple[str, int]]) -> dict[tuple[str, int], LastVersion]:
    """The last version of some devices, by PBX and device_id; those that were never there are left out."""
    found: dict[tuple[str, int], LastVersion] = {}
    if not devices or not destination.has_table("device_versions"):
        return found
    for start in range(0, len(devices), _CHUNK):
        some = devices[start : start + _CHUNK]
        wanted = f"""(values {", ".join(f"(?, {int(device_id)})" for _, device_id in some)}) as w(pbx, device_id)"""
        sql = _newest(
            destination,
            ("pbx", "device_id", "row_version", "tracked_version", "change"),
            f"join {wanted} on w.pbx = v.pbx and w.device_id = v.device_id",
        )
        for pbx, device_id, *version in destination.rows(sql, [pbx for pbx, _ in some] * 2):
            found[pbx, device_id] = LastVersion(*version)
    return found


def _latest(destination: Destination, names: Sequence[str], columns: Sequence[str], condition: str = "") -> str:
    """The last committed version per device of these PBXs, whose names are bound twice; each once."""
    return _newest(destination, columns, f"where v.pbx in ({_marks(names)}) {condition}")


def _newest(destination: Destination, columns: Sequence[str], which: str) -> str:
    """The last committed version of each device, among the versions that a join or a condition leaves; each once."""
    schema = destination.schema
    return f"""
        select distinct {", ".join(f"v.{name}" for name in columns)}
        from (
            select v.pbx, v.device_id, max(v.snapshot_id) as snapshot_id
            from (select v.pbx, v.device_id, v.snapshot_id from {schema}.device_versions v {which}) v
            join {schema}.snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id
                and s.status in ('complete', 'archived')
            where s._dlt_load_id in {finished_loads(f"{schema}.")} group by v.pbx, v.device_id
        ) newest
        join (select v.* from {schema}.device_versions v {which}) v
            on newest.pbx = v.pbx and newest.device_id = v.device_id and newest.snapshot_id = v.snapshot_id
    """  # noqa: S608


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" for _ in values)
