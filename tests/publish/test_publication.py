"""The published copy: the rows of the views, brought up to date, replaced as a whole, and never more than needed."""

from __future__ import annotations

import shutil
import stat
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.errors import DestinationError
from dlt_threecx.publish.bi_file import AS_VIEWS
from dlt_threecx.source.errors import SettingsError
from tests.literal import write_days
from tests.publish.copies import DAYS, RELATIONS, both_sides, copied, opened, published, rows_of, written


@pytest.fixture(scope="module")
def projects() -> dict[date, Path]:
    """Those of `grown`, by the day on which they were made."""
    return {}


@pytest.fixture
def grown(projects: dict[date, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose history was published into `daily` while it grew, and at the end into `once`.

    `before` and `before.duckdb` are what `daily` and the history were before the last day. Views and copies have a row
    for each day up to today: when a day begins in UTC while the tests run, the next test gets a new project.
    """
    today = datetime.now(UTC).date()
    if today not in projects:
        projects[today] = _grown(tmp_path_factory.mktemp("grown"))
    return projects[today]


def _grown(project: Path) -> Path:
    for number in (2, len(DAYS) - 1, len(DAYS)):
        location = written(project / "threecx.duckdb", DAYS[:number])
        done = published(location, project / "daily", parquet=True)
        assert (done.has_news, done.is_whole) == (True, number == 2)
        if number == len(DAYS) - 1:
            shutil.copytree(project / "daily", project / "before")
            shutil.copy(location.db, project / "before.duckdb")
    assert published(location, project / "once", parquet=True).is_whole
    return project


@pytest.fixture
def history(grown: Path) -> HistoryLocation:
    """The history at the end; nobody writes to it."""
    return HistoryLocation(grown / "threecx.duckdb", project=grown)


@pytest.fixture
def before(grown: Path, tmp_path: Path) -> Path:
    """A copy that misses the last day."""
    return shutil.copytree(grown / "before", tmp_path / "bi")


@pytest.fixture
def daily(grown: Path, tmp_path: Path) -> Path:
    """A copy that misses nothing."""
    return shutil.copytree(grown / "daily", tmp_path / "bi")


@pytest.mark.parametrize("folder", ["daily", "once"])
def test_the_copy_has_the_rows_of_the_history(grown: Path, folder: str) -> None:
    with opened(grown / "threecx.duckdb") as history, copied(grown / folder) as copy:
        for relation, there, expected in both_sides(copy, history):
            assert there == expected, relation
            assert expected


def test_the_copy_answers_for_any_time(grown: Path) -> None:
    with copied(grown / "daily") as copy:
        copy.execute("use threecx_bi.main")
        days = "select count(*) from threecx_bi.threecx.devices_as_of(now() - to_days({}))"
        assert [copy.execute(days.format(day)).fetchone() for day in (80, 66, 50, 1)] == [(0,), (2,), (3,), (3,)]


def test_every_relation_and_column_says_what_it_is(grown: Path) -> None:
    with copied(grown / "daily") as copy:
        found = copy.execute("""
            select table_name, comment from duckdb_tables() union all
            select view_name, comment from duckdb_views() where not internal union all
            select table_name || '.' || column_name, comment from duckdb_columns() where not internal
        """).fetchall()
    assert [name for name, comment in found if not comment] == []
    assert {*RELATIONS, "publication"} <= {name for name, _ in found}


def test_the_file_can_be_opened_by_every_duckdb_from_1_2_on(grown: Path) -> None:
    with copied(grown / "daily") as copy:
        [(tags,)] = copy.execute("select tags from duckdb_databases() where database_name = 'threecx_bi'").fetchall()
    assert tags["storage_version"].startswith("v1.2")


def test_the_parquet_files_have_the_rows_of_the_copy(grown: Path) -> None:
    folder = grown / "daily" / "parquet"
    with copied(grown / "daily") as copy:
        for relation in RELATIONS:
            if relation not in AS_VIEWS:
                files = [*folder.glob(f"{relation}.parquet"), *folder.glob(f"{relation}/*.parquet")]
                found = rows_of(copy, f"read_parquet({list(map(str, files))})")
                assert found == rows_of(copy, relation), relation


def test_without_news_nothing_is_written(history: HistoryLocation, daily: Path) -> None:
    with copied(daily) as copy:
        [(published_at,)] = copy.execute("select published_at from publication").fetchall()
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in daily.rglob("*.*")}
    again = published(history, daily)
    assert (again.has_news, again.published_at) == (False, published_at)
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in before} == before


def test_only_months_with_news_are_written_again(history: HistoryLocation, before: Path) -> None:
    inodes = {path: path.stat().st_ino for path in before.rglob("*.parquet")}
    done = published(history, before)
    written_again = {str(path.relative_to(before)) for path, inode in inodes.items() if path.stat().st_ino != inode}
    oldest = sorted(before.glob("parquet/device_versions/*.parquet"))[0].name
    assert f"parquet/device_versions/{oldest}" not in written_again
    assert f"parquet/device_changes/{oldest}" not in written_again
    assert "parquet/devices.parquet" in written_again
    new = set(before.rglob("*.parquet")) - inodes.keys()
    assert done.parquet_files == len(written_again) + len(new)


def test_a_parquet_file_that_somebody_removed_comes_back(history: HistoryLocation, daily: Path) -> None:
    (daily / "parquet" / "devices.parquet").unlink()
    assert published(history, daily).parquet_files == 1
    assert pq.read_table(daily / "parquet" / "devices.parquet").num_rows == 4


def test_the_mode_is_the_one_asked_for_and_stays(grown: Path, history: HistoryLocation, before: Path) -> None:
    def modes() -> set[int]:
        return {
            stat.S_IMODE(path.stat().st_mode) for path in before.rglob("*") if path.suffix in (".duckdb", ".parquet")
        }

    assert modes() == {0o600}
    assert not published(HistoryLocation(grown / "before.duckdb"), before, mode=0o640).has_news
    assert modes() == {0o640}
    assert published(history, before).has_news
    assert modes() == {0o640}
    assert stat.S_IMODE((before / "parquet" / "device_changes").stat().st_mode) == 0o755


def test_another_history_makes_a_whole_new_copy(daily: Path, tmp_path: Path) -> None:
    other = [(day + 400, pbx, devices) for day, pbx, devices in DAYS[:2]]
    assert published(written(tmp_path / "other.duckdb", other), daily).is_whole
    with copied(daily) as copy:
        assert copy.execute("select count(*) from devices").fetchone() == (2,)
    months = {path.stem for path in daily.glob("parquet/device_changes/*.parquet")}
    assert len(months) == 1, "files of the first history are left"


def test_rows_that_a_destination_holds_twice_come_once(history: HistoryLocation, tmp_path: Path) -> None:
    doubled = HistoryLocation(Path(shutil.copy(history.db, tmp_path)))
    with duckdb.connect(str(doubled.db)) as connection:
        connection.execute("use threecx.threecx")
        write_days(connection, DAYS, doubled=True)
    published(doubled, tmp_path / "bi")
    with copied(tmp_path / "bi") as copy:
        assert copy.execute("select count(*), count(distinct snapshot_id || pbx) from snapshots").fetchone() == (7, 7)
        assert copy.execute("select count(*) from device_snapshots").fetchone() == (14,)


def test_a_file_of_somebody_else_is_left_alone(history: HistoryLocation, tmp_path: Path) -> None:
    folder = tmp_path / "bi"
    folder.mkdir()
    theirs = folder / "threecx_bi.duckdb"
    with duckdb.connect(str(theirs)) as connection:
        connection.execute("create table mine as select 1 as one")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(DestinationError, match="is no published copy"):
        published(history, folder)
    with duckdb.connect(str(theirs)) as connection:
        assert connection.execute("from mine").fetchall() == [(1,)]
    assert {path.name for path in folder.iterdir()} == {"notes.txt", "threecx_bi.duckdb", ".threecx_bi.lock"}


def test_a_reader_that_opened_the_copy_for_writing_stops_nothing(history: HistoryLocation, before: Path) -> None:
    with duckdb.connect(str(before / "threecx_bi.duckdb")) as writer:
        writer.execute("create table threecx.scratch as select 1 as one")
        published(history, before)
    with copied(before) as copy:
        assert copy.execute("select max(last_complete_at) > now() - interval 1 day from pbx_status").fetchone() == (
            True,
        )


def test_without_a_history_nothing_is_published(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        published(HistoryLocation(tmp_path / "none.duckdb"), tmp_path / "bi")
    assert [path.name for path in (tmp_path / "bi").glob("threecx*")] == []


def test_a_folder_that_cannot_be_written_is_named(history: HistoryLocation, tmp_path: Path) -> None:
    (tmp_path / "bi").write_text("a file")
    with pytest.raises(DestinationError, match=r"publish into .*bi"):
        published(history, tmp_path / "bi")
