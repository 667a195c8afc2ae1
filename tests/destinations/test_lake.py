"""The same history in files: plain Parquet, Delta Lake and Iceberg, loaded by syncs and read by DuckDB."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.common.destination.client import RunnableLoadJob

from dlt_threecx.compare.decide import SyncResult
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.lake import Lake
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.integrity.verify import verify
from dlt_threecx.run import sync_pbxs
from dlt_threecx.settings.config import RunConfig, TableFormat
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.errors import QueryError
from tests.commands import python, settings_of, threecx
from tests.destinations.lakes import FORMATS, lake_environ
from tests.rig import Rig

DAYS = 2
LOG = "select pbx, device_id, change, row_version, changed_fields, extra from device_versions"


def _lake(rig: Rig) -> HistoryLocation:
    """The lake of a project: its folder `lake`."""
    return HistoryLocation(rig.db, destination="filesystem", project=rig.project)


@contextmanager
def _environ(rig: Rig, table_format: str) -> Iterator[None]:
    """In which dlt finds that lake."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lake_environ(rig.project / "lake", table_format).items():
            patch.setenv(name, value)
        yield


def _synced(rig: Rig, table_format: TableFormat) -> SyncResult:
    config = rig.config()
    run = replace(config.run, table_format=table_format)
    (result,) = sync_pbxs(replace(config, destination="filesystem", run=run), db=rig.db, dataset="threecx")
    return result


@dataclass(frozen=True)
class Days:
    """The same days of one PBX, each read into a DuckDB file and into a lake of each format; the PBX still runs."""

    rigs: Mapping[str, Rig]
    results: Mapping[str, list[SyncResult]]


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    folder, fleet = tmp_path_factory.mktemp("days"), Fleet(devices=40, seed=7)
    with Simulator(fleet) as simulator:
        days = Days({name: Rig(folder / name, fleet, simulator) for name in ("duckdb", *FORMATS)}, defaultdict(list))
        for rig in days.rigs.values():
            rig.project.mkdir()
        for day in range(DAYS):
            fleet.update(fleet.ids()[0], {"Unknown": {"Here": day}})
            days.results["duckdb"].append(days.rigs["duckdb"].sync())
            for table_format in FORMATS:
                with _environ(days.rigs[table_format], table_format):
                    days.results[table_format].append(_synced(days.rigs[table_format], table_format))
            if day < DAYS - 1:
                fleet.next_day()
        yield days


@pytest.fixture(params=FORMATS)
def table_format(request: pytest.FixtureRequest, days: Days) -> Iterator[TableFormat]:
    """Each format, and dlt finds the lake of the days that has it."""
    with _environ(days.rigs[request.param], request.param):
        yield request.param


@pytest.fixture
def copy(days: Days, table_format: TableFormat, tmp_path: Path) -> Iterator[Rig]:
    """A copy of that lake, which dlt finds in place of it."""
    rig = Rig(tmp_path / "project", days.rigs[table_format].fleet, days.rigs[table_format].simulator)
    shutil.copytree(days.rigs[table_format].project, rig.project)
    with _environ(rig, table_format):
        yield rig


def _rows(history: History, sql: str) -> list[tuple[Any, ...]]:
    return sorted(history.rows(sql)[1], key=repr)


def _shown(location: HistoryLocation) -> tuple[dict[str, list[tuple[Any, ...]]], list[Any]]:
    """The rows of each view, and what `verify` says, of a history that is opened once."""
    views = ("devices", "device_history", "device_changes", "device_snapshots", "daily_inventory", "pbx_status")
    with open_history(location) as history:
        rows = {view: _rows(history, f"select * from {view}") for view in views}
        return rows, [verdict.disagreement for verdict in verify(history)]


def test_days_are_loaded_as_they_are_in_duckdb(days: Days, table_format: TableFormat) -> None:
    counted = ("devices", "added", "changed", "removed", "returned", "refreshed")
    reports = {name: [result.report() for result in results] for name, results in days.results.items()}
    for here, there in zip(reports["duckdb"], reports[table_format], strict=True):
        assert [there[name] for name in counted] == [here[name] for name in counted]
    assert [result.error for result in days.results[table_format]] == [None] * DAYS
    rig = days.rigs[table_format]
    devices = "select * exclude (first_seen_at, last_changed_at, last_confirmed_at) from devices"
    with open_history(_lake(rig)) as lake, open_history(HistoryLocation(days.rigs["duckdb"].db)) as file:
        assert _rows(lake, LOG) == _rows(file, LOG)
        assert _rows(lake, devices) == _rows(file, devices)
        assert len(_rows(lake, "select * from devices_as_of(now())")) == len(_rows(file, devices))
        (verdict,) = verify(lake)
    assert (verdict.disagreement, verdict.snapshots) == (None, DAYS)
    kinds = {"parquet": [], "delta": ["_delta_log"], "iceberg": ["data", "metadata"]}
    folder = rig.project / "lake" / "threecx" / "device_versions"
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == kinds[table_format]


def test_dlt_does_not_wait_for_a_job_that_never_reports_its_end(rig: Rig) -> None:
    with _environ(rig, "delta"), closing(Lake(_lake(rig))) as lake:
        client: Any = dlt.dataset(lake.factory(), "threecx", dlt.Schema("threecx")).destination_client
        for table in ({"name": "_dlt_pipeline_state"}, {"name": "snapshots", "table_format": "delta"}):
            assert issubclass(client.get_load_job_class(table, "rows.parquet"), RunnableLoadJob), table


@pytest.mark.parametrize("table_format", ["parquet", "delta"], indirect=True)
def test_a_load_that_was_cut_off_shows_nothing_and_is_finished(copy: Rig, table_format: TableFormat) -> None:
    devices = "select * from devices"
    with open_history(_lake(copy)) as history:
        before = _rows(history, devices)
    loads = copy.project / "lake" / "threecx" / "_dlt_loads"
    there = set(loads.iterdir())
    (noted,) = copy.work.glob("*/last_head.json")
    head = noted.read_bytes()
    gone = copy.fleet.remove(copy.fleet.ids()[0])
    try:
        _synced(copy, table_format)
        # As if it had died before dlt could write that the package is complete.
        (mark,) = set(loads.iterdir()) - there
        mark.unlink()
        noted.write_bytes(head)
        with open_history(_lake(copy)) as history:
            assert _rows(history, devices) == before
        again = _synced(copy, table_format)
    finally:
        copy.fleet.restore(gone["Id"])
    assert (again.report()["removed"], again.error) == (1, None)
    with open_history(_lake(copy)) as history:
        assert [verdict.disagreement for verdict in verify(history)] == [None]


@pytest.mark.parametrize("table_format", ["parquet"], indirect=True)
def test_files_that_came_twice_change_no_answer(copy: Rig, table_format: TableFormat) -> None:
    before, _ = _shown(_lake(copy))
    for twice in ("snapshots", "device_versions"):
        for file in list((copy.project / "lake" / "threecx" / twice).glob("*.parquet")):
            file.with_name(f"copy-of-{file.name}").write_bytes(file.read_bytes())
        assert _shown(_lake(copy)) == (before, [None])
    assert _synced(copy, table_format).error is None


KILLED = """
import os, shutil
from pathlib import Path
from dlt_threecx.cli import main
def half(source, target):
    content = Path(source).read_bytes()
    Path(target).write_bytes(content[: len(content) // 2])
    os._exit(9)
shutil.copyfile = half
main()
"""


def test_a_sync_that_is_killed_while_a_file_is_copied_leaves_no_half_of_it(tmp_path: Path) -> None:
    environ = lake_environ(tmp_path / "lake", "parquet")
    with Simulator(Fleet(devices=5)) as pbx:
        environ |= settings_of(pbx)
        assert threecx("sync", folder=tmp_path, **environ).code == 0
        assert python("-c", KILLED, "sync", folder=tmp_path, **environ).code == 9
        assert threecx("status", "--format", "json", folder=tmp_path, **environ).rows[0]["devices"] == 5
        assert threecx("sync", folder=tmp_path, **environ).code == 0
    ran = threecx("verify", "--format", "json", folder=tmp_path, **environ)
    assert (ran.code, ran.rows[0]["attempts"]) == (0, 3), ran.err


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
        asked = ("copy (select 1) to 'x.csv'", "create table x (a int)", "attach 'x.duckdb'", "select 1; select 2")
        with open_history(location) as history:
            for sql in asked:
                with pytest.raises(QueryError):
                    history.query(sql)
    ran = threecx("status", "--dataset", "other", folder=tmp_path, **environ)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "threecx: error: dataset 'other' in destination 'filesystem': there is none. "
        "Run threecx sync first, or name the right one with --dataset\n"
    )


def test_a_query_reads_no_file_but_those_of_the_dataset(days: Days, table_format: TableFormat) -> None:
    rig = days.rigs[table_format]
    lake = rig.project / "lake"
    (other := lake / "other.csv").write_text("name\nforeign")
    with open_history(_lake(rig)) as history:
        assert list(history.query("select count(*) as n from devices")[1]) == [(len(rig.fleet),)]
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
    assert _synced(rig, "parquet").error is None
    with open_history(_lake(rig)) as history:
        assert _rows(history, "select count(*) from devices") == [(len(rig.fleet),)]


def test_tables_of_iceberg_merge_their_manifests_and_drop_old_metadata(days: Days) -> None:
    files = (days.rigs["iceberg"].project / "lake" / "threecx" / "snapshots" / "metadata").glob("*.json")
    properties = json.loads(max(files).read_text())["properties"]
    assert properties["commit.manifest-merge.enabled"] == "true"
    assert properties["write.metadata.delete-after-commit.enabled"] == "true"


def test_parquet_is_the_default() -> None:
    assert RunConfig().table_format == "parquet"
