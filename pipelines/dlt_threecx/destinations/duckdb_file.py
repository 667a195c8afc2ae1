"""A history in one DuckDB file: opened for loading, or opened for questions. Neither imports dlt, which is slow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from dlt_threecx.destinations.base import Database, History, Row
from dlt_threecx.destinations.duckdb_lock import connected
from dlt_threecx.destinations.duckdb_views import STORAGE, differing_views, reported_views, update_views
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.errors import DestinationError
from dlt_threecx.source.errors import QueryError, SettingsError, quoted
from dlt_threecx.views.views import VIEWS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DuckDbFile", "DuckDbHistory", "open_duckdb_history", "quoted_name"]

_BATCH = 10_000
_FIRST_SYNC = "Run threecx sync first, or name the right one with {}"
_READ_ONLY: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "python_enable_replacements": False,
}


_Answer = TypeVar("_Answer", duckdb.DuckDBPyConnection, duckdb.DuckDBPyRelation)


class DuckDbFile(Database):
    """One DuckDB file, open for loading. Raises DestinationError when another program keeps it."""

    takes_files = True

    def __init__(self, db: Path, dataset: str, *, wait_seconds: float, read_only: bool = False) -> None:
        self.dataset = dataset
        self._db, self._wait_seconds, self._is_read_only = db, wait_seconds, read_only
        self._open()

    def _open(self) -> None:
        self.connection = connected(
            lambda: duckdb.connect(str(self._db), read_only=self._is_read_only, config=STORAGE),
            self._db,
            self._wait_seconds,
            cannot="Check the path, its permissions and the disk",
            busy="Nothing was written. Close that program, or raise busy_timeout_seconds, and run again",
        )
        self.connection.execute("set TimeZone = 'UTC'")
        row = self.connection.execute("select current_database()").fetchone()
        self.schema = f'{quoted_name(str(row[0]) if row else "")}."{self.dataset}"'

    def factory(self) -> Any:
        """What dlt takes as the destination of a pipeline: this very connection."""
        from dlt_threecx.destinations.dlt_duckdb import DuckDb  # imports dlt

        return DuckDb(self.connection)

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()

    def has_table(self, name: str) -> bool:
        """Whether the table is there yet."""
        # duckdb_tables() looks at all of them, and takes ten times as long.
        try:
            self.connection.execute(f"select 1 from {self.schema}.{name} limit 0")  # noqa: S608
        except duckdb.CatalogException:
            return False
        return True

    def rows(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a query, some thousands at a time."""
        cursor = self.connection.cursor()
        try:
            result = cursor.execute(sql, list(params))
            while rows := result.fetchmany(_BATCH):
                yield from rows
        finally:
            cursor.close()

    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Runs a statement."""
        self.connection.execute(sql, list(params))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is executed inside counts as a whole, or not at all when an error leaves the block."""
        self.connection.begin()
        try:
            yield
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    def history(self) -> DuckDbHistory:
        """The same connection, for questions."""
        self.connection.execute(f"use {self.schema}")
        return DuckDbHistory(self.connection, self.dataset)

    def create_views(self) -> list[str]:
        """Creates or replaces the views, macros and comments that differ; returns what could not be made."""
        problems = update_views(self.connection, self.dataset)
        # A file keeps a view in other words than those in which DuckDB reports a new one: from now on those count.
        self.connection.close()
        self._open()
        return problems

    def reported_views(self) -> Any:
        """The views, macros and comments in DuckDB's words."""
        return reported_views(self.connection)


class DuckDbHistory(History):
    """The history behind a DuckDB connection, to read only."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, dataset: str) -> None:
        self._connection, self._dataset = connection, dataset

    def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], Iterator[Row]]:
        """Column names and rows of a query. Raises QueryError with the database's own words."""
        with _own_errors():
            result = _not_empty(self._connection.execute(sql, list(params)))
            columns = _distinct([column[0] for column in result.description or ()])
        return columns, self._fetched(result)

    def arrow(self, sql: str, params: Sequence[Any] = ()) -> pa.Table:
        """The same, as a pyarrow Table."""
        with _own_errors():
            return _not_empty(self._connection.sql(sql, params=list(params))).to_arrow_table()

    def batches(self, sql: str, schema: pa.Schema, params: Sequence[Any] = ()) -> pa.RecordBatchReader:
        """The rows of a query as Arrow batches, which DuckDB makes itself: several times as fast."""
        with _own_errors():
            # of the relation: of the connection they are read as a whole first
            reader = self._connection.sql(sql, params=list(params)).to_arrow_reader(_BATCH)
        return reader.cast(schema)

    def query(self, sql: str) -> tuple[list[str], Iterator[Row]]:
        """Column names and rows of anybody's query."""
        return self.rows(sql)

    def arrow_query(self, sql: str) -> pa.Table:
        """The answer to anybody's query, as a pyarrow Table."""
        return self.arrow(sql)

    def differing_views(self) -> list[str]:
        """The views and macros that are missing or are not those of this release."""
        with _own_errors():
            return differing_views(self._connection, self._dataset)

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def _fetched(self, result: duckdb.DuckDBPyConnection) -> Iterator[Row]:
        with _own_errors():
            while rows := result.fetchmany(_BATCH):
                yield from rows


def _not_empty(result: _Answer | None) -> _Answer:
    """DuckDB returns nothing for what holds no statement: blanks, comments, a semicolon."""
    if result is None:
        raise QueryError("the query", "it is empty", "Write a query such as: select * from devices")
    return result


def open_duckdb_history(location: HistoryLocation, wait_seconds: float) -> DuckDbHistory:
    """The history in a file, from where no other file can be read or written.

    Raises SettingsError when there is none, DestinationError when it is busy.
    """
    if not location.db.exists():
        raise SettingsError(f"history {location.db}", "there is no such file", _FIRST_SYNC.format("--db"))
    connection = connected(
        lambda: duckdb.connect(str(location.db), read_only=True, config=_READ_ONLY),
        location.db,
        wait_seconds,
        cannot="Check that it is the DuckDB file of a history",
        busy="Ask again when it has finished",
    )
    try:
        _enter(connection, location)
    except BaseException:
        connection.close()
        raise
    return DuckDbHistory(connection, location.dataset)


def _enter(connection: duckdb.DuckDBPyConnection, location: HistoryLocation) -> None:
    """Makes the dataset the current schema, and locks every setting.

    The catalog has the name of the file, which may be that of the schema: only the two together are clear.
    """
    row = connection.execute(
        "select current_database() from duckdb_schemas() where database_name = current_database() and schema_name = ?",
        [location.dataset],
    ).fetchone()
    if row is None:
        raise SettingsError(
            f"dataset '{location.dataset}' in {location}", "there is none", _FIRST_SYNC.format("--dataset")
        )
    connection.execute(f"use {quoted_name(str(row[0]))}.{quoted_name(location.dataset)}")
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set lock_configuration = true")


def _distinct(names: Sequence[str]) -> list[str]:
    """Column names, a second `id` as `id_2`: JSON objects need names of their own."""
    seen: list[str] = []
    for name in names:
        chosen, number = name, 2
        while chosen in seen:
            chosen, number = f"{name}_{number}", number + 1
        seen.append(chosen)
    return seen


@contextmanager
def _own_errors() -> Iterator[None]:
    """Errors of DuckDB as ours."""
    try:
        yield
    except (duckdb.OperationalError, duckdb.InternalError) as error:
        raise DestinationError("the query", quoted(_message(error)), "Ask for less, or check the disk") from error
    except duckdb.Error as error:
        raise QueryError("the query", quoted(_message(error)), _advice(error)) from error


def _message(error: duckdb.Error) -> str:
    """What DuckDB says, without the lines that point into the query."""
    return str(error).split("\n\nLINE ")[0].rstrip(".!?")


def _advice(error: duckdb.Error) -> str:
    if "read-only mode" in str(error) or isinstance(error, duckdb.PermissionException):
        return "The history can only be read from here"
    if isinstance(error, duckdb.CatalogException) and any(
        f"name {view} does not exist" in str(error) for view in VIEWS
    ):
        return "Run threecx sync: it makes the views"
    return "Fix the query; 'show tables' and 'describe devices' list what there is"


def quoted_name(identifier: str) -> str:
    """A name as SQL has it, whatever is in it."""
    return '"' + identifier.replace('"', '""') + '"'
