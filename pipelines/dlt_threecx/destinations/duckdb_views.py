"""The views and macros in a DuckDB file, compared with those of this release, and made again where they differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import duckdb

from dlt_threecx.errors import first_line
from dlt_threecx.tables import TABLES
from dlt_threecx.views.dictionary import RELATIONS, Comment, changed_comments
from dlt_threecx.views.views import MACRO_PARAMETERS, MACROS, VIEWS, view_queries, view_statements

__all__ = ["STORAGE", "differing_views", "reported_views", "update_views"]

STORAGE: dict[str, str | bool | int | float | list[str]] = {"storage_compatibility_version": "v1.2.0"}
"""New files get a format that every DuckDB from 1.2 on can open. A file keeps the format that it was created with."""

_HEAD = re.compile(r"CREATE VIEW \S+ AS ")
_CATALOG = re.compile(r"ELSE '((?:[^']|'')*)' END")
_FORM = ("query_location", "query_location_length", "materialized", "is_implicit")
_HERE = "database_name = current_database() and schema_name = $dataset"
_DEFINITIONS = f"""
    with functions as materialized (
        select database_name, schema_name, function_name, function_type, macro_definition, parameters, internal
        from duckdb_functions()
    )
    select view_name, sql, null, false from duckdb_views() where {_HERE}
    union all
    select function_name, macro_definition, parameters, false from functions
    where {_HERE} and function_type = 'table_macro'
    union all
    select distinct f.schema_name || '.' || f.function_name, null, null, true from functions f
    where f.database_name = current_database() and f.function_name in (
        select function_name from functions where internal
    ) and not ({_HERE} and f.function_name in ({", ".join(f"'{name}'" for name in MACROS)}))
        and f.schema_name in ($dataset, 'main') and not f.internal
    order by 1
"""  # noqa: S608  constants
"""Views and macros; the last column is true for a function that takes the place of one of DuckDB's own."""
_COMMENTS = f"""
    select table_name, null, comment from duckdb_tables() where {_HERE}
    union all select view_name, null, comment from duckdb_views() where {_HERE}
    union all select table_name, column_name, comment from duckdb_columns() where {_HERE}
"""  # noqa: S608  constants
_MACRO_COMMENTS = f"""
    union all select function_name, null, comment from duckdb_functions()
    where {_HERE} and function_type = 'table_macro'
"""  # noqa: S608  constants

_REPORTED = """
    with entries as (
        select schema_name, table_name as name, null as column_name, null as text, null as parameters, comment
        from duckdb_tables() where database_name = current_database()
        union all
        select schema_name, view_name, null, sql, null, comment
        from duckdb_views() where database_name = current_database() and not internal
        union all
        select schema_name, table_name, column_name, null, null, comment
        from duckdb_columns() where database_name = current_database() and not internal
        union all
        select schema_name, function_name, null, macro_definition, parameters::varchar, comment
        from duckdb_functions() where database_name = current_database() and not internal
    )
    select current_database(), * from entries order by all
"""

_BASE = "complete_snapshots"
"""What all other views need."""

_same: set[tuple[str, str]] = set()
"""Views that were found right. To parse all takes a quarter of a second, and a program may sync many times."""


def differing_views(connection: duckdb.DuckDBPyConnection, dataset: str, *, catalog: str | None = None) -> list[str]:
    """The views and macros of a dataset that are missing or are not those of this release.

    `catalog` is the name of the file that the macros have to know; None allows any, because a file may be copied.
    A macro that takes the place of one of DuckDB's own functions is among them: views would use it.
    """
    cursor = connection.cursor()
    there: dict[str, list[tuple[str, list[str] | None]]] = {}
    shadows = []
    for name, text, parameters, is_shadow in cursor.execute(_DEFINITIONS, {"dataset": dataset}).fetchall():
        if is_shadow:
            shadows.append(name)
        else:
            there.setdefault(name, []).append((_HEAD.sub("", text).rstrip(";"), parameters))
    if catalog is None:
        known = next((_CATALOG.search(text) for name in MACROS for text, _ in there.get(name, ())), None)
        catalog = known[1].replace("''", "'") if known else dataset
    wanted = view_queries("duckdb", dataset=dataset, catalog=catalog)

    def is_ours(name: str) -> bool:
        parameters = list(MACRO_PARAMETERS) if name in MACROS else None
        return [named for _, named in there.get(name, ())] == [parameters] and (
            _is_same(cursor, there[name][0][0], wanted[name])
        )

    return [*(name for name in (*VIEWS, *MACROS) if not is_ours(name)), *shadows]


def reported_views(connection: duckdb.DuckDBPyConnection) -> list[Any]:
    """All views, macros and comments of the file, in DuckDB's words."""
    with closing(connection.cursor()) as cursor:
        return [duckdb.__version__, *cursor.execute(_REPORTED).fetchall()]


def update_views(connection: duckdb.DuckDBPyConnection, dataset: str) -> list[str]:
    """Creates or replaces the views and macros that differ, and the comments; returns what could not be made."""
    (catalog,) = connection.execute("select current_database()").fetchone() or ("",)
    differing = differing_views(connection, dataset, catalog=catalog)
    quoted = catalog.replace('"', '""')
    place = f'"{quoted}"."{dataset}"'
    connection.execute(f"use {place}")
    statements = dict(zip((*VIEWS, *MACROS), view_statements(dataset=dataset, catalog=catalog), strict=True))
    problems = [
        f"macro {name} takes the place of a function of DuckDB, and views use it: drop it"
        for name in differing
        if name not in statements
    ]

    def update(names: Sequence[str]) -> None:
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"use {place}")
            for name in names:
                if name in differing:
                    problems.extend(_problems(cursor, name, statements[name]))
            _write_comments(cursor, dataset, names)

    with ThreadPoolExecutor(2) as pool:
        # DuckDB reads the whole view again for the comment on each of its columns. `findings` is so long that it takes
        # as much time as all others together.
        update([_BASE])
        list(pool.map(update, (["findings"], [name for name in RELATIONS if name not in (_BASE, "findings")])))
    return problems


def _problems(cursor: duckdb.DuckDBPyConnection, name: str, statement: str) -> Iterator[str]:
    """What kept a view from being made."""
    try:
        cursor.execute(statement)
    except duckdb.Error as error:
        yield f"view {name} is not that of this release: {first_line(error)}"


def _is_same(cursor: duckdb.DuckDBPyConnection, text: str, query: str) -> bool:
    """Whether `text`, which DuckDB reports of a view, means `query`."""
    if (text, query) in _same:
        return True
    if _meaning(cursor, text) != _meaning(cursor, _as_reported(cursor, query)):
        return False
    _same.add((text, query))
    return True


def _as_reported(cursor: duckdb.DuckDBPyConnection, query: str) -> str:
    """A query in the words in which DuckDB reports a view that was just created by it."""
    (text,) = cursor.execute("select json_deserialize_sql(json_serialize_sql(?))", [query]).fetchone() or ("",)
    return str(text)


def _meaning(cursor: duckdb.DuckDBPyConnection, query: str) -> Any:
    """What DuckDB parses a query to, without what a file does not keep as it was."""
    (parsed,) = cursor.execute("select json_serialize_sql(?)", [query]).fetchone() or ("null",)
    return _canonical(json.loads(parsed))


def _canonical(node: Any) -> Any:
    """Without what DuckDB does not keep.

    That is: places in the text, hints, how a cross join is written, the letter case of types, how a long `union all` is
    nested, and that `at time zone` is a function in `main`, which DuckDB 1 writes (macros there are named anyhow).
    """
    if isinstance(node, list):
        return [_canonical(one) for one in node]
    if not isinstance(node, dict):
        return node
    if _is_plain_union_all(node):
        return ["union all", *_parts(node)]
    content = {name: _canonical(value) for name, value in node.items() if name not in _FORM}
    if node.get("class") == "FUNCTION":
        # DuckDB 1 has the schema, DuckDB 2 the path.
        content["schema"] = content.get("schema", "").removeprefix("main")
        path = content.get("qualified_name", {}).get("path", [])
        content["qualified_name"] = path[1:] if path[:1] == ["main"] else path
    return json.dumps(content).lower() if node.get("class") == "TYPE" else content


def _parts(node: dict[str, Any]) -> Iterator[Any]:
    for part in node.get("children") or (node["left"], node["right"]):
        if _is_plain_union_all(part):
            yield from _parts(part)
        else:
            yield _canonical(part)


def _is_plain_union_all(node: dict[str, Any]) -> bool:
    is_union_all = node.get("setop_type") == "UNION" and node.get("setop_all")
    return bool(is_union_all and not node["modifiers"] and not node["cte_map"]["map"])


def _write_comments(cursor: duckdb.DuckDBPyConnection, dataset: str, names: Sequence[str]) -> None:
    # duckdb_functions() takes as long as a view.
    query = _COMMENTS if set(MACROS).isdisjoint(names) else _COMMENTS + _MACRO_COMMENTS
    rows = cursor.execute(query, {"dataset": dataset}).fetchall()
    there = [Comment(*row) for row in rows if row[0] in names]
    statements = [_comment_statement(comment) for comment in changed_comments(there)]
    if statements:
        cursor.execute(";\n".join(("begin", *statements, "commit")))


def _comment_statement(comment: Comment) -> str:
    kind = "table" if comment.relation in TABLES else "macro table" if comment.relation in MACROS else "view"
    on = f"column {comment.relation}.{comment.column}" if comment.column else f"{kind} {comment.relation}"
    text = (comment.text or "").replace("'", "''")
    return f"comment on {on} is '{text}'"
