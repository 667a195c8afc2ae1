"""A large history that `verify` agrees with, made in SQL: no sync could load a year in a minute.

The first snapshot of each PBX is read from a simulated one. After it, each device has the same number of versions,
spread over a year of runs: one half of them only on or off line, one quarter another address, one quarter another
firmware; now and then it is removed and comes back. All hashes are the real ones.
"""

from __future__ import annotations

import hashlib
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

from dlt_threecx.integrity.ledger import SEAL_MODULUS, chained, ledger_text
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
_ROWS_A_CHUNK = 500_000
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
_OF_A_RUN = ("pages", "previous_root", "previous_snapshot_id", "root", "snapshot_id", "started_at", "taken_at")
"""What differs in each row of the ledger, in the order of its text; and the chain."""
_COUNTS = ", ".join(f"case when l.run = r.run then l.{change} else 0 end as {change}" for change in CHANGES)
_LEDGER = f"""
    insert into snapshots by name
        select
            p.* exclude (number, suffix, shape, chain, devices, reported_count, fingerprint,
                {", ".join((*_OF_A_RUN, *CHANGES))}),
            r.id || p.suffix as snapshot_id, r.previous_id || p.suffix as previous_snapshot_id,
            r.at as started_at, r.at as taken_at, r.run as pages, r.previous_root, r.root,
            case when r.run = 0 then p.shape end as shape, c.chain,
            l.devices, l.devices as reported_count, l.fingerprint, {_COUNTS},
            r.load_id as _dlt_load_id, r.load_id || p.suffix as _dlt_id
        from chunk c join pbxs p using (number) join runs r on r.run = c.run join loud l on l.loud = c.loud
        order by c.run, c.number
"""
_LOADS = f"""
    insert into _dlt_loads by name
        select r.load_id, '{DATASET}' as schema_name, 0 as status, r.at as inserted_at from runs r order by r.run
"""
_Sums = Mapping[tuple[int, str], Any]
"""(run, PBX) → sums and counts of its versions."""


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
    _Ledger(connection, first, sums, runs).write()
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


class _Ledger:
    """The ledger of all PBXs, which grows by one run at a time: a row of each.

    `pages` has the number of the run. A row without new versions differs from the one before it in a few values only:
    its text is made of a template, and its columns come from `loud`, the last row that had some.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, first: Mapping[str, Mapping[str, Any]], sums: _Sums, runs: int
    ) -> None:
        self._connection, self._sums, self._runs = connection, sums, runs
        self._end = max(row["started_at"] for row in first.values()).replace(minute=0, second=0, microsecond=0)
        self._last = [dict(row) | {"previous_snapshot_id": None, "chain": None} for row in first.values()]
        self._fingerprints = [0] * len(first)
        self._templates = [b""] * len(first)
        self._chains = [""] * len(first)
        self._loud_of = [0] * len(first)
        pbxs = [row | {"number": number, "suffix": f"-{number:06x}"} for number, row in enumerate(self._last)]
        self._suffixes = [row["suffix"] for row in pbxs]
        connection.register("given", pa.Table.from_pylist(pbxs))
        connection.execute("create temp table pbxs as select * from given")
        self._loud_rows = 0
        self._new: dict[str, dict[str, list[Any]]] = {}

    def write(self) -> None:
        """Writes the ledger and the loads."""
        before: dict[str, str] = {}
        id_before = None
        for run in range(self._runs):
            at = self._end - (self._runs - 1 - run) * timedelta(days=365) / self._runs
            id_ = f"{at:%Y%m%dT%H%M%S.%f}Z"
            names = zip([row["pbx"] for row in self._last], [id_ + suffix for suffix in self._suffixes], strict=True)
            root, previous_root = run_root(before, names), ",".join(before) or None
            of_run = {
                "run": run, "id": id_, "previous_id": id_before, "at": at, "root": root,
                "previous_root": previous_root, "load_id": str(at.timestamp()),
            }  # fmt: skip
            self._add("runs", of_run)
            before, id_before = {root: run_seal(self._rows(of_run))}, id_
            if len(self._new["chunk"]["run"]) >= _ROWS_A_CHUNK or run == self._runs - 1:
                self._flush()

    def _rows(self, of_run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Adds the rows of a run; returns PBX and chain of each."""
        run, id_, previous_id = of_run["run"], of_run["id"], of_run["previous_id"]
        at = of_run["at"].isoformat(timespec="microseconds")
        texts = [str(text).encode() for text in (run, of_run["previous_root"], previous_id, of_run["root"], id_, at)]
        number_text, previous_root, before, root, now, time = texts
        chunk = self._new.setdefault("chunk", {"run": [], "number": [], "loud": [], "chain": []})
        for number, (suffix, last) in enumerate(zip(self._suffixes, self._last, strict=True)):
            pbx, ending = last["pbx"], suffix.encode()
            if (found := self._sums.get((run, pbx))) is not None:
                chain = self._loud(number, of_run, found)
            else:
                values = (number_text, previous_root, before + ending, root, now + ending, time, time)
                text = b"%b%032x%b" % (self._chains[number].encode(), 0, self._templates[number] % values)
                chain = hashlib.sha256(text).hexdigest()
            self._chains[number] = chain
            yield pbx, chain
        chunk["run"].extend([run] * len(self._last))
        chunk["number"].extend(range(len(self._last)))
        chunk["loud"].extend(self._loud_of)
        chunk["chain"].extend(self._chains)

    def _loud(self, number: int, of_run: Mapping[str, Any], found: Any) -> str:
        """A row with new versions: its chain."""
        seal, added, replaced, *counts = found
        count = dict(zip(CHANGES, counts, strict=True))
        row, suffix = self._last[number], self._suffixes[number]
        devices = (row["devices"] if of_run["run"] else 0) + count["added"] + count["returned"] - count["removed"]
        self._fingerprints[number] += _number(added) - _number(replaced)
        fingerprint = f"{self._fingerprints[number] % FINGERPRINT_MODULUS:032x}"
        previous_id = of_run["previous_id"]
        row |= count | {
            "snapshot_id": of_run["id"] + suffix, "started_at": of_run["at"], "taken_at": of_run["at"],
            "pages": of_run["run"], "devices": devices, "reported_count": devices, "fingerprint": fingerprint,
            "previous_root": of_run["previous_root"], "root": of_run["root"],
            "previous_snapshot_id": previous_id and previous_id + suffix,
        }  # fmt: skip
        chain = chained(self._chains[number] or None, row, _number(seal) % SEAL_MODULUS)
        row["shape"] = None
        self._templates[number] = _template(row)
        self._loud_of[number] = self._loud_rows
        self._add(
            "loud",
            {"loud": self._loud_rows, "run": of_run["run"], "devices": devices, "fingerprint": fingerprint, **count},
        )
        self._loud_rows += 1
        return chain

    def _add(self, table: str, row: Mapping[str, Any]) -> None:
        columns = self._new.setdefault(table, {name: [] for name in row})
        for name, value in row.items():
            columns[name].append(value)

    def _flush(self) -> None:
        for table, columns in self._new.items():
            self._connection.register("given", pa.table(columns))
            kept = "create or replace temp table {0} as select * from given"
            if table == "loud":
                kept = "create temp table if not exists {0} as select * from given limit 0; insert into {0} from given"
            self._connection.execute(kept.format(table))
        self._connection.execute(_LEDGER)
        self._connection.execute(_LOADS)
        self._new = {}


def _template(row: Mapping[str, Any]) -> bytes:
    """What the chain hashes of a later row without new versions, with `%b` for each of `_OF_A_RUN`."""
    marked = {**row, **{name: f"<{name}>" for name in _OF_A_RUN}} | dict.fromkeys(CHANGES, 0)
    text = ledger_text(marked).decode().replace("%", "%%")
    for name in _OF_A_RUN:
        text = text.replace(f'"<{name}>"', "%b" if name == "pages" else '"%b"')
    return text.encode()


def _number(halves: tuple[int, int]) -> int:
    return (int(halves[0]) << 64) + int(halves[1])
