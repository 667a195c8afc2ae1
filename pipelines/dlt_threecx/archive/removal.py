"""Takes out of a history what an archive has, and puts joins in its place. One transaction."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from dlt_threecx.archive.archive_file import Counts
from dlt_threecx.archive.kept import kept_keys
from dlt_threecx.archive.plan import Plan
from dlt_threecx.destinations.base import Database, History
from dlt_threecx.integrity.join import Archived, joins_root, kept_row_part, kept_version_part
from dlt_threecx.integrity.ledger import SEAL_MODULUS, LedgerRow
from dlt_threecx.integrity.log import SEALED, Versions, ledger_rows
from dlt_threecx.tables import LEDGER, LOADS, VERSIONS, finished_loads

__all__ = ["DLT_STATE", "remove_archived"]

DLT_STATE = "_dlt_pipeline_state"
_NAMES = tuple(column.name for column in LEDGER)
_STUB = ("pbx", "snapshot_id", "base_url", "started_at", "taken_at", "row_format", "chain")
"""What stays of the row of a snapshot when only some of its versions are needed."""

_LOADED = f"s._dlt_load_id in {finished_loads('')}"
_PBXS = 200
"""So many PBXs are added up together."""


def remove_archived(
    database: Database,
    history: History,
    plan: Plan,
    archive: str,
    before: datetime,
    counts: Mapping[str, Counts],
    seals: Mapping[str, str],
    *,
    has_dlt_state: bool,
) -> None:
    """Leaves what the devices of today need, and a join for each PBX. Runs inside a transaction of its caller.

    `has_dlt_state` is whether there is a table of dlt's own state: to look for it could end the transaction.
    Of each PBX the last attempt and the last complete one stay, of each device the versions of `kept_keys`.
    """
    load_id = str(time.time())
    for statement in _statements(database.schema, load_id):
        database.execute(statement)
    if has_dlt_state:
        # dlt looks for its own state in loads that count
        database.execute(f"""
            update {database.schema}.{DLT_STATE} set _dlt_load_id = '{load_id}'
            where _dlt_load_id not in (select l.load_id from {database.schema}.{LOADS} l)
        """)  # noqa: S608  constants
    rows = list(_joins(history, plan, archive, before, counts, seals))
    root = joins_root([asdict(row) for row in rows])
    marks = f"({', '.join('?' for _ in (*_NAMES, 0, 0))})"
    for some in _some(rows, _PBXS):
        values: list[Any] = []
        for row in some:
            of_row = {**row.values(), "root": root}
            values += [*(of_row[name] for name in _NAMES), load_id, secrets.token_hex(7)]
        database.execute(
            f"insert into {database.schema}.snapshots ({', '.join(map(_quoted, _NAMES))}, _dlt_load_id, _dlt_id)"  # noqa: S608
            f" values {', '.join(marks for _ in some)}",
            values,
        )


def _statements(schema: str, load_id: str) -> Iterator[str]:
    loaded = f"s._dlt_load_id in {finished_loads(f'{schema}.')}"
    old = "exists (select 1 from archive_cuts c where c.pbx = {0}.pbx and {0}.snapshot_id <= c.join_id)"
    log = f"""
        select distinct v.pbx, v.device_id, v.snapshot_id, v.change, v.online
        from {schema}.device_versions v
        join archive_cuts c on c.pbx = v.pbx and v.snapshot_id <= c.join_id
        join {schema}.snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id
        where s.status in ('complete', 'archived') and {loaded}
    """  # noqa: S608  constants
    yield f"create temp table archive_kept as {kept_keys(log)}"
    yield f"""
        create temp table archive_versions as
        select distinct {", ".join(f"v.{column.name}" for column in VERSIONS)} from {schema}.device_versions v
        join archive_kept k on k.pbx = v.pbx and k.device_id = v.device_id and k.snapshot_id = v.snapshot_id
    """  # noqa: S608  constants
    whole = "s.snapshot_id = c.head_id or s.snapshot_id = c.complete_id"
    columns = ", ".join(_kept_column(name, whole) for name in _NAMES)
    yield f"""
        create temp table archive_snapshots as
        select distinct {columns}, '{load_id}' as _dlt_load_id,
            substr(md5(s.pbx || '/' || s.snapshot_id), 1, 14) as _dlt_id
        from {schema}.snapshots s
        join archive_cuts c on c.pbx = s.pbx and s.snapshot_id <= c.join_id
        left join (select distinct k.pbx, k.snapshot_id from archive_kept k) k
            on k.pbx = s.pbx and k.snapshot_id = s.snapshot_id
        where {loaded} and s.status <> 'join' and ({whole} or k.pbx is not null)
    """  # noqa: S608  constants
    yield f"""
        insert into {schema}.{LOADS} (load_id, schema_name, status, inserted_at, schema_version_hash)
        select '{load_id}', l.schema_name, l.status, cast('{datetime.now(UTC).isoformat()}' as timestamptz),
            l.schema_version_hash
        from {schema}.{LOADS} l
        where l.load_id = (select max(s._dlt_load_id) from {schema}.snapshots s where {loaded})
    """  # noqa: S608  constants
    yield f"""
        delete from {schema}.{LOADS} where load_id in (
            select s._dlt_load_id from {schema}.snapshots s
            join archive_cuts c on c.pbx = s.pbx and s.snapshot_id <= c.join_id
        )
    """  # noqa: S608  constants
    names = ", ".join(column.name for column in VERSIONS)
    yield f"delete from {schema}.device_versions where {old.format('device_versions')}"  # noqa: S608  constants
    yield f"insert into {schema}.device_versions ({names}) select {names} from archive_versions"  # noqa: S608
    names = ", ".join((*map(_quoted, _NAMES), "_dlt_load_id", "_dlt_id"))
    yield f"delete from {schema}.snapshots where {old.format('snapshots')}"  # noqa: S608  constants
    yield f"insert into {schema}.snapshots ({names}) select {names} from archive_snapshots"  # noqa: S608  constants


def _kept_column(name: str, whole: str) -> str:
    column = f"s.{_quoted(name)}"
    if name in ("root", "previous_root"):
        # its run is in the archive
        return f"cast(null as varchar) as {_quoted(name)}"
    if name == "status":
        return f"case when {whole} then s.status else 'archived' end as status"
    return column if name in _STUB else f"case when {whole} then {column} end as {_quoted(name)}"


def _joins(
    history: History,
    plan: Plan,
    archive: str,
    before: datetime,
    counts: Mapping[str, Counts],
    seals: Mapping[str, str],
) -> Iterator[LedgerRow]:
    [[newest]] = history.rows(f"select max(s.started_at) from snapshots s where {_LOADED}")[1]  # noqa: S608
    for names in _some(sorted(plan.cuts), _PBXS):
        ledger, versions = ledger_rows(history, names), Versions(history, names)
        for name in names:
            cut, kept = plan.cuts[name], 0
            for row in ledger[name]:
                if row["snapshot_id"] > cut.join_id:
                    break
                kept += kept_row_part(row)
                for version in versions.of(name, row["snapshot_id"]):
                    kept += kept_version_part(row["snapshot_id"], (version[column] for column in SEALED))
            versions.skip(name)
            attempts, rows = counts.get(name, (0, 0))
            archived = Archived(
                archive,
                before.astimezone(UTC).isoformat(timespec="seconds"),
                attempts,
                rows,
                f"{kept % SEAL_MODULUS:032x}",
                dict(seals),
            )
            yield LedgerRow(
                pbx=name,
                snapshot_id=cut.join_id,
                base_url=cut.head["base_url"],
                status="join",
                detail=archived.text(),
                started_at=newest,
                taken_at=cut.head["taken_at"] or cut.head["started_at"],
                devices=cut.complete["devices"] if cut.complete else 0,
                fingerprint=cut.complete["fingerprint"] if cut.complete else f"{0:032x}",
                shape=cut.shape,
                previous_snapshot_id=cut.complete["snapshot_id"] if cut.complete else None,
                chain=cut.head["chain"],
            )


def _some(values: Any, size: int) -> Iterator[list[Any]]:
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part


def _quoted(name: str) -> str:
    return f'"{name}"'
