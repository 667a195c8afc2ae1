"""The same history in PostgreSQL: what is loaded, what every view and command says, crashes, contention, secrets."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

import dlt_threecx
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.destinations.postgres import Postgres as PostgresDestination
from dlt_threecx.report.facts import read_facts
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.errors import QueryError
from dlt_threecx.views.views import VIEWS, view_statements
from tests.commands import ROOT, Ran, settings_of, threecx
from tests.destinations.warehouse import PASSWORD, Postgres, postgres
from tests.literal import empty_history, write_days

DAYS, LOADED_DAYS = 6, 3
LOADED = "loaded"
"""The dataset of the days that were loaded into PostgreSQL."""
LOG = "select pbx, device_id, change, row_version, changed_fields, extra from {}.device_versions"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def empty(server: Postgres) -> Postgres:
    server.empty()
    return server


@pytest.fixture
def pbx() -> Iterator[Simulator]:
    with Simulator({"hq": Fleet(devices=40, seed=7), "bath": Fleet(devices=5, seed=8)}) as running:
        yield running


@dataclass(frozen=True)
class Days:
    """Some days of two PBXs in a DuckDB file; the first of them were loaded into PostgreSQL as well."""

    folder: Path
    runs: list[tuple[Ran, Ran]]
    """Of each day that was loaded into both."""
    log: list[str]
    """What the log in DuckDB had after these days."""


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory, server: Postgres) -> Days:
    folder = tmp_path_factory.mktemp("both")
    fleets = {"hq": Fleet(devices=40, seed=7), "bath": Fleet(devices=5, seed=8)}
    runs, log = [], list[str]()
    with Simulator(fleets) as simulator:
        sync, environ = ("sync", "--format", "ndjson"), settings_of(simulator)
        for day in range(DAYS):
            ran = threecx(*sync, folder=folder, **environ)
            assert ran.code == 0
            if day < LOADED_DAYS:
                runs.append((ran, threecx(*sync, "--dataset", LOADED, folder=folder, **environ, **server.environ)))
            if day == LOADED_DAYS - 1:
                with duckdb.connect(str(folder / "phones.duckdb"), read_only=True) as history:
                    log = sorted(map(repr, history.execute(LOG.format("phones.threecx")).fetchall()))
            for fleet in fleets.values():
                fleet.next_day()
                fleet.update(fleet.ids()[0], {"Unknown": {"Here": day}, "Registrar": {"Capabilities": day}})
    return Days(folder, runs, log)


@pytest.fixture(scope="module")
def both(days: Days, server: Postgres) -> tuple[Path, Postgres]:
    """A folder with the history of these days in DuckDB, and the very same rows in a PostgreSQL database of its own."""
    server.execute("create database same")
    same = Postgres(server.folder, "same")
    with duckdb.connect(str(days.folder / "phones.duckdb"), read_only=True) as history:
        history.execute("use phones.threecx")
        history.execute("set TimeZone = 'UTC'")
        same.copy(history)
    same.execute(*view_statements("postgres", "threecx"))
    return days.folder, same


# the same rows


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_says_the_same(both: tuple[Path, Postgres], view: str) -> None:
    folder, server = both
    with duckdb.connect(str(folder / "phones.duckdb"), read_only=True) as history:
        history.execute("use phones.threecx")
        history.execute("set TimeZone = 'UTC'")
        here = _rows(history.execute(f"select * from {view}"))
    with server.connection() as connection, connection.cursor() as cursor:
        cursor.execute(f"select * from {view}")
        there = _rows(cursor)
    assert there == here
    assert len(here) > 1


def _rows(cursor: Any) -> list[tuple[str, ...]]:
    """The names of the columns, and the sorted rows as text, the same for both drivers."""
    names = tuple(column[0] for column in cursor.description)
    return [names, *sorted(tuple(str(value) for value in row) for row in cursor.fetchall())]


@pytest.mark.parametrize(
    "command",
    [
        "devices --at 0h --format csv",
        "devices --at 2020-01-01 --format csv",
        "devices --pbx hq --format ndjson",
        "changes --format csv",
        "changes --no-group --presence",
        "changes --field ip_address --category network",
        "history 101",
        "history a --format json",
        "history no-such-phone",
        "diff BEGIN 0h",
        "status --format csv",
        "findings --format csv",
        "verify",
    ],
)
def test_every_command_says_the_same(both: tuple[Path, Postgres], command: str) -> None:
    folder, server = both
    args = command.replace("BEGIN", _begin(folder)).split()
    here = threecx(*args, folder=folder)
    there = threecx(*args, folder=folder, **server.environ)
    assert (there.code, there.err) == (here.code, here.err)
    assert here.code == (2 if "2020-01-01" in command else 0), here.err
    ages = re.compile(r"\d+ (s|min|h)( \d+ (s|min))?( so far)? *")
    assert ages.sub("…", there.out) == ages.sub("…", here.out)
    assert here.out or here.err


def test_python_says_the_same(both: tuple[Path, Postgres], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, server = both
    answers = []
    for destination, schema in (("duckdb", "phones.threecx"), ("postgres", "threecx")):
        if destination == "postgres":
            for name, value in server.environ.items():
                monkeypatch.setenv(name, value)
        with dlt_threecx.open_history(folder, db="phones.duckdb", destination=destination) as history:
            tables = [history.devices(), history.devices(at="0h"), history.changes(), history.findings()]
            counted = history.sql(f"select pbx, count(*) as n from {schema}.devices group by pbx order by pbx")
            answers.append([[table.column_names, table.to_pylist()] for table in (*tables, counted)])
    assert answers[1] == answers[0]


def _begin(folder: Path) -> str:
    with duckdb.connect(str(folder / "phones.duckdb"), read_only=True) as history:
        history.execute("set TimeZone = 'UTC'")
        (begin,) = history.execute(
            "select max(m) from (select min(taken_at) as m from phones.threecx.snapshots group by pbx)"
        ).fetchall()[0]
        return f"{begin:%Y-%m-%dT%H:%M:%S.%f}Z"


# loading


def _ledger(server: Postgres) -> list[tuple[Any, ...]]:
    return server.rows(
        "select s.* from snapshots s join _dlt_loads l on l.load_id = s._dlt_load_id and l.status = 0"
        " order by snapshot_id"
    )


def _there(server: Postgres, pbx: str) -> set[int]:
    return {row[0] for row in server.rows(f"select device_id from devices where pbx = '{pbx}'")}


def test_days_are_loaded_as_they_are_in_duckdb(days: Days, server: Postgres) -> None:
    assert [[ran.code for ran in pair] for pair in days.runs] == [[0, 0]] * LOADED_DAYS
    said = [[ran.err.partition(": ")[0] for ran in pair] for pair in days.runs]
    assert said == [["A new history begins"] * 2] + [["", ""]] * (LOADED_DAYS - 1)
    here, there = ([[_facts(line) for line in pair[side].out.splitlines()] for pair in days.runs] for side in (0, 1))
    assert here == there
    assert [report["changed"] > 0 for report in here[-1]] == [True, True]
    assert sorted(map(repr, server.rows(LOG.format(LOADED)))) == days.log
    assert threecx("verify", "--dataset", LOADED, folder=days.folder, **server.environ).code == 0


def _facts(line: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(line)
    varying = ("snapshot_id", "taken_at", "duration_seconds", "chain", "detail")
    return {name: value for name, value in report.items() if name not in varying}


def test_a_killed_load_is_finished_or_forgotten(empty: Postgres, pbx: Simulator, tmp_path: Path) -> None:
    environ = {**os.environ, **settings_of(pbx), **empty.environ, "PYTHONPATH": str(ROOT)}
    assert threecx("sync", folder=tmp_path, **settings_of(pbx), **empty.environ).code == 0
    began = time.monotonic()
    assert threecx("sync", folder=tmp_path, **settings_of(pbx), **empty.environ).code == 0
    lasts = time.monotonic() - began
    for part in (0.6, 0.75, 0.9):
        for one in pbx.pbxs.values():
            one.fleet.next_day()
        command = [sys.executable, "-c", "from dlt_threecx.cli import main; main()", "sync"]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(lasts * part)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert threecx("sync", folder=tmp_path, **settings_of(pbx), **empty.environ).code == 0
    assert threecx("verify", folder=tmp_path, **empty.environ).code == 0
    assert {name: _there(empty, name) for name in pbx.pbxs} == {
        name: set(one.fleet.ids()) for name, one in pbx.pbxs.items()
    }
    assert empty.rows("select count(*) - count(distinct (pbx, device_id, snapshot_id)) from device_versions") == [(0,)]
    assert empty.rows("select count(*) - count(distinct snapshot_id) from snapshots") == [(0,)]


def test_a_package_that_a_full_server_refused_is_finished_later(
    empty: Postgres, pbx: Simulator, tmp_path: Path
) -> None:
    environ = settings_of(pbx) | empty.environ
    assert threecx("sync", folder=tmp_path, **environ).code == 0
    ledger = _ledger(empty)
    for one in pbx.pbxs.values():
        one.fleet.remove(one.fleet.ids()[0])
    empty.execute("alter table device_versions add constraint full_disk check (change <> 'removed') not valid")
    # by default dlt tries five times, and waits a second before each
    ran = threecx("sync", folder=tmp_path, LOAD__RAISE_ON_MAX_RETRIES="1", **environ)
    assert (ran.code, ran.out) == (7, "")
    assert re.search(
        "^threecx: error: load of the package of this run: the destination failed \\(.*full_disk.*\\)", ran.err
    )
    assert _ledger(empty) == ledger
    empty.execute("alter table device_versions drop constraint full_disk")
    ran = threecx("sync", folder=tmp_path, **environ)
    assert (ran.code, ran.err, ran.out.count("nothing new")) == (0, "", 2)
    assert empty.rows(
        "select pbx, count(*) from device_versions where change = 'removed' group by pbx order by pbx"
    ) == [
        ("bath", 1),
        ("hq", 1),
    ]
    assert threecx("verify", folder=tmp_path, **empty.environ).code == 0


def test_loads_wait_for_each_other(
    empty: Postgres, pbx: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = settings_of(pbx) | empty.environ
    for name, value in empty.environ.items():
        monkeypatch.setenv(name, value)
    held = PostgresDestination(HistoryLocation(tmp_path, destination="postgres"), wait_seconds=1)
    ran = threecx("sync", folder=tmp_path, SOURCES__THREECX__BUSY_TIMEOUT_SECONDS="0.5", **environ)
    assert (ran.code, ran.out) == (7, "")
    assert ran.err == (
        "threecx: error: load into destination 'postgres': it says: canceling statement due to lock timeout. "
        "Nothing was written. Run again when no other sync loads into it, or raise busy_timeout_seconds\n"
    )
    held.close()
    assert threecx("sync", folder=tmp_path, **environ).code == 0


# asking


def test_a_question_can_only_read(both: tuple[Path, Postgres], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, server = both
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    location = HistoryLocation(folder / "phones.duckdb", destination="postgres", project=folder)
    before = server.rows("select count(*) from snapshots")
    for sql in (
        "delete from threecx.snapshots",
        "select 1; delete from threecx.snapshots",
        "with gone as (delete from threecx.snapshots returning 1) select * from gone",
        "select * into threecx.copied from threecx.snapshots",
        "set default_transaction_read_only = off",
        "copy threecx.snapshots to program 'cat'",
        "",
    ):
        with open_history(location) as history, pytest.raises(QueryError):
            list(history.query(sql)[1])
    assert server.rows("select count(*) from snapshots") == before
    ran = threecx("sql", "select pbx, count(*) from threecx.devices group by 1", folder=folder, **server.environ)
    assert (ran.code, ran.out.split()[:2]) == (0, ["pbx", "count"])
    ran = threecx("sql", "select nope from threecx.devices", folder=folder, **server.environ)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == ('threecx: error: the query: it says: column "nope" does not exist. Fix the query\n')


# wrong settings, and secrets


def test_what_is_wrong_is_said(server: Postgres, tmp_path: Path) -> None:
    def told(*args: str, **environ: str) -> tuple[int, str]:
        ran = threecx("status", *args, folder=tmp_path, **environ)
        assert ran.out == ""
        return ran.code, ran.err.removeprefix("threecx: error: ").rstrip("\n")

    code, words = told("--destination", "postgres")
    assert code == 2
    assert words == (
        "destination 'postgres': dlt finds no credentials that it can use. Set credentials in [destination.postgres] "
        "of .dlt/secrets.toml, or DESTINATION__POSTGRES__CREDENTIALS"
    )
    code, words = told("--destination", "nosuch")
    assert code == 2
    assert words == (
        "destination 'nosuch': dlt has none of that name with an SQL client. "
        "Name one such as duckdb, postgres or snowflake"
    )
    nobody = f"postgresql://postgres:{PASSWORD}@127.0.0.1:1/postgres"
    code, words = told("--destination", "postgres", DESTINATION__POSTGRES__CREDENTIALS=nobody)
    assert code == 7
    assert re.fullmatch(
        r"connection to destination 'postgres': it says: .* port 1 failed: Connection refused. "
        r"Check \[destination.postgres\] in the settings of dlt",
        words,
    )
    code, words = told("--dataset", "other", **server.environ)
    assert code == 2
    assert words == (
        "dataset 'other' in destination 'postgres': there is none. "
        "Run threecx sync first, or name the right one with --dataset"
    )


def test_no_secret_is_written_or_said(empty: Postgres, pbx: Simulator, tmp_path: Path) -> None:
    ran = threecx("sync", "--debug", folder=tmp_path, **settings_of(pbx), **empty.environ)
    assert ran.code == 0
    found = [path for path in tmp_path.rglob("*") if path.is_file() and b"pw-secret" in path.read_bytes()]
    assert found == []
    assert "pw-secret" not in ran.out + ran.err
    for (table,) in empty.rows("select table_name from information_schema.tables where table_schema = 'threecx'"):
        assert "pw-secret" not in repr(empty.rows(f"select * from threecx.{table}"))


def test_a_report_says_the_same(both: tuple[Path, Postgres], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, server = both
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    now, facts = datetime.now(UTC), []
    for destination in ("duckdb", "postgres"):
        location = HistoryLocation(folder / "phones.duckdb", destination=destination, project=folder)
        with open_history(location) as history:
            for pbxs in ((), ("hq",)):
                facts.append(read_facts(history, now, verdicts=(), pbxs=pbxs))
    assert facts[:2] == facts[2:]
    assert facts[0].kinds
    assert facts[0].findings


# the views


@pytest.fixture(scope="module")
def opened(both: tuple[Path, Postgres]) -> Iterator[PostgresDestination]:
    """The history of some days, open for loading, with the views and comments of this release."""
    folder, server = both
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environ.items():
            patch.setenv(name, value)
        location = HistoryLocation(folder / "threecx.duckdb", destination="postgres", project=folder)
        destination = PostgresDestination(location, wait_seconds=5)
    assert destination.create_views() == []
    yield destination
    destination.close()


@pytest.fixture
def changed(opened: PostgresDestination, both: tuple[Path, Postgres]) -> Iterator[PostgresDestination]:
    """As `opened`, for a test that changes views."""
    yield opened
    both[1].execute("drop schema if exists bi cascade")
    assert opened.create_views() == []


def test_a_view_or_function_that_lies_is_named_and_made_again(
    changed: PostgresDestination, both: tuple[Path, Postgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, server = both
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    devices = server.rows("select count(*) from devices")
    server.execute(
        _lie(server, "devices"),
        "create function devices_as_of(at_time text) returns int language sql as 'select 1'",
    )
    assert server.rows("select count(*) from devices") == [(0,)]
    with open_history(HistoryLocation(folder / "x", destination="postgres", project=folder)) as history:
        assert history.differing_views() == ["devices", "devices_as_of"]
    assert changed.create_views() == []
    assert changed.differing_views() == []
    assert server.rows("select count(*) from devices") == devices


def _lie(server: Postgres, view: str) -> str:
    """A statement that gives the view the same columns and comments, and no rows."""
    ((definition,),) = server.rows(f"select pg_get_viewdef('{view}'::regclass)")
    return f"create or replace view {view} as select * from ({definition.rstrip(';')}) v where false"


def test_views_are_replaced_under_what_others_built_on_them(
    changed: PostgresDestination, both: tuple[Path, Postgres]
) -> None:
    _, server = both
    server.execute("create schema bi", "create view bi.mine as select mac from threecx.devices")
    server.execute(_lie(server, "devices"))
    assert changed.create_views() == []
    assert server.rows("select count(*) > 0 from bi.mine") == [(True,)]
    # A release with other columns: it cannot be replaced in place, and is not dropped.
    server.execute(
        "drop view findings",
        "create view findings as select 1 as rule",
        "create view bi.old as table threecx.findings",
    )
    (problem,) = changed.create_views()
    assert problem == (
        "these views are not those of this release: findings. PostgreSQL says: cannot drop view findings "
        "because other objects depend on it. view bi.old depends on view findings. Drop what depends on them, "
        "run threecx sync, and create it again"
    )
    assert server.rows("select count(*) > 0 from bi.mine") == [(True,)]


def test_devices_as_of_is_a_function(opened: PostgresDestination, both: tuple[Path, Postgres]) -> None:
    _, server = both
    asked = "select pbx, device_id, mac from threecx.devices_as_of('2100-01-01') order by 1, 2"
    assert server.rows(asked) == server.rows("select pbx, device_id, mac from devices order by 1, 2")
    assert server.rows("select count(*) from threecx.devices_as_of('2020-01-01')") == [(0,)]


def test_every_table_view_and_column_has_its_comment(opened: PostgresDestination, both: tuple[Path, Postgres]) -> None:
    _, server = both
    missing = server.rows(
        "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0"
        " where c.relnamespace = 'threecx'::regnamespace and c.relkind in ('r', 'v') and c.relname not like '\\_dlt%'"
        " and (col_description(c.oid, a.attnum) is null or obj_description(c.oid, 'pg_class') is null)"
    )
    assert missing == []
    asked = "select col_description('devices'::regclass, 1), obj_description('devices'::regclass, 'pg_class')"
    assert server.rows(asked) == [("name of the PBX in the settings", "one row per device that is there now")]
    written = "select xmin::text, * from pg_description order by objoid, objsubid"
    before = server.rows(written)
    assert opened.create_views() == []
    assert server.rows(written) == before


def test_tables_have_indexes_and_statistics(opened: PostgresDestination, both: tuple[Path, Postgres]) -> None:
    _, server = both
    indexes = server.rows(
        "select indexname from pg_indexes where schemaname = 'threecx' and indexname not like '%dlt%' order by 1"
    )
    assert [name for (name,) in indexes] == [
        "device_versions_key",
        "device_versions_times",
        "loads_key",
        "snapshots_joins",
        "snapshots_key",
        "snapshots_shapes",
        "snapshots_time",
    ]
    estimated = server.rows("select reltuples from pg_class where oid = 'device_versions'::regclass")
    assert estimated == server.rows("select count(*) from device_versions")


def test_findings_of_many_devices_come_in_seconds(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    phone = {"vendor": "Yealink", "model": "T54W", "online": False, "dn_tags": '["WeakPass"]'}
    devices = {number: {**phone, "mac": f"805EC0{number:06X}", "dn_number": str(number)} for number in range(1000)}
    changed = {number: {**device, "ip_address": "10.0.0.1"} for number, device in devices.items()}
    with empty_history() as history:
        write_days(history, [(ago, "hq", changed if ago % 2 else devices) for ago in range(20, 0, -1)])
        server.copy(history)
        destination = PostgresDestination(HistoryLocation(tmp_path, destination="postgres"), wait_seconds=5)
        assert destination.create_views() == []
        destination.close()
        asked = "select rule, pbx, device_id, detail from findings order by rule, pbx, device_id"
        # With nested loops over all devices it takes minutes.
        assert server.rows(f"set statement_timeout = '20s'; {asked}") == history.execute(asked).fetchall()
    server.empty()
