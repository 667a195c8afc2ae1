"""Where the history lives: a DuckDB file that is opened once per run, for reading back and for loading."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from pipelines.threecx.errors import DestinationError, first_line
from pipelines.threecx.tables import LOADS
from sources.threecx.errors import SettingsError

__all__ = ["DuckDbFile", "check_dataset", "locked_by"]

_LOCKED = re.compile(r"could not set lock|conflicting lock|used by another process|already open in", re.IGNORECASE)
_HOLDER = re.compile(r"(?:held in|already open in)\s+(.+?) \(PID (\d+)\)")
_DATASET = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_RETRY_SECONDS = 0.2


class DuckDbFile:
    """One DuckDB file, open for writing. Raises DestinationError when another program keeps it."""

    def __init__(self, db: Path, dataset: str, *, wait_seconds: float) -> None:
        self.db, self.dataset = db, dataset
        self.connection = _connected(db, wait_seconds)
        self.connection.execute("set TimeZone = 'UTC'")
        row = self.connection.execute("select current_database()").fetchone()
        catalog = str(row[0]) if row else ""
        self.catalog = '"' + catalog.replace('"', '""') + '"'
        self.schema = f'{self.catalog}."{dataset}"'

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

    def remove_uncommitted(self, snapshot_ids: Sequence[str], tables: Iterable[str]) -> None:
        """Removes the rows of these snapshots, unless they belong to a finished package."""
        if not snapshot_ids or not self.has_table(LOADS):
            return
        kept = f"""
            select s.snapshot_id from {self.schema}.snapshots s
            join {self.schema}.{LOADS} l on l.load_id = s._dlt_load_id and l.status = 0
        """  # noqa: S608
        marks = ", ".join("?" for _ in snapshot_ids)
        for table in tables:
            if self.has_table(table):
                self.connection.execute(
                    f"delete from {self.schema}.{table} where snapshot_id in ({marks}) and snapshot_id not in ({kept})",  # noqa: S608
                    list(snapshot_ids),
                )

    def has_package(self, load_id: str) -> bool:
        """Whether a package was loaded completely."""
        if not self.has_table(LOADS):
            return False
        sql = f"select 1 from {self.schema}.{LOADS} where load_id = ? and status = 0"  # noqa: S608
        return self.connection.execute(sql, [load_id]).fetchone() is not None

    def rows(self, sql: str, params: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, some thousands at a time."""
        cursor = self.connection.cursor()
        try:
            result = cursor.execute(sql, list(params))
            while rows := result.fetchmany(10_000):
                yield from rows
        finally:
            cursor.close()

    def create_views(self, names: Sequence[str], statements: Sequence[str]) -> None:
        """Runs the statements that create views, unless every view is there and was made by the same ones.

        So a run whose package is loaded has nothing more to write, as a rule, and nothing that could fail.
        """
        mark = f"threecx {hashlib.sha256(''.join(statements).encode()).hexdigest()[:16]}"
        there = self.connection.execute(
            "select count(*) from duckdb_views()"
            " where database_name = current_database() and schema_name = ? and comment = ?",
            [self.dataset, mark],
        ).fetchone()
        if there == (len(names),):
            return
        comments = (f"comment on view {name} is '{mark}'" for name in names)
        self.execute([f"use {self.schema}", *statements, *comments])

    def execute(self, statements: Sequence[str]) -> None:
        """Runs statements as one transaction."""
        self.connection.begin()
        try:
            for statement in statements:
                self.connection.execute(statement)
        except duckdb.Error:
            self.connection.rollback()
            raise
        self.connection.commit()


def check_dataset(name: str) -> None:
    """Raises SettingsError for a name that dlt would change: what is loaded would not be found again."""
    if not _DATASET.fullmatch(name):
        raise SettingsError(
            f"dataset '{name}'",
            "this is no usable name",
            "Use lower-case letters and digits, beginning with a letter, with single '_' in between",
        )


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
