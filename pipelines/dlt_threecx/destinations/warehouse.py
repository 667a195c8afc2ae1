"""A history in any destination that dlt has an SQL client for, reached through that client.

Credentials are dlt's own business: section `destination.NAME` of its settings, or the environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dlt.common.destination.exceptions import DestinationUndefinedEntity

from dlt_threecx.destinations.base import Database, History, Row
from dlt_threecx.destinations.dlt_destination import client_of
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.errors import DestinationError, first_line
from dlt_threecx.source.errors import QueryError, SettingsError, ThreecxError
from dlt_threecx.views.transpile import is_read_only_query, transpile
from dlt_threecx.views.views import VIEWS, view_statements

__all__ = ["Warehouse", "WarehouseHistory"]

_BATCH = 10_000


class Warehouse(Database):
    """A dataset of such a destination. One that is opened for loading keeps other loads away, where it can be locked.

    Raises SettingsError when dlt cannot reach such a destination, DestinationError when it does not answer.
    """

    takes_files = False
    checksum = "length"  # the only such function that all of them have

    def __init__(self, location: HistoryLocation, *, wait_seconds: float, read_only: bool = False) -> None:
        self.dataset = self.schema = location.dataset
        self._name = location.destination
        self._reference, client = client_of(location)
        self._client = client.sql_client
        self._password = getattr(getattr(client.config, "credentials", None), "password", None)
        self.dialect: str = self._client.capabilities.sqlglot_dialect or ""
        with self._own_errors(f"connection to {location}", f"Check [destination.{self._name}] in the settings of dlt"):
            self._client.open_connection()
        self._prepare(wait_seconds, read_only=read_only)

    def _prepare(self, wait_seconds: float, *, read_only: bool) -> None:
        """What a database needs before the first statement."""

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
        with self._own_errors():
            self._client.execute_sql(transpile(sql, self.dialect, self.dataset, params))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is executed inside counts as a whole, or not at all when an error leaves the block."""
        with self._own_errors(), self._client.begin_transaction():
            yield

    def create_views(self) -> list[str]:
        """Creates or replaces all views; returns what could not be made.

        How such a database reports the definition of a view is not known here, so there is nothing to compare.
        """
        problems = []
        for name, statement in zip(VIEWS, view_statements(self.dialect, self.schema), strict=False):
            try:
                with self._own_errors():
                    self._client.execute_sql(statement)
            except DestinationError as error:
                problems.append(f"view {name} could not be made: {error.got}")
        return problems

    def differing_views(self) -> list[str]:
        """Empty: how such a database reports the definition of a view is not known here."""
        return []

    def _found(self, sql: str) -> list[Row] | None:
        """The few rows of a query of ours, None when there is no such table."""
        with self._own_errors():
            try:
                return [
                    tuple(row) for row in self._client.execute_sql(transpile(sql, self.dialect, self.dataset)) or ()
                ]
            except DestinationUndefinedEntity:
                return None

    def _answers(self, sql: str) -> Iterator[Any]:
        """First the names of the columns, then row after row."""
        with self._own_errors(), self._cursor(sql) as cursor:
            rows = cursor.fetchmany(_BATCH)
            yield [str(column[0]) for column in cursor.description or ()]
            while rows:
                yield from (tuple(map(_plain, row)) for row in rows)
                rows = cursor.fetchmany(_BATCH)

    @contextmanager
    def _cursor(self, sql: str) -> Iterator[Any]:
        with self._client.execute_query(sql) as cursor:
            yield cursor

    @contextmanager
    def _own_errors(self, asked: str = "", do: str = "Look at its own log, fix it, and run again") -> Iterator[None]:
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

    def __init__(self, warehouse: Warehouse, location: HistoryLocation) -> None:
        self._warehouse = warehouse
        if not warehouse.has_dataset():
            warehouse.close()
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

    def differing_views(self) -> list[str]:
        """The views and functions that are missing or are not those of this release."""
        return self._warehouse.differing_views()

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
