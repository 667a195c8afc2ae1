"""Asks the history. A DuckDB file is opened directly, for reading only: dlt takes a second to import."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

from pipelines.threecx.destination import locked_by
from pipelines.threecx.errors import DestinationError
from pipelines.threecx.place import DUCKDB, Place
from pipelines.threecx.views import VIEWS
from pipelines.threecx.work import quieten_dlt
from sources.threecx.errors import QueryError, SettingsError, quoted

__all__ = ["DuckDbHistory", "History", "Row", "open_history"]

WAIT_SECONDS = 5.0
"""How long a question waits for a sync that is just writing."""

Row = tuple[Any, ...]

_RETRY_SECONDS = 0.1
_BATCH = 10_000
_FIRST_SYNC = "Run threecx sync first, or name the right one with {}"
_READ_ONLY: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "python_enable_replacements": False,
}


class History(ABC):
    """The views and tables of one dataset, to read only. A context manager."""

    @abstractmethod
    def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], Iterator[Row]]:
        """Column names and rows of a query of ours, which is DuckDB's SQL, with a `?` for each of `params`."""

    @abstractmethod
    def asked(self, sql: str) -> tuple[list[str], Iterator[Row]]:
        """Column names and rows of anybody's query, in the destination's own SQL. Raises QueryError in its words."""

    @abstractmethod
    def close(self) -> None:
        """Gives it back."""

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class DuckDbHistory(History):
    """The history in a DuckDB file; from here not even another file can be read or written."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], Iterator[Row]]:
        """Column names and rows of a query. Raises QueryError with the database's own words."""
        with _translated():
            result = self._connection.execute(sql, list(params))
            # DuckDB gives nothing back for what holds no statement: blanks, comments, a semicolon.
            if result is None:
                raise QueryError("the question", "it is empty", "Write a query such as: select * from devices")
            columns = _distinct([column[0] for column in result.description or ()])
        return columns, self._fetched(result)

    def asked(self, sql: str) -> tuple[list[str], Iterator[Row]]:
        """Column names and rows of anybody's query."""
        return self.rows(sql)

    def close(self) -> None:
        """Gives the file back."""
        self._connection.close()

    def _fetched(self, result: duckdb.DuckDBPyConnection) -> Iterator[Row]:
        with _translated():
            while rows := result.fetchmany(_BATCH):
                yield from rows


def open_history(place: Place, *, wait_seconds: float = WAIT_SECONDS) -> History:
    """The history at a place. Raises SettingsError when there is none, DestinationError when it is busy."""
    if place.destination != DUCKDB:
        quieten_dlt(place.project)
        if place.is_lake:
            from pipelines.threecx.lake import LakeHistory  # imports dlt

            return LakeHistory(place)
        from pipelines.threecx.warehouse import WarehouseHistory  # imports dlt

        return WarehouseHistory(place, wait_seconds=wait_seconds)
    if not place.db.exists():
        raise SettingsError(f"history {place.db}", "there is no such file", _FIRST_SYNC.format("--db"))
    connection = _connected(place.db, wait_seconds)
    try:
        _enter(connection, place)
    except BaseException:
        connection.close()
        raise
    return DuckDbHistory(connection)


def _distinct(names: Sequence[str]) -> list[str]:
    """Column names, a second `id` as `id_2`: JSON objects need names of their own."""
    seen: list[str] = []
    for name in names:
        chosen, number = name, 2
        while chosen in seen:
            chosen, number = f"{name}_{number}", number + 1
        seen.append(chosen)
    return seen


def _connected(db: Path, wait_seconds: float) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return duckdb.connect(str(db), read_only=True, config=_READ_ONLY)
        except duckdb.Error as error:
            holder = locked_by(error)
            if holder is None:
                raise DestinationError(
                    f"open {db}", quoted(_words(error)), "Check that it is the DuckDB file of a history"
                ) from error
            if time.monotonic() >= deadline:
                raise DestinationError(
                    f"open {db}", f"{holder} is writing to it", "Ask again when it has finished"
                ) from error
            time.sleep(_RETRY_SECONDS)


def _enter(connection: duckdb.DuckDBPyConnection, place: Place) -> None:
    """Makes the dataset the current schema, and locks every setting.

    A file threecx.duckdb is a catalog `threecx` with a schema `threecx`: only the two together are clear.
    """
    row = connection.execute(
        "select current_database() from duckdb_schemas() where database_name = current_database() and schema_name = ?",
        [place.dataset],
    ).fetchone()
    if row is None:
        raise SettingsError(f"dataset '{place.dataset}' in {place}", "there is none", _FIRST_SYNC.format("--dataset"))
    connection.execute(f"use {_quoted(str(row[0]))}.{_quoted(place.dataset)}")
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set lock_configuration = true")


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of DuckDB as ours."""
    try:
        yield
    except (duckdb.OperationalError, duckdb.InternalError) as error:
        raise DestinationError("the question", quoted(_words(error)), "Ask for less, or check the disk") from error
    except duckdb.Error as error:
        raise QueryError("the question", quoted(_words(error)), _mending(error)) from error


def _words(error: duckdb.Error) -> str:
    """What DuckDB says, without the lines that point into the query."""
    return str(error).split("\n\nLINE ")[0].rstrip(".!?")


def _mending(error: duckdb.Error) -> str:
    if "read-only mode" in str(error) or isinstance(error, duckdb.PermissionException):
        return "The history can only be read from here"
    if isinstance(error, duckdb.CatalogException) and any(
        f"name {view} does not exist" in str(error) for view in VIEWS
    ):
        return "Run threecx sync: it makes the views"
    return "Mend the query; 'show tables' and 'describe devices' say what there is"


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
