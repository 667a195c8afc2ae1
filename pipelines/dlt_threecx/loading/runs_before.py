"""The runs that a new run follows, and whether the history is still the one that this folder knows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from dlt_threecx.destinations.base import Destination
from dlt_threecx.integrity.ledger import Head
from dlt_threecx.integrity.runs import run_seal
from dlt_threecx.tables import LOADS, finished_loads

__all__ = ["history_objection", "runs_before"]

_RECENT = timedelta(days=2)
"""A run follows the last runs of this time. Workers that load at the same time are much closer than that."""


def runs_before(destination: Destination) -> dict[str, str]:
    """Root → seal of the loaded runs that no other run follows yet; mostly one."""
    if not destination.has_table("snapshots"):
        return {}
    schema = destination.schema
    loaded = f"from {schema}.snapshots s where s._dlt_load_id in {finished_loads(f'{schema}.')}"
    # A run of the future had a wrong clock, and others have followed it since.
    times = f"select max(case when s.started_at <= ? then s.started_at end) as past, max(s.started_at) as last {loaded}"
    past, last_at = next(destination.rows(times, [datetime.now(UTC)]))
    newest = past or last_at
    if newest is None:
        return {}
    recent = list(
        destination.rows(
            f"select distinct s.root, s.previous_root {loaded} and (s.started_at > ? or s.status = 'join')",
            [newest - _RECENT],
        )
    )
    followed = {root for _, previous in recent if previous for root in previous.split(",")}
    last = {root for root, _ in recent if root is not None} - followed
    rows: dict[str, set[tuple[str, str]]] = {root: set() for root in last}
    if last:
        sql = f"select s.root, s.pbx, s.chain {loaded} and s.root in ({', '.join('?' for _ in last)})"
        for root, pbx, chain in destination.rows(sql, sorted(last)):
            rows[root].add((pbx, chain))
    return {root: run_seal(found) for root, found in rows.items()}


def history_objection(
    destination: Destination | None, remembered: Head | None, unfinished: Collection[str]
) -> str | None:
    """Why this is not the history that it was, None when nothing speaks against it.

    `remembered` is the last row that this folder loaded; `unfinished` are snapshots of a load that was cut off.
    """
    if destination is None or not (destination.has_table("snapshots") and destination.has_table(LOADS)):
        return _gone(remembered) if remembered else None
    schema = destination.schema
    finished = finished_loads(f"{schema}.")
    if remembered is not None:
        sql = f"""
            select s.chain from {schema}.snapshots s
            where s._dlt_load_id in {finished} and s.snapshot_id = ? and s.pbx = ?
        """  # noqa: S608
        if (remembered.chain,) not in list(destination.rows(sql, [remembered.snapshot_id, remembered.pbx])):
            return _gone(remembered)
    sql = f"""
        select l.load_id, l.status from {schema}.{LOADS} l where l.schema_name = 'threecx' and (
            l.status <> 0 or l.load_id not in (
                select s._dlt_load_id from {schema}.snapshots s where s._dlt_load_id is not null
            )
        )
    """  # noqa: S608
    for load_id, status in destination.rows(sql):
        return f"load {load_id} has status {status}" if status else f"the ledger has no row of the load {load_id}"
    sql = f"""
        select s.snapshot_id from {schema}.snapshots s
        where (s._dlt_load_id is null or s._dlt_load_id not in {finished}) and s.root in (
            select f.previous_root from {schema}.snapshots f where f.previous_root is not null
        )
    """  # noqa: S608
    for (snapshot_id,) in destination.rows(sql):
        if snapshot_id not in unfinished:
            return f"snapshot {snapshot_id} has lost its load in {LOADS}"
    return None


def _gone(remembered: Head) -> str:
    return (
        f"it no longer has snapshot {remembered.snapshot_id} of PBX '{remembered.pbx}', which this folder loaded last"
    )
