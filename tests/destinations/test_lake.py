"""The same history in files: plain Parquet, Delta Lake and Iceberg, loaded by syncs and read by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlt_threecx.compare.decide import SyncResult
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.integrity.verify import verify
from dlt_threecx.run import sync_pbxs
from dlt_threecx.settings.config import RunConfig, TableFormat
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.errors import QueryError
from tests.commands import settings_of, threecx
from tests.destinations.lakes import FORMATS, lake_environ
from tests.rig import Rig

DAYS = 2
LOG = "select pbx, device_id, change, row_version, changed_fields, extra from device_versions"


def _synced(rig: Rig, table_format: TableFormat) -> list[SyncResult]:
    config = rig.config()
    run = replace(config.run, table_format=table_format)
    return sync_pbxs(replace(config, destination="filesystem", run=run), db=rig.db, dataset="threecx")


@pytest.fixture
def table_format(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in lake_environ(tmp_path / "lake", request.param).items():
        monkeypatch.setenv(name, value)
    return str(request.param)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    fleet = Fleet(devices=40, seed=7)
    with Simulator(fleet) as simulator:
        (tmp_path / "project").mkdir()
        yield Rig(tmp_path / "project", fleet, simulator)


def _asked(location: HistoryLocation, sql: str) -> list[tuple[Any, ...]]:
    with open_history(location) as history:
        return sorted(history.rows(sql)[1], key=repr)


def _shown(location: HistoryLocation) -> tuple[dict[str, list[tuple[Any, ...]]], list[Any]]:
    """The rows of each view, and what `verify` says, of a history that is opened once."""
    views = ("devices", "device_history", "device_changes", "device_snapshots", "daily_inventory", "pbx_status")
    with open_history(location) as history:
        rows = {view: sorted(history.rows(f"select * from {view}")[1], key=repr) for view in views}
        return rows, [verdict.disagreement for verdict in verify(history)]


@pytest.mark.parametrize("table_format", FORMATS, indirect=True)
def test_days_are_loaded_as_they_are_in_duckdb(rig: Rig, table_format: TableFormat) -> None:
    location = HistoryLocation(rig.db, destination="filesystem", project=rig.project)
    for day in range(DAYS):
        rig.fleet.update(rig.fleet.ids()[0], {"Unknown": {"Here": day}})
        (here,), (there,) = rig.sync_all(), _synced(rig, table_format)
        assert there.error is None
        counted = ("devices", "added", "changed", "removed", "returned", "refreshed")
        assert [there.report()[name] for name in counted] == [here.report()[name] for name in counted]
        rig.fleet.next_day()
    assert _asked(location, LOG) == _asked(HistoryLocation(rig.db), LOG)
    devices = "select * exclude (first_seen_at, last_changed_at, last_confirmed_at) from devices"
    assert _asked(location, devices) == _asked(HistoryLocation(rig.db), devices)
    assert len(_asked(location, "select * from devices_as_of(now())")) == len(_asked(location, devices))
    with open_history(location) as history:
        (verdict,) = verify(history)
    assert (verdict.disagreement, verdict.snapshots) == (None, DAYS)
    kinds = {"parquet": [], "delta": ["_delta_log"], "iceberg": ["data", "metadata"]}
    folder = rig.project.parent / "lake" / "threecx" / "device_versions"
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == kinds[table_format]


@pytest.mark.parametrize("table_format", ["parquet", "delta"], indirect=True)
def test_a_load_that_was_cut_off_shows_nothing_and_is_finished(rig: Rig, table_format: TableFormat) -> None:
    location = HistoryLocation(rig.db, destination="filesystem", project=rig.project)
    _synced(rig, table_format)
    before = _asked(location, "select * from devices")
    rig.fleet.remove(rig.fleet.ids()[0])
    loads = rig.project.parent / "lake" / "threecx" / "_dlt_loads"
    there = set(loads.iterdir())
    (noted,) = rig.work.glob("*/last_head.json")
    head = noted.read_bytes()
    _synced(rig, table_format)
    # As if it had died before dlt could write that the package is complete.
    (mark,) = set(loads.iterdir()) - there
    mark.unlink()
    noted.write_bytes(head)
    assert _asked(location, "select * from devices") == before
    (again,) = _synced(rig, table_format)
    assert (again.report()["removed"], again.error) == (1, None)
    with open_history(location) as history:
        assert [verdict.disagreement for verdict in verify(history)] == [None]


def test_files_that_came_twice_change_no_answer(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in lake_environ(tmp_path / "lake", "parquet").items():
        monkeypatch.setenv(name, value)
    location = HistoryLocation(rig.db, destination="filesystem", project=rig.project)
    for _ in range(2):
        _synced(rig, "parquet")
        rig.fleet.next_day()
    before, _ = _shown(location)
    for twice in ("snapshots", "device_versions"):
        for file in list((tmp_path / "lake" / "threecx" / twice).glob("*.parquet")):
            file.with_name(f"copy-of-{file.name}").write_bytes(file.read_bytes())
        assert _shown(location) == (before, [None])
    assert _synced(rig, "parquet")[0].error is None


def test_commands_answer_from_files_and_write_none(tmp_path: Path) -> None:
    environ = lake_environ(tmp_path / "lake", "parquet")
    with Simulator(Fleet(devices=5)) as pbx:
        ran = threecx("sync", folder=tmp_path, **settings_of(pbx), **environ)
    assert (ran.code, ran.err) == (0, "A new history begins: destination 'filesystem', dataset threecx\n")
    files = {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file()}
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
    assert not any(b"pw-secret" in content for content in files.values())
    ran = threecx("sql", "select count(*) as n from devices", "--format", "json", folder=tmp_path, **environ)
    assert (ran.code, ran.rows) == (0, [{"n": 5}])
    ran = threecx("verify", folder=tmp_path, **environ)
    assert (ran.code, ran.err) == (0, "")
    location = HistoryLocation(tmp_path / "none", destination="filesystem", project=tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        for sql in ("copy (select 1) to 'x.csv'", "create table x (a int)", "attach 'x.duckdb'", "select 1; select 2"):
            with open_history(location) as history, pytest.raises(QueryError):
                history.query(sql)
    ran = threecx("status", "--dataset", "other", folder=tmp_path, **environ)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "threecx: error: dataset 'other' in destination 'filesystem': there is none. "
        "Run threecx sync first, or name the right one with --dataset\n"
    )


@pytest.mark.parametrize("table_format", FORMATS, indirect=True)
def test_a_query_reads_no_file_but_those_of_the_dataset(rig: Rig, table_format: TableFormat) -> None:
    _synced(rig, table_format)
    lake, location = rig.project.parent / "lake", HistoryLocation(rig.db, destination="filesystem", project=rig.project)
    (other := lake / "other.csv").write_text("name\nforeign")
    with open_history(location) as history:
        assert list(history.query("select count(*) as n from devices")[1]) == [(40,)]
        for sql in (
            f"select * from read_text('{other}')",
            f"select * from '{other}'",
            f"select * from read_text('{lake}/threecx/../other.csv')",
            f"select * from glob('{lake}/*')",
            "select * from read_text('/proc/self/environ')",
            "select * from location",
        ):
            for ask in (history.query, history.arrow_query):
                with pytest.raises(QueryError):
                    ask(sql)
        for setting in ("enable_external_access", "lock_configuration", "allowed_paths"):
            with pytest.raises(QueryError, match="configuration has been locked"):
                history.rows(f"reset {setting}")


def test_a_bucket_is_read_through_the_file_system_of_dlt(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", "memory://phones")
    location = HistoryLocation(rig.db, destination="filesystem", project=rig.project)
    assert _synced(rig, "parquet")[0].error is None
    assert _asked(location, "select count(*) from devices") == [(40,)]


def test_parquet_is_the_default() -> None:
    assert RunConfig().table_format == "parquet"
