"""What a destination can do: load (`Destination`, `Database`) and answer (`History`). SQL is DuckDB's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from dlt_threecx.tables import LOADS, finished_loads

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Database", "Destination", "History", "Row"]


Row = tuple[Any, ...]

_BATCH = 10_000


class History(ABC):
    """The views and tables of one dataset, to read only. A context manager."""

    @abstractmethod
    def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], Iterator[Row]]:
        """Column names and rows of a query of ours, which is DuckDB's SQL, with a `?` for each of `params`."""

    def batches(self, sql: str, schema: pa.Schema, params: Sequence[Any] = ()) -> pa.RecordBatchReader:
        """The rows of a query of ours as Arrow batches, in this schema; never all of them in memory."""
        import pyarrow as pa

        _, rows = self.rows(sql, params)

        def read() -> Iterator[pa.RecordBatch]:
            while some := list(islice(rows, _BATCH)):
                columns = zip(*some, strict=True)
                arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

        return pa.RecordBatchReader.from_batches(schema, read())

    @abstractmethod
    def query(self, sql: str) -> tuple[list[str], Iterator[Row]]:
        """Column names and rows of anybody's query, in the destination's own SQL. Raises QueryError in its words."""

    def arrow(self, sql: str, params: Sequence[Any] = ()) -> pa.Table:
        """The same as `rows`, as a pyarrow Table."""
        return _arrow_table(*self.rows(sql, params))

    def arrow_query(self, sql: str) -> pa.Table:
        """The same as `query`, as a pyarrow Table."""
        return _arrow_table(*self.query(sql))

    @abstractmethod
    def differing_views(self) -> list[str]:
        """The views and macros that are missing or are not those of this release, by the database's own words."""

    def original(self) -> AbstractContextManager[History]:
        """The same history as the destination has it, without what this machine keeps of it: for a proof."""
        return nullcontext(self)

    @abstractmethod
    def close(self) -> None:
        """Closes the connection."""

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Destination(ABC):
    """A dataset, open for loading. SQL is DuckDB's, with names of tables after `schema` and a dot."""

    dataset: str
    schema: str
    takes_files: bool
    """Whether a Parquet file can be loaded as it is."""
    checksum = "hash"
    """The function that makes a number of a text."""
    file_format: Literal["parquet"] | None = None
    """The only format of files that this one takes; None leaves the choice to dlt."""

    @abstractmethod
    def factory(self) -> Any:
        """What dlt takes as the destination of a pipeline."""

    def refresh(self) -> None:  # noqa: B027  most see at once what was loaded
        """Sees what was loaded since it was opened."""

    @abstractmethod
    def has_table(self, name: str) -> bool:
        """Whether the table is there yet."""

    @abstractmethod
    def rows(self, sql: str, params: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, some thousands at a time."""

    @abstractmethod
    def create_views(self) -> list[str]:
        """Creates or replaces the views and macros that differ from those of this release, and their comments.

        Everything is loaded by then, so a view that cannot be made is no error: returns what to tell, a line each.
        """

    def reported_views(self) -> Any:
        """The views, macros and comments in the words of the database; None where it has none to compare.

        While they stay the same, and the release does, there is nothing for create_views to do.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """Ends the connection."""

    def has_package(self, load_id: str) -> bool:
        """Whether a package was loaded completely."""
        if not self.has_table(LOADS):
            return False
        sql = f"select f.load_id from {finished_loads(f'{self.schema}.')} f where f.load_id = ?"  # noqa: S608
        return next(self.rows(sql, [load_id]), None) is not None

    @abstractmethod
    def remove_uncommitted(self, snapshot_ids: Sequence[str], tables: Iterable[str]) -> None:
        """Removes the rows of these snapshots, unless they belong to a finished package."""


class Database(Destination):
    """A destination that runs statements."""

    @abstractmethod
    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Runs a statement."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """What is executed inside counts as a whole, or not at all when an error leaves the block."""

    def remove_uncommitted(self, snapshot_ids: Sequence[str], tables: Iterable[str]) -> None:
        """Removes the rows of these snapshots, unless they belong to a finished package."""
        if not snapshot_ids or not self.has_table(LOADS):
            return
        kept = f"""
            select s.snapshot_id from {self.schema}.snapshots s
            where s._dlt_load_id in {finished_loads(f"{self.schema}.")}
        """  # noqa: S608
        among = ", ".join("?" for _ in snapshot_ids)
        for table in filter(self.has_table, tables):
            self.execute(
                f"delete from {self.schema}.{table} where snapshot_id in ({among}) and snapshot_id not in ({kept})",  # noqa: S608
                snapshot_ids,
            )


def _arrow_table(columns: Sequence[str], rows: Iterable[Row]) -> pa.Table:
    """The types are those of the values: a column without any value has none."""
    import pyarrow as pa  # a tenth of a second, which most questions need not wait

    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    return pa.Table.from_arrays([pa.array(column) for column in values], names=list(columns))
