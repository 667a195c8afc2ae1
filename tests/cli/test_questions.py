"""The commands that ask a history, over thirty days of two simulated PBXs."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import openpyxl
import pyarrow.parquet as pq
import pytest

from dlt_threecx.cli.cells import text_width
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


def test_before_the_history_began_nothing_is_known_and_its_begin_is_named(past: Past) -> None:
    ran = past.ask("devices", "--at", "2020-01-01", "--format", "csv")
    assert (ran.code, ran.out) == (2, "")
    begin = min(row["valid_from"] for row in past.rows("history", "12"))
    assert f"the history begins on {datetime.fromisoformat(begin):%d %b %H:%M} UTC" in ran.err


def test_a_table_of_devices_has_the_main_columns(past: Past) -> None:
    ran = past.ask("devices", "--pbx", "leeds")
    lines = ran.out.splitlines()
    assert lines[0].split("  ")[0] == "extension"
    assert lines[0].split() == [
        *("extension", "name", "vendor", "model", "firmware", "address", "on", "line", "changed", "mac")
    ]
    assert len(lines) == 1 + 4
    assert "Zoë Newcomer" in lines[-1]
    assert re.fullmatch(r"As of \d\d \w{3} \d\d:\d\d UTC\.\n", ran.err)
    assert past.ask("devices").out.startswith("pbx ")


def _ids(ran: Ran) -> list[int]:
    return [row["device_id"] for row in ran.rows]


def test_devices_can_be_named_and_filtered(past: Past) -> None:
    now = past.devices[-1]
    moved = _shown(now["hq", MOVED])
    for args in (["777"], [str(MOVED), "--pbx", "hq"], ["--search", moved["mac"].lower()], ["--firmware", "9.9.*"]):
        assert MOVED in _ids(past.ask("devices", *args, "--format", "json")), args
    assert _ids(past.ask("devices", "--search", "ZOE newcomer", "--format", "json")) == [max(now)[1]]
    offline = {key for key, row in now.items() if not row["Online"]}
    assert len(past.rows("devices", "--offline")) == len(offline)
    assert len(past.rows("devices", "--online")) == len(now) - len(offline)
    vendor = now["hq", MOVED]["Registrar"]["Vendor"]
    same = [row for row in now.values() if (row.get("Registrar") or {}).get("Vendor") == vendor]
    assert len(past.rows("devices", "--vendor", vendor.upper())) == len(same)


def test_columns_order_and_number_of_rows_are_the_users(past: Past) -> None:
    args = ("devices", "--columns", "extension,mac", "--sort", "-dn_number", "--limit", "3")
    rows = past.rows(*args)
    assert [list(row) for row in rows] == [["dn_number", "mac"]] * 3
    numbers = [_shown(row)["dn_number"] for row in past.devices[-1].values()]
    assert [row["dn_number"] for row in rows] == sorted((n for n in numbers if n), key=int, reverse=True)[:3]
    assert past.ask(*args).out.splitlines()[0].split() == ["extension", "mac"]
    ran = past.ask("devices", "--columns", "vendr")
    assert (ran.code, "There is no column 'vendr'. Did you mean 'vendor'?" in ran.err) == (2, True)


def test_files_hold_the_same_rows_with_their_types(past: Past, tmp_path: Path) -> None:
    rows = past.rows("devices")
    for suffix in ("csv", "json", "ndjson", "xlsx", "parquet"):
        ran = past.ask("devices", "--output", str(tmp_path / f"devices.{suffix}"))
        assert (ran.code, ran.out) == (0, "")
        assert ran.err.endswith(f"12 rows written to {tmp_path}/devices.{suffix}\n")
    assert json.loads((tmp_path / "devices.json").read_text()) == rows
    assert [json.loads(line) for line in (tmp_path / "devices.ndjson").read_text().splitlines()] == rows
    sheet = openpyxl.load_workbook(tmp_path / "devices.xlsx").active
    cells = list(sheet.iter_rows(values_only=True))
    assert list(cells[0]) == list(rows[0])
    mac, number, seen = (cells[0].index(name) for name in ("mac", "dn_number", "first_seen_at"))
    assert [(row[mac], row[number]) for row in cells[1:]] == [(row["mac"], row["dn_number"]) for row in rows]
    assert all(isinstance(row[seen], datetime) for row in cells[1:])
    table = pq.read_table(tmp_path / "devices.parquet")
    assert [row["mac"] for row in table.to_pylist()] == [row["mac"] for row in rows]
    assert str(table.schema.field("first_seen_at").type) == "timestamp[us, tz=UTC]"
    ran = past.ask("devices", "--output", "devices.doc")
    assert (ran.code, "ends with none of .csv, .json" in ran.err) == (2, True)
    assert past.ask("devices", "--output", "nowhere/x.csv").code == 2
    past.ask("devices", "--output", str(tmp_path / "excel.csv"), "--bom")
    assert (tmp_path / "excel.csv").read_bytes().startswith(b"\xef\xbb\xbfpbx,")


@pytest.mark.parametrize(
    "command",
    [["devices"], ["changes"], ["status"], ["findings"], ["verify"], ["history", "101"], ["diff", "5d", "0d"]],
)
def test_an_unknown_pbx_is_exit_2_in_every_question(past: Past, command: list[str]) -> None:
    ran = past.ask(*command, "--pbx", "leed")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "threecx: error: PBX 'leed': there is no such PBX. Did you mean 'leeds'?\n"


def test_a_pbx_can_be_a_pattern(past: Past) -> None:
    assert {row["pbx"] for row in past.rows("devices", "--pbx", "lee*")} == {"leeds"}
    assert {row["pbx"] for row in past.rows("status", "--pbx", "*")} == {"hq", "leeds"}


def test_a_table_fits_the_screen_a_line_per_device(past: Past) -> None:
    for width in (60, 80, 120):
        lines = threecx("devices", folder=past.folder, COLUMNS=str(width)).out.splitlines()
        assert len(lines) == 1 + 12
        assert max(map(text_width, lines)) <= width


def test_times_are_shown_and_read_in_the_zone_of_the_user(past: Past) -> None:
    taken = past.taken_at[1]
    local = taken.astimezone(ZoneInfo("Asia/Kolkata"))
    ran = past.ask("changes", "--since", f"{local:%Y-%m-%dT%H:%M}", "--until", "15d", "--tz", "Asia/Kolkata")
    assert f"{local:%Y-%m-%d %H:%M}  " in ran.out
    assert past.ask("changes", "--tz", "Mars/Base").code == 2


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
    assert f"777 {before['dn_name']}" in out
    assert f"{before['ip_address']} → 10.9.9.9" in out


def test_an_unknown_device_has_no_changes_and_a_hint(past: Past) -> None:
    ran = past.ask("changes", "--device", "nobody", "--format", "json")
    assert (ran.code, ran.rows) == (0, [])
    assert ran.err == "No device has, or had, the extension, MAC, Id or name 'nobody'.\n"


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
    assert [line.split()[2] for line in lines[1:]] == ["added", "removed", "returned"]
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
    assert ran.err == "No device has, or had, the extension, MAC, Id or name 'nobody'.\n"
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
    assert ran.err == "threecx: error: PBX 'new': never read. Run threecx sync\n"
    ran = threecx("status", folder=past.folder, **environ)
    assert (ran.code, ran.err) == (0, "PBX 'new' is not in the history yet. Run threecx sync\n")


# sql


def test_sql_asks_views_and_tables_in_every_format(past: Past) -> None:
    query = "select pbx, count(*) as devices from devices group by pbx order by pbx"
    assert past.rows("sql", query) == [{"pbx": "hq", "devices": 8}, {"pbx": "leeds", "devices": 4}]
    assert past.ask("sql", query, "--format", "csv").out == "pbx,devices\nhq,8\nleeds,4\n"
    assert past.ask("sql", query, "--format", "ndjson").out.splitlines()[0] == '{"pbx": "hq", "devices": 8}'
    assert past.ask("sql", query).out.splitlines()[1].split() == ["hq", "8"]
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
    first, last = ran.err.splitlines()
    assert first.startswith("threecx: warning: phones.duckdb: ")
    assert first.endswith(f"(process {os.getpid()}) holds it open; waiting, up to 5 s …")
    assert f"(process {os.getpid()}) holds it open, and did so for 5 s" in last
    assert time.monotonic() - began > 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_an_error_in_a_line(past: Past) -> None:
    run = "from dlt_threecx.cli import main; main()"
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-c", run, "devices", "--format", "csv"],
            cwd=past.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert (ran.returncode, ran.stderr.count("\n")) == (7, 1)
    assert "stdout: it cannot be written (No space left on device)" in ran.stderr


def test_questions_can_be_asked_at_the_same_time(past: Past) -> None:
    with duckdb.connect(str(past.folder / "phones.duckdb"), read_only=True):
        assert past.ask_from_outside("devices").code == 0


def test_every_format_of_every_question_is_what_it_says(past: Past) -> None:
    for command in (["status"], ["devices"], ["changes", "--since", "29d"], ["history", "12"]):
        rows = past.rows(*command)
        lines = past.ask(*command, "--format", "ndjson").out.splitlines()
        assert [json.loads(line) for line in lines] == rows
        assert len(list(csv.reader(io.StringIO(past.ask(*command, "--format", "csv").out)))) == len(rows) + 1
