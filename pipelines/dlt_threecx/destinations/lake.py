"""A history in files: Parquet, Delta Lake or Iceberg, in a folder or a bucket that dlt's `filesystem` reaches.

DuckDB reads them, in a bucket through the file system of dlt. A log that only grows has no deleted rows, so the files
that a Delta or Iceberg table names are all there is to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dlt
import duckdb
import pyarrow as pa

from dlt_threecx.destinations.base import Destination, Row
from dlt_threecx.destinations.dlt_destination import client_of
from dlt_threecx.destinations.dlt_files import Files
from dlt_threecx.destinations.duckdb_file import DuckDbHistory
from dlt_threecx.destinations.location import LAKE, HistoryLocation
from dlt_threecx.errors import DestinationError, first_line
from dlt_threecx.source.errors import QueryError, SettingsError
from dlt_threecx.tables import LOADS, TABLES
from dlt_threecx.views.transpile import is_read_only_query
from dlt_threecx.views.views import view_statements

__all__ = ["Lake", "LakeHistory"]

_LOADS_COLUMNS = "{load_id: 'varchar', schema_name: 'varchar', status: 'bigint'}"


class Lake(Destination):
    """A dataset in files, which are listed when it is opened and after each load."""

    takes_files = True
    file_format = "parquet"

    def __init__(self, location: HistoryLocation) -> None:
        self.dataset = self.schema = location.dataset
        self._location = location
        self.refresh()

    def refresh(self) -> None:
        """Lists the files again."""
        self._connection, self._files = _opened(self._location)

    def factory(self) -> Any:
        """What dlt takes as the destination of a pipeline."""
        return Files(destination_name=LAKE)

    def has_table(self, name: str) -> bool:
        """Whether the table has files yet."""
        return name in self._files

    def rows(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a query, some thousands at a time."""
        result = self._connection.cursor().execute(sql, list(params))
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


class LakeHistory(DuckDbHistory):
    """The history in files, to read only, from where no other file can be read."""

    def __init__(self, location: HistoryLocation) -> None:
        connection, files = _opened(location)
        if not {*TABLES, LOADS} <= files.keys():
            raise SettingsError(
                f"dataset '{location.dataset}' in {location}",
                "there is none",
                "Run threecx sync first, or name the right one with --dataset",
            )
        connection.execute(f"use {location.dataset}")
        for statement in view_statements(dataset=location.dataset):
            connection.execute(statement)
        _lock(connection, [file for listed in files.values() for file in listed])
        super().__init__(connection, location.dataset)

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


def _lock(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> None:
    """Lets DuckDB open these files only, and locks every setting."""
    connection.execute(f"set allowed_paths = [{_listed(files)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _opened(location: HistoryLocation) -> tuple[duckdb.DuckDBPyConnection, dict[str, list[str]]]:
    """A connection in UTC with a view over the files of each table, and the files of those that have some."""
    connection = duckdb.connect()
    files: dict[str, list[str]] = {}
    try:
        client: Any = dlt.dataset(client_of(location)[0], location.dataset).destination_client
        if client.config.protocol != "file":
            connection.register_filesystem(client.fs_client)
        connection.execute("set global TimeZone = 'UTC'")
        connection.execute(f"create schema if not exists {location.dataset}")
        for name in (*TABLES, LOADS):
            if found := _files(client, name):
                options = f"columns = {_LOADS_COLUMNS}" if name == LOADS else "union_by_name = true"
                read = f"{'read_json' if name == LOADS else 'read_parquet'}([{_listed(found)}], {options})"
                connection.execute(f"create or replace view {location.dataset}.{name} as select * from {read}")  # noqa: S608
                files[name] = found
    except Exception as error:  # every store has errors of its own
        raise DestinationError(
            f"reading of {location}", f"it says: {first_line(error)}", "Check [destination.filesystem] in the settings"
        ) from error
    return connection, files


def _listed(files: Sequence[str]) -> str:
    """The files as SQL's texts."""
    return ", ".join("'" + file.replace("'", "''") + "'" for file in files)


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
    protocol = client.config.protocol
    return [file if protocol == "file" else f"{protocol}://{file}" for file in client.list_table_files(table)]
