"""`python -m tests.benchmarks.publication`: what a published copy of a long history costs, whole and renewed.

The history is that of `questions`. News is one more snapshot of each PBX, in which one device in a hundred has another
address. Times are of whole processes (`threecx publish …`), memory is the peak of the process.
"""

import argparse
import tempfile
from pathlib import Path

import duckdb

from tests.benchmarks.history import write_history
from tests.benchmarks.processes import COMMAND, apart, machine, measured

_NEWS = """
    create temp table news as
        select pbx, strftime(now() at time zone 'UTC', '%Y%m%dT%H%M%S.%f-') || pbx as snapshot_id, now() as taken_at
        from (select distinct pbx from snapshots);
    insert into _dlt_loads by name
        select snapshot_id as load_id, 'threecx' as schema_name, 0 as status, taken_at as inserted_at from news;
    insert into snapshots by name
        select
            pbx, snapshot_id, 'https://pbx' as base_url, 'complete' as status, taken_at as started_at, taken_at,
            sha256(snapshot_id) as chain, snapshot_id as _dlt_load_id, snapshot_id as _dlt_id
        from news;
    insert into device_versions by name
        select
            d.* exclude (first_seen_at, last_changed_at, last_confirmed_at, versions)
            replace (concat_ws('.', 11, random() * 255 // 1, 1, 1) as ip_address),
            n.snapshot_id, n.taken_at as observed_at, 'changed' as change, '["ip_address"]' as changed_fields,
            sha256(d.device_id || n.snapshot_id) as row_version
        from devices d
        join news n using (pbx)
        where {some} and d.device_id % 100 = 0;
"""


def _add_news(db: Path, *, versions: bool) -> None:
    """Adds a snapshot, with or without changes."""
    with duckdb.connect(str(db)) as connection:
        connection.execute("use threecx.threecx")
        connection.execute(_NEWS.format(some=str(versions).lower()))


def _measure(folder: Path, devices: int, pbxs: int, versions: int) -> None:
    db = folder / "threecx.duckdb"
    write_history(db, devices, pbxs, versions)
    where = ("--db", str(db))
    print(f"\n{devices * versions:,} versions of {devices:,} devices, {db.stat().st_size / 1e6:,.0f} MB")
    print(f"{'seconds':>8} {'peak MB':>8} {'copy MB':>8}  threecx publish …")
    for label, news, options in (
        ("whole", None, ()),
        ("nothing new", None, ()),
        ("a snapshot without changes", False, ()),
        ("a snapshot with 1 % changed", True, ()),
        ("whole Parquet beside it", True, ("--parquet",)),
        ("1 % changed, with Parquet", True, ()),
    ):
        if news is not None:
            apart(_add_news, db, versions=news)
        took = measured([*COMMAND, "publish", "bi", *where, *options], folder)
        size = (folder / "bi" / "threecx_bi.duckdb").stat().st_size / 1e6
        print(f"{took.seconds:>8.2f} {took.peak_mb:>8.0f} {size:>8.0f}  {label}", flush=True)


def main() -> None:
    """Makes the histories, publishes them, and prints a table of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, nargs="+", default=[2_000, 50_000])
    parser.add_argument("--pbxs", type=int, default=10)
    parser.add_argument("--versions", type=int, default=100, help="of each device")
    arguments = parser.parse_args()
    print(machine())
    for devices in arguments.devices:
        with tempfile.TemporaryDirectory() as name:
            _measure(Path(name), devices, arguments.pbxs, arguments.versions)


if __name__ == "__main__":
    main()
