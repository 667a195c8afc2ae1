"""SQL that is written once, for DuckDB, carried over to the SQL of another destination by sqlglot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlglot
from sqlglot import exp

from dlt_threecx.tables import LEDGER, LOADS, TABLES, VERSIONS
from dlt_threecx.views.views import MACROS, VIEWS, macro_text

__all__ = ["is_read_only_query", "transpile"]

_OURS = frozenset({*TABLES, *VIEWS, LOADS})
_TEXTS = frozenset(column.name for column in (*LEDGER, *VERSIONS) if column.type == "text") | {"field"}


def transpile(sql: str, dialect: str, dataset: str, params: Sequence[Any] = ()) -> str:
    """A query of ours in another dialect: values written in, names of tables with their dataset, macros unfolded.

    `sql` has a `?` for each of `params`; `dialect` is a name that sqlglot knows.
    """
    tree = sqlglot.parse_one(_bound(sql, params), read="duckdb")
    for table in list(tree.find_all(exp.Table)):
        if isinstance(table.this, exp.Anonymous) and table.this.name in MACROS:
            table.replace(_unfolded(table.this, table.alias or "unfolded", dialect, dataset))
        elif not table.db and table.name in _OURS:
            table.set("db", exp.to_identifier(dataset))
    if dialect == "postgres":
        _sort_by_code_point(tree)
    return tree.sql(dialect=dialect)


def is_read_only_query(sql: str, dialect: str) -> bool:
    """Whether this is one statement that only reads."""
    try:
        statements = sqlglot.parse(sql, read=dialect)
    except sqlglot.errors.SqlglotError:
        return False
    return len(statements) == 1 and isinstance(statements[0], exp.Query | exp.Describe)


def _bound(sql: str, params: Sequence[Any]) -> str:
    """The query with its values in place of each `?`."""
    if not params:
        return sql
    marks = [token for token in sqlglot.tokenize(sql, read="duckdb") if token.token_type.name == "PLACEHOLDER"]
    parts, end = [], 0
    for mark, value in zip(marks, params, strict=True):
        parts += [sql[end : mark.start], _literal(value)]
        end = mark.end + 1
    return "".join((*parts, sql[end:]))


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return "null" if value is None else str(value).lower()
    if isinstance(value, datetime):
        return f"cast('{value.astimezone(UTC).isoformat(sep=' ')}' as timestamptz)"
    text = str(value).replace("'", "''")
    return f"'{text}'"


def _unfolded(call: exp.Anonymous, alias: str, dialect: str, dataset: str) -> exp.Subquery:
    """`devices_as_of(time)` as the query that it stands for."""
    query = _macro(call.name, dialect, dataset).copy()
    for column in query.find_all(exp.Column):
        if column.name == "at_time":
            column.replace(call.expressions[0].copy())
    return exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(alias)))


@cache
def _macro(name: str, dialect: str, dataset: str) -> exp.Expr:
    return sqlglot.parse_one(macro_text(name, dialect, dataset), read="duckdb")


def _sort_by_code_point(tree: exp.Expr) -> None:
    """Texts in the order that DuckDB has them in, whatever the language of the database."""
    for ordered in list(tree.find_all(exp.Ordered)):
        select = ordered.find_ancestor(exp.Select)
        column = ordered.this
        if isinstance(column, exp.Column) and column.name in _TEXTS and select and not select.args.get("distinct"):
            ordered.set("this", exp.Collate(this=column.copy(), expression=exp.to_identifier("C", quoted=True)))
