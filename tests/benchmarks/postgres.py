"""How long PostgreSQL takes for the views, beside DuckDB: `python -m tests.benchmarks.postgres`.

The history is made up: `--devices` of 5 PBXs, with `--versions` of each over a year of hourly snapshots.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.postgres import Postgres as PostgresDestination
from tests.benchmarks.history import write_history
from tests.destinations.warehouse import Postgres, postgres

__all__ = ["SIZES", "measured"]

SIZES = {
    "5 × 400 devices, 60,000 versions": (2000, 30),
    "2,000 devices, 200,000 versions": (2000, 100),
    "20,000 devices, 60,000 versions": (20_000, 3),
}
_QUESTIONS = ("findings", "devices", "daily_inventory", "device_changes", "pbx_status")


def measured(server: Postgres, folder: Path, devices: int, versions: int) -> list[tuple[str, float, float]]:
    """Question, seconds in PostgreSQL, seconds in DuckDB."""
    db = folder / f"{devices}-{versions}.duckdb"
    write_history(db, devices, 5, versions)
    with duckdb.connect(str(db), read_only=True) as history:
        history.execute("set TimeZone = 'UTC'; use threecx")
        server.copy(history)
        os.environ.update(server.environ)
        destination = PostgresDestination(HistoryLocation(db, destination="postgres", project=folder), wait_seconds=5)
        destination.create_views()
        destination.refresh()  # as after each load
        destination.close()
        found = []
        with server.connection() as connection, connection.cursor() as cursor:
            for view in _QUESTIONS:
                sql = f"select count(*) from (select * from {view} offset 0) v"
                there, rows_there = _timed(cursor, sql)
                here, rows_here = _timed(history, sql)
                assert rows_there == rows_here, (view, rows_there, rows_here)
                found.append((view, there, here))
    return found


def _timed(asked: Any, sql: str) -> tuple[float, list[Any]]:
    """Seconds and rows."""
    began = time.perf_counter()
    asked.execute(sql)
    rows = asked.fetchall()
    return time.perf_counter() - began, [tuple(row) for row in rows]


def main() -> None:
    """Prints a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="sizes that have this text")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, postgres() as server:
        for text, (devices, versions) in SIZES.items():
            if arguments.only in text:
                print(f"{text}\n{'PostgreSQL':>10} {'DuckDB':>10}  seconds for all rows of")
                for view, there, here in measured(server, Path(name), devices, versions):
                    print(f"{there:>10.2f} {here:>10.2f}  {view}")


if __name__ == "__main__":
    main()
