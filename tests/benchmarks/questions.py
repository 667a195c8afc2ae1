"""`python -m tests.benchmarks.questions`: how long a long history takes to answer.

The history is made in SQL: each device is added in the first hour and has its versions spread over a year of hourly
snapshots, one half of them only on or off line, one quarter another address, one quarter another firmware. Times are of
whole processes (`threecx …`), memory is the peak of the process.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import duckdb

from tests.literal import empty_history

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from dlt_threecx.cli import main; main()"]
HOURS = 365 * 24

_SNAPSHOTS = """
    create temp table hours as
        select
            hour,
            'pbx' || lpad(number::varchar, 3, '0') as pbx,
            date_trunc('hour', now()) - to_hours($hours::int - 1 - hour::int) as taken_at,
            strftime(taken_at at time zone 'UTC', '%Y%m%dT%H%M%S-') || pbx as snapshot_id
        from range($hours) as hours(hour), range($pbxs) as pbxs(number);
    insert into _dlt_loads by name
        select distinct hour::varchar as load_id, 'threecx' as schema_name, 0 as status from hours;
    insert into snapshots by name
        select
            pbx, snapshot_id, 'complete' as status, taken_at as started_at, taken_at, $devices // $pbxs as devices,
            sha256(snapshot_id) as chain, hour::varchar as _dlt_load_id
        from hours
        order by taken_at, pbx;
"""

_VERSIONS = """
    insert into device_versions by name
        select
            pbx, device_id, snapshot_id, taken_at as observed_at,
            case
                when version = 0 then 'added'
                when version % 100 = 98 then 'removed'
                when version % 100 = 99 then 'returned'
                when version % 2 = 0 then 'changed'
                else 'refreshed'
            end as change,
            case
                when change in ('added', 'removed', 'returned') then '[]'
                when version % 2 = 1 then '["online"]'
                when version % 4 = 0 then '["firmware_version", "user_agent"]'
                else '["ip_address"]'
            end as changed_fields,
            sha256(device_id || '/' || version) as row_version,
            sha256(device_id || '/' || version // 2) as tracked_version,
            version % 4 in (0, 3) as online,
            '108.86.0.' || version // 4 as firmware_version,
            concat_ws('.', 10, device_id // 256 % 256, device_id % 256, (version + 2) // 4) as ip_address,
            upper(left(md5(device_id::varchar), 12)) as mac,
            case device_id % 3 when 0 then 'Yealink' when 1 then 'Fanvil' else 'Snom' end as vendor,
            'T' || device_id % 20 as model,
            model as template_model,
            concat_ws(' ', vendor, model, firmware_version) as user_agent,
            device_id as dn_id,
            device_id::varchar as dn_number,
            'Zoë Novák ' || device_id as dn_name,
            'Extension' as dn_type,
            false as dn_hidden,
            '[]' as dn_tags,
            'LocalLan' as prov_type,
            left(md5('password' || device_id), 16) as phone_web_password_fp,
            left(md5('link' || device_id), 16) as prov_link_fp
        from (
            select
                device_id,
                version,
                'pbx' || lpad((device_id % $pbxs)::varchar, 3, '0') as pbx,
                case when version > 0
                    then (version * $hours + hash(device_id * 1000003 + version) % $hours) // $versions else 0
                end as hour
            from range($devices) as devices(device_id), range($versions) as versions(version)
        )
        join hours using (pbx, hour)
        order by taken_at, pbx, device_id;
    checkpoint;
"""


def write_history(db: Path, devices: int, pbxs: int, versions: int) -> None:
    sizes = {"hours": HOURS, "devices": devices, "pbxs": pbxs, "versions": versions}
    with empty_history(str(db)) as connection:
        for text in (_SNAPSHOTS, _VERSIONS):
            for statement in duckdb.extract_statements(text):
                names = statement.named_parameters
                connection.execute(statement, {name: sizes[name] for name in names})


QUESTIONS = """
    --version
    devices
    devices --at 180d
    history {device}
    history {mac}
    changes --since 1d
    diff 1d 0d
    status
    findings
    sql "select count(*) from devices"
    sql "select vendor, model, count(*) from devices group by all"
    sql "select count(*), max(mac) from devices_as_of(now() - interval '180' day)"
    sql "select * from device_history where device_id = {device}"
    sql "select * from device_changes where device_id = {device}"
    sql "select count(*), max(new_value) from device_changes where changed_at > now() - interval '7' day"
    sql "select count(*), max(mac) from device_snapshots where taken_at > now() - interval '1' hour"
    sql "select sum(devices) from daily_inventory where day = current_date"
"""


def measured(folder: Path, arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds and peak MB of one command."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"threecx {shlex.join(arguments)} ended with {process.returncode}")
    scale = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - began, usage.ru_maxrss * scale / 2**20


def main() -> None:
    """Makes the history, asks, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=50_000)
    parser.add_argument("--pbxs", type=int, default=10)
    parser.add_argument("--versions", type=int, default=100, help="of each device")
    parser.add_argument("--only", default="", help="questions that have this text")
    parser.add_argument("--folder", type=Path, help="where the history stays, for the next time")
    arguments = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, DuckDB {duckdb.__version__}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        db = folder / "phones.duckdb"
        if not db.exists():
            # in a process of its own: children are born with the peak of their parent
            sizes = (arguments.devices, arguments.pbxs, arguments.versions)
            writing = get_context("spawn").Process(target=write_history, args=(db, *sizes))
            writing.start()
            writing.join()
        with duckdb.connect(str(db), read_only=True) as connection:
            [(rows, device, mac)] = connection.execute(
                "select count(*), max(device_id), max_by(mac, device_id) from phones.threecx.device_versions"
            ).fetchall()
        print(f"{rows:,} versions, {db.stat().st_size / 1e6:,.0f} MB\n\n{'seconds':>8} {'peak MB':>8}  threecx …")
        for line in QUESTIONS.strip().splitlines():
            question = line.strip().format(device=device, mac=mac)
            if arguments.only in question:
                seconds, peak_mb = measured(folder, shlex.split(question))
                print(f"{seconds:>8.2f} {peak_mb:>8.0f}  {question}", flush=True)


if __name__ == "__main__":
    main()
