"""A large history that `verify` agrees with, made in SQL: no sync could load a year in a minute.

The first snapshot of each PBX is read from a simulated one. After it, each device has the same number of versions,
spread over a year of runs: one half of them only on or off line, one quarter another address, one quarter another
firmware; now and then it is removed and comes back. All hashes are the real ones.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from dlt_threecx.integrity.ledger import SEAL_MODULUS, chained
from dlt_threecx.integrity.row_hash import FINGERPRINT_MODULUS, canonical
from dlt_threecx.integrity.runs import run_root, run_seal
from dlt_threecx.run import sync_pbxs
from dlt_threecx.settings.config import Config, PbxConfig, RunConfig
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.settings import Settings
from dlt_threecx.tables import CHANGES, DATASET, DEVICE_COLUMNS
from tests.benchmarks.processes import apart

__all__ = ["HOURS", "config_of", "write_history", "write_history_of"]

HOURS = 365 * 24
_ROWS_A_CHUNK = 50_000
_VARYING = ("firmware_version", "ip_address", "online", "user_agent")
_CONSTANT = tuple(column.name for column in DEVICE_COLUMNS if column.name not in _VARYING)

_STATES = """
    create temp table states as
        with numbered as (
            select
                d.*,
                version,
                case when version > 0
                    then (version * $runs::bigint + hash(number * 1000003 + version) % ($runs - $versions)) // $versions
                    else 0
                end as run,
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
                case when version % 100 = 98 then version - 1 else version end as state,
                state % 4 in (0, 3) as online,
                '108.86.0.' || state // 4 as firmware_version,
                concat_ws('.', 10, number // 256 % 256, number % 256, (state + 2) // 4 % 256) as ip_address,
                concat_ws(' ', vendor, model, firmware_version) as user_agent,
                concat(
                    '{', before_firmware_version, '"firmware_version":"', firmware_version, '",',
                    before_ip_address, '"ip_address":"', ip_address, '",', before_online
                ) as head,
                concat(before_user_agent, '"user_agent":"', user_agent, '"', after_user_agent, '}') as tail
            from first_devices d, range($versions) as versions(version)
        )
        select
            pbx, device_id, version, run::bigint as run, change, changed_fields,
            online, firmware_version, ip_address, user_agent,
            sha256(head || '"online":' || online || ',' || tail) as row_version,
            sha256(head || tail) as tracked_version
        from numbered;
"""
_PARTS = """
    create temp table parts as
        select
            pbx, run, change,
            left(sha256(concat_ws(':', device_id, change, row_version, tracked_version, changed_fields)), 32) as seal,
            left(sha256(device_id || ':' || row_version), 32) as part,
            lag(case when change <> 'removed' then part end) over (
                partition by pbx, device_id order by version
            ) as part_before
        from states;
"""
_SUM = "sum(coalesce(('0x' || substr({0}, {1}, 16))::ubigint, 0)::hugeint)"


def _summed(column: str, condition: str = "true") -> str:
    """The upper and the lower half of a sum of numbers of 32 hex digits."""
    halves = (_SUM.format(f"case when {condition} then {column} end", start) for start in (1, 17))
    return f"[{', '.join(halves)}]"


_SUMS = f"""
    select
        run, pbx, {_summed("seal")}, {_summed("part", "change <> 'removed'")}, {_summed("part_before")},
        {", ".join(f"count(*) filter (change = '{change}')" for change in CHANGES)}
    from parts group by run, pbx
"""
_VERSIONS = f"""
    insert into device_versions by name
        select
            s.pbx, s.device_id, r.snapshot_id, r.taken_at as observed_at, s.change, s.row_version, s.tracked_version,
            s.changed_fields, {", ".join(f"s.{name}" for name in _VARYING)},
            {", ".join(f"d.{name}" for name in _CONSTANT)}
        from states s
        join first_devices d on d.pbx = s.pbx and d.device_id = s.device_id
        join snapshots r on r.pbx = s.pbx and r.pages = s.run
        order by r.taken_at, s.pbx, s.device_id
"""


def config_of(project: Path, simulator: Simulator) -> Config:
    """The settings of a project that reads all PBXs of a simulator."""
    pbxs = {
        name or "default": PbxConfig(name or "default", Settings(url, simulator.client_id, simulator.client_secret))
        for name, url in simulator.base_urls.items()
    }
    return Config(project, pbxs, RunConfig())


def write_history(db: Path, devices: int, pbxs: int, versions: int, runs: int = HOURS) -> None:
    """A history of a year: this number of devices in all, and of versions of each."""
    fleets = {f"pbx{number:03}": Fleet(devices // pbxs, seed=number) for number in range(pbxs)}
    with Simulator(fleets) as simulator:
        write_history_of(db, config_of(db.parent, simulator), versions, runs)


def write_history_of(db: Path, config: Config, versions: int, runs: int = HOURS) -> None:
    """The same for PBXs that can be read."""
    apart(_write, db, config, versions, runs)


def _write(db: Path, config: Config, versions: int, runs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        made = project / "phones.duckdb"
        first = sync_pbxs(replace(config, project=project), db=made, dataset=DATASET)
        assert all(result.exit_code == 0 for result in first)
        with duckdb.connect(str(made)) as connection:
            connection.execute(f"set TimeZone = 'UTC'; set enable_progress_bar = false; use phones.{DATASET}")
            _replace(connection, {result.row.pbx: result.row.values() for result in first}, versions, runs)
        shutil.move(made, db)


def _replace(
    connection: duckdb.DuckDBPyConnection, first: Mapping[str, Mapping[str, Any]], versions: int, runs: int
) -> None:
    """Puts a year of versions in the place of the first snapshots."""
    connection.register("devices_read", pa.Table.from_pylist(list(_first_devices(connection))))
    connection.execute("create temp table first_devices as select * from devices_read")
    for table in ("device_versions", "snapshots", "_dlt_loads"):
        connection.execute(f"truncate {table}")
    for sql in (_STATES, _PARTS):
        values = {"versions": versions, "runs": runs} if "$runs" in sql else {}
        connection.execute(sql, values)
    sums = {(row[0], row[1]): row[2:] for row in connection.execute(_SUMS).fetchall()}
    for rows, loads in _ledger(first, sums, runs):
        connection.register("ledger_rows", pa.Table.from_pylist(rows))
        connection.execute("insert into snapshots by name from ledger_rows")
        connection.register("load_rows", pa.Table.from_pylist(loads))
        connection.execute("insert into _dlt_loads by name from load_rows")
    connection.execute(_VERSIONS)
    connection.execute("checkpoint")


def _first_devices(connection: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    """The devices as they were read, and the parts of their canonical JSON around the columns that vary."""
    names = ("pbx", "device_id", *_CONSTANT)
    rows = connection.execute(f"select {', '.join(names)} from device_versions order by pbx, device_id").fetchall()
    for number, values in enumerate(rows):
        device = dict(zip(names, values, strict=True))
        columns = {name: canonical(device[name]) for name in sorted(_CONSTANT) if device[name] is not None}
        texts, before = {}, ""
        for name in _VARYING:
            between = {key: value for key, value in columns.items() if before < key < name}
            texts[f"before_{name}"] = orjson.dumps(between)[1:-1].decode() + ("," if between else "")
            before = name
        after = {key: value for key, value in columns.items() if key > before}
        texts["after_user_agent"] = ("," if after else "") + orjson.dumps(after)[1:-1].decode()
        yield {**device, "number": number, **texts}


def _ledger(
    first: Mapping[str, Mapping[str, Any]], sums: Mapping[tuple[int, str], Any], runs: int
) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Rows of the ledger and of the loads, some at a time; `sums` is (run, PBX) → sums and counts of its versions.

    `pages` has the number of the run.
    """
    end = max(row["started_at"] for row in first.values()).replace(minute=0, second=0, microsecond=0)
    last = {pbx: dict(row) for pbx, row in first.items()}
    for row in last.values():
        row["previous_snapshot_id"] = row["chain"] = None
    fingerprints, devices = dict.fromkeys(first, 0), dict.fromkeys(first, 0)
    before: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    loads: list[dict[str, Any]] = []
    for run in range(runs):
        at = end - (runs - 1 - run) * timedelta(days=365) / runs
        names = {pbx: f"{at:%Y%m%dT%H%M%S.%f}Z-{number:06x}" for number, pbx in enumerate(first)}
        root, previous_root = run_root(before, names.items()), ",".join(before) or None
        chains = []
        for pbx, snapshot_id in names.items():
            seal, added, replaced, *counts = sums.get((run, pbx), ((0, 0), (0, 0), (0, 0), *[0] * len(CHANGES)))
            fingerprints[pbx] += _number(added) - _number(replaced)
            count = dict(zip(CHANGES, counts, strict=True))
            devices[pbx] += count["added"] + count["returned"] - count["removed"]
            row = last[pbx] | count
            row |= {
                "snapshot_id": snapshot_id, "started_at": at, "taken_at": at, "pages": run,
                "devices": devices[pbx], "reported_count": devices[pbx],
                "fingerprint": f"{fingerprints[pbx] % FINGERPRINT_MODULUS:032x}",
                "previous_root": previous_root, "root": root,
            }  # fmt: skip
            row["chain"] = chained(row["chain"], row, _number(seal) % SEAL_MODULUS)
            rows.append({**row, "_dlt_load_id": str(run), "_dlt_id": f"{run}-{pbx}"})
            chains.append((pbx, row["chain"]))
            last[pbx] = row | {"previous_snapshot_id": snapshot_id, "shape": None}
        before = {root: run_seal(chains)}
        loads.append({"load_id": str(run), "schema_name": DATASET, "status": 0, "inserted_at": at})
        if len(rows) >= _ROWS_A_CHUNK or run == runs - 1:
            yield rows, loads
            rows, loads = [], []


def _number(halves: tuple[int, int]) -> int:
    return (int(halves[0]) << 64) + int(halves[1])
