"""What an archive takes: whole runs, and up to which attempt of each PBX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dlt_threecx.destinations.base import Database, History
from dlt_threecx.integrity.join import join_id
from dlt_threecx.source.errors import SettingsError
from dlt_threecx.tables import LEDGER, finished_loads

__all__ = ["Cut", "Plan", "note_plan", "plan_of"]

_LOADED = f"s._dlt_load_id in {finished_loads('')}"
_RUNS = f"""
    select s.root, s.previous_root, max(coalesce(s.taken_at, s.started_at)) as at, max(s.status) = 'join' as is_join
    from snapshots s where {_LOADED} and s.root is not null
    group by s.root, s.previous_root
"""  # noqa: S608  constants
_NAMES = tuple(column.name for column in LEDGER)
_LAST = f"""
    select distinct {", ".join(f"s.{name}" for name in _NAMES)} from snapshots s
    join archive_cuts c on c.pbx = s.pbx and s.snapshot_id in (c.head_id, c.complete_id)
    where {_LOADED} and s.status not in ('archived', 'join') order by s.pbx, s.snapshot_id
"""  # noqa: S608  constants
_SHAPES = f"""
    select s.pbx, s.shape from snapshots s join archive_cuts c on c.pbx = s.pbx and s.snapshot_id <= c.join_id
    where {_LOADED} and s.status in ('complete', 'join') and s.shape is not null order by s.pbx, s.snapshot_id
"""  # noqa: S608  constants
_SOME = 1000


@dataclass(frozen=True)
class Cut:
    """The last attempt of a PBX that is archived, and the last complete one up to it, as rows of the ledger."""

    head: Mapping[str, Any]
    complete: Mapping[str, Any] | None
    shape: str | None
    """The last `shape` up to there."""

    @property
    def join_id(self) -> str:
        """Everything of the PBX up to here is archived."""
        return join_id(self.head["snapshot_id"])


@dataclass(frozen=True)
class Plan:
    """The runs that are archived, those of them that later runs follow, and the cut of each PBX, by name."""

    roots: frozenset[str]
    followed: frozenset[str]
    cuts: Mapping[str, Cut]


def plan_of(history: History, database: Database, before: datetime) -> Plan:
    """The plan for everything before a time; notes it in temporary tables. Raises SettingsError for nothing to do."""
    runs = {
        root: (tuple(previous.split(",")) if previous else (), at, is_join)
        for root, previous, at, is_join in history.rows(_RUNS)[1]
    }
    moved = {root for root, (_, at, is_join) in runs.items() if at < before and not is_join}
    waiting = list(moved)
    while waiting:
        # what a run follows goes with it, whatever the clock said
        for root in runs[waiting.pop()][0]:
            if root in runs and root not in moved:
                moved.add(root)
                waiting.append(root)
    if not moved:
        first = min((at for _, at, is_join in runs.values() if not is_join), default=None)
        begin = (
            f"the first attempt that is not archived is of {first:%Y-%m-%d %H:%M:%S} UTC" if first else "it is empty"
        )
        raise SettingsError("--before", f"the history has nothing older: {begin}", "Name a later time")
    moved |= {root for root, (_, _, is_join) in runs.items() if is_join}
    followed = {before for root, (previous, _, _) in runs.items() if root not in moved for before in previous}
    plan = Plan(frozenset(moved), frozenset(followed & moved), {})
    note_plan(database, plan.roots)
    return Plan(plan.roots, plan.followed, _cuts(history))


def note_plan(database: Database, roots: frozenset[str]) -> None:
    """Writes archive_runs and archive_cuts, temporary tables that the other statements join."""
    schema = database.schema
    database.execute("create temp table archive_runs (root varchar)")
    for some in _in_parts(sorted(roots)):
        database.execute(f"insert into archive_runs values {', '.join('(?)' for _ in some)}", some)  # noqa: S608
    # a row without a root stayed when an earlier archive was made
    database.execute(f"""
        create temp table archive_cuts as
        select s.pbx, max(s.snapshot_id) as head_id,
            max(case when s.status = 'complete' then s.snapshot_id end) as complete_id,
            max(s.snapshot_id) || '{join_id("")}' as join_id
        from {schema}.snapshots s
        left join archive_runs r on r.root = s.root
        where s._dlt_load_id in {finished_loads(f"{schema}.")}
            and s.status not in ('archived', 'join') and (r.root is not null or s.root is null)
        group by s.pbx
    """)  # noqa: S608  constants


def _cuts(history: History) -> dict[str, Cut]:
    cuts: dict[str, Cut] = {}
    shapes: dict[str, str] = dict(history.rows(_SHAPES)[1])
    for values in history.rows(_LAST)[1]:
        row = dict(zip(_NAMES, values, strict=True))
        earlier = cuts.get(row["pbx"])
        complete = row if row["status"] == "complete" else earlier.complete if earlier else None
        cuts[row["pbx"]] = Cut(row, complete, shapes.get(row["pbx"]))
    return cuts


def _in_parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _SOME] for start in range(0, len(values), _SOME))
