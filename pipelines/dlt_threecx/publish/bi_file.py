"""The published DuckDB file: the log as it is, and the views over it as tables under the same names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from dlt_threecx.publish.news import Heads
from dlt_threecx.tables import DATASET, TABLES, TableColumn
from dlt_threecx.views.dictionary import RELATIONS, column_meaning, purpose
from dlt_threecx.views.views import MACROS, VIEWS, view_statements

__all__ = ["AS_VIEWS", "BI_CATALOG", "BiFile", "Published", "made_by", "open_bi_file"]

BI_CATALOG = "threecx_bi"
"""What DuckDB calls the file, after its own name `threecx_bi.duckdb`."""

STORAGE = "v1.2.0"
"""Every DuckDB from 1.2 on opens files of this storage version."""

MEMORY = "1GB"
"""DuckDB's own limit; what goes beyond is spilled to the disk."""

AS_VIEWS = ("device_snapshots", *MACROS)
"""Relations that stay views over the log: as a table each device would be there once per snapshot."""

_OF_ONE_DEVICE = ("device_history", "device_changes")
"""Views whose rows of a device follow from the versions of that device alone."""

_FORMAT = 1
_PUBLICATION = {
    "published_at": "when this copy was made",
    "made_by": "names the statements that made it",
    "heads": "JSON: PBX to snapshot_id and chain of its last attempt",
}
_TYPES = {"text": "varchar", "bigint": "bigint", "double": "double", "bool": "boolean", "timestamp": "timestamptz"}
_BI = f"{BI_CATALOG}.{DATASET}"
_LOG = f"create or replace view device_versions as select v.* from {_BI}.device_versions v"  # noqa: S608
_STATEMENTS = dict(zip((*VIEWS, *MACROS), view_statements(catalog=BI_CATALOG), strict=True))


class Published(NamedTuple):
    """What a published file says of itself."""

    published_at: datetime
    made_by: str
    heads: Heads


def made_by() -> str:
    """Names all that decides what a copy of the same history holds, besides the day: 16 hex digits."""
    parts = (*_STATEMENTS.values(), *(f"{name} {purpose(name)}" for name in RELATIONS), repr(TABLES), str(_FORMAT))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


class BiFile:
    """A file that is being made or brought up to date; nobody else knows it yet."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @property
    def published(self) -> Published | None:
        """What an earlier publication noted; None when this is no published file."""
        there = self._rows(
            "select 1 from duckdb_tables() where database_name = ? and schema_name = ? and table_name = 'publication'",
            [BI_CATALOG, DATASET],
        )
        if not there:
            return None
        [(at, made, heads)] = self._rows(f"select published_at, made_by, heads from {_BI}.publication")  # noqa: S608
        return Published(
            at, made, {pbx: (snapshot_id, chain) for pbx, (snapshot_id, chain) in json.loads(heads).items()}
        )

    @property
    def is_half_empty(self) -> bool:
        """Whether more of it is free than used."""
        [(used, free)] = self._rows(
            "select used_blocks, free_blocks from pragma_database_size() where database_name = ?", [BI_CATALOG]
        )
        return bool(free > used)

    def create_log(self) -> None:
        """Creates the schema and the two tables of the log, empty."""
        self._run(f"create schema {_BI}")
        for name, columns in TABLES.items():
            self._run(f"create table {_BI}.{name} ({', '.join(map(_definition, columns))})")

    def begin(self, before: Heads, now: Heads) -> None:
        """Notes from where to where the copy goes."""
        self._run("attach ':memory:' as work")
        self._run(f"create schema work.{DATASET}")
        self._run(f"use work.{DATASET}")
        for name, known in (("heads_before", before), ("heads_now", now)):
            given = pa.table({"pbx": list(known), "snapshot_id": [head[0] for head in known.values()]}, _HEADS)
            self._connection.register("given", given)
            self._run(f"create table {name} as select * from given")  # noqa: S608
            self._connection.unregister("given")

    def append(self, table: str, rows: pa.RecordBatchReader) -> None:
        """Adds rows of the history that lie between the heads; others are passed over."""
        names = ", ".join(column.name for column in TABLES[table])
        distinct = "distinct" if table == "snapshots" else ""
        self._connection.register("given", rows)
        self._run(f"""
            insert into {_BI}.{table} ({names})
            select {distinct} {", ".join(f"g.{column.name}" for column in TABLES[table])}
            from given g
            join heads_now n on n.pbx = g.pbx and g.snapshot_id <= n.snapshot_id
            left join heads_before b on b.pbx = g.pbx
            where b.pbx is null or g.snapshot_id > b.snapshot_id
        """)  # noqa: S608  constants
        self._connection.unregister("given")

    def derive(self, *, is_new: bool) -> None:
        """Makes the tables out of the log: all of them, or of the large ones only the devices that have news."""
        for statement in (
            f"create view snapshots as select s.*, '' as _dlt_load_id from {_BI}.snapshots s",  # noqa: S608
            "create view _dlt_loads as select '' as load_id, cast(0 as bigint) as status",
            _LOG,
            *(_STATEMENTS[name] for name in VIEWS),
            f"""
                create table devices_with_news as
                select distinct v.pbx, v.device_id
                from {_BI}.device_versions v left join heads_before b on b.pbx = v.pbx
                where b.pbx is null or v.snapshot_id > b.snapshot_id
            """,  # noqa: S608
        ):
            self._run(statement)
        for name in VIEWS:
            if name in AS_VIEWS:
                continue
            if is_new or name not in _OF_ONE_DEVICE:
                self._run(f"create or replace table {_BI}.{name} as select * from {name}")  # noqa: S608
            else:
                self._run(f"{_LOG} semi join devices_with_news using (pbx, device_id)")
                self._run(f"delete from {_BI}.{name} where (pbx, device_id) in (from devices_with_news)")  # noqa: S608
                self._run(f"insert into {_BI}.{name} select * from {name}")  # noqa: S608
                self._run(_LOG)
            # what is built upon it reads the table
            self._run(f"create or replace view {name} as select * from {_BI}.{name}")  # noqa: S608

    def finish(self, published: Published) -> None:
        """Adds what stays a view, the comments, and what the copy says of itself."""
        self._run(f"use {_BI}")
        # a commit writes to the disk: one for the hundreds of comments
        self._run("begin")
        for name in AS_VIEWS:
            self._run(_STATEMENTS[name])
        self._run("create or replace table publication (published_at timestamptz, made_by varchar, heads varchar)")
        self._run(
            "insert into publication values (?, ?, ?)", [*published[:2], json.dumps(published.heads, sort_keys=True)]
        )
        for kind, name, columns in self._relations():
            self._run(f"comment on {kind} {name} is {_quoted(self._purpose(name))}")
            for column in columns:
                self._run(f"comment on column {name}.{column} is {_quoted(_meaning(name, column))}")
        self._run("commit")
        self._run(f"use work.{DATASET}")
        self._run(f"checkpoint {BI_CATALOG}")

    def rows(self, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        """The rows of a query over the published tables."""
        return self._rows(sql, params)

    def run(self, sql: str) -> None:
        """Runs a statement."""
        self._run(sql)

    def _relations(self) -> Iterator[tuple[str, str, list[str]]]:
        """Kind, name and columns of every table and view."""
        found = self._rows(
            """
            select case when v.view_name is null then 'table' else 'view' end, c.table_name,
                list(c.column_name order by c.column_index)
            from duckdb_columns() c
            left join duckdb_views() v
                on v.database_oid = c.database_oid and v.schema_oid = c.schema_oid and v.view_name = c.table_name
            where c.database_name = ? and c.schema_name = ?
            group by all
            """,
            [BI_CATALOG, DATASET],
        )
        yield from found

    @staticmethod
    def _purpose(name: str) -> str:
        return "one row: what this copy is of" if name == "publication" else purpose(name)

    def _run(self, sql: str, params: Any = ()) -> None:
        self._connection.execute(sql, list(params))

    def _rows(self, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, list(params)).fetchall()


@contextmanager
def open_bi_file(path: Path) -> Iterator[BiFile]:
    """A file, new or not, for a publication; complete on the disk at the end of the block."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set memory_limit = '{MEMORY}'")
        connection.execute("set temp_directory = ?", [str(path.parent / "spilled")])
        connection.execute(f"attach {_quoted(str(path))} as {BI_CATALOG} (storage_version '{STORAGE}')")
        yield BiFile(connection)
        connection.execute(f"detach {BI_CATALOG}")


_HEADS = pa.schema([("pbx", pa.string()), ("snapshot_id", pa.string())])


def _meaning(name: str, column: str) -> str:
    return _PUBLICATION[column] if name == "publication" else column_meaning(name, column)


def _definition(column: TableColumn) -> str:
    return f"{column.name} {_TYPES[column.type]}" + (" not null" if column.key else "")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
