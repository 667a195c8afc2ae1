"""A history in files: Parquet, Delta Lake or Iceberg, in a folder or a bucket that dlt's `filesystem` reaches.

DuckDB reads them, in a bucket through the file system of dlt. A log that only grows has no deleted rows, so the files
that a Delta or Iceberg table names are all there is to read. Most of their rows are kept in the work folder, as parts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal

import dlt
import duckdb
import pyarrow as pa

from dlt_threecx.destinations.base import Destination, History, Row
from dlt_threecx.destinations.dlt_destination import client_of
from dlt_threecx.destinations.dlt_files import PART, Files
from dlt_threecx.destinations.duckdb_file import DuckDbHistory
from dlt_threecx.destinations.lake_parts import Part, Parts, files_beside, in_batches, rows_of, sql_list
from dlt_threecx.destinations.location import LAKE, HistoryLocation
from dlt_threecx.errors import DestinationError, first_line
from dlt_threecx.settings.dlt_environment import dlt_settings_of
from dlt_threecx.source.errors import QueryError, SettingsError
from dlt_threecx.tables import LOADS, TABLES
from dlt_threecx.views.transpile import is_read_only_query
from dlt_threecx.views.views import view_statements

__all__ = ["Lake", "LakeHistory"]

_LOADS_COLUMNS = "{load_id: 'varchar', schema_name: 'varchar', status: 'bigint'}"
_REST = "files"
"""The schema with the rows of files that are in no part."""

_UseOfParts = Literal["grown", "read", "unused"]


class Lake(Destination):
    """A dataset in files, for whoever holds its work folder."""

    takes_files = True
    file_format = "parquet"

    def __init__(self, location: HistoryLocation) -> None:
        self.dataset = self.schema = location.dataset
        self._location = location
        self._connection, self._parts = _opened(location, "grown")
        self._is_current = True

    def refresh(self) -> None:
        """Lists the files again, once somebody asks for them."""
        self._is_current = False

    def factory(self) -> Any:
        """What dlt takes as the destination of a pipeline."""
        return Files(destination_name=LAKE)

    def has_table(self, name: str) -> bool:
        """Whether the table has files yet."""
        return name in self._listed()[1]

    def rows(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a query, some thousands at a time."""
        result = self._listed()[0].cursor().execute(sql, list(params))
        while rows := result.fetchmany(10_000):
            yield from rows

    def remove_uncommitted(self, snapshot_ids: Sequence[str], tables: Any) -> None:
        """Nothing: files are written again under the same name, and what comes twice no view shows twice."""

    def create_views(self) -> list[str]:
        """Nothing: they are made whenever the files are opened to be asked."""
        return []

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _listed(self) -> tuple[duckdb.DuckDBPyConnection, dict[str, list[str]]]:
        if not self._is_current:
            self._connection, self._parts = _opened(self._location, "grown")
            self._is_current = True
        return self._connection, self._parts


class LakeHistory(DuckDbHistory):
    """The history in files, to read only, from where no other file can be read."""

    def __init__(self, location: HistoryLocation, parts: _UseOfParts = "read") -> None:
        connection, paths = _opened(location, parts)
        if not {*TABLES, LOADS} <= paths.keys():
            raise SettingsError(
                f"dataset '{location.dataset}' in {location}",
                "there is none",
                "Run threecx sync first, or name the right one with --dataset",
            )
        connection.execute(f"use {location.dataset}")
        for statement in view_statements(dataset=location.dataset):
            connection.execute(statement)
        _lock(connection, [path for used in paths.values() for path in used])
        super().__init__(connection, location.dataset)
        self._location = location

    def original(self) -> History:
        """The same history, and nothing of it from the work folder."""
        with dlt_settings_of(self._location.project):
            return LakeHistory(self._location, "unused")

    def query(self, sql: str) -> tuple[list[str], Iterator[Row]]:
        """Column names and rows of anybody's query."""
        _check_read_only(sql)
        return super().query(sql)

    def arrow_query(self, sql: str) -> pa.Table:
        """The same, as a pyarrow Table."""
        _check_read_only(sql)
        return super().arrow_query(sql)


def _check_read_only(sql: str) -> None:
    # Files have to be read, so DuckDB itself could write some as well.
    if not is_read_only_query(sql, "duckdb"):
        raise QueryError("the query", "it is not one query that only reads", "Write one select")


def _lock(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> None:
    """Lets DuckDB open these files only, and locks every setting."""
    connection.execute(f"set allowed_paths = {sql_list(paths)}")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _opened(location: HistoryLocation, parts: _UseOfParts) -> tuple[duckdb.DuckDBPyConnection, dict[str, list[str]]]:
    """A connection in UTC with a view for each table that has files, and the paths of the parts that it reads.

    What is in no part is read here, once. A view over files would open each of them again for every query, and again
    for every view that is made over it.
    """
    connection = duckdb.connect()
    paths: dict[str, list[str]] = {}
    try:
        client: Any = dlt.dataset(client_of(location)[0], location.dataset).destination_client
        if client.config.protocol != "file":
            connection.register_filesystem(client.fs_client)
        connection.execute("set global TimeZone = 'UTC'")
        connection.execute(f"create schema {location.dataset}; create schema {_REST}")
        for name in (*TABLES, LOADS):
            if files := _files(client, name):
                paths[name] = _create_view(connection, location, name, files, parts)
    except Exception as error:  # every store has errors of its own
        connection.close()
        raise DestinationError(
            f"reading of {location}", f"it says: {first_line(error)}", "Check [destination.filesystem] in the settings"
        ) from error
    return connection, paths


def _create_view(
    connection: duckdb.DuckDBPyConnection,
    location: HistoryLocation,
    name: str,
    files: Sequence[str],
    parts: _UseOfParts,
) -> list[str]:
    """The view of a table with these files; returns the paths of the parts that it reads."""
    store, relation = Parts(location, name), partial(_relation, name)
    used: list[Part] = []
    if parts == "read":
        used = store.of(files)
    elif parts == "grown":
        used = store.grown(files, connection, relation)
    sources = [rows_of(used)] if used else []
    for number, rest in enumerate(in_batches(files_beside(used, files))):
        read = f"{_REST}.{name}_{number}"
        connection.execute(f"create table {read} as select * from {relation(rest)}")  # noqa: S608  files are quoted
        sources.append(f"select * from {read}")  # noqa: S608  a constant
    connection.execute(f"create view {location.dataset}.{name} as {' union all by name '.join(sources)}")
    return [part.path for part in used]


def _relation(table: str, files: Sequence[str]) -> str:
    """SQL that reads files of a table."""
    if table == LOADS:
        return f"read_json({sql_list(files)}, columns = {_LOADS_COLUMNS})"
    return f"read_parquet({sql_list(files)}, union_by_name = true)"


def _files(client: Any, table: str) -> list[str]:
    """The files of a table as DuckDB finds them."""
    folder = client.get_table_dir(table)
    if not client.fs_client.exists(folder):
        return []
    if client.fs_client.exists(f"{folder}/_delta_log"):
        return list(client.load_open_table("delta", table).file_uris())
    if client.fs_client.exists(f"{folder}/metadata"):
        found = client.load_open_table("iceberg", table).scan().plan_files()
        return [task.file.file_path.removeprefix("file://") for task in found]
    if client.config.protocol != "file":
        return [f"{client.config.protocol}://{file}" for file in client.list_table_files(table)]
    # dlt takes a second for ten thousand files.
    prefix, found = client.get_table_prefix(table), list[str]()
    for path, _, names in os.walk(folder):
        found += [f"{path.rstrip(os.sep)}{os.sep}{name}" for name in names]
    # With a layout of one folder what is still being copied stands there too.
    return sorted(file for file in found if file.startswith(prefix) and not file.endswith(PART))
