"""A PBX, a project and a database together, and ways to look at what a sync has left there."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dlt_threecx.compare.decide import Accepted, SyncResult
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.run import sync_pbxs
from dlt_threecx.settings.config import Config, PbxConfig, RunConfig
from dlt_threecx.simulator import CLIENT_SECRET, Fleet, Simulator
from dlt_threecx.source.settings import Settings

Row = dict[str, Any]

IMPATIENT = {
    "client_id": "threecx-demo",
    "client_secret": CLIENT_SECRET,
    "timeout_seconds": 20.0,
    "backoff_seconds": 0.0,
    "attempts": 4,
    "busy_timeout_seconds": 0.3,
}
"""Settings under which nothing in a test waits for long."""

_DATASET = "threecx"


def config_of(
    project: Path, base_urls: Mapping[str, str], own: Mapping[str, Mapping[str, Any]] | None = None, **settings: Any
) -> Config:
    """The settings of a project with these PBXs; any setting can be given by its name, those of one PBX in `own`."""
    common = IMPATIENT | settings

    def of(kind: type, given: Mapping[str, Any]) -> Row:
        return {field.name: given[field.name] for field in fields(kind) if field.name in given}

    def pbx(name: str, url: str) -> PbxConfig:
        given = common | dict((own or {}).get(name, {}))
        return PbxConfig(name, Settings(base_url=url, **of(Settings, given)), **of(PbxConfig, given))

    pbxs = {name: pbx(name, url) for name, url in base_urls.items()}
    return Config(project, pbxs, RunConfig(**of(RunConfig, common)))


class Rig:
    """One simulated PBX that is synced into one database."""

    def __init__(self, folder: Path, fleet: Fleet, simulator: Simulator) -> None:
        self.project, self.fleet, self.simulator = folder, fleet, simulator
        self.db = folder / "phones.duckdb"
        self.settings: Row = {}

    @property
    def work(self) -> Path:
        """Where dlt and the runs keep their files."""
        return self.project / ".threecx"

    def copied(self, folder: Path) -> Rig:
        """The same PBX, and a copy of the project with all its files."""
        copy = Rig(folder, self.fleet, self.simulator)
        shutil.copytree(self.project, folder)
        ours, theirs = (HistoryLocation(rig.db, project=rig.project).work_folder for rig in (self, copy))
        # its name depends on the path of the database
        (folder / ours.relative_to(self.project)).rename(theirs)
        return copy

    def config(self, **settings: Any) -> Config:
        urls = {name or "default": url for name, url in self.simulator.base_urls.items()}
        return config_of(self.project, urls, **(self.settings | settings))

    def sync_all(
        self,
        accept: Sequence[str] = (),
        because: str | None = None,
        *,
        clock_offset: timedelta = timedelta(),
        **settings: Any,
    ) -> list[SyncResult]:
        return sync_pbxs(
            self.config(**settings),
            db=self.db,
            dataset=_DATASET,
            accepted=Accepted(accept, because),
            clock_offset=clock_offset,
        )

    def sync(self, accept: Sequence[str] = (), because: str | None = None, **settings: Any) -> SyncResult:
        """The result for the only PBX."""
        (result,) = self.sync_all(accept, because, **settings)
        return result

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """The rows of a query, columns by name; none while there is no database."""
        if not self.db.exists():
            return []
        with attached(self.db) as connection:
            if not connection.execute("select 1 from duckdb_tables() where table_name = '_dlt_loads'").fetchall():
                return []
            return _named(connection.execute(sql, list(values)))

    def write(self, *statements: str) -> None:
        """What an operator with an SQL prompt could do."""
        with duckdb.connect(str(self.db)) as connection:
            for statement in statements:
                connection.execute(statement)

    def ledger(self) -> list[Row]:
        """All committed attempts, oldest first."""
        return self.rows(
            "select s.* exclude (_dlt_load_id, _dlt_id) from phones.threecx.snapshots s"
            " join phones.threecx._dlt_loads l on l.load_id = s._dlt_load_id and l.status = 0"
            " order by pbx, snapshot_id"
        )

    def versions(self) -> list[Row]:
        """All committed versions, oldest first."""
        if not self.rows("select 1 from duckdb_tables() where table_name = 'device_versions'"):
            return []
        return self.rows(
            "select v.* from phones.threecx.device_versions v"
            " join phones.threecx.snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id"
            " join phones.threecx._dlt_loads l on l.load_id = s._dlt_load_id and l.status = 0"
            " where s.status = 'complete' order by v.pbx, v.snapshot_id, v.device_id"
        )

    def changes(self, snapshot_id: str) -> list[tuple[int, str, list[str]]]:
        """Device, change and changed fields of the versions of one snapshot."""
        return [
            (row["device_id"], row["change"], json.loads(row["changed_fields"]))
            for row in self.versions()
            if row["snapshot_id"] == snapshot_id
        ]

    def devices(self) -> dict[int, Row]:
        """The devices that are there now."""
        snapshots = replayed(self.versions())
        return dict(snapshots.popitem()[1]) if snapshots else {}

    def files(self) -> dict[str, bytes]:
        """Every file below the project."""
        return {
            str(path.relative_to(self.project)): path.read_bytes()
            for path in self.project.rglob("*")
            if path.is_file() and not path.is_symlink()
        }


onlookers: list[duckdb.DuckDBPyConnection] = []
"""The one connection of `attached`, once it is made."""


@contextmanager
def attached(db: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection, in UTC, in which the file is attached under its own name, to read only.

    The same connection for all files: to make one costs as much as twenty queries.
    """
    if not onlookers:
        onlookers.append(duckdb.connect())
    with onlookers[0].cursor() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{db}' as \"{db.stem}\" (read_only)")
        try:
            yield connection
        finally:
            connection.execute(f'detach "{db.stem}"')


def leaks(rig: Rig, *secrets: str) -> list[str]:
    """Files and tables that hold a secret of the simulator, a token, or one of `secrets`."""
    wanted = re.compile("|".join(("pw-secret", "eyJ", *map(re.escape, secrets))).encode())
    texts = {name: _readable(content) for name, content in rig.files().items()}
    with attached(rig.db) as connection:
        for schema, table in connection.execute("select schema_name, table_name from duckdb_tables()").fetchall():
            rows = connection.execute(f'select * from phones."{schema}"."{table}"').fetchall()
            texts[f"{schema}.{table}"] = repr(rows).encode()
    return [name for name, text in texts.items() if wanted.search(text)]


def _readable(content: bytes) -> bytes:
    """The bytes of a file, unpacked where it is packed."""
    if content.startswith(b"\x1f\x8b"):
        return gzip.decompress(content)
    if content.startswith(b"\x28\xb5\x2f\xfd"):
        unpacked: bytes = pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
        return unpacked
    if content.startswith(b"PAR1"):
        return repr(pq.read_table(pa.BufferReader(content)).to_pylist()).encode()
    if content.startswith(b"ARROW1"):
        return repr(pa.ipc.open_file(pa.BufferReader(content)).read_all().to_pylist()).encode()
    return content


def counts(result: SyncResult) -> dict[str, int]:
    """What a sync found, without zeros."""
    report = result.report()
    names = ("added", "changed", "removed", "returned", "refreshed", "rebaselined")
    return {name: report[name] for name in names if report[name]}


def replayed(versions: Sequence[Row]) -> dict[str, dict[int, Row]]:
    """Snapshot → device → its row, for every snapshot that has versions, from the log alone."""
    there: dict[int, Row] = {}
    snapshots: dict[str, dict[int, Row]] = {}
    for row in versions:
        if row["snapshot_id"] not in snapshots:
            there = snapshots[row["snapshot_id"]] = dict(there)
        if row["change"] == "removed":
            del there[row["device_id"]]
        else:
            there[row["device_id"]] = row
    return snapshots


def fingerprint(rows: Mapping[int, Row]) -> str:
    """The fingerprint of these devices as the contract defines it."""
    parts = (hashlib.sha256(f"{id_}:{row['row_version']}".encode()).digest()[:16] for id_, row in rows.items())
    return f"{sum(int.from_bytes(part, 'big') for part in parts) % 2**128:032x}"


def assert_sound(rig: Rig) -> None:
    """The history agrees with itself: no version twice, every fingerprint and the whole chain hold."""
    versions, ledger = rig.versions(), rig.ledger()
    keys = [(row["pbx"], row["device_id"], row["snapshot_id"]) for row in versions]
    assert len(keys) == len(set(keys))
    for pbx in {row["pbx"] for row in ledger}:
        log = replayed([row for row in versions if row["pbx"] == pbx])
        present: dict[int, Row] = {}
        chain, last = "0" * 64, None
        for row in (row for row in ledger if row["pbx"] == pbx):
            own = [version for version in versions if version["snapshot_id"] == row["snapshot_id"]]
            assert row["chain"] == _chain(chain, row, own)
            assert last is None or row["started_at"] > last
            chain = row["chain"]
            last = row["taken_at"] or row["started_at"]
            if row["status"] == "complete":
                present = log.pop(row["snapshot_id"], present)
                assert (row["fingerprint"], row["devices"]) == (fingerprint(present), len(present))
        assert log == {}, "versions without a complete snapshot"


def _chain(previous: str, row: Row, versions: Sequence[Row]) -> str:
    names = ("device_id", "change", "row_version", "tracked_version", "changed_fields")
    parts = (hashlib.sha256(":".join(str(version[name]) for name in names).encode()).digest() for version in versions)
    seal = sum(int.from_bytes(part[:16], "big") for part in parts) % 2**128
    content = {}
    for name, value in row.items():
        if value is not None and name != "chain":
            is_time = hasattr(value, "isoformat")
            content[name] = value.isoformat(timespec="microseconds") if is_time else value
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous}{seal:032x}{text}".encode()).hexdigest()


def _named(result: duckdb.DuckDBPyConnection) -> list[Row]:
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def rigs(folder: Path, fleet: Fleet, **options: Any) -> Iterator[Rig]:
    """A rig whose simulator runs until the test ends."""
    folder.mkdir(exist_ok=True)
    with Simulator(fleet, **options) as simulator:
        yield Rig(folder, fleet, simulator)


class FirstSyncs:
    """Rigs that were synced once already. They are copies: each first sync is done once, however many tests need it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._done: dict[str, tuple[Path, int]] = {}

    def rigs(
        self, folder: Path, devices: int = 130, seed: int = 11, shape: str = "20.0.4", **settings: Any
    ) -> Iterator[Rig]:
        """Such a rig, whose simulator runs until the test ends; `settings` are those of the first sync only."""
        what = repr((devices, seed, shape, sorted(settings.items())))
        for _ in range(2):
            if what not in self._done:
                self._done[what] = self._synced(Fleet(devices, seed, shape), settings)
            first, port = self._done[what]
            fleet = Fleet(devices, seed, shape)
            try:
                # On the same port: at another address it would be another PBX.
                simulator = Simulator(fleet, port=port).start()
            except OSError:
                del self._done[what]  # somebody else has taken the port
                continue
            try:
                yield Rig(first, fleet, simulator).copied(folder)
            finally:
                simulator.stop()
            return
        raise OSError("somebody takes every port")

    def _synced(self, fleet: Fleet, settings: Row) -> tuple[Path, int]:
        folder = self._folder / str(next(self._numbers))
        for rig in rigs(folder, fleet):
            assert rig.sync(**settings).exit_code == 0
            port = int(rig.simulator.base_url.rpartition(":")[2])
        return folder, port
