"""Where the history lives, opened once per run, for reading back and for loading: mostly a DuckDB file."""

from __future__ import annotations

import hashlib
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import duckdb

from pipelines.threecx.errors import DestinationError, first_line
from pipelines.threecx.place import DUCKDB, Place
from pipelines.threecx.tables import LOADS
from pipelines.threecx.views import VIEWS, view_statements
from sources.threecx.errors import SettingsError

__all__ = ["Database", "Destination", "DuckDbFile", "check_destination", "locked_by", "open_destination"]

_LOCKED = re.compile(r"could not set lock|conflicting lock|used by another process|already open in", re.IGNORECASE)
_HOLDER = re.compile(r"(?:held in|already open in)\s+(.+?) \(PID (\d+)\)")
_DATASET = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_RETRY_SECONDS = 0.2


class Destination(ABC):
    """A dataset, open for loading. SQL is DuckDB's, with names of tables after `schema` and a dot."""

    dataset: str
    schema: str
    takes_files: bool
    """Whether a Parquet file can be loaded as it is."""
    file_format: Literal["parquet"] | None = None
    """The only format of files that this one takes; None leaves the choice to dlt."""

    @abstractmethod
    def factory(self) -> Any:
        """What dlt takes as the destination of a pipeline."""

    def refresh(self) -> None:  # noqa: B027  most see at once what was loaded
        """Takes notice of what was loaded."""

    @abstractmethod
    def has_table(self, name: str) -> bool:
        """Whether the table is there yet."""

    @abstractmethod
    def rows(self, sql: str, params: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, some thousands at a time."""

    @abstractmethod
    def create_views(self) -> None:
        """Creates the views, unless those that are there were made by the same statements.

        So a run whose package is loaded has nothing more to write, as a rule, and nothing that could fail.
        """

    @abstractmethod
    def close(self) -> None:
        """Gives it back."""

    def has_package(self, load_id: str) -> bool:
        """Whether a package was loaded completely."""
        if not self.has_table(LOADS):
            return False
        sql = f"select load_id from {self.schema}.{LOADS} where load_id = ? and status = 0"  # noqa: S608
        return next(self.rows(sql, [load_id]), None) is not None

    @abstractmethod
    def remove_uncommitted(self, snapshot_ids: Sequence[str], tables: Iterable[str]) -> None:
        """Removes the rows of these snapshots, unless they belong to a finished package."""


class Database(Destination):
    """A destination that runs statements."""

    @abstractmethod
    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Runs a statement."""

    def remove_uncommitted(self, snapshot_ids: Sequence[str], tables: Iterable[str]) -> None:
        """Removes the rows of these snapshots, unless they belong to a finished package."""
        if not snapshot_ids or not self.has_table(LOADS):
            return
        kept = f"""
            select s.snapshot_id from {self.schema}.snapshots s
            join {self.schema}.{LOADS} l on l.load_id = s._dlt_load_id and l.status = 0
        """  # noqa: S608
        among = ", ".join("?" for _ in snapshot_ids)
        for table in filter(self.has_table, tables):
            self.execute(
                f"delete from {self.schema}.{table} where snapshot_id in ({among}) and snapshot_id not in ({kept})",  # noqa: S608
                snapshot_ids,
            )


class DuckDbFile(Database):
    """One DuckDB file. Raises DestinationError when another program keeps it."""

    takes_files = True

    def __init__(self, db: Path, dataset: str, *, wait_seconds: float) -> None:
        self.dataset = dataset
        self.connection = _connected(db, wait_seconds)
        self.connection.execute("set TimeZone = 'UTC'")
        row = self.connection.execute("select current_database()").fetchone()
        catalog = str(row[0]) if row else ""
        self.schema = '"' + catalog.replace('"', '""') + f'"."{dataset}"'

    def factory(self) -> Any:
        """What dlt takes as the destination of a pipeline: this very connection."""
        from pipelines.threecx.dlt_duckdb import DuckDb  # imports dlt

        return DuckDb(self.connection, destination_name="duckdb")

    def close(self) -> None:
        """Gives the file back."""
        self.connection.close()

    def has_table(self, name: str) -> bool:
        """Whether the table is there yet."""
        found = self.connection.execute(
            "select 1 from duckdb_tables()"
            " where database_name = current_database() and schema_name = ? and table_name = ?",
            [self.dataset, name],
        )
        return found.fetchone() is not None

    def rows(self, sql: str, params: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, some thousands at a time."""
        cursor = self.connection.cursor()
        try:
            result = cursor.execute(sql, list(params))
            while rows := result.fetchmany(10_000):
                yield from rows
        finally:
            cursor.close()

    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Runs a statement."""
        self.connection.execute(sql, list(params))

    def create_views(self) -> None:
        """Creates the views, unless those that are there were made by the same statements."""
        statements = view_statements()
        mark = f"threecx {hashlib.sha256(''.join(statements).encode()).hexdigest()[:16]}"
        there = self.connection.execute(
            "select count(*) from duckdb_views()"
            " where database_name = current_database() and schema_name = ? and comment = ?",
            [self.dataset, mark],
        ).fetchone()
        if there == (len(VIEWS),):
            return
        comments = (f"comment on view {name} is '{mark}'" for name in VIEWS)
        self.connection.begin()
        try:
            for statement in (f"use {self.schema}", *statements, *comments):
                self.connection.execute(statement)
        except duckdb.Error:
            self.connection.rollback()
            raise
        self.connection.commit()


def open_destination(place: Place, *, wait_seconds: float) -> Destination:
    """The destination that a place names. Raises SettingsError or DestinationError."""
    if place.destination == DUCKDB:
        return DuckDbFile(place.db, place.dataset, wait_seconds=wait_seconds)
    if place.is_lake:
        from pipelines.threecx.lake import Lake  # imports dlt

        return Lake(place)
    from pipelines.threecx.warehouse import Warehouse  # imports dlt

    return Warehouse(place, wait_seconds=wait_seconds)


def check_destination(place: Place) -> None:
    """Raises SettingsError for a place that nothing could be loaded into, without connecting to it.

    A name of a dataset that dlt would change is one: what is loaded would not be found again.
    """
    name = place.dataset
    if not _DATASET.fullmatch(name):
        raise SettingsError(
            f"dataset '{name}'",
            "this is no usable name",
            "Use lower-case letters and digits, beginning with a letter, with single '_' in between",
        )
    if place.destination != DUCKDB:
        from pipelines.threecx.warehouse import client_of  # imports dlt

        client_of(place)


def locked_by(error: duckdb.Error) -> str | None:
    """The program that holds the file, as DuckDB names it; None when the error is another one."""
    if not _LOCKED.search(str(error)):
        return None
    found = _HOLDER.search(str(error))
    return f"{Path(found[1]).name} (process {found[2]})" if found else "another program"


def _connected(db: Path, wait_seconds: float) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return duckdb.connect(str(db))
        except duckdb.Error as error:
            holder = locked_by(error)
            if holder is None:
                raise DestinationError(
                    f"open {db}", first_line(error), "Check the path, its permissions and the disk"
                ) from error
            if time.monotonic() >= deadline:
                raise DestinationError(
                    f"open {db}",
                    f"{holder} holds it open, and did so for {wait_seconds:g} s",
                    "Nothing was written. Close that program, or raise busy_timeout_seconds, and run again",
                ) from error
            time.sleep(_RETRY_SECONDS)
