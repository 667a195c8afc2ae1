"""The DuckDB file: its format, and the macro that works wherever the file is attached."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
import pytest

from dlt_threecx.destinations import duckdb_views
from dlt_threecx.destinations.duckdb_file import DuckDbFile
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.loading.views_update import update_views, views_digest
from dlt_threecx.loading.work_folder import WorkFolder
from tests.rig import FirstSyncs, Rig

AT = "'2100-01-01'"


@pytest.fixture(scope="module")
def synced(first_syncs: FirstSyncs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Synced twice."""
    for rig in first_syncs.rigs(tmp_path_factory.mktemp("file") / "project"):
        rig.fleet.next_day()
        rig.sync()
        yield rig


def _answer(sql: str, *before: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        for statement in before:
            connection.execute(statement)
        return connection.execute(sql).fetchall()


def test_a_file_has_a_format_that_every_duckdb_from_1_2_on_can_open(synced: Rig) -> None:
    attached = f"attach '{synced.db}' as phones (read_only)"
    found = _answer("select tags['storage_version'] from duckdb_databases() where database_name = 'phones'", attached)
    assert found == [("v1.2.0+",)]


def test_devices_as_of_needs_no_current_schema(synced: Rig, tmp_path: Path) -> None:
    devices = len(synced.fleet.ids())
    backup = shutil.copy(synced.db, tmp_path / "backup.duckdb")
    phones, other = f"attach '{synced.db}' as phones (read_only)", f"attach '{backup}' as other (read_only)"
    for sql, *before in (
        (f"from phones.threecx.devices_as_of({AT})", phones),
        (f"from phones.threecx.devices_as_of({AT})", "attach ':memory:' as mine", "use mine", phones),
        (f"from threecx.devices_as_of({AT})", phones, "use phones"),
        (f"from devices_as_of({AT})", other, "use other.threecx"),
        (f"from other.threecx.devices_as_of({AT}, catalog := 'other')", other),
    ):
        assert len(_answer(sql, *before)) == devices, sql
    with duckdb.connect(str(synced.db), read_only=True) as connection:
        assert len(connection.execute(f"from threecx.devices_as_of({AT})").fetchall()) == devices


def test_a_view_or_macro_that_lies_is_named_and_made_again(synced: Rig) -> None:
    devices = synced.rows("from phones.threecx.devices")
    (comment,) = synced.rows("select comment from duckdb_views() where view_name = 'devices'")
    synced.write(
        "use phones.threecx",
        "create or replace view devices as select * from device_history where false",
        f"comment on view devices is '{comment['comment']}'",
        "create or replace macro devices_as_of(at_time, catalog := null) as table select 1 as device_id",
        "drop view findings",
        "create macro greatest(a, b) as a",
    )
    with open_history(HistoryLocation(synced.db)) as history:
        assert history.differing_views() == ["devices", "findings", "devices_as_of", "threecx.greatest"]
    synced.write("drop macro phones.threecx.greatest")
    synced.sync()
    with open_history(HistoryLocation(synced.db)) as history:
        assert history.differing_views() == []
    assert len(synced.rows("from phones.threecx.devices")) >= len(devices) - 1


def test_views_are_compared_once_and_again_when_one_is_not_as_it_was(synced: Rig) -> None:
    location = HistoryLocation(synced.db, project=synced.project)
    work = WorkFolder(location)
    with closing(DuckDbFile(synced.db, "threecx", wait_seconds=1)) as destination:
        assert work.views == views_digest(destination)
    synced.write("use phones.threecx", "comment on view devices is 'mine'")
    with closing(DuckDbFile(synced.db, "threecx", wait_seconds=1)) as destination:
        assert work.views != views_digest(destination)
        assert update_views(destination, work, views_digest(destination)) == []
        assert work.views == views_digest(destination)
    (comment,) = synced.rows("select comment from duckdb_views() where view_name = 'devices'")
    assert comment["comment"] != "mine"


def test_a_copy_of_the_file_under_another_name_has_the_same_views(synced: Rig, tmp_path: Path) -> None:
    backup = Path(shutil.copy(synced.db, tmp_path / 'it\'s a "backup".duckdb'))
    with open_history(HistoryLocation(backup)) as history:
        assert history.differing_views() == []
        assert len(list(history.rows("from devices_as_of('2100-01-01')")[1])) > 0


def test_what_cannot_be_replaced_is_told_and_does_not_fail_the_sync(
    synced: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    synced.write("use phones.threecx", "drop view findings", "create table findings (mine int)")
    assert synced.sync().error is None
    (record,) = caplog.records
    assert record.getMessage() == (
        'view findings is not that of this release: Catalog Error: Existing object "findings" is of type Table, '
        "trying to replace with type View"
    )
    synced.write("drop table phones.threecx.findings")
    synced.sync()


def test_a_large_load_goes_into_the_file_and_not_into_the_log_beside_it_first(tmp_path: Path) -> None:
    with closing(DuckDbFile(tmp_path / "phones.duckdb", "threecx", wait_seconds=0)) as file:
        pipeline = dlt.pipeline(
            "large", pipelines_dir=str(tmp_path / "dlt"), destination=file.factory(), dataset_name="threecx"
        )
        rows = pa.table({"text": [f"{number:0400}" for number in range(60_000)]})
        pipeline.extract(rows, table_name="rows", loader_file_format="parquet")
        pipeline.normalize(workers=1)
        pipeline.load(workers=1)
        assert file.connection.execute("select count(*) from threecx.rows").fetchall() == [(60_000,)]
        log = tmp_path / "phones.duckdb.wal"
        assert not log.exists() or log.stat().st_size < 100_000


def test_every_table_view_and_column_has_its_comment_and_a_run_without_news_writes_none(synced: Rig) -> None:
    missing = synced.rows(
        "select table_name, column_name from duckdb_columns() where schema_name = 'threecx' and comment is null"
        " and not starts_with(table_name, '_dlt')"
    )
    assert missing == []
    asked = "select comment from duckdb_columns() where table_name = 'devices' and column_name = 'pbx'"
    assert synced.rows(asked) == [{"comment": "name of the PBX in the settings"}]
    (purpose,) = synced.rows("select comment from duckdb_views() where view_name = 'devices'")
    assert purpose == {"comment": "one row per device that is there now"}
    with duckdb.connect(str(synced.db)) as connection:
        connection.execute("checkpoint")
        assert duckdb_views.update_views(connection, "threecx") == []
        connection.execute("checkpoint")
        before = connection.execute("select wal_size from pragma_database_size()").fetchall()
        assert duckdb_views.update_views(connection, "threecx") == []
        assert connection.execute("select wal_size from pragma_database_size()").fetchall() == before
