"""A history in any destination that dlt has an SQL client for, reached through that client.

Credentials are dlt's own business: section `destination.NAME` of its settings, or the environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from itertools import count
from typing import Any

from dlt.common.destination.exceptions import (
    DestinationUndefinedEntity,
)

from dlt_threecx.destinations.base import Database, History, Row
from dlt_threecx.destinations.dlt_destination import client_of
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.errors import DestinationError, first_line
from dlt_threecx.source.errors import QueryError, SettingsError, ThreecxError
from dlt_threecx.views.transpile import is_read_only_query, transpile
from dlt_threecx.views.views import VIEWS, view_statements

__all__ = ["Warehouse", "WarehouseHistory"]

_BATCH = 10_000
_MARK = "threecx_views"
"""A view of one row, which says what statements made the others."""


class Warehouse(Database):
    """A dataset of such a destination. One that is opened for loading keeps other loads away, where it can be locked.

    Raises SettingsError when dlt cannot reach such a destination, DestinationError when it does not answer.
    """

    takes_files = False

    def __init__(self, location: HistoryLocation, *, wait_seconds: float, read_only: bool = False) -> None:
        self.dataset = self.schema = location.dataset
        self._name = location.destination
        self._reference, client = client_of(location)
        self._client = client.sql_client
        self._password = getattr(getattr(client.config, "credentials", None), "password", None)
        self.dialect: str = self._client.capabilities.sqlglot_dialect or ""
        self._numbers = count()
        with self._told(f"connection to {location}", f"Check [destination.{self._name}] in the settings of dlt"):
            self._client.open_connection()
        if self.dialect == "postgres":
            self._prepare_postgres(wait_seconds, read_only=read_only)

    def _prepare_postgres(self, wait_seconds: float, *, read_only: bool) -> None:
        self._client.execute_sql("set time zone 'UTC'")
        if read_only:
            self._client.execute_sql("set default_transaction_read_only = on")
            return
        with self._told(
            f"load into destination '{self._name}'",
            "Nothing was written. Run again when no other sync loads into it, or raise busy_timeout_seconds",
        ):
            self._client.execute_sql(f"set lock_timeout = {max(1, round(wait_seconds * 1000))}")
            self._client.execute_sql(f"select pg_advisory_lock(hashtext('threecx {self.dataset}'))")
            self._client.execute_sql("set lock_timeout = default")

    def close(self) -> None:
        """Ends the connection."""
        self._client.close_connection()

    def factory(self) -> Any:
        """What dlt takes as the destination of a pipeline."""
        return self._reference

    def has_dataset(self) -> bool:
        """Whether anything was ever loaded."""
        return bool(self._client.has_dataset())

    def has_table(self, name: str) -> bool:
        """Whether the table is there yet."""
        return self._found(f"select 1 as one from {self.schema}.{name} where 1 = 0") is not None  # noqa: S608

    def rows(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a query of ours."""
        return self.answer(transpile(sql, self.dialect, self.dataset, params))[1]

    def answer(self, sql: str) -> tuple[list[str], Iterator[Row]]:
        """Column names and rows of a query in the destination's own SQL, some thousands at a time."""
        answers = self._answers(sql)
        return next(answers), answers

    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Runs a statement of ours."""
        with self._told():
            self._client.execute_sql(transpile(sql, self.dialect, self.dataset, params))

    def create_views(self) -> None:
        """Creates the views, unless those that are there were made by the same statements."""
        statements = view_statements(self.dialect, self.schema)
        mark = sha256("".join(statements).encode()).hexdigest()[:16]
        if self._found(f"select made_by from {self.schema}.{_MARK}") == [(mark,)]:  # noqa: S608
            return
        dropped = [f"drop view if exists {self.schema}.{name}" for name in (_MARK, *reversed(VIEWS))]
        marked = f"create view {self.schema}.{_MARK} as select '{mark}' as made_by"
        in_one = self._client.capabilities.supports_ddl_transactions
        with self._told(), self._client.begin_transaction() if in_one else nullcontext():
            for statement in (*dropped, *statements, marked):
                self._client.execute_sql(statement)

    def _found(self, sql: str) -> list[Row] | None:
        """The few rows of a query of ours, None when there is no such table."""
        with self._told():
            try:
                return [
                    tuple(row) for row in self._client.execute_sql(transpile(sql, self.dialect, self.dataset)) or ()
                ]
            except DestinationUndefinedEntity:
                return None

    def _answers(self, sql: str) -> Iterator[Any]:
        """First the names of the columns, then row after row."""
        with self._told(), self._cursor(sql) as cursor:
            rows = cursor.fetchmany(_BATCH)
            yield [str(column[0]) for column in cursor.description or ()]
            while rows:
                yield from (tuple(map(_plain, row)) for row in rows)
                rows = cursor.fetchmany(_BATCH)

    @contextmanager
    def _cursor(self, sql: str) -> Iterator[Any]:
        if self.dialect != "postgres":
            with self._client.execute_query(sql) as cursor:
                yield cursor
            return
        # Kept by the server: the rows of a long history do not all come here at once.
        cursor = self._client.native_connection.cursor(name=f"threecx_{next(self._numbers)}", withhold=True)
        cursor.execute(sql)
        try:
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def _told(self, asked: str = "", do: str = "Look at its own log, mend it, and run again") -> Iterator[None]:
        """Errors of dlt and of any driver as ours."""
        try:
            yield
        except (ThreecxError, GeneratorExit):
            raise
        except Exception as error:
            words = self._without_password(first_line(error)).rstrip(".!?")
            raise DestinationError(asked or f"use of destination '{self._name}'", f"it says: {words}", do) from error

    def _without_password(self, words: str) -> str:
        return words.replace(str(self._password), "***") if self._password else words


class WarehouseHistory(History):
    """The history in such a destination, to read only."""

    def __init__(self, location: HistoryLocation, *, wait_seconds: float) -> None:
        self._warehouse = Warehouse(location, wait_seconds=wait_seconds, read_only=True)
        if not self._warehouse.has_dataset():
            self._warehouse.close()
            raise SettingsError(
                f"dataset '{location.dataset}' in {location}",
                "there is none",
                "Run threecx sync first, or name the right one with --dataset",
            )

    def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], Iterator[Row]]:
        """Column names and rows of a query of ours."""
        warehouse = self._warehouse
        return warehouse.answer(transpile(sql, warehouse.dialect, warehouse.dataset, params))

    def query(self, sql: str) -> tuple[list[str], Iterator[Row]]:
        """Column names and rows of anybody's query, in the destination's own SQL."""
        if not is_read_only_query(sql, self._warehouse.dialect):
            raise QueryError("the query", "it is not one query that only reads", "Write one select")
        try:
            return self._warehouse.answer(sql)
        except DestinationError as error:
            raise QueryError("the query", error.got, "Fix the query") from error

    def close(self) -> None:
        """Ends the connection."""
        self._warehouse.close()


def _plain(value: Any) -> Any:
    """A value as DuckDB would give it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
