"""How DuckDB answers a question: a long history is read only as far as the question goes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from tests.literal import days_ago, empty_history, write_days

DEVICES, HOURS = 40, 60


@pytest.fixture(scope="module")
def past() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_history() as connection:
        readings = [
            (
                days_ago(hour / 24),
                pbx,
                {
                    device: {"ip_address": f"10.0.0.{(hour + device) // 20}", "online": (hour + device) % 9 == 0}
                    for device in range(DEVICES)
                },
            )
            for hour in range(HOURS)
            for pbx in ("hq", "leeds")
        ]
        write_days(connection, readings)
        yield connection


def _scans(past: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    """What is said about each reading of the log in the plan of a query."""
    [(_, plan)] = past.execute(f"explain (format json) {sql}").fetchall()
    return [
        json.dumps(node["extra_info"])
        for node in _nodes(json.loads(plan))
        if re.search(r"\bdevice_versions\b", str(node.get("extra_info", {}).get("Table")))
    ]


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    for node in plan if isinstance(plan, list) else [plan]:
        yield node
        yield from _nodes(node.get("children", []))


@pytest.mark.parametrize("view", ["devices", "device_history", "device_changes", "device_snapshots"])
def test_the_story_of_a_device_reads_no_versions_of_others(past: duckdb.DuckDBPyConnection, view: str) -> None:
    scans = _scans(past, f"select * from {view} where pbx = 'hq' and device_id = 7")
    assert scans
    assert [scan for scan in scans if "device_id = 7" not in scan] == []


def test_the_inventory_of_a_day_reads_the_log_once(past: duckdb.DuckDBPyConnection) -> None:
    assert len(_scans(past, "select * from daily_inventory where day = current_date")) == 1


def test_versions_are_counted_only_for_who_asks_for_their_number(past: duckdb.DuckDBPyConnection) -> None:
    def lists_them(column: str) -> bool:
        [(_, plan)] = past.execute(f"explain (format json) select {column} from devices").fetchall()
        return "list(" in plan

    assert [lists_them("versions"), lists_them("last_changed_at")] == [True, False]


def _rows_between_steps(past: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The most rows that any part of a query passed on."""
    past.execute("pragma enable_profiling = 'no_output'")
    try:
        past.execute(sql).fetchall()
        plan = past.get_profiling_information()
    finally:
        past.execute("pragma disable_profiling")
    return max(int(size) for size in re.findall(r'"(?:intermediate_rows|operator_cardinality)": (\d+)', plan))


def test_rebuilding_snapshots_is_as_much_work_as_there_are_rows_in_them(past: duckdb.DuckDBPyConnection) -> None:
    rows = 2 * HOURS * DEVICES
    assert past.execute("select count(*) from device_snapshots").fetchall() == [(rows,)]
    assert _rows_between_steps(past, "select count(*) from device_snapshots") == rows
