"""The views: one SQL file each, with the device columns filled in from `tables.py`.

They are written for DuckDB; sqlglot carries them to other destinations.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from dlt_threecx.findings import filled
from dlt_threecx.tables import DATASET, DEVICE_COLUMNS, LEDGER, VERSIONS, TableColumn, finished_loads
from dlt_threecx.views.log_sql import with_log

__all__ = [
    "FUNCTION_PARAMETERS",
    "MACROS",
    "MACRO_PARAMETERS",
    "VIEWS",
    "function_result",
    "macro_text",
    "view_purpose",
    "view_queries",
    "view_statements",
    "view_texts",
]

VIEWS = (
    "complete_snapshots",
    "devices",
    "device_history",
    "device_changes",
    "device_snapshots",
    "calendar",
    "daily_inventory",
    "daily_changes",
    "pbx_status",
    "findings",
)
"""In the order in which they have to be created."""

MACROS = ("devices_as_of",)
"""Views with a parameter, `at_time`: macros in DuckDB, functions in PostgreSQL."""

_MACRO_COLUMNS = {"devices_as_of": ("pbx", "device_id", "snapshot_id", "taken_at")}
"""Macro → its columns before the device columns."""

MACRO_PARAMETERS = ("at_time", "catalog")
"""Of a macro in DuckDB; `catalog` is only needed where the file is attached under another name than its own."""

FUNCTION_PARAMETERS = "at_time timestamp with time zone"
"""Of a function in PostgreSQL."""

_QUERIES_ALONE = ("duckdb", "postgres")
"""Dialects for which sqlglot carries the query only; for others the whole statement."""

_POSTGRES_TYPES = {
    "text": "character varying",
    "bigint": "bigint",
    "double": "double precision",
    "bool": "boolean",
    "timestamp": "timestamp with time zone",
}

_SQL = Path(__file__).parent / "sql"
_NAMES = tuple(column.name for column in DEVICE_COLUMNS)
_COLUMNS = re.compile(r"\{columns:(\w+)\}")
_VALUES = re.compile(r"\{values:(\w+)\}")

_FIELD = {
    "duckdb": "unnest(from_json(n.fields, '[\"varchar\"]'))",
    "postgres": "json_array_elements_text(cast(n.fields as json))",
    "spark": "explode(from_json(n.fields, 'array<string>'))",
}
"""Dialect → each entry of the JSON list `n.fields`, as a row of its own."""

_WEEK = {
    "duckdb": "unnest(range(n.first_week, n.last_week + 1))",
    "postgres": "generate_series(n.first_week, n.last_week)",
    "spark": "explode(sequence(n.first_week, n.last_week))",
}
"""Dialect → each number from `n.first_week` to `n.last_week`, as a row of its own."""

_EACH_WEEK = """join (
        select distinct cast(floor(epoch(s.taken_at) / 604800) as integer) as week from {schema}complete_snapshots s
    ) f on f.week between n.first_week and n.last_week"""
"""The same for other dialects: those weeks that have a snapshot."""

_EXTRA_VALUE = {
    "duckdb": "json_extract_string({row}.extra, '/' || replace(replace(substr(n.field, 7), '~', '~0'), '/', '~1'))",
    "postgres": "json_extract_path_text(cast({row}.extra as json), substr(n.field, 7))",
    "spark": "element_at(from_json({row}.extra, 'map<string,string>'), substr(n.field, 7))",
}
"""Dialect → the text of the property of `extra` that `n.field` names."""

_MATERIALIZED = ("duckdb", "postgres")
"""Dialects that know `with … as materialized`."""


def view_statements(
    dialect: str = "duckdb", schema: str | None = None, *, dataset: str = DATASET, catalog: str = DATASET
) -> list[str]:
    """Statements that create all views and macros, or replace them, in `schema` (as SQL has it, quoted if need be).

    `dialect` is a name that sqlglot knows. Macros become functions in PostgreSQL, and are left out in other dialects.
    For DuckDB `catalog` is the name of the file, and `dataset` that of the schema.
    """
    prefix = f"{schema}." if schema else ""
    if dialect not in _QUERIES_ALONE:
        views = [f"create or replace view {prefix}{name} as\n{_text(name, prefix, dialect)}" for name in VIEWS]
        return [_carried(view, dialect) for view in views]
    queries = view_queries(dialect, prefix, dataset=dataset, catalog=catalog)
    return [_statement(name, queries[name], dialect, prefix) for name in (*VIEWS, *MACROS)]


def view_queries(dialect: str, prefix: str = "", *, dataset: str = DATASET, catalog: str = DATASET) -> dict[str, str]:
    """The queries of all views and macros of DuckDB or PostgreSQL, by name; `prefix` is `threecx.`, for example.

    In a view DuckDB looks for unqualified names in the view's own schema, under whatever name the file is attached.
    """
    if dialect != "duckdb":
        return {name: _carried(_text(name, prefix, dialect), dialect) for name in (*VIEWS, *MACROS)}
    views = {name: _with_hints(_text(name, "", dialect)) for name in VIEWS}
    return views | {name: _duckdb_macro(name, dataset, catalog) for name in MACROS}


@cache
def view_texts() -> tuple[str, ...]:
    """All that the views are made of, in every dialect that has its own words; two releases alike have the same."""
    dialects = (*_QUERIES_ALONE, "")
    texts = [_text(name, "{schema}", dialect) for dialect in dialects for name in (*VIEWS, *MACROS)]
    return (*texts, *(_duckdb_macro(name, "", "") for name in MACROS), *map(function_result, MACROS))


def _statement(name: str, query: str, dialect: str, prefix: str) -> str:
    if name in VIEWS:
        return f"create or replace view {prefix}{name} as\n{query}"
    if dialect == "duckdb":
        return f"create or replace macro {prefix}{name}({', '.join(MACRO_PARAMETERS)} := null) as table\n{query}"
    return (
        f"create or replace function {prefix}{name}({FUNCTION_PARAMETERS}) returns {function_result(name)}\n"
        f"language sql stable as $${query}$$"
    )


def _with_hints(query: str) -> str:
    """A view of DuckDB that keeps its hints.

    A file in the format of DuckDB 1.2 does not keep `as materialized`, and releases before 1.4 need it: without it
    they read the log a thousand times. A text is kept as it is.
    """
    if "as materialized" not in query:
        return query
    quoted = query.replace("'", "''")
    return f"select * from query('{quoted}')"  # noqa: S608  our own query


def _duckdb_macro(name: str, dataset: str, catalog: str) -> str:
    """A macro has no schema of its own in which DuckDB looks for names, so it says where they are.

    That is the current catalog when the schema is the current one, else the catalog that has the name of the file.
    """
    quoted = catalog.replace("'", "''")
    where = f"coalesce(catalog, case when current_schema() = '{dataset}' then current_database() else '{quoted}' end)"
    table = f"query_table('\"' || replace({where}, '\"', '\"\"') || '\".{dataset}.\\1')"
    return re.sub(r"\{schema\}(\w+)", table, _text(name, "{schema}", "duckdb"))


def function_result(name: str) -> str:
    """What a function of PostgreSQL returns, as PostgreSQL writes it."""
    types = {column.name: _POSTGRES_TYPES[column.type] for column in (*LEDGER, *VERSIONS)}
    return f"TABLE({', '.join(f'{column} {types[column]}' for column in (*_MACRO_COLUMNS[name], *_NAMES))})"


def macro_text(name: str, dialect: str, schema: str) -> str:
    """The query of a macro, in DuckDB's SQL, for a dialect without macros; its `at_time` is still to be filled in."""
    return _text(name, f"{schema}.", dialect)


def view_purpose(name: str) -> str:
    """What the first line of a view's file says: `one row per …`."""
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8").splitlines()[0].removeprefix("-- ")


def _carried(statement: str, dialect: str) -> str:
    import sqlglot  # only for destinations other than DuckDB

    tree = sqlglot.parse_one(statement, read="duckdb")
    if dialect not in _MATERIALIZED:
        for query in tree.find_all(sqlglot.exp.CTE):
            query.set("materialized", None)
    return tree.sql(dialect=dialect, pretty=True, comments=False)


def _text(name: str, prefix: str, dialect: str) -> str:
    text = with_log(filled((_SQL / f"{name}.sql").read_text(encoding="utf-8")), dialect)
    text = _COLUMNS.sub(lambda found: ", ".join(f"{found[1]}.{column}" for column in _NAMES), text)
    text = _VALUES.sub(lambda found: _values(found[1], dialect), text)
    return (
        text.replace("{finished_loads}", finished_loads("{schema}"))
        .replace("{field}", _FIELD.get(dialect, "f.field"))
        .replace("{each_field}", "" if dialect in _FIELD else _each_field())
        .replace("{week}", _WEEK.get(dialect, "f.week"))
        .replace("{each_week}", "" if dialect in _WEEK else _EACH_WEEK)
        .replace("{categories}", _category_cases())
        .replace("{schema}", prefix)
    )


def _category_cases() -> str:
    fields: dict[str, list[str]] = {}
    for column in DEVICE_COLUMNS:
        if column.category != "other":
            fields.setdefault(column.category, []).append(f"'{column.name}'")
    return " ".join(f"when n.field in ({', '.join(names)}) then '{kind}'" for kind, names in fields.items())


def _values(row: str, dialect: str) -> str:
    """Branches of a `case`: the value of `n.field` in a row, as text."""
    cases = [f"when n.field = '{column.name}' then {_as_text(row, column)}" for column in DEVICE_COLUMNS]
    if dialect in _EXTRA_VALUE:
        cases.append(f"when n.field like 'extra.%' then {_EXTRA_VALUE[dialect].replace('{row}', row)}")
    return " ".join(cases)


def _as_text(row: str, column: TableColumn) -> str:
    value = f"{row}.{column.name}"
    if column.type == "timestamp":
        utc = f"({value} at time zone 'UTC')"
        return f"strftime({utc}, '%Y-%m-%d') || 'T' || strftime({utc}, '%H:%M:%S') || 'Z'"
    return value if column.type == "text" else f"cast({value} as varchar)"


def _each_field() -> str:
    """For dialects whose JSON functions nobody has tried here: all changes within `extra` are one field `extra`."""
    fields = " union all ".join(f"select '{name}' as field" for name in _NAMES)
    return (
        f"join ({fields} union all select null as field) f on position('\"' || f.field || '\"' in n.fields) > 0"
        " or (f.field = 'extra' and position('\"extra.' in n.fields) > 0)"
        " or (f.field is null and n.fields = '[null]')"
    )
