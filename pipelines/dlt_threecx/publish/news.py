"""What the history has and a published copy has not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from dlt_threecx.destinations.base import History
from dlt_threecx.snapshot.device_file import arrow_schema
from dlt_threecx.tables import TABLES, finished_loads

__all__ = ["Head", "Heads", "continues", "heads", "log_rows"]

Head = tuple[str, str]
"""The last attempt of a PBX: `snapshot_id` and `chain`."""

Heads = dict[str, Head]
"""PBX → its head."""

_LOADED = f"s._dlt_load_id in {finished_loads('')}"
_COMPLETE = "exists (select 1 from complete_snapshots c where c.pbx = s.pbx and c.snapshot_id = s.snapshot_id)"


def heads(history: History) -> Heads:
    """The head of each PBX; a chain value stands for all that came before it."""
    sql = f"""
        select distinct s.pbx, s.snapshot_id, s.chain
        from snapshots s
        join (select s.pbx, max(s.snapshot_id) as snapshot_id from snapshots s
            where {_LOADED} and s.status <> 'join' group by s.pbx) n
            on n.pbx = s.pbx and n.snapshot_id = s.snapshot_id
    """  # noqa: S608  constants
    return {pbx: (snapshot_id, chain) for pbx, snapshot_id, chain in history.rows(sql)[1]}


def continues(history: History, before: Heads) -> bool:
    """Whether the history has all of these heads, so that it begins with what they stand for."""
    if not before:
        return False
    sql = f"""
        select distinct s.pbx, s.snapshot_id, s.chain from snapshots s
        where {_LOADED} and s.snapshot_id in ({_marks(before)})
    """  # noqa: S608  constants
    found = history.rows(sql, [snapshot_id for snapshot_id, _ in before.values()])[1]
    return {(pbx, *head) for pbx, head in before.items()} <= set(found)


def log_rows(history: History, table: str, before: Heads, now: Heads) -> pa.RecordBatchReader:
    """The rows of a table whose snapshot is not older than the news; a few that are known already may be among them."""
    condition, params = _since(before, now)
    names = ", ".join(f"s.{column.name}" for column in TABLES[table])
    counts = _LOADED if table == "snapshots" else _COMPLETE
    if table == "snapshots" and before:
        # the copy has what was archived since
        counts += " and s.status <> 'join'"
    sql = f"select {names} from {table} s where {counts} and ({condition})"  # noqa: S608  constants
    return history.batches(sql, arrow_schema(TABLES[table]), params)


def _since(before: Heads, now: Heads) -> tuple[str, list[Any]]:
    """Of PBXs that are new everything, of those that went on what came after the oldest of their heads."""
    new = [pbx for pbx in now if pbx not in before]
    moved = [pbx for pbx in now if pbx in before and before[pbx] != now[pbx]]
    if not before:
        return "1 = 1", []
    parts, params = ["1 = 0"], []
    if new:
        parts.append(f"s.pbx in ({_marks(new)})")
        params += new
    if moved:
        parts.append(f"s.pbx in ({_marks(moved)}) and s.snapshot_id > ?")
        params += [*moved, min(before[pbx][0] for pbx in moved)]
    return " or ".join(parts), params


def _marks(values: Sequence[Any] | Mapping[str, Any]) -> str:
    return ", ".join("?" for _ in values)
