"""A history in PostgreSQL: loads wait for each other, and views are compared and replaced in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg2

from dlt_threecx.destinations.warehouse import Warehouse
from dlt_threecx.errors import first_line
from dlt_threecx.tables import LOADS, TABLES
from dlt_threecx.views.dictionary import RELATIONS, Comment, changed_comments
from dlt_threecx.views.views import (
    FUNCTION_PARAMETERS,
    MACROS,
    VIEWS,
    function_result,
    view_queries,
    view_statements,
)

__all__ = ["Postgres"]

_FUNCTIONS = """
    select p.proname, p.prosrc, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)
    from pg_proc p
    where p.pronamespace = to_regnamespace(%s) and p.proname = any(%s)
"""
_COMMENTS = """
    select c.relname, null, obj_description(c.oid, 'pg_class') from pg_class c
    where c.relnamespace = to_regnamespace(%(schema)s) and c.relname = any(%(names)s) and c.relkind in ('r', 'v')
    union all
    select c.relname, a.attname, col_description(c.oid, a.attnum) from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = to_regnamespace(%(schema)s) and c.relname = any(%(names)s) and c.relkind in ('r', 'v')
    union all
    select p.proname, null, obj_description(p.oid, 'pg_proc') from pg_proc p
    where p.pronamespace = to_regnamespace(%(schema)s) and p.proname = any(%(names)s)
"""

_REPORTED = """
    with entries as (
        select c.oid, c.relname::text as name, case c.relkind when 'v' then pg_get_viewdef(c.oid) when 'i' then
            pg_get_indexdef(c.oid) end as text, 'pg_class'::regclass as kind
        from pg_class c where c.relnamespace = to_regnamespace(%(schema)s) and c.relkind in ('r', 'v', 'i')
        union all
        select p.oid, p.oid::regprocedure::text, pg_get_functiondef(p.oid), 'pg_proc'::regclass
        from pg_proc p where p.pronamespace = to_regnamespace(%(schema)s) and p.prokind = 'f'
    )
    select version(), e.name, e.text, d.objsubid, d.description from entries e
    left join pg_description d on d.objoid = e.oid and d.classoid = e.kind
    order by 2, 3, 4
"""

_OUTDATED = """
    select c.relpages < 1000 or pg_relation_size(c.oid) > 1.1 * c.relpages * current_setting('block_size')::bigint
    from pg_class c where c.oid = to_regclass(%s)
"""
"""Whether the statistics of a table are those of a smaller one. Of a small table they cost nothing."""

_INDEXES = (
    "create index if not exists device_versions_key on {0}.device_versions (pbx, device_id, snapshot_id)",
    # The views go from a version to the one before it by its time.
    "create index if not exists device_versions_times on {0}.device_versions (pbx, device_id, observed_at)",
    "create index if not exists snapshots_key on {0}.snapshots (pbx, snapshot_id)",
    # What each sync asks: recent rows, sums over the old ones, and whether a load was finished.
    "create index if not exists snapshots_time on {0}.snapshots (started_at, _dlt_load_id)",
    "create index if not exists snapshots_shapes on {0}.snapshots (pbx, snapshot_id) where shape is not null",
    "create index if not exists snapshots_joins on {0}.snapshots (pbx) where status = 'join'",
    "create index if not exists loads_key on {0}._dlt_loads (load_id)",
)


class Postgres(Warehouse):
    """A dataset in PostgreSQL; one that is opened for loading waits until no other load of it is under way."""

    checksum = "hashtext"

    def _prepare(self, wait_seconds: float, *, read_only: bool) -> None:
        self._numbers = count()
        self._client.execute_sql("set time zone 'UTC'")
        if read_only:
            self._client.execute_sql("set default_transaction_read_only = on")
            return
        with self._own_errors(
            f"load into destination '{self._name}'",
            "Nothing was written. Run again when no other sync loads into it, or raise busy_timeout_seconds",
        ):
            self._client.execute_sql(f"set lock_timeout = {max(1, round(wait_seconds * 1000))}")
            self._client.execute_sql(f"select pg_advisory_lock(hashtext('threecx {self.dataset}'))")
            self._client.execute_sql("set lock_timeout = default")

    def has_table(self, name: str) -> bool:
        """Whether the table is there yet."""
        # dlt resets the session after a statement that fails, so it is not found out by one.
        with self._own_errors():
            return self._rows("select to_regclass(%s) is not null", [f"{self.schema}.{name}"]) == [(True,)]

    def differing_views(self) -> list[str]:
        """The views and functions that are missing or are not those of this release.

        Each is created a second time, as a temporary one that is rolled back, and PostgreSQL's words for both compared.
        """
        queries = view_queries("postgres", f"{self.schema}.")
        with self._own_errors(), self._client.begin_transaction():
            self._rows("set transaction read write")
            differing = [name for name in VIEWS if not self._is_view(name, queries[name])]
            self._client.native_connection.rollback()
        found: dict[str, list[tuple[Any, ...]]] = {}
        for name, *definition in self._rows(_FUNCTIONS, [self.schema, list(MACROS)]):
            found.setdefault(name, []).append(tuple(definition))
        wanted = {name: [(queries[name], FUNCTION_PARAMETERS, function_result(name))] for name in MACROS}
        return differing + [name for name in MACROS if found.get(name) != wanted[name]]

    def refresh(self) -> None:
        """Brings the statistics up to date: until its own daemon comes by, PostgreSQL plans as if tables were empty."""
        for table in (f"{self.schema}.{name}" for name in (*TABLES, LOADS)):
            with self._own_errors():
                if self._rows(_OUTDATED, [table]) == [(True,)]:
                    self._rows(f"analyze {table}")

    def reported_views(self) -> Any:
        """The views, functions, indexes and comments in PostgreSQL's words."""
        with self._own_errors():
            return self._rows(_REPORTED, {"schema": self.schema})

    def create_views(self) -> list[str]:
        """Creates or replaces the views, functions and comments that differ; returns what could not be made.

        Indexes, too: without them the views take a hundred times as long.
        What others built on a view stays: views are replaced in place, and dropped only when nothing depends on them.
        """
        differing = self.differing_views()
        problems = self._replace(differing) if differing else []
        try:
            self._write_comments()
            for statement in _INDEXES:
                self._rows(statement.format(self.schema))
        except psycopg2.Error as error:
            words = self._without_password(first_line(error)).rstrip(".!?")
            problems.append(f"comments and indexes could not be written. PostgreSQL says: {words}")
        return problems

    def _is_view(self, name: str, query: str) -> bool:
        """Whether the view says what this query says; within a transaction."""
        try:
            self._rows("savepoint view_" + name)
            self._rows(f"create temporary view expected_{name} as {query}")
            sql = """
                select pg_get_viewdef(c.oid) = pg_get_viewdef(%s::regclass) from pg_class c
                where c.oid = to_regclass(%s) and c.relkind = 'v'
            """
            return self._rows(sql, [f"pg_temp.expected_{name}", f"{self.schema}.{name}"]) == [(True,)]
        except psycopg2.Error:
            self._rows("rollback to savepoint view_" + name)
            return False

    def _replace(self, differing: Sequence[str]) -> list[str]:
        every = dict(zip((*VIEWS, *MACROS), view_statements("postgres", self.schema), strict=True))
        create = [every[name] for name in every if name in differing]
        # A view can be replaced in place as long as it only gets more columns at its end.
        for dropped, created in (([], create), (differing, create), (list(every), list(every.values()))):
            try:
                with self._client.begin_transaction():
                    for statement in (*self._other_functions(), *self._drops(dropped), *created):
                        self._rows(statement)
                return []
            except psycopg2.Error as error:
                detail = (error.diag.message_detail or "").splitlines()
                said = ". ".join([first_line(error), *detail[:1]]).rstrip(".")
        problem = (
            f"these views are not those of this release: {', '.join(differing)}. PostgreSQL says: "
            f"{self._without_password(said)}. Drop what depends on them, run threecx sync, and create it again"
        )
        return [problem]

    def _drops(self, names: Sequence[str]) -> list[str]:
        """Statements that drop these views and functions, as far as they are there and nothing else depends on them."""
        found = self._rows(
            "select relname from pg_class where relnamespace = to_regnamespace(%s) and relkind = 'v'", [self.schema]
        )
        there = [name for name in reversed(VIEWS) if (name,) in found and name in names]
        functions = [name for name in MACROS if name in names]
        return [
            *(f"drop function if exists {self.schema}.{name}(timestamp with time zone)" for name in functions),
            *(f"drop view {self.schema}.{name}" for name in there),
        ]

    def _other_functions(self) -> list[str]:
        """Statements that drop functions which have the name of one of ours, and would be called in its place."""
        found = self._rows(
            "select p.oid::regprocedure::text from pg_proc p where p.pronamespace = to_regnamespace(%s)"
            " and p.proname = any(%s) and p.proargtypes[0] <> 'timestamptz'::regtype",
            [self.schema, list(MACROS)],
        )
        return [f"drop function {signature}" for (signature,) in found]

    def _write_comments(self) -> None:
        found = self._rows(_COMMENTS, {"schema": self.schema, "names": list(RELATIONS)})
        statements = [
            self._comment_statement(comment) for comment in changed_comments([Comment(*row) for row in found])
        ]
        if statements:
            self._rows(";\n".join(("begin", *statements, "commit")))

    def _comment_statement(self, comment: Comment) -> str:
        name = f"{self.schema}.{comment.relation}"
        text = (comment.text or "").replace("'", "''")
        if comment.column:
            return f"comment on column {name}.{comment.column} is '{text}'"
        if comment.relation in MACROS:
            return f"comment on function {name}(timestamp with time zone) is '{text}'"
        return f"comment on {'table' if comment.relation in TABLES else 'view'} {name} is '{text}'"

    def _rows(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The few rows of a statement in PostgreSQL's own SQL."""
        with self._client.native_connection.cursor() as cursor:
            cursor.execute(sql, params)
            return list(cursor.fetchall()) if cursor.description else []

    @contextmanager
    def _cursor(self, sql: str) -> Iterator[Any]:
        # Kept by the server: the rows of a long history do not all come here at once.
        cursor = self._client.native_connection.cursor(name=f"threecx_{next(self._numbers)}", withhold=True)
        cursor.execute(sql)
        try:
            yield cursor
        finally:
            cursor.close()
