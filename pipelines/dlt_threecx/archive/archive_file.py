"""The file of an archive: a history of its own, which every command can ask and verify."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from dlt_threecx.archive.plan import Plan
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.duckdb_views import STORAGE, update_views
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.errors import DestinationError, first_line
from dlt_threecx.integrity.runs import run_seal
from dlt_threecx.integrity.verify import verify
from dlt_threecx.snapshot.device_file import arrow_schema
from dlt_threecx.source.errors import ThreecxError
from dlt_threecx.tables import LEDGER, LOADS, VERSIONS, TableColumn, finished_loads

__all__ = ["Counts", "check_archive", "written_archive"]

Counts = tuple[int, int]
"""Attempts and versions of a PBX."""

_DLT = (TableColumn("_dlt_load_id", "text", "", key=True), TableColumn("_dlt_id", "text", "", key=True))
_LOAD = (
    TableColumn("load_id", "text", "", key=True),
    TableColumn("schema_name", "text", ""),
    TableColumn("status", "bigint", "", key=True),
    TableColumn("inserted_at", "timestamp", "", key=True),
    TableColumn("schema_version_hash", "text", ""),
)
_TABLES: dict[str, tuple[TableColumn, ...]] = {
    "snapshots": (*LEDGER, *_DLT),
    "device_versions": VERSIONS,
    LOADS: _LOAD,
}
_TYPES = {"text": "varchar", "bigint": "bigint", "double": "double", "bool": "boolean", "timestamp": "timestamptz"}
_LOADED = f"s._dlt_load_id in {finished_loads('')}"
_OLD = "join archive_cuts c on c.pbx = {0}.pbx and {0}.snapshot_id <= c.join_id"
_FROM = {
    "snapshots": f"snapshots t {_OLD.format('t')} where t._dlt_load_id in {finished_loads('')}",
    "device_versions": f"""
        device_versions t {_OLD.format("t")} where exists (
            select 1 from snapshots s where s.pbx = t.pbx and s.snapshot_id = t.snapshot_id
                and s.status in ('complete', 'archived') and {_LOADED}
        )
    """,  # noqa: S608  constants
    LOADS: f"{LOADS} t where t.load_id in (select s._dlt_load_id from snapshots s {_OLD.format('s')} where {_LOADED})",  # noqa: S608
}


@contextmanager
def written_archive(history: History, plan: Plan, file: Path, dataset: str) -> Iterator[Path]:
    """The archive of a plan, complete and verified, in a folder beside its place; it is gone after the block.

    Raises DestinationError when it cannot be written, or is not what it should be.
    """
    folder = file.with_name(f".{file.name}.unfinished")
    unfinished = folder / file.name
    _remove(folder)
    try:
        folder.mkdir(parents=True, mode=0o700)
        _write(history, unfinished, dataset)
        check_archive(unfinished, dataset, plan)
        _flush(unfinished)
        yield unfinished
    except (duckdb.Error, OSError) as error:
        said = error.strerror or str(error) if isinstance(error, OSError) else first_line(error)
        raise DestinationError(
            f"write of {file}", said, "The history is as it was. Make room or name another place, and run again"
        ) from error
    finally:
        _remove(folder)


def check_archive(file: Path, dataset: str, plan: Plan) -> None:
    """Raises DestinationError unless a file is the archive of this plan, and nothing was edited in it."""
    try:
        with open_history(HistoryLocation(file, dataset)) as archive:
            verdicts = {verdict.pbx: verdict for verdict in verify(archive)}
            wrong = [str(verdict.disagreement.what) for verdict in verdicts.values() if verdict.disagreement]
            wrong += archive.differing_views()
    except ThreecxError as error:
        raise DestinationError(f"check of {file}", str(error), "Nothing was removed from the history") from error
    heads = {name: verdict.head for name, verdict in verdicts.items()}
    if heads != {name: cut.head["chain"] for name, cut in plan.cuts.items()}:
        wrong.append("it does not end where the rest of the history would begin")
    if wrong:
        raise DestinationError(
            f"check of {file}", wrong[0], "Nothing was removed from the history. Run threecx verify on it"
        )


def archived_counts(file: Path, dataset: str) -> dict[str, Counts]:
    """PBX → how many rows of it an archive has, what it repeats of an earlier archive not counted."""
    sql = """
        select a.pbx, sum(a.attempts), sum(a.versions) from (
            select s.pbx, count(*) as attempts, 0 as versions from snapshots s
            where s.status not in ('archived', 'join') and s.root is not null group by s.pbx
            union all
            select v.pbx, 0, count(*) from device_versions v
            left join snapshots j on j.pbx = v.pbx and j.status = 'join'
            where j.pbx is null or v.snapshot_id > j.snapshot_id group by v.pbx
        ) a group by a.pbx
    """
    with open_history(HistoryLocation(file, dataset)) as archive:
        return {pbx: (int(attempts), int(versions)) for pbx, attempts, versions in archive.rows(sql)[1]}


def archived_seals(file: Path, dataset: str, roots: frozenset[str]) -> dict[str, str]:
    """Root → seal of some runs of an archive."""
    rows: Mapping[str, set[tuple[str, str]]] = {root: set() for root in roots}
    with open_history(HistoryLocation(file, dataset)) as archive:
        for root in roots:
            found = archive.rows("select s.pbx, s.chain from snapshots s where s.root = ?", [root])[1]
            rows[root].update((pbx, chain) for pbx, chain in found)
    return {root: run_seal(found) for root, found in rows.items()}


def _write(history: History, file: Path, dataset: str) -> None:
    with duckdb.connect(str(file), config=STORAGE) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f'create schema "{dataset}"')
        for table, columns in _TABLES.items():
            definitions = [
                f"{column.name} {_TYPES[column.type]}" + (" not null" if column.key else "") for column in columns
            ]
            connection.execute(f'create table "{dataset}".{table} ({", ".join(definitions)})')
            names = ", ".join(f"t.{column.name}" for column in columns)
            reader = history.batches(f"select {names} from {_FROM[table]}", arrow_schema(columns))  # noqa: S608  constants
            connection.register("given", reader)
            connection.execute(f'insert into "{dataset}".{table} select * from given')  # noqa: S608  constants
            connection.unregister("given")
        update_views(connection, dataset)
        connection.execute("checkpoint")


def _flush(file: Path) -> None:
    """On the disk, with its name: a power cut loses nothing after this."""
    for path in (file, file.parent):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(folder: Path) -> None:
    """Removes the folder with what a killed run has left in it, and nothing else."""
    if not folder.is_dir():
        return
    name = folder.name.removeprefix(".").removesuffix(".unfinished")
    for path in (folder / name, folder / f"{name}.wal"):
        path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
