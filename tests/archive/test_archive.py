"""The old part of a history in a file of its own: nothing is lost, all of it is proven, and today's answers stay."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from dlt_threecx import open_history as api_history
from dlt_threecx.archive.archive import archive_history
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.errors import DestinationError
from dlt_threecx.integrity.verdict import Verdict
from dlt_threecx.integrity.verify import verify
from dlt_threecx.loading.work_folder import WorkFolder
from dlt_threecx.run import sync_pbxs
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.errors import ProtocolError, SettingsError
from dlt_threecx.tables import LOADS
from dlt_threecx.views.views import VIEWS
from tests.commands import threecx
from tests.destinations.warehouse import Postgres, postgres
from tests.rig import config_of

DAYS = 7
ENDS = datetime.now(UTC)
FIRST_CUT = ENDS - timedelta(days=3, hours=12)
SECOND_CUT = ENDS - timedelta(days=1, hours=12)
Rows = list[tuple[Any, ...]]


def _settings(folder: Path, urls: dict[str, str]) -> Any:
    folder.mkdir(exist_ok=True)
    return config_of(folder, urls, fingerprint_key="not a secret", max_removed_percent=100)


def _fleets() -> dict[str, Fleet]:
    return {"hq": Fleet(devices=20, seed=5), "leeds": Fleet(devices=12, seed=6, shape="later")}


def _live_a_day(fleets: dict[str, Fleet], day: int) -> None:
    """Devices change, some go and come back, and one is on line and off line in turns."""
    for fleet in fleets.values():
        fleet.next_day()
    ids = fleets["leeds"].ids()
    fleets["leeds"].update(ids[0], {"Online": day % 2 == 0})
    fleets["leeds"].update(ids[1], {"Online": day < 3})
    if day == 1:
        fleets["leeds"].remove(ids[5])
        fleets["leeds"].remove(ids[6])
    if day == 4:
        # nobody reads it after this day
        fleets["hq"].remove(fleets["hq"].ids()[3])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The history of two PBXs over a week; one of them fails in between, and is not in the settings at the end."""
    folder = tmp_path_factory.mktemp("whole")
    fleets = _fleets()
    with Simulator(fleets) as pbxs:
        for day in range(DAYS):
            _live_a_day(fleets, day)
            urls = dict(pbxs.base_urls)
            if day == 2:
                urls["hq"] = urls["hq"] + "/nothing/there"
            if day > 4:
                del urls["hq"]
            sync_pbxs(
                _settings(folder, urls),
                db=folder / "phones.duckdb",
                dataset="threecx",
                clock_offset=timedelta(days=day - DAYS + 1, minutes=-1),
            )
    return folder / "phones.duckdb"


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> HistoryLocation:
    """A copy of it, in a folder of its own with the work folder that the syncs have left."""
    shutil.copytree(whole.parent, tmp_path / "project")
    return HistoryLocation(tmp_path / "project" / "phones.duckdb", project=tmp_path / "project")


@pytest.fixture(scope="module")
def archived(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> HistoryLocation:
    """The same history after two archives in a row, 1.duckdb and 2.duckdb beside it."""
    folder = tmp_path_factory.mktemp("archived") / "project"
    shutil.copytree(whole.parent, folder)
    location = HistoryLocation(folder / "phones.duckdb", project=folder)
    archive_history(location, folder / "1.duckdb", FIRST_CUT, 1)
    archive_history(location, folder / "2.duckdb", SECOND_CUT, 1)
    return location


class Opened(NamedTuple):
    """Histories that many questions are put to."""

    whole: History
    rest: History
    joined: History
    """The rest with both archives."""


@pytest.fixture(scope="module")
def opened(whole: Path, archived: HistoryLocation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    # copies: DuckDB opens no file in two ways at once
    folder = tmp_path_factory.mktemp("opened")
    before = HistoryLocation(Path(shutil.copy(whole, folder / "phones.duckdb")))
    shutil.copytree(archived.project, folder / "project")
    rest = HistoryLocation(folder / "project" / "phones.duckdb")
    locations = before, rest, _with(rest, "1", "2")
    with ExitStack() as stack:
        yield Opened(*(stack.enter_context(open_history(location)) for location in locations))


def _answer(history: History, sql: str) -> Rows:
    return list(history.rows(sql)[1])


def _rows(location: HistoryLocation, sql: str) -> Rows:
    with open_history(location) as history:
        return _answer(history, sql)


def _verdicts(location: HistoryLocation) -> dict[str, Verdict]:
    with open_history(location) as history:
        assert history.differing_views() == []
        return {verdict.pbx: verdict for verdict in verify(history)}


def _disagreements(location: HistoryLocation) -> list[str]:
    return [str(verdict.disagreement) for verdict in _verdicts(location).values() if verdict.disagreement]


def _with(location: HistoryLocation, *archives: str) -> HistoryLocation:
    files = tuple(location.db.parent / f"{name}.duckdb" for name in archives)
    return HistoryLocation(location.db, project=location.project, archives=files)


def _run(location: HistoryLocation, *statements: str) -> None:
    with closing(duckdb.connect(str(location.db))) as connection:
        connection.execute("use phones.threecx")
        for statement in statements:
            connection.execute(statement)


# what stays, and what moves


def test_both_parts_are_verified_each_alone(archived: HistoryLocation) -> None:
    for name in ("1", "2", "phones"):
        assert _disagreements(HistoryLocation(archived.db.with_name(f"{name}.duckdb"))) == [], name


def test_the_history_begins_where_the_archive_ends_and_that_where_the_one_before_ends(
    archived: HistoryLocation,
) -> None:
    names = ("1", "2", "phones")
    parts = {name: _verdicts(HistoryLocation(archived.db.with_name(f"{name}.duckdb"))) for name in names}
    for earlier, later in (("1", "2"), ("2", "phones")):
        heads = {pbx: verdict.head for pbx, verdict in parts[earlier].items()}
        begins = {pbx: verdict.begins for pbx, verdict in parts[later].items()}
        assert {pbx: join.head for pbx, join in begins.items() if join} == heads
        assert {join.archived.archive for join in begins.values() if join} == {f"{earlier}.duckdb"}


def test_no_attempt_and_no_version_is_lost_or_doubled(opened: Opened) -> None:
    for table, but in (("snapshots", "where status <> 'joined'"), ("device_versions", "")):
        names = "* exclude (_dlt_load_id)" if table == "snapshots" else "*"
        order = f"select {names} from (select * from {table} {but}) order by all"
        before = order.replace("(_dlt_load_id)", "(_dlt_load_id, _dlt_id)")
        assert _answer(opened.joined, order) == _answer(opened.whole, before)


def test_rows_that_nobody_needs_are_gone(opened: Opened) -> None:
    assert {verdict.pbx: verdict.attempts for verdict in verify(opened.rest)} == {"hq": 0, "leeds": 2}
    assert _answer(opened.whole, "select count(*) from snapshots") == [(DAYS + 5,)]
    kept = _answer(opened.rest, "select status, count(*) from snapshots where pbx = 'hq' group by all order by all")[1:]
    assert kept == [("complete", 1), ("join", 1)]


def test_an_archive_belongs_to_its_owner_and_opens_with_duckdb_1_2(archived: HistoryLocation) -> None:
    file = archived.db.with_name("1.duckdb")
    assert file.stat().st_mode & 0o777 == 0o600
    with duckdb.connect(str(file), read_only=True) as connection:
        tags = connection.execute("select tags from duckdb_databases() where database_name = '1'").fetchone()
    assert tags is not None
    assert "v1.2.0" in str(tags)
    assert [path.name for path in file.parent.iterdir() if "unfinished" in path.name] == []


# the views

AFTER = f"timestamptz '{SECOND_CUT.isoformat()}'"
SAME_AFTER = {
    "devices": "select * exclude (first_seen_at, versions) from devices",
    "device_history": f"select * from device_history where valid_to is null or valid_to > {AFTER}",
    "device_changes": f"select * from device_changes where changed_at > {AFTER}",
    "device_snapshots": f"select * from device_snapshots where taken_at > {AFTER}",
    "complete_snapshots": f"select * from complete_snapshots where taken_at > {AFTER}",
    "calendar": f"select * from calendar where day >= cast({AFTER} at time zone 'UTC' as date)",
    "daily_inventory": f"select * from daily_inventory where day > cast({AFTER} at time zone 'UTC' as date)",
    "daily_changes": f"select * from daily_changes where day > cast({AFTER} at time zone 'UTC' as date)",
    "pbx_status": "select * exclude (changes_7d) from pbx_status",
    "findings": "select rule, pbx, device_id from findings",
    "devices_as_of": "select * from devices_as_of(now() - interval '25 hours')",
}


@pytest.mark.parametrize("view", SAME_AFTER)
def test_a_view_says_the_same_of_the_time_after_the_join(opened: Opened, view: str) -> None:
    before = _answer(opened.whole, f"{SAME_AFTER[view]} order by all")
    assert before
    assert _answer(opened.rest, f"{SAME_AFTER[view]} order by all") == before


def test_what_the_archive_knows_is_null_and_not_wrong(opened: Opened) -> None:
    sql = "select pbx, device_id, first_seen_at from devices order by all"
    before, after = _answer(opened.whole, sql), _answer(opened.rest, sql)
    assert any(at is None for *_, at in after)
    assert any(at is not None for *_, at in after)
    assert all(new in (None, old) for (*_, old), (*_, new) in zip(before, after, strict=True))
    since = "select rule, pbx, device_id, since from findings order by all"
    pairs = zip(_answer(opened.whole, since), _answer(opened.rest, since), strict=True)
    assert all(new is None or new >= old for (*_, old), (*_, new) in pairs)


def test_nothing_is_said_of_the_time_before_the_join(opened: Opened) -> None:
    day_before = f"cast(({AFTER} - interval 1 day) at time zone 'UTC' as date)"
    for question in (
        f"select * from device_changes where changed_at <= {AFTER}",
        f"select * from device_snapshots where taken_at < {AFTER} - interval 1 day and pbx = 'leeds'",
        "select * from devices_as_of(now() - interval '5 days')",
        f"select * from daily_inventory where day < {day_before} and pbx = 'leeds'",
    ):
        assert _answer(opened.rest, question) == [], question


@pytest.mark.parametrize("view", [*VIEWS, "devices_as_of(now() - interval '100 hours')"])
def test_with_its_archives_a_history_answers_as_before(opened: Opened, view: str) -> None:
    sql = f"select * from {view} order by all"
    assert _answer(opened.joined, sql) == _answer(opened.whole, sql)


def test_with_the_last_archive_alone_the_history_begins_after_the_first(archived: HistoryLocation) -> None:
    verdicts = _verdicts(_with(archived, "2"))
    assert {verdict.begins.archived.archive for verdict in verdicts.values() if verdict.begins} == {"1.duckdb"}
    assert [str(verdict.disagreement) for verdict in verdicts.values() if verdict.disagreement] == []


# the commands


def test_verify_names_the_join_and_proves_it_with_the_archive(archived: HistoryLocation) -> None:
    folder = archived.project
    alone = threecx("verify", folder=folder)
    head = _verdicts(archived)["leeds"].begins
    assert head is not None
    assert alone.code == 0
    assert f"begins with head {head.head[:12]} of archive 2.duckdb" in alone.out
    both = threecx("verify", "--archive", "1.duckdb", "--archive", "2.duckdb", folder=folder)
    assert (both.code, both.err) == (0, "")
    assert both.out.count("joined to 1.duckdb, 2.duckdb") == 2
    gap = threecx("devices", "--archive", "1.duckdb", folder=folder)
    assert gap.code == 2
    assert "no part of this history begins where it ends" in gap.err


def test_an_answer_that_begins_at_the_join_says_so(archived: HistoryLocation) -> None:
    folder = archived.project
    [(mac,)] = _rows(archived, "select min(mac) from devices where pbx = 'leeds'")
    for question in (["changes", "--since", "9d"], ["history", mac]):
        alone = threecx(*question, folder=folder)
        assert alone.code == 0, alone.err
        assert "is in the archive 2.duckdb: add --archive FILE." in alone.err
        both = threecx(*question, "--archive", "1.duckdb", "--archive", "2.duckdb", folder=folder)
        assert "archive" not in both.err
    assert "archive" not in threecx("changes", "--since", "20h", folder=folder).err
    before = threecx("devices", "--at", "5d", folder=folder)
    assert before.code == 2
    assert "or add --archive 2.duckdb" in before.err


def test_evidence_needs_the_archives(archived: HistoryLocation, tmp_path: Path) -> None:
    bundle = str(tmp_path / "bundle.zip")
    alone = threecx("evidence", "--output", bundle, folder=archived.project)
    assert alone.code == 2
    assert "its history begins after an archive, 2.duckdb" in alone.err
    both = threecx(
        "evidence", "--output", bundle, "--archive", "1.duckdb", "--archive", "2.duckdb", folder=archived.project
    )
    assert both.code == 0, both.err
    shutil.unpack_archive(bundle, tmp_path / "unpacked")
    checked = subprocess.run([sys.executable, "check.py"], cwd=tmp_path / "unpacked", capture_output=True, text=True)
    assert (checked.returncode, checked.stdout.count("nothing was edited")) == (0, 2), checked.stdout


def test_a_history_goes_on_after_its_archive(copy: HistoryLocation, tmp_path: Path) -> None:
    fleets = _fleets()
    with Simulator(fleets) as pbxs:
        for day in range(DAYS + 1):
            _live_a_day(fleets, day)
        archive_history(copy, tmp_path / "old.duckdb", SECOND_CUT, 1)
        results = sync_pbxs(_settings(copy.project, dict(pbxs.base_urls)), db=copy.db, dataset="threecx")
    assert {result.row.pbx: (result.row.status, result.row.added) for result in results} == {
        "hq": ("complete", 0),
        "leeds": ("complete", 0),
    }
    # the joins have the shape of the API, which the rows that stayed have not
    assert {(result.row.shape, result.row.rebaselined) for result in results} == {(None, 0)}
    assert _disagreements(copy) == []
    joined = HistoryLocation(copy.db, project=copy.project, archives=(tmp_path / "old.duckdb",))
    assert _disagreements(joined) == []
    # the next run is bound to the join: now it cannot be taken away, nor another one be put in its place
    [(root,)] = _rows(copy, "select distinct root from snapshots where status = 'join'")
    [(followed,)] = _rows(copy, "select previous_root from snapshots order by snapshot_id desc limit 1")
    assert root in followed


def test_python_reads_both_together(whole: Path, archived: HistoryLocation) -> None:
    with api_history(archived.project, archives=["1.duckdb", "2.duckdb"]) as both, api_history(whole.parent) as before:
        assert both.changes(since="9d") == before.changes(since="9d")


# forgeries

FORGERIES = {
    "a join deleted": ["delete from snapshots where status = 'join' and pbx = 'leeds'"],
    "every join deleted": ["delete from snapshots where status = 'join'"],
    "a join says another head": ["update snapshots set chain = repeat('a', 64) where status = 'join'"],
    "a join says another archive": ["update snapshots set detail = replace(detail, '2.duckdb', '3.duckdb')"],
    "a join without words": ["update snapshots set detail = '{}' where status = 'join'"],
    "a kept version edited": ["update device_versions set dn_name = 'Nobody' where rowid = 0"],
    "a kept version is another change": ["update device_versions set changed_fields = '[\"mac\"]' where rowid = 0"],
    "a kept version deleted": ["delete from device_versions where rowid = 0"],
    "a removed device forgotten": [
        "delete from device_versions where rowid = (select min(rowid) from device_versions where change = 'removed')"
    ],
    "a kept snapshot has another time": [
        "update snapshots set taken_at = taken_at - interval 1 day where status = 'archived'"
    ],
    "a kept attempt edited": ["update snapshots set devices = devices + 1 where status = 'complete' and root is null"],
    "a kept attempt deleted": ["delete from snapshots where status = 'complete' and root is null"],
    "the load of the joins deleted": [
        "delete from _dlt_loads where load_id = (select any_value(_dlt_load_id) from snapshots where status = 'join')"
    ],
    "a PBX deleted": ["delete from snapshots where pbx = 'hq'", "delete from device_versions where pbx = 'hq'"],
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_of_what_stayed_is_noticed(archived: HistoryLocation, tmp_path: Path, name: str) -> None:
    forged = HistoryLocation(Path(shutil.copy(archived.db, tmp_path / "phones.duckdb")), project=tmp_path)
    _run(forged, *FORGERIES[name])
    assert _disagreements(forged)


def test_an_archive_that_was_edited_is_noticed(archived: HistoryLocation, tmp_path: Path) -> None:
    for name in ("phones", "1", "2"):
        shutil.copy(archived.db.with_name(f"{name}.duckdb"), tmp_path)
    with closing(duckdb.connect(str(tmp_path / "1.duckdb"))) as connection:
        connection.execute("update \"1\".threecx.device_versions set dn_name = 'Nobody' where rowid = 3")
    ran = threecx("verify", "--archive", "1.duckdb", "--archive", "2.duckdb", folder=tmp_path)
    assert ran.code == 5
    assert "the device's columns are not those that were read" in ran.err


# nothing is half done


def test_a_call_that_was_killed_before_the_removal_is_finished_by_the_next(
    copy: HistoryLocation, archived: HistoryLocation
) -> None:
    file = Path(shutil.copy(archived.db.with_name("1.duckdb"), copy.project))
    done = archive_history(copy, file, FIRST_CUT, 1)
    assert done.was_there
    assert _disagreements(copy) == []
    assert _disagreements(HistoryLocation(copy.db, project=copy.project, archives=(file,))) == []
    with pytest.raises(SettingsError, match="nothing older"):
        archive_history(copy, file, FIRST_CUT, 1)


def test_a_file_that_is_there_is_never_touched(copy: HistoryLocation) -> None:
    before = copy.db.read_bytes()
    for content in (b"notes", b""):
        file = copy.project / "notes.duckdb"
        file.write_bytes(content)
        with pytest.raises(SettingsError, match="there is such a file already"):
            archive_history(copy, file, SECOND_CUT, 1)
        assert file.read_bytes() == content
    assert copy.db.read_bytes() == before


def test_leftovers_of_a_killed_call_are_no_obstacle(copy: HistoryLocation) -> None:
    folder = copy.project / ".old.duckdb.unfinished"
    folder.mkdir()
    (folder / "old.duckdb").write_bytes(b"half")
    archive_history(copy, copy.project / "old.duckdb", SECOND_CUT, 1)
    assert not folder.exists()


def test_a_full_disk_leaves_the_history_as_it_was(copy: HistoryLocation) -> None:
    before = copy.db.read_bytes()
    command = [str(Path(sys.executable).with_name("threecx")), "archive", "--before", "36h", "--output", "old.duckdb"]

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    ran = subprocess.run(command, cwd=copy.project, capture_output=True, text=True, preexec_fn=small_files)
    assert ran.returncode == 7, ran.stderr
    assert "old.duckdb" in ran.stderr
    assert "The history is as it was" in ran.stderr
    assert copy.db.read_bytes() == before
    assert not list(copy.project.glob("*old.duckdb*"))


def test_a_history_that_does_not_agree_is_not_archived(copy: HistoryLocation) -> None:
    _run(copy, "update device_versions set dn_name = 'Nobody' where rowid = (select max(rowid) from device_versions)")
    ledger = _rows(copy, "select pbx, snapshot_id, chain from snapshots order by all")
    with pytest.raises(ProtocolError, match="the history does not agree"):
        archive_history(copy, copy.project / "old.duckdb", FIRST_CUT, 1)
    assert _rows(copy, "select pbx, snapshot_id, chain from snapshots order by all") == ledger
    _run(copy, "update device_versions set dn_name = 'Nobody' where rowid = (select min(rowid) from device_versions)")
    with pytest.raises(DestinationError, match="are not those that were read"):
        archive_history(copy, copy.project / "older.duckdb", FIRST_CUT, 1)
    assert not (copy.project / "older.duckdb").exists()


def test_a_time_of_which_there_is_nothing_is_named(copy: HistoryLocation) -> None:
    said = {
        "2020-01-01": "--before: the history has nothing older: the first attempt that is not archived is of 20",
        f"{ENDS + timedelta(days=9):%Y-%m-%d}": "is in the future",
    }
    for before, words in said.items():
        ran = threecx("archive", "--before", before, "--output", "old.duckdb", folder=copy.project)
        assert (ran.code, ran.out) == (2, "")
        assert words in ran.err
    for before, file, db in (("1d", "old.db", "phones.duckdb"), ("1d", "old.duckdb", "none.duckdb")):
        assert threecx("archive", "--before", before, "--output", file, "--db", db, folder=copy.project).code == 2
    assert not list(copy.project.glob("old.*"))
    lake = threecx(
        "archive", "--before", "1d", "--output", "o.duckdb", "--destination", "filesystem", folder=copy.project
    )
    assert lake.code == 2
    assert "only a history in DuckDB or PostgreSQL can be archived" in lake.err


def test_a_load_that_was_cut_off_is_to_be_finished_first(copy: HistoryLocation) -> None:
    copy.work_folder.mkdir(parents=True)
    WorkFolder(copy).announcement.write({"hq": None}, ["20261103T070000.123456Z-3f9a1c"])
    with pytest.raises(DestinationError, match="Run threecx sync first"):
        archive_history(copy, copy.project / "old.duckdb", SECOND_CUT, 1)


# PostgreSQL


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


def test_a_history_in_postgres_is_archived_in_the_same_way(
    whole: Path, server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    with duckdb.connect(str(whole), read_only=True) as history:
        history.execute("use phones.threecx")
        history.execute("set TimeZone = 'UTC'")
        server.copy(history)
    server.execute("alter table threecx.snapshots add column _dlt_id varchar default md5(random()::text)")
    server.execute(f"alter table threecx.{LOADS} add column inserted_at timestamptz default now()")
    server.execute(f"alter table threecx.{LOADS} add column schema_version_hash varchar")
    location = HistoryLocation(tmp_path, destination="postgres", project=tmp_path)
    archive_history(location, tmp_path / "1.duckdb", FIRST_CUT, 1)
    archive_history(location, tmp_path / "2.duckdb", SECOND_CUT, 1)
    with open_history(location) as rest:
        verdicts = {verdict.pbx: verdict for verdict in verify(rest)}
        versions = list(rest.rows("select * from device_versions order by pbx, snapshot_id, device_id")[1])
    assert {pbx: (v.disagreement, v.attempts) for pbx, v in verdicts.items()} == {"hq": (None, 0), "leeds": (None, 2)}
    assert _disagreements(HistoryLocation(tmp_path / "1.duckdb")) == []
    assert _disagreements(HistoryLocation(tmp_path / "2.duckdb")) == []
    shapes = "select pbx, shape from snapshots where shape is not null{} order by pbx, snapshot_id"
    with open_history(location) as rest:
        assert _answer(rest, shapes.format(" and status = 'join'")) == _rows(HistoryLocation(whole), shapes.format(""))
    assert 0 < len(versions) < _rows(HistoryLocation(whole), "select count(*) from device_versions")[0][0]
