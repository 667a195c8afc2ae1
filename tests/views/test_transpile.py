"""SQL that is carried over: values, names, macros, and the dialects that nothing of it was ever run in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlglot

from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.views.transpile import is_read_only_query, transpile
from dlt_threecx.views.views import MACROS, VIEWS, view_statements

NEVER_RUN = ("snowflake", "bigquery", "databricks", "clickhouse")
AT = datetime(2026, 11, 3, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize("dialect", ["postgres", "spark", *NEVER_RUN])
def test_every_view_parses_in_its_dialect(dialect: str) -> None:
    statements = view_statements(dialect, "threecx")
    assert len(statements) == len(VIEWS) + (len(MACROS) if dialect == "postgres" else 0)
    for name, statement in zip(VIEWS, statements, strict=False):
        tree = sqlglot.parse_one(statement, read=dialect)
        assert isinstance(tree, sqlglot.exp.Create)
        assert (tree.this.db, tree.this.name) == ("threecx", name)
        assert "{" not in statement
        assert not list(tree.find_all(sqlglot.exp.Command))


@pytest.mark.parametrize("dialect", ["postgres", *NEVER_RUN])
def test_questions_parse_in_their_dialect(dialect: str) -> None:
    query = SqlQuery(("pbx", "device_id", "mac"), "devices_as_of(?)", AT).among("pbx", ["hq", "it's"]).ordered("pbx")
    sql = transpile(query.sql, dialect, "threecx", query.params)
    tree = sqlglot.parse_one(sql, read=dialect)
    names = {table.name for table in tree.find_all(sqlglot.exp.Table) if table.db}
    assert names == {"device_versions", "complete_snapshots"}
    assert {table.db for table in tree.find_all(sqlglot.exp.Table) if table.db} == {"threecx"}
    texts = [literal.this for literal in tree.find_all(sqlglot.exp.Literal) if literal.is_string]
    assert {"hq", "it's"} <= set(texts)
    assert "?" not in sql
    assert "at_time" not in sql


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (7, "7"),
        (1.5, "1.5"),
        ("a ? b", "'a ? b'"),
        ("it's", "'it''s'"),
        ("x'; drop table snapshots; --", "'x''; drop table snapshots; --'"),
        (AT, "CAST('2026-11-03 07:30:00+00:00' AS TIMESTAMPTZ)"),
    ],
)
def test_values_are_written_in(value: Any, expected: str) -> None:
    found = transpile("select ? as a, '?' as b from snapshots where pbx = ?", "postgres", "t", [value, value])
    assert found == f"SELECT {expected} AS a, '?' AS b FROM t.snapshots WHERE pbx = {expected}"


def test_a_backslash_stays_one_where_it_would_escape() -> None:
    assert transpile("select ?", "bigquery", "t", ["a\\"]) == "SELECT 'a\\\\'"


def test_too_few_values_are_a_bug() -> None:
    with pytest.raises(ValueError, match="zip"):
        transpile("select ?, ?", "postgres", "t", [1])


def test_postgres_sorts_texts_as_duckdb_does() -> None:
    found = transpile("select pbx, device_id from devices order by pbx, device_id", "postgres", "t")
    assert found.partition("ORDER BY ")[2] == 'pbx COLLATE "C", device_id'


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1", True),
        ("with a as (select 1) select * from a", True),
        ("select 1 union all select 2;", True),
        ("", False),
        ("select 1; select 2", False),
        ("delete from snapshots", False),
        ("insert into snapshots select 1", False),
        ("create table x as select 1", False),
        ("copy snapshots to 'x.csv'", False),
        ("select (", False),
    ],
)
def test_a_question_is_one_statement_that_reads(sql: str, expected: bool) -> None:
    assert is_read_only_query(sql, "duckdb") is expected
