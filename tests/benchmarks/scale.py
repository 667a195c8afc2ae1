"""`python -m tests.benchmarks.scale`: what a year of many PBXs costs, and what an old history costs a run.

Some days of a few simulated PBXs are read and loaded in earnest: they say how many versions a day brings. Then the same
PBXs are read into a young history and into one with a million rows or more, run by run in turn: the ratio says what
age costs. `verify` has to agree with both afterwards. With `--year` the same for 35 million rows of the ledger.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import duckdb

from dlt_threecx.run import sync_pbxs
from dlt_threecx.settings.config import load_config
from dlt_threecx.simulator import Fleet, Simulator
from tests.benchmarks.fleet import simulated
from tests.benchmarks.history import config_of, write_history_of
from tests.benchmarks.processes import COMMAND, Measured, apart, machine, measured

_BLOCK_BYTES = 262_144
_RUNS = 5

CASES = {
    "10,000 devices of one PBX": (1, 10_000, 500, 1_000_000),
    "20 PBXs of 100 devices": (20, 100, 500, 50_000),
}
"""PBXs, devices of each, versions of each device, runs in the old history."""
YEAR = {"1,000 PBXs of 5 devices, every 15 minutes": (1000, 5, 10, 35_040)}
_MOST_VERIFIED = 2_000_000
"""`verify` of more rows of the ledger takes too long here."""


def a_day(pbxs: int = 20, devices: int = 100, days: int = 10, syncs: int = 3) -> float:
    """Versions of a device in a day, and what a row takes."""
    fleets = {f"pbx{number:04}": Fleet(devices, seed=number) for number in range(pbxs)}
    with tempfile.TemporaryDirectory() as name, Simulator(fleets) as simulator:
        project, db = Path(name), Path(name, "phones.duckdb")
        config, at = config_of(project, simulator), timedelta()

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
        versions = (_count(db, "device_versions") - first) / days / (pbxs * devices)
        work = sum(file.stat().st_size for file in (project / ".threecx").rglob("*") if file.is_file())
        print(f"{1 + days * syncs} runs over {pbxs} PBXs with {devices} devices each, {days} days:")
        print(f"  {versions:.3f} versions per device and day; the work folder has {work / 1e3:,.0f} kB")
    return versions


def _count(db: Path, table: str) -> int:
    with duckdb.connect(str(db), read_only=True) as connection:
        (number,) = connection.execute(f"select count(*) from phones.threecx.{table}").fetchall()[0]
        return int(number)


def bytes_a_row(db: Path) -> dict[str, float]:
    """Table → what one of its rows takes in the file."""
    found = {}
    with duckdb.connect(str(db), read_only=True) as connection:
        connection.execute("use phones.threecx")
        for table in ("snapshots", "device_versions"):
            sql = f"select count(distinct block_id) from pragma_storage_info('{table}') where persistent"
            [(blocks,)] = connection.execute(sql).fetchall()
            found[table] = blocks * _BLOCK_BYTES / _count(db, table)
    return found


@contextmanager
def _projects(pbxs: int, devices: int, versions: int, runs: int) -> Iterator[tuple[Path, Path, dict[str, str]]]:
    """A folder with a young history, one with an old one, and the environment in which `threecx` finds the PBXs."""
    with tempfile.TemporaryDirectory() as name, simulated(pbxs, devices, 0) as environ:
        young, old = Path(name, "young"), Path(name, "old")
        young.mkdir()
        old.mkdir()
        write_history_of(old / "phones.duckdb", load_config(old, environ), versions, runs)
        yield young, old, environ


def age(pbxs: int, devices: int, versions: int, runs: int) -> dict[str, float]:
    """Compares runs in which nothing changed on a young and on an old history; returns what a row takes."""
    with _projects(pbxs, devices, versions, runs) as (young, old, environ):
        found = bytes_a_row(old / "phones.duckdb")
        took: dict[Path, list[Measured]] = {young: [], old: []}
        for _ in range(_RUNS + 2):
            # The first run of each loads what differs, the second finds its state for the first time.
            for folder, times in took.items():
                times.append(measured([*COMMAND, "sync", "--quiet"], folder, environ))
        for folder in took if pbxs * runs <= _MOST_VERIFIED else ():
            measured([*COMMAND, "verify"], folder, environ)
        _print_ratio(took[young][2:], took[old][2:])
    return found


def _print_ratio(young: list[Measured], old: list[Measured]) -> None:
    for label, of in (
        ("seconds", lambda one: one.seconds),
        ("of CPU", lambda one: one.cpu_seconds),
        ("peak MB", lambda one: one.peak_mb),
    ):
        before, after = statistics.median(map(of, young)), statistics.median(map(of, old))
        print(f"  {label:<8} {before:>8.2f} → {after:>8.2f}  {after / before:.2f} of it", flush=True)


def main() -> None:
    """Measures, and prints a year of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smaller", type=int, default=1, help="divides the rows of the old histories")
    parser.add_argument("--year", action="store_true", help="a year of 1,000 PBXs too: 20 minutes, 6 GB of disk")
    arguments = parser.parse_args()
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    print(f"{machine()}\n")
    versions_a_day = apart(a_day)
    row: dict[str, float] = {}
    for label, (pbxs, devices, *rows) in ((YEAR if arguments.year else {}) | CASES).items():
        versions, runs = (number // arguments.smaller for number in rows)
        print(f"\n{label}: {pbxs * devices * versions:,} versions, {pbxs * runs:,} rows of the ledger, {runs:,} loads")
        row = age(pbxs, devices, versions, runs)
        print("  " + ", ".join(f"{size:.0f} bytes a row of {table}" for table, size in row.items()))
    versions_a_year = versions_a_day * 365 * 1000 * 100 + 1000 * 100
    print("\na year of 1,000 PBXs with 100 devices each")
    print(f"  {'every':<8} {'runs':>7} {'ledger rows':>12} {'GB':>6} {'version rows':>13} {'GB':>6}")
    for label, minutes in (("15 min", 15), ("hour", 60), ("day", 1440)):
        runs = 365 * 1440 // minutes
        print(
            f"  {label:<8} {runs:>7,} {runs * 1000:>12,} {runs * 1000 * row['snapshots'] / 1e9:>6.1f}"
            f" {versions_a_year:>13,.0f} {versions_a_year * row['device_versions'] / 1e9:>6.1f}"
        )


if __name__ == "__main__":
    main()
