"""The runs of a dataset, each bound to the runs before it.

A run is one load: one ledger row for each PBX that it read. All its rows have the same `root`: a hash over the runs
just before it (with the chain of each of their rows) and over the names of its own rows. The root is part of the chain
of each row. So no ledger row, PBX or run can be taken away while a later run stays. Two workers that load at the same
time make two runs after the same one; the next run is bound to both.

Each run also has its row in dlt's table of loads. Both tables must agree, in both directions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from dlt_threecx.integrity.join import join_of, joins_root
from dlt_threecx.integrity.log import Log
from dlt_threecx.integrity.row_hash import canonical_json
from dlt_threecx.integrity.verdict import Disagreement
from dlt_threecx.tables import LEDGER, LOADS

__all__ = ["run_disagreement", "run_root", "run_seal"]

_SCHEMA = "threecx"
_LOST_LOADS = f"""
    select l.load_id, l.status from {LOADS} l
    left join (select distinct s._dlt_load_id from snapshots s) n on n._dlt_load_id = l.load_id
    where l.schema_name = '{_SCHEMA}' and (l.status <> 0 or n._dlt_load_id is null) order by l.load_id
"""  # noqa: S608  constants
_ROWS = f"""
    select distinct s.root, s.pbx, s.snapshot_id, s.chain, s.previous_root, s._dlt_load_id, l.status, l.schema_name,
        s.started_at
    from snapshots s left join {LOADS} l on l.load_id = s._dlt_load_id
    left join snapshots j on j.pbx = s.pbx and j.status = 'join' and j.snapshot_id > s.snapshot_id
    where s.status not in ('join', 'joined') and j.pbx is null
    order by s.root, s.pbx, s.snapshot_id
"""  # noqa: S608  constants
_JOINS = f"""
    select distinct {", ".join(f"s.{column.name}" for column in LEDGER)} from snapshots s
    where s.status in ('join', 'joined') order by s.root, s.pbx
"""  # noqa: S608  constants


def run_root(before: Mapping[str, str], rows: Iterable[tuple[str, str]]) -> str:
    """The root of a run: 64 hex digits.

    `before` is root → seal of the runs just before it, `rows` has PBX and snapshot_id of each row of the run.
    """
    return hashlib.sha256(canonical_json([sorted(before.items()), sorted(rows)])).hexdigest()


def run_seal(rows: Iterable[tuple[str, str]]) -> str:
    """Hash over all rows of a run, as the run after it is bound to them; `rows` has PBX and chain of each."""
    return hashlib.sha256(canonical_json(sorted(rows))).hexdigest()


@dataclass(frozen=True)
class _Run:
    root: str
    before: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    """PBX and snapshot_id of each row."""
    seal: str
    is_loaded: bool
    last_at: datetime


def run_disagreement(log: Log, until: datetime | None, unfinished: Collection[str]) -> Disagreement | None:
    """The first disagreement among runs and loads, None when there is none.

    With `until` later runs do not count. `unfinished` are snapshots of a load that the next sync will finish.
    """
    seals = _archived(log)
    if isinstance(seals, Disagreement):
        return seals
    runs: dict[str, _Run] = {}
    for root, rows in groupby(log.rows(_ROWS)[1], key=itemgetter(0)):
        run = _run(root, list(rows))
        if isinstance(run, Disagreement):
            return run
        runs[root] = run
    in_question = [run for run in runs.values() if until is None or run.last_at <= until]
    for run in sorted(in_question, key=lambda run: run.names[0][1]):
        if found := _of_loaded(run, runs, seals) if run.is_loaded else _of_unloaded(run, runs, unfinished):
            return found
    lost = next(log.rows(_LOST_LOADS)[1], None) if until is None else None
    if lost is None:
        return None
    what = "the ledger has no row of" if lost[1] == 0 else f"a status of {lost[1]} hides"
    return Disagreement(None, f"{what} load {lost[0]}, which was committed")


def _run(root: str | None, rows: list[tuple[Any, ...]]) -> _Run | Disagreement:
    _, _, snapshot_id, _, previous_root, load_id, status, schema_name, _ = rows[0]
    if root is None:
        return Disagreement(snapshot_id, "this row of the ledger has no root")
    if any(row[4:8] != (previous_root, load_id, status, schema_name) for row in rows):
        return Disagreement(snapshot_id, "the rows of one run do not name the same load or the same run before it")
    if status not in (None, 0) or schema_name not in (None, _SCHEMA):
        return Disagreement(snapshot_id, f"its load {load_id} has status {status} and schema {schema_name}")
    return _Run(
        root,
        tuple(previous_root.split(",")) if previous_root else (),
        tuple((row[1], row[2]) for row in rows),
        run_seal((row[1], row[3]) for row in rows),
        status == 0,
        max(row[8] for row in rows),
    )


def _archived(log: Log) -> dict[str, str] | Disagreement:
    """Root → seal of the runs in an archive that runs follow, and of the joins, which count as a run as well."""
    seals: dict[str, str] = {}
    names = tuple(column.name for column in LEDGER)
    rows = (dict(zip(names, values, strict=True)) for values in log.rows(_JOINS)[1])
    for root, of_archive in groupby(rows, key=itemgetter("root")):
        joins = list(of_archive)
        if root != joins_root(joins):
            return Disagreement(joins[0]["snapshot_id"], "a join of this archive is missing, was changed or was put in")
        try:
            seals |= join_of(joins[0]).archived.runs
        except ValueError:
            return Disagreement(joins[0]["snapshot_id"], "this join does not say what is in the archive")
        seals[root] = run_seal((join["pbx"], join["chain"]) for join in joins)
    return seals


def _of_loaded(run: _Run, runs: Mapping[str, _Run], seals: Mapping[str, str]) -> Disagreement | None:
    snapshot_id = run.names[0][1]
    for root in run.before:
        if root not in runs and root not in seals:
            return Disagreement(snapshot_id, "the run before it is missing in the ledger")
        if root in runs and not runs[root].is_loaded:
            return _missing_load(runs[root])
    seals = {root: runs[root].seal if root in runs else seals[root] for root in run.before}
    if run.root != run_root(seals, run.names):
        what = "a row of this run or of the run before it is missing in the ledger, was changed or was put in"
        return Disagreement(snapshot_id, what)
    return None


def _of_unloaded(run: _Run, runs: Mapping[str, _Run], unfinished: Collection[str]) -> Disagreement | None:
    """A load that was killed has rows in the ledger and no row among the loads; the next run does not follow it."""
    if all(snapshot_id in unfinished for _, snapshot_id in run.names) or any(
        _replace(other, run) for other in _loaded(runs)
    ):
        return None
    return _missing_load(run)


def _loaded(runs: Mapping[str, _Run]) -> Iterator[_Run]:
    return (run for run in runs.values() if run.is_loaded)


def _replace(other: _Run, run: _Run) -> bool:
    """Whether `other` follows the same run as `run` does."""
    return not other.before if not run.before else not set(run.before).isdisjoint(other.before)


def _missing_load(run: _Run) -> Disagreement:
    return Disagreement(
        run.names[0][1],
        f"the ledger has this snapshot, and {LOADS} has no load of it: a sync is loading just now or was killed, "
        "or the row was removed",
        do="Run threecx sync, then verify again. If this stays, compare with a backup of the destination",
    )
