"""`python -m tests.benchmarks.questions`: how long a long history takes to answer.

The history is that of `history.py`, a year of hourly snapshots. Times are of whole processes (`threecx …`), memory is
the peak of the process.
"""

import argparse
import shlex
import tempfile
from pathlib import Path

import duckdb

from tests.benchmarks.history import write_history
from tests.benchmarks.processes import COMMAND, apart, machine, measured

QUESTIONS = """
    --version
    devices
    devices --at 180d
    history {device} --pbx pbx000
    history {mac}
    changes --since 1d
    diff 1d 0d
    status
    findings
    sql "select count(*) from devices"
    sql "select vendor, model, count(*) from devices group by all"
    sql "select count(*), max(mac) from devices_as_of(now() - interval '180' day)"
    sql "select * from device_history where pbx = 'pbx000' and device_id = {device}"
    sql "select * from device_changes where pbx = 'pbx000' and device_id = {device}"
    sql "select count(*), max(new_value) from device_changes where changed_at > now() - interval '7' day"
    sql "select count(*), max(mac) from device_snapshots where taken_at > now() - interval '1' hour"
    sql "select count(*), max(mac) from device_snapshots where taken_at > now() - interval '3' day"
    sql "select count(*), max(mac) from device_snapshots where taken_at > now() - interval '30' day"
    sql "select sum(devices) from daily_inventory where day = current_date"
"""


def _asked_for(db: Path) -> tuple[int, int, str]:
    """How many versions there are, and a device to ask for with its MAC address."""
    with duckdb.connect(str(db), read_only=True) as connection:
        [(rows, device, mac)] = connection.execute(
            "select (select count(*) from phones.threecx.device_versions), max(device_id), max_by(mac, device_id)"
            " from phones.threecx.device_versions where pbx = 'pbx000' and mac is not null"
        ).fetchall()
    return rows, device, mac


def main() -> None:
    """Makes the history, asks, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=50_000)
    parser.add_argument("--pbxs", type=int, default=10)
    parser.add_argument("--versions", type=int, default=100, help="of each device")
    parser.add_argument("--only", default="", help="questions that have this text")
    parser.add_argument("--folder", type=Path, help="where the history stays, for the next time")
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        db = folder / "phones.duckdb"
        if not db.exists():
            write_history(db, arguments.devices, arguments.pbxs, arguments.versions)
        rows, device, mac = apart(_asked_for, db)
        print(f"{rows:,} versions, {db.stat().st_size / 1e6:,.0f} MB")
        print(f"\n{'seconds':>8} {'of CPU':>8} {'peak MB':>8}  threecx …")
        for line in QUESTIONS.strip().splitlines():
            question = line.strip().format(device=device, mac=mac)
            if arguments.only in question:
                took = measured([*COMMAND, *shlex.split(question)], folder)
                print(f"{took.seconds:>8.2f} {took.cpu_seconds:>8.2f} {took.peak_mb:>8.0f}  {question}", flush=True)


if __name__ == "__main__":
    main()
