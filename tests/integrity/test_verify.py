"""`verify` agrees with what was written, and notices whatever was not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlt_threecx.integrity.verdict import Verdict
from dlt_threecx.integrity.verify import verify
from dlt_threecx.run import sync_pbxs
from dlt_threecx.settings.config import load_config
from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.tables import LEDGER, VERSIONS, TableColumn
from tests.commands import Ran, threecx
from tests.rig import config_of

DAYS = 5


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of two PBXs over some days, with a refusal in it."""
    folder = tmp_path_factory.mktemp("written")
    fleets = {"hq": Fleet(devices=40, seed=5), "leeds": Fleet(devices=25, seed=6, shape="later")}
    with Simulator(fleets) as pbxs:
        environ = {variable("base_url", name): url for name, url in pbxs.base_urls.items()}
        environ |= {variable("client_id"): pbxs.client_id, variable("client_secret"): pbxs.client_secret}
        environ[variable("fingerprint_key")] = "not a secret"
        for day in range(DAYS):
            for fleet in fleets.values():
                fleet.next_day()
            if day == 3:
                environ[variable("filter", "hq")] = "Id gt 20"
            sync_pbxs(
                load_config(folder, environ),
                db=folder / "written.duckdb",
                dataset="threecx",
                clock_offset=timedelta(days=day - DAYS),
            )
            environ.pop(variable("filter", "hq"), None)
    return folder / "written.duckdb"


class Edited:
    """A copy of the history that somebody tampers with."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open()

    def _open(self) -> None:
        self._connection = duckdb.connect(str(self.path))
        self._connection.execute(f"use {self.path.stem}.threecx")
        self._connection.execute("set TimeZone = 'UTC'")

    def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        return [], iter(self._connection.execute(sql, list(params)).fetchall())

    def run(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, params).fetchall()

    def verdicts(self) -> dict[str, Verdict]:
        return {verdict.pbx: verdict for verdict in verify(self)}

    def disagree(self) -> bool:
        return any(verdict.disagreement for verdict in self.verdicts().values())

    @contextmanager
    def trial(self) -> Iterator[None]:
        """What is edited inside is undone."""
        self._connection.begin()
        try:
            yield
        finally:
            self._connection.rollback()

    def ask(self, *args: str) -> Ran:
        """Runs `threecx verify` on the file."""
        self.close()
        ran = threecx("verify", "--db", str(self.path), *args, folder=self.path.parent)
        self._open()
        return ran

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Iterator[Edited]:
    edited = Edited(Path(shutil.copy(written, tmp_path / "copy.duckdb")))
    yield edited
    edited.close()


@pytest.fixture(scope="module")
def tried(written: Path) -> Iterator[Edited]:
    """One copy for many trials."""
    edited = Edited(Path(shutil.copy(written, written.parent / "tried.duckdb")))
    yield edited
    edited.close()


def test_what_was_written_agrees(copy: Edited) -> None:
    verdicts = copy.verdicts()
    assert {name: (v.disagreement, v.attempts) for name, v in verdicts.items()} == {
        "hq": (None, DAYS),
        "leeds": (None, DAYS),
    }
    assert (verdicts["hq"].snapshots, verdicts["leeds"].snapshots) == (DAYS - 1, DAYS)
    heads = copy.run("select pbx, arg_max(chain, snapshot_id) from snapshots group by pbx")
    assert {name: v.head for name, v in verdicts.items()} == dict(heads)


def test_an_edited_value_is_named_with_snapshot_device_and_field(copy: Edited) -> None:
    [(device_id, snapshot_id)] = copy.run(
        "select device_id, snapshot_id from device_versions where pbx = 'hq' and change = 'changed' limit 1"
    )
    copy.run(
        "update device_versions set vendor = 'Nobody' where device_id = ? and snapshot_id = ?", device_id, snapshot_id
    )
    found = copy.verdicts()["hq"].disagreement
    assert found is not None
    assert (found.snapshot_id, found.device_id, found.field) == (snapshot_id, device_id, "vendor")
    assert copy.verdicts()["leeds"].disagreement is None


def test_a_doubled_row_is_no_disagreement(copy: Edited) -> None:
    copy.run("insert into device_versions select * from device_versions where device_id % 3 = 0")
    assert not copy.disagree()


def test_rows_of_a_load_that_never_finished_are_named_and_no_disagreement(copy: Edited) -> None:
    copy.run(
        "insert into device_versions by name select * replace ('29991231T000000.000000Z-abcdef' as snapshot_id)"
        " from device_versions limit 3"
    )
    ran = copy.ask()
    assert (ran.code, ran.err.count("29991231T000000.000000Z-abcdef: the log has versions of it")) == (0, 1)


def test_a_table_that_lacks_a_column_is_no_history(copy: Edited) -> None:
    copy.run("drop view device_snapshots")
    copy.run("alter table device_versions drop column sbc_name")
    ran = copy.ask()
    assert (ran.code, "the tables are not those of a history: " in ran.err) == (5, True)


def test_a_cut_off_end_of_the_ledger_is_noticed_without_a_noted_head(copy: Edited) -> None:
    copy.run("delete from snapshots where _dlt_load_id = (select max(_dlt_load_id) from snapshots)")
    for verdict in copy.verdicts().values():
        assert verdict.disagreement is not None
        assert verdict.disagreement.snapshot_id is None
        assert "which was committed" in verdict.disagreement.what
    ran = copy.ask()
    assert ran.code == 5
    assert "PBX 'leeds': the ledger has no row of load" in ran.err


@pytest.mark.parametrize("tables", [["snapshots"], ["snapshots", "device_versions"]])
def test_an_emptied_history_is_no_new_one(copy: Edited, tables: list[str]) -> None:
    for table in tables:
        copy.run(f"delete from {table}")
    assert copy.disagree()


def test_a_load_that_somebody_hides_is_noticed(copy: Edited) -> None:
    copy.run("update _dlt_loads set status = 1 where load_id = (select max(load_id) from _dlt_loads)")
    found = [str(verdict.disagreement) for verdict in copy.verdicts().values()]
    assert all("has status 1 and schema threecx" in text for text in found), found


@pytest.fixture(scope="module")
def taken_in_turns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edited]:
    """A history that two workers wrote, each with a folder and a PBX of its own; for many trials."""
    folder = tmp_path_factory.mktemp("turns")
    fleets = {"hq": Fleet(devices=12, seed=5), "leeds": Fleet(devices=12, seed=6)}
    with Simulator(fleets) as pbxs:
        for _ in range(2):
            for name, fleet in fleets.items():
                (folder / name).mkdir(exist_ok=True)
                fleet.update(fleet.ids()[0], {"Unknown": {"a": [1, 2], "b": fleet.days}})
                fleet.next_day()
                config = config_of(folder / name, {name: pbxs.base_urls[name]})
                sync_pbxs(config, db=folder / "turns.duckdb", dataset="threecx")
    edited = Edited(folder / "turns.duckdb")
    assert not edited.disagree()
    yield edited
    edited.close()


LAST_LOAD = "(select max(load_id) from _dlt_loads)"
MIDDLE_LOAD = "(select load_id from _dlt_loads order by load_id limit 1 offset 2)"
LAST_OF_HQ = "(select max(snapshot_id) from snapshots where pbx = 'hq')"
FORGERIES = {
    "loads emptied": ["delete from _dlt_loads"],
    "last load deleted": [f"delete from _dlt_loads where load_id = {LAST_LOAD}"],
    "a load in between deleted": [f"delete from _dlt_loads where load_id = {MIDDLE_LOAD}"],
    "status of a load edited": [f"update _dlt_loads set status = 1 where load_id = {MIDDLE_LOAD}"],
    "status of the last load edited": [f"update _dlt_loads set status = 1 where load_id = {LAST_LOAD}"],
    "schema of a load edited": [f"update _dlt_loads set schema_name = 'mine' where load_id = {LAST_LOAD}"],
    "a PBX deleted": ["delete from snapshots where pbx = 'hq'", "delete from device_versions where pbx = 'hq'"],
    "a PBX deleted with its loads": [
        "delete from _dlt_loads where load_id not in (select _dlt_load_id from snapshots where pbx = 'leeds')",
        "delete from snapshots where pbx = 'hq'",
        "delete from device_versions where pbx = 'hq'",
    ],
    "the last attempt of a PBX cut off": [
        f"delete from device_versions where pbx = 'hq' and snapshot_id = {LAST_OF_HQ}",
        f"delete from snapshots where pbx = 'hq' and snapshot_id = {LAST_OF_HQ}",
    ],
    "a ledger row of no load": [
        "alter table snapshots alter _dlt_load_id drop not null",
        f"update snapshots set _dlt_load_id = null where snapshot_id = {LAST_OF_HQ}",
    ],
    "a ledger row of an unknown load": [f"update snapshots set _dlt_load_id = '1.2' where snapshot_id = {LAST_OF_HQ}"],
    "a ledger row of another load": [
        f"update snapshots set _dlt_load_id = (select min(load_id) from _dlt_loads) where snapshot_id = {LAST_OF_HQ}"
    ],
    "root edited": [f"update snapshots set root = repeat('0', 64) where snapshot_id = {LAST_OF_HQ}"],
    "previous root edited": [f"update snapshots set previous_root = null where snapshot_id = {LAST_OF_HQ}"],
    "an empty text for null": ["update device_versions set assigned_firmware = '' where assigned_firmware is null"],
}
"""What a person with an SQL prompt can do without computing a hash."""


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_noticed_in_a_history_of_runs_over_all_pbxs(tried: Edited, name: str) -> None:
    with tried.trial():
        for statement in FORGERIES[name]:
            tried.run(statement)
        assert tried.disagree()


def test_a_version_of_a_refused_snapshot_is_noticed(tried: Edited) -> None:
    with tried.trial():
        tried.run(
            "insert into device_versions by name select * replace ("
            "(select min(snapshot_id) from snapshots where status = 'refused') as snapshot_id)"
            " from device_versions where pbx = 'hq' limit 1"
        )
        found = tried.verdicts()["hq"].disagreement
    assert found is not None
    assert "this snapshot was refused, but the log has versions of it" in found.what


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_noticed_in_a_history_of_workers(taken_in_turns: Edited, name: str) -> None:
    with taken_in_turns.trial():
        for statement in FORGERIES[name]:
            taken_in_turns.run(statement)
        assert taken_in_turns.disagree()


@pytest.mark.parametrize(
    ("old", "new"),
    [('{"a":[1,2]', '{"a":[2,1]'), ('{"a":[1,2]', '{"a":[1,2],"a":[1,2]'), ('{"a":[1,2]', '{ "a":[1,2]')],
    ids=["another order", "a key twice", "a blank"],
)
def test_another_spelling_of_the_same_json_is_noticed(taken_in_turns: Edited, old: str, new: str) -> None:
    with taken_in_turns.trial():
        changed = taken_in_turns.run(
            "update device_versions set extra = replace(extra, ?, ?) where contains(extra, ?) returning 1",
            old, new, old,
        )  # fmt: skip
        assert changed
        (found,) = {verdict.disagreement.what for verdict in taken_in_turns.verdicts().values() if verdict.disagreement}
    assert found == "the device's columns are not those that were read"


def test_the_message_names_the_run_that_misses_another(taken_in_turns: Edited) -> None:
    with taken_in_turns.trial():
        for statement in FORGERIES["a PBX deleted with its loads"]:
            taken_in_turns.run(statement)
        found = taken_in_turns.verdicts()["leeds"].disagreement
        [(first,)] = taken_in_turns.run("select min(snapshot_id) from snapshots where pbx = 'leeds'")
    assert found is not None, "verify found nothing"
    assert (found.snapshot_id, found.what) == (first, "the run before it is missing in the ledger")


def test_a_view_that_lies_is_named(copy: Edited) -> None:
    copy.run("create or replace view devices as select * from device_versions where device_id <> 5")
    ran = copy.ask()
    assert ran.code == 5
    assert "devices: it is not that of this release, so it may answer wrongly" in ran.err


def test_an_unknown_pbx_is_a_usage_error(copy: Edited) -> None:
    ran = copy.ask("--pbx", "leed")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == ("threecx: error: PBX 'leed': there is no such PBX. Did you mean 'leeds'?\n")


def test_a_time_before_the_history_says_when_it_begins(copy: Edited) -> None:
    ran = copy.ask("--at", "2020-01-01")
    assert (ran.code, ran.out) == (2, "")
    assert "--at: the history begins on 20" in ran.err


_COLUMNS = [("device_versions", c) for c in VERSIONS] + [("snapshots", c) for c in LEDGER]
_NUMBERS = st.integers(0, 10_000)
_ONE_OF_EACH_PBX = """
    select rowid from {} qualify
    row_number() over (partition by pbx order by rowid) = 1 + $1::bigint % count(*) over (partition by pbx)
"""


def _other(column: TableColumn) -> str:
    """Another value than the column has."""
    name = column.name
    return {
        "text": f"case when {name} is distinct from 'a1' then 'a1' else 'b2' end",
        "bigint": f"coalesce({name}, 0) + 1",
        "double": f"coalesce({name}, 0) + 1",
        "bool": f"not coalesce({name}, false)",
        "timestamp": f"coalesce({name}, timestamptz '2020-01-01') + interval '1 second'",
    }[column.type]


@pytest.mark.parametrize(("table", "column"), _COLUMNS, ids=lambda value: getattr(value, "name", value))
@settings(max_examples=2)
@given(number=_NUMBERS)
def test_any_edited_value_is_noticed(tried: Edited, table: str, column: TableColumn, number: int) -> None:
    with tried.trial():
        tried.run(
            f"update {table} set {column.name} = {_other(column)} where rowid in ({_ONE_OF_EACH_PBX.format(table)})",
            number,
        )
        assert all(verdict.disagreement for verdict in tried.verdicts().values())


@settings(max_examples=40)
@given(number=_NUMBERS, table=st.sampled_from(["device_versions", "snapshots"]))
def test_a_missing_row_is_noticed(tried: Edited, number: int, table: str) -> None:
    # Without its last row a ledger is that of an earlier day; another test shows how that comes out.
    spared = "where snapshot_id not in (select max(snapshot_id) from snapshots group by pbx)"
    spared = spared if table == "snapshots" else ""
    with tried.trial():
        rows = tried.run(f"select count(*) from {table} {spared}")[0][0]
        tried.run(
            f"delete from {table} where rowid ="
            f" (select rowid from {table} {spared} order by rowid limit 1 offset {number % rows})"
        )
        assert tried.disagree()


@settings(max_examples=20)
@given(number=_NUMBERS)
def test_an_extra_version_is_noticed(tried: Edited, number: int) -> None:
    with tried.trial():
        tried.run(
            "insert into device_versions by name select * replace (device_id + 100000 as device_id)"
            f" from device_versions where rowid in ({_ONE_OF_EACH_PBX.format('device_versions')})",
            number,
        )
        assert all(verdict.disagreement for verdict in tried.verdicts().values())


def test_versions_of_two_snapshots_that_trade_places_are_noticed(copy: Edited) -> None:
    [(device_id,)] = copy.run(
        "select device_id from device_versions where pbx = 'hq' and change = 'changed' group by device_id"
        " having count(*) > 1 or count(*) = 1 order by count(*) desc limit 1"
    )
    ids = [
        row[0]
        for row in copy.run("select snapshot_id from device_versions where device_id = ? and pbx = 'hq'", device_id)
    ]
    first, second = sorted(ids)[:2]
    copy.run(
        "update device_versions set snapshot_id = case snapshot_id when ? then ? else ? end"
        " where pbx = 'hq' and device_id = ? and snapshot_id in (?, ?)",
        first, second, first, device_id, first, second,
    )  # fmt: skip
    assert copy.disagree()


def test_a_history_that_lost_its_last_attempt_is_found_out_by_a_noted_head(copy: Edited) -> None:
    [(head, snapshot_id)] = copy.run(
        "select arg_max(chain, snapshot_id), max(snapshot_id) from snapshots where pbx = 'hq'"
    )
    noted = ["--head", head[:16]]
    assert copy.ask(*noted).code == 0
    [(load_id,)] = copy.run("select _dlt_load_id from snapshots where snapshot_id = ?", snapshot_id)
    copy.run(
        "delete from device_versions where snapshot_id in (select snapshot_id from snapshots where _dlt_load_id = ?)",
        load_id,
    )
    copy.run("delete from snapshots where _dlt_load_id = ?", load_id)
    copy.run("delete from _dlt_loads where load_id = ?", load_id)
    assert not copy.disagree()
    ended = copy.ask(*noted)
    assert ended.code == 5
    assert "no row of the ledger has it" in ended.err


def test_a_past_time_is_verified_alone(copy: Edited) -> None:
    [(at,)] = copy.run("select taken_at from snapshots where pbx = 'leeds' order by snapshot_id limit 1 offset 2")
    ended = copy.ask("--pbx", "leeds", "--at", at.isoformat(), "--format", "json")
    assert ended.code == 0
    assert [(row["pbx"], row["verdict"], row["snapshots"]) for row in ended.rows] == [("leeds", "agrees", 3)]


def test_a_table_says_that_nothing_was_edited_and_in_how_much(copy: Edited) -> None:
    (row,) = copy.ask("--pbx", "leeds", "--format", "json").rows
    ended = copy.ask("--pbx", "leeds")
    assert ended.code == 0
    counts = f"nothing was edited: {row['attempts']} attempts, {row['versions']} versions, "
    assert re.search(rf"^leeds +{counts}\d\d[^ ].*  {row['head'][:12]}$", ended.out, re.MULTILINE), ended.out


def test_the_command_names_what_disagrees_and_ends_with_5(copy: Edited) -> None:
    copy.run("update snapshots set devices = devices + 1 where pbx = 'hq' and status = 'complete'")
    ended = copy.ask()
    assert ended.code == 5
    assert "PBX 'hq', snapshot " in ended.err
    assert "devices, the log has" in ended.err
    assert "disagrees" in ended.out
