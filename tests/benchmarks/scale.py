"""`python -m tests.benchmarks.scale`: what a year of many PBXs costs, from slopes measured at a smaller size.

Some days of a few simulated PBXs are read and loaded in earnest: they say how many rows a day brings. Then the ledger
and the versions are multiplied in SQL, with new ids and hashes, and one more sync is timed before and after: that says
how many bytes a row takes, and how much slower a longer history makes a sync. The rest is multiplication.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb

from dlt_threecx.run import sync_pbxs
from dlt_threecx.settings.config import Config, PbxConfig, RunConfig
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.settings import Settings

_OLD_ID = "'20000101T000000.000000Z-' || lpad(copy::varchar, 6, '0') || '-' || {table}.snapshot_id"
_HASH = "sha256({table}.snapshot_id || copy::varchar || {text})"


@dataclass(frozen=True)
class Slopes:
    """What was measured."""

    versions_a_day: float
    """Per device."""
    seconds: float
    """Of one sync on the short history."""
    ledger_bytes: float
    versions_bytes: float
    seconds_a_million: dict[str, float]
    """By table: how much longer one sync takes for a million rows more."""


def _grown(db: Path, table: str, copies: int) -> float:
    """Multiplies the rows of a table into the past; bytes that each new row takes."""
    before, rows_before = _size(db), _count(db, table)
    hashes = {"snapshots": ("chain", "fingerprint"), "device_versions": ("row_version", "tracked_version")}[table]
    text = {"snapshots": "pbx", "device_versions": "device_id::varchar"}[table]
    replaced = [f"{_OLD_ID.format(table=table)} as snapshot_id"]
    replaced += [f"{_HASH.format(table=table, text=f'{text} || {name!r}')} as {name}" for name in hashes]
    # in the order of time, as syncs would have written them
    with duckdb.connect(str(db)) as connection:
        connection.execute("use phones.threecx")
        connection.execute(
            f"insert into {table} select {table}.* replace ({', '.join(replaced)})"
            f" from {table}, range({copies}) as numbers(copy) order by copy, snapshot_id"
        )
        connection.execute("checkpoint")
    return (_size(db) - before) / (_count(db, table) - rows_before)


def _size(db: Path) -> int:
    return db.stat().st_size


def _count(db: Path, table: str) -> int:
    with duckdb.connect(str(db), read_only=True) as connection:
        (number,) = connection.execute(f"select count(*) from phones.threecx.{table}").fetchall()[0]
        return int(number)


def _timed(run: Callable[[], object]) -> float:
    """Seconds of a sync, the median of three."""
    found = []
    for _ in range(3):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def measured(pbxs: int, devices: int, days: int, syncs: int, rows: int) -> Slopes:
    """Runs the simulation, and prints what it finds."""
    fleets = {f"pbx{number:04}": Fleet(devices, seed=number) for number in range(pbxs)}
    with tempfile.TemporaryDirectory() as name, Simulator(fleets) as simulator:
        project, db = Path(name), Path(name, "phones.duckdb")
        config = Config(
            project,
            {
                pbx: PbxConfig(pbx, Settings(url, simulator.client_id, simulator.client_secret))
                for pbx, url in simulator.base_urls.items()
            },
            RunConfig(),
        )
        at = timedelta()

        def run() -> None:
            nonlocal at
            at += timedelta(days=1) / syncs
            results = sync_pbxs(config, db=db, dataset="threecx", clock_offset=at)
            assert all(result.exit_code == 0 for result in results)

        run()
        first = _count(db, "device_versions")
        for _ in range(days):
            for fleet in fleets.values():
                fleet.next_day()
            for _ in range(syncs):
                run()
        versions_a_day = (_count(db, "device_versions") - first) / days / (pbxs * devices)
        work = sum(file.stat().st_size for file in (project / ".threecx").rglob("*") if file.is_file())
        print(f"{1 + days * syncs} syncs of {pbxs} PBXs with {devices} devices each, {days} days:")
        print(f"  ledger           {_count(db, 'snapshots'):>10,} rows, one per sync and PBX")
        print(f"  device_versions  {_count(db, 'device_versions'):>10,} rows, {versions_a_day:.4f} per device and day")
        print(f"  work folder      {work / 1e3:>10,.0f} kB after the last sync")

        short = _timed(run)
        slopes: dict[str, float] = {}
        a_row: dict[str, float] = {}
        previous = short
        for table in ("snapshots", "device_versions"):
            before = _count(db, table)
            a_row[table] = _grown(db, table, rows // before)
            seconds = _timed(run)
            more = (_count(db, table) - before) / 1e6
            slopes[table] = max(0.0, seconds - previous) / more
            print(
                f"  {table:<16} {more:.2f} million rows more: {a_row[table]:.0f} bytes a row; "
                f"a sync takes {seconds:.2f} s instead of {previous:.2f} s"
            )
            previous = seconds
        return Slopes(versions_a_day, short, a_row["snapshots"], a_row["device_versions"], slopes)


def main() -> None:
    """Measures, and prints a year of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pbxs", type=int, default=20)
    parser.add_argument("--devices", type=int, default=100, help="of each PBX")
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--syncs", type=int, default=3, help="a day")
    parser.add_argument("--rows", type=int, default=1_000_000, help="to which ledger and versions are multiplied")
    arguments = parser.parse_args()
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    print(f"Python {sys.version.split()[0]}, DuckDB {duckdb.__version__}, {os.cpu_count()} cores\n")
    found = measured(arguments.pbxs, arguments.devices, arguments.days, arguments.syncs, arguments.rows)

    versions = found.versions_a_day * 365 * 1000 * arguments.devices + 1000 * arguments.devices
    print(f"\na year of 1,000 PBXs with {arguments.devices} devices each")
    print(f"  {'every':<8} {'syncs':>7} {'ledger rows':>12} {'GB':>6} {'version rows':>13} {'GB':>6}")
    for label, minutes in (("15 min", 15), ("hour", 60), ("day", 1440)):
        syncs = 365 * 1440 // minutes
        ledger = syncs * 1000
        print(
            f"  {label:<8} {syncs:>7,} {ledger:>12,} {ledger * found.ledger_bytes / 1e9:>6.1f}"
            f" {versions:>13,.0f} {versions * found.versions_bytes / 1e9:>6.1f}"
        )
    print(f"\na sync of {arguments.pbxs} PBXs: {found.seconds:.2f} s, and for a million rows more in the history")
    for table, seconds in found.seconds_a_million.items():
        print(f"  {table:<16} {seconds:.2f} s more")


if __name__ == "__main__":
    main()
