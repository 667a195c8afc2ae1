"""A history in a DuckDB file together with the archives of its past: both answer as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from dlt_threecx.destinations.duckdb_file import DuckDbHistory, quoted_name
from dlt_threecx.destinations.duckdb_lock import connected
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.integrity.join import join_id
from dlt_threecx.source.errors import SettingsError
from dlt_threecx.tables import LEDGER, LOADS, VERSIONS
from dlt_threecx.views.views import view_statements

__all__ = ["JoinedFiles", "Meeting", "open_joined_files"]

_CATALOG = "memory"
_NAMES = tuple(column.name for column in LEDGER)
_LOAD_NAMES = ("load_id", "schema_name", "status", "inserted_at", "schema_version_hash")


class Meeting(NamedTuple):
    """The part of a history that begins at a join, and the archive that ends there: both as `catalog.schema`."""

    later: str
    earlier: str


class JoinedFiles(DuckDbHistory):
    """Views over the tables of several files, to read only."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, dataset: str, meetings: Sequence[Meeting]) -> None:
        super().__init__(connection, dataset)
        self.meetings = tuple(meetings)

    def differing_views(self) -> list[str]:
        """Empty: these views were just made."""
        return []


def open_joined_files(location: HistoryLocation, wait_seconds: float) -> JoinedFiles:
    """The history of a location with its archives.

    Raises SettingsError for a file that is missing or no archive of this history, DestinationError when one is busy.
    """
    connection = duckdb.connect(config={"python_enable_replacements": False})
    try:
        connection.execute("set TimeZone = 'UTC'")
        files = {"history": location.db, **{f"archive_{i}": file for i, file in enumerate(location.archives, start=1)}}
        for catalog, file in files.items():
            _attach(connection, catalog, file, location.dataset, wait_seconds)
        schemas = {f"{catalog}.{quoted_name(location.dataset)}": file for catalog, file in files.items()}
        meetings = _meetings(connection, schemas)
        connection.execute(f"create schema {_CATALOG}.{quoted_name(location.dataset)}")
        connection.execute(f"use {_CATALOG}.{quoted_name(location.dataset)}")
        joined = {meeting.later for meeting in meetings}
        for statement in _tables([(schema, schema in joined) for schema in schemas]):
            connection.execute(statement)
        for statement in view_statements(dataset=location.dataset, catalog=_CATALOG):
            connection.execute(statement)
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
    except BaseException:
        connection.close()
        raise
    return JoinedFiles(connection, location.dataset, meetings)


def _attach(connection: duckdb.DuckDBPyConnection, catalog: str, file: Path, dataset: str, wait_seconds: float) -> None:
    if not file.is_file():
        raise SettingsError(f"file {file}", "there is no such file", "Name the right one with --archive or --db")
    path = str(file).replace("'", "''")
    connected(
        lambda: connection.execute(f"attach '{path}' as {catalog} (read_only)"),
        file,
        wait_seconds,
        cannot="Check that it is the DuckDB file of a history or an archive",
        busy="Ask again when it has finished",
    )
    sql = "select 1 from duckdb_tables() where database_name = ? and schema_name = ? and table_name = 'snapshots'"
    if not connection.execute(sql, [catalog, dataset]).fetchall():
        raise SettingsError(f"file {file}", f"it has no history in a dataset '{dataset}'", "Name the right one")


def _meetings(connection: duckdb.DuckDBPyConnection, schemas: dict[str, Path]) -> list[Meeting]:
    """Which file goes on where which other one ends. Raises SettingsError for an archive that none goes on from."""
    ends = {schema: _ends(connection, schema) for schema in schemas}
    meetings = []
    for later in schemas:
        begins = dict(
            connection.execute(
                f"select s.pbx, [s.snapshot_id, s.chain] from {later}.snapshots s where s.status = 'join'"  # noqa: S608
            ).fetchall()
        )
        for earlier in schemas:
            if earlier != later and begins and ends[earlier] == begins:
                meetings.append(Meeting(later, earlier))
    used = {meeting.earlier for meeting in meetings}
    for schema in list(schemas)[1:]:
        if schema not in used:
            raise SettingsError(
                f"--archive {schemas[schema]}",
                "no part of this history begins where it ends",
                "Name the archives of this history, without a gap between them; threecx verify says where it begins",
            )
    return meetings


def _ends(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, list[str]]:
    """PBX → name and chain of a join that would go on from here."""
    sql = f"""
        select s.pbx, max(s.snapshot_id), arg_max(s.chain, s.snapshot_id) from {schema}.snapshots s
        where s.status not in ('archived', 'join') group by s.pbx
    """  # noqa: S608  constants
    return {pbx: [join_id(snapshot_id), chain] for pbx, snapshot_id, chain in connection.execute(sql).fetchall()}


def _tables(schemas: Sequence[tuple[str, bool]]) -> list[str]:
    """The three tables as views over those of all files. What stayed of an archived time counts in the archive only."""
    branches: dict[str, list[str]] = {"snapshots": [], "device_versions": [], LOADS: []}
    for schema, is_joined in schemas:
        join = f"select 1 from {schema}.snapshots j where j.status = 'join' and j.pbx = t.pbx and j.snapshot_id"  # noqa: S608
        status = "case when t.status = 'join' then 'joined' else t.status end as status" if is_joined else "t.status"
        names = ", ".join(status if name == "status" else f't."{name}"' for name in _NAMES)
        where = f"where not exists ({join} > t.snapshot_id)" if is_joined else ""
        branches["snapshots"].append(f"select {names}, t._dlt_load_id from {schema}.snapshots t {where}")  # noqa: S608
        names = ", ".join(f"t.{column.name}" for column in VERSIONS)
        where = f"where not exists ({join} >= t.snapshot_id)" if is_joined else ""
        branches["device_versions"].append(f"select {names} from {schema}.device_versions t {where}")  # noqa: S608
        names = ", ".join(f"t.{name}" for name in _LOAD_NAMES)
        branches[LOADS].append(f"select {names} from {schema}.{LOADS} t")  # noqa: S608
    return [f"create view {name} as {' union all '.join(parts)}" for name, parts in branches.items()]
