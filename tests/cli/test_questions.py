"""The commands that ask a history, over thirty days of two simulated PBXs."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dlt_threecx.run import sync_pbxs
from dlt_threecx.settings.config import load_config
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.tables import DATASET
from tests.commands import ROOT, Ran, settings_of, threecx, threecx_process

MOVED, GONE, BLINKING = 13, 14, 15
"""Devices of the PBX hq that change, go and come back, and go off line."""

Key = tuple[str, int]


@dataclass
class Past:
    """A folder with a history, and what was true after each sync."""

    folder: Path
    taken_at: list[datetime] = field(default_factory=list)
    devices: list[dict[Key, dict[str, Any]]] = field(default_factory=list)

    def ask(self, *args: str) -> Ran:
        return threecx(*args, folder=self.folder)

    def ask_from_outside(self, *args: str) -> Ran:
        """The same in another process, which has nothing of the file open."""
        return threecx_process(*args, folder=self.folder)

    def rows(self, *args: str) -> list[dict[str, Any]]:
        ran = self.ask(*args, "--format", "json")
        assert (ran.code, ran.err) == (0, ""), ran.err
        rows: list[dict[str, Any]] = ran.rows
        return rows


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    past = Past(tmp_path_factory.mktemp("past"))
    fleets = {"hq": Fleet(devices=8, shape="later"), "leeds": Fleet(devices=3, seed=2, shape="later")}
    hq = fleets["hq"]
    with Simulator(fleets) as pbx:
        config = load_config(past.folder, settings_of(pbx))

        def synced(days_ago: int) -> None:
            results = sync_pbxs(
                config,
                db=past.folder / "phones.duckdb",
                dataset=DATASET,
                clock_offset=-timedelta(days=days_ago),
            )
            assert [result.exit_code for result in results] == [0, 0]
            past.taken_at.append(max(result.row.taken_at for result in results if result.row.taken_at))
            past.devices.append({(name, row["Id"]): row for name, fleet in fleets.items() for row in fleet.served()})

        synced(30)
        hq.update(MOVED, {"Registrar": {"FirmwareVersion": "9.9.9", "IpAddress": "10.9.9.9"}, "DN": {"Number": "777"}})
        hq.update(BLINKING, {"Online": False})
        synced(20)
        hq.remove(GONE)
        synced(10)
        hq.restore(GONE)
        hq.update(GONE, {"Registrar": {"IpAddress": "10.8.8.8"}})
        fleets["leeds"].add({"DN": {"Name": "Zoë Newcomer"}})
        synced(3)
    return past


# devices


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    registrar, number = row.get("Registrar") or {}, row.get("DN") or {}
    return {
        "mac": registrar.get("MAC"),
        "ip_address": registrar.get("IpAddress"),
        "firmware_version": registrar.get("FirmwareVersion"),
        "dn_number": number.get("Number"),
        "dn_name": number.get("Name"),
        "online": row.get("Online"),
    }


def _by_key(rows: list[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    names = ("mac", "ip_address", "firmware_version", "dn_number", "dn_name", "online")
    return {(row["pbx"], row["device_id"]): {name: row[name] for name in names} for row in rows}


def test_devices_are_those_that_are_there_now(past: Past) -> None:
    rows = past.rows("devices")
    assert _by_key(rows) == {key: _shown(row) for key, row in past.devices[-1].items()}
    assert list(rows[0])[:3] == ["pbx", "device_id", "mac"]
    assert list(rows[0])[-4:] == ["first_seen_at", "last_changed_at", "last_confirmed_at", "versions"]


@pytest.mark.parametrize("number", range(4))
def test_devices_at_a_time_are_those_of_the_snapshot_before_it(past: Past, number: int) -> None:
    expected = {key: _shown(row) for key, row in past.devices[number].items()}
    at = past.taken_at[number]
    for text in (at.isoformat(), f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at + timedelta(days=1):%Y-%m-%d}"):
        assert _by_key(past.rows("devices", "--at", text)) == expected
    assert len(past.rows("devices", "--at", at.isoformat(), "--pbx", "leeds")) == (4 if number == 3 else 3)


def test_before_the_first_snapshot_there_is_nothing_and_a_hint(past: Past) -> None:
    ran = past.ask("devices", "--at", "2020-01-01", "--format", "csv")
    assert ran.code == 0
    assert ran.out.startswith("pbx,device_id,mac,")
    assert ran.out.count("\n") == 1
    assert ran.err == "There is no complete snapshot up to 2020-01-01 23:59:59 UTC.\n"


def test_a_table_of_devices_has_the_main_columns(past: Past) -> None:
    lines = past.ask("devices", "--pbx", "leeds").out.splitlines()
    assert lines[0].split() == [
        *("pbx", "device_id", "dn_number", "dn_name", "mac", "vendor", "model"),
        *("firmware_version", "ip_address", "online", "last_changed_at"),
    ]
    assert len(lines) == 2 + 4
    assert "Zoë Newcomer" in lines[-1]


# changes


def _told(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """By PBX, as they are read at the same time; else in the order of the answer."""
    names = ("pbx", "device_id", "change", "field", "old_value", "new_value")
    return [tuple(row[name] for name in names) for row in sorted(rows, key=lambda row: str(row["pbx"]))]


def test_changes_of_a_month_are_field_by_field(past: Past) -> None:
    before, after = (_shown(devices["hq", MOVED]) for devices in past.devices[:2])
    newcomer = max(key for key in past.devices[-1] if key[0] == "leeds")
    assert _told(past.rows("changes", "--since", "29d")) == [
        ("hq", MOVED, "changed", "dn_number", before["dn_number"], "777"),
        ("hq", MOVED, "changed", "firmware_version", before["firmware_version"], "9.9.9"),
        ("hq", MOVED, "changed", "ip_address", before["ip_address"], "10.9.9.9"),
        ("hq", GONE, "removed", None, None, None),
        ("hq", GONE, "returned", None, None, None),
        (*newcomer, "added", None, None, None),
    ]
    assert after["dn_number"] == "777"


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], ["returned", "added"]),
        (["--since", "15d"], ["removed", "returned", "added"]),
        (["--since", "15d", "--until", "5d"], ["removed"]),
        (["--until", "5d"], ["removed"]),
        (["--pbx", "leeds"], ["added"]),
        (["--since", "29d", "--category", "firmware"], ["changed"]),
        (["--since", "29d", "--category", "network", "--category", "placement"], ["changed", "changed"]),
        (["--since", "29d", "--field", "ip_address"], ["changed"]),
        (["--since", "29d", "--device", str(GONE)], ["removed", "returned"]),
        (["--since", "29d", "--device", "777"], ["changed", "changed", "changed"]),
        (["--since", "29d", "--category", "secret"], []),
    ],
)
def test_changes_can_be_narrowed(past: Past, args: list[str], expected: list[str]) -> None:
    assert [row[2] for row in _told(past.rows("changes", *args))] == expected


@pytest.mark.parametrize("args", [["--presence"], ["--category", "presence"], ["--field", "online"]])
def test_presence_shows_on_request(past: Past, args: list[str]) -> None:
    rows = past.rows("changes", "--since", "29d", *args)
    assert [(row["device_id"], row["field"]) for row in rows if row["category"] == "presence"] == [(BLINKING, "online")]


def test_a_table_of_changes_names_the_device_and_both_values(past: Past) -> None:
    before = _shown(past.devices[0]["hq", MOVED])
    out = past.ask("changes", "--since", "29d").out
    assert f"777 {before['dn_name']} ({before['mac']})" in out
    assert f"{before['ip_address']} → 10.9.9.9" in out


def test_an_unknown_device_has_no_changes_and_a_hint(past: Past) -> None:
    ran = past.ask("changes", "--device", "nobody", "--format", "json")
    assert (ran.code, ran.rows) == (0, [])
    assert ran.err == "No device has, or had, the Id, MAC, extension or name 'nobody'.\n"


# history


def _spellings(mac: str) -> list[str]:
    pairs = [mac[i : i + 2] for i in range(0, 12, 2)]
    return [mac, mac.lower(), ":".join(pairs), "-".join(pairs).lower(), f"{mac[:4]}.{mac[4:8]}.{mac[8:]}"]


def test_a_story_is_found_by_id_mac_extension_and_name(past: Past) -> None:
    row = _shown(past.devices[0]["hq", MOVED])
    names = [str(MOVED), "777", row["dn_number"], row["dn_name"][2:].upper(), *_spellings(row["mac"])]
    for name in names:
        rows = past.rows("history", name, "--pbx", "hq")
        assert [(row["pbx"], row["device_id"], row["opened_by"]) for row in rows] == [
            ("hq", MOVED, "added"),
            ("hq", MOVED, "changed"),
        ], name


def test_a_story_tells_what_happened_and_how_long_it_stayed_so(past: Past) -> None:
    before = _shown(past.devices[0]["hq", MOVED])
    lines = past.ask("history", str(MOVED), "--pbx", "hq").out.splitlines()
    assert lines[0].startswith(f"hq device {MOVED} · 777 · {before['dn_name']} · ")
    assert len(lines) == 3
    assert " added " in lines[1]
    assert " 10 d " in lines[1]
    assert " changed " in lines[2]
    assert "20 d so far" in lines[2]
    assert f"ip_address: {before['ip_address']} → 10.9.9.9" in lines[2]


def test_a_story_with_an_absence(past: Past) -> None:
    lines = past.ask("history", str(GONE), "--pbx", "hq").out.splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["added", "removed", "returned"]
    assert "gone 7 d" in lines[2]
    assert "→ 10.8.8.8" in lines[3]


def test_several_devices_have_a_story_each(past: Past) -> None:
    out = past.ask("history", str(BLINKING)).out
    assert [line for line in out.splitlines() if not line.startswith(" ")] != []
    both = past.ask("history", "12").out.split("\n\n")
    assert [story.split(" ")[0] for story in both] == ["hq", "leeds"]


def test_an_unknown_device_has_no_story_and_a_hint(past: Past) -> None:
    ran = past.ask("history", "nobody")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "No device has, or had, the Id, MAC, extension or name 'nobody'.\n"
    ran = past.ask("history", "%", "--format", "json")
    assert (ran.code, ran.rows) == (0, [])


# status


def test_status_has_a_row_per_pbx(past: Past) -> None:
    rows = past.rows("status")
    assert [(row["pbx"], row["devices"], row["last_status"]) for row in rows] == [
        ("hq", 8, "complete"),
        ("leeds", 4, "complete"),
    ]
    assert [row["pbx"] for row in past.rows("status", "--pbx", "hq")] == ["hq"]


def test_a_history_that_is_too_old_is_exit_5(past: Past) -> None:
    assert past.ask("status", "--max-age", "4d").code == 0
    ran = past.ask("status", "--max-age", "26h", "--format", "json")
    assert (ran.code, len(ran.rows)) == (5, 2)
    assert ran.err.splitlines() == [
        "threecx: error: PBX 'hq': the last complete snapshot is 3 d old. Run threecx sync",
        "threecx: error: PBX 'leeds': the last complete snapshot is 3 d old. Run threecx sync",
    ]


def test_a_pbx_without_a_snapshot_is_too_old_as_well(past: Past) -> None:
    environ = {
        f"SOURCES__THREECX__PBX__{name}__BASE_URL": f"https://{name.lower()}.example.com"
        for name in ("HQ", "LEEDS", "NEW")
    }
    ran = threecx("status", "--max-age", "4d", folder=past.folder, **environ)
    assert ran.code == 5
    assert ran.err == "threecx: error: PBX 'new': there is no complete snapshot. Run threecx sync\n"
    ran = threecx("status", folder=past.folder, **environ)
    assert (ran.code, ran.err) == (0, "PBX 'new' is not in the history yet.\n")
    assert past.ask("status", "--max-age", "4d", "--pbx", "typo").code == 5


# sql


def test_sql_asks_views_and_tables_in_every_format(past: Past) -> None:
    query = "select pbx, count(*) as devices from devices group by pbx order by pbx"
    assert past.rows("sql", query) == [{"pbx": "hq", "devices": 8}, {"pbx": "leeds", "devices": 4}]
    assert past.ask("sql", query, "--format", "csv").out == "pbx,devices\nhq,8\nleeds,4\n"
    assert past.ask("sql", query, "--format", "ndjson").out.splitlines()[0] == '{"pbx": "hq", "devices": 8}'
    assert past.ask("sql", query).out.splitlines()[2].split() == ["hq", "8"]
    assert past.ask("sql", "select 1 as a, 2 as a", "--format", "json").rows == [{"a": 1, "a_2": 2}]


def test_sql_can_come_from_stdin(past: Past) -> None:
    ran = threecx("sql", "-", "--format", "json", folder=past.folder, stdin="select 'ü' as u\n")
    assert ran.rows == [{"u": "ü"}]


@pytest.mark.parametrize(
    "query",
    [
        "insert into device_versions select * from device_versions",
        "delete from snapshots",
        "drop view devices",
        "create table x (i int)",
        "create or replace view devices as select 1",
        "alter table snapshots add column x int",
        "attach 'other.duckdb'",
        "copy devices to 'devices.csv'",
        "copy (select 1) to '/dev/stdout'",
        "export database 'backup'",
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('.dlt/secrets.toml')",
        "set enable_external_access = true",
        "reset lock_configuration",
        "install httpfs",
        "load httpfs",
        "select * from 'https://example.com/x.parquet'",
        "begin; delete from snapshots; commit",
    ],
)
def test_sql_cannot_write_or_reach_anything_else(past: Past, query: str) -> None:
    before = {path: path.read_bytes() for path in past.folder.iterdir() if path.is_file()}
    ran = past.ask("sql", query)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("threecx: error: the query: ")
    assert ran.err.count("\n") == 1
    assert {path: path.read_bytes() for path in past.folder.iterdir() if path.is_file()} == before


def test_a_history_whose_views_are_missing_gets_them_from_the_next_sync(past: Past, tmp_path: Path) -> None:
    (tmp_path / "phones.duckdb").write_bytes((past.folder / "phones.duckdb").read_bytes())
    with duckdb.connect(str(tmp_path / "phones.duckdb")) as connection:
        connection.execute("drop view phones.threecx.pbx_status")
    ran = threecx("status", folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith("Run threecx sync: it makes the views\n")


def test_a_wrong_query_is_exit_2_with_the_words_of_the_database(past: Past) -> None:
    ran = past.ask("sql", "select foo from devices")
    assert (ran.code, ran.out) == (2, "")
    assert 'Referenced column "foo" not found' in ran.err
    assert past.ask("sql", " ").code == 2


def test_a_reader_that_stops_reading_is_no_error(past: Past) -> None:
    """`threecx sql … | head -c 1`, with more output than a pipe holds."""
    run = "from dlt_threecx.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", run, "sql", "select * from range(1_000_000)", "--format", "csv"],
        cwd=past.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), err) == (141, b"")


# where the history is


@pytest.mark.parametrize("command", [["status"], ["devices"], ["changes"], ["history", "x"], ["sql", "select 1"]])
def test_without_a_history_the_first_step_is_named(tmp_path: Path, command: list[str]) -> None:
    ran = threecx(*command, folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "threecx: error: history phones.duckdb: there is no such file. "
        "Run threecx sync first, or name the right one with --db\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_another_dataset_destination_or_file_is_named(past: Past, tmp_path: Path) -> None:
    ran = past.ask("devices", "--dataset", "phones")
    assert (ran.code, "dataset 'phones' in phones.duckdb: there is none" in ran.err) == (2, True)
    ran = past.ask("devices", "--destination", "postgres")
    assert (ran.code, "destination 'postgres'" in ran.err) == (2, True)
    (tmp_path / "phones.duckdb").write_text("no database", encoding="utf-8")
    ran = threecx("devices", folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "history phones.duckdb: this is not a DuckDB file" in ran.err


def test_a_file_of_any_name_is_asked(past: Past, tmp_path: Path) -> None:
    (tmp_path / 'odd "name".duckdb').write_bytes((past.folder / "phones.duckdb").read_bytes())
    ran = threecx("devices", "--db", 'odd "name".duckdb', "--format", "json", folder=tmp_path)
    assert (ran.code, len(ran.rows)) == (0, 12)


def test_a_question_waits_for_a_writer_and_names_it_in_the_end(past: Past) -> None:
    with duckdb.connect(str(past.folder / "phones.duckdb")):
        began = time.monotonic()
        ran = past.ask_from_outside("devices")
    assert (ran.code, ran.out) == (7, "")
    assert f"(process {os.getpid()}) holds it open" in ran.err
    assert time.monotonic() - began > 4


def test_questions_can_be_asked_at_the_same_time(past: Past) -> None:
    with duckdb.connect(str(past.folder / "phones.duckdb"), read_only=True):
        assert past.ask_from_outside("devices").code == 0


def test_every_format_of_every_question_is_what_it_says(past: Past) -> None:
    for command in (["status"], ["devices"], ["changes", "--since", "29d"], ["history", "12"]):
        rows = past.rows(*command)
        lines = past.ask(*command, "--format", "ndjson").out.splitlines()
        assert [json.loads(line) for line in lines] == rows
        assert len(list(csv.reader(io.StringIO(past.ask(*command, "--format", "csv").out)))) == len(rows) + 1
