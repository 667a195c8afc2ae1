"""`threecx sync`: what it prints, and its exit codes. What it loads has tests of its own."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Fleet, Simulator
from tests.commands import settings_of, threecx
from tests.rig import Rig

FIELDS = [
    *("pbx", "status", "reason", "detail", "snapshot_id", "taken_at", "devices", "reported_count"),
    *("added", "changed", "removed", "returned", "refreshed", "rebaselined", "shape_changes"),
    *("pages", "requests", "walks", "duration_seconds", "chain", "exit_code", "retryable"),
]


def test_one_line_per_pbx_says_what_happened(tmp_path: Path) -> None:
    fleet = Fleet(devices=120)
    with Simulator(fleet) as pbx:
        ran = threecx("sync", folder=tmp_path, **settings_of(pbx))
        assert (ran.code, ran.err) == (0, f"A new history begins: {tmp_path / 'phones.duckdb'}\n")
        assert re.fullmatch(r"default: 120 devices, 120 added \(2 pages, \d+\.\d s\) · head [0-9a-f]{12}\n", ran.out)
        fleet.remove(fleet.ids()[0])
        fleet.update(fleet.ids()[0], {"Registrar": {"IpAddress": "10.0.0.1"}})
        ran = threecx("sync", folder=tmp_path, **settings_of(pbx))
        assert ran.out.startswith("default: 119 devices, 1 changed, 1 removed (2 pages, ")
        ran = threecx("sync", folder=tmp_path, **settings_of(pbx))
        assert ran.out.startswith("default: 119 devices, nothing new (2 pages, ")


def test_one_pbx_is_one_json_document(synced: Rig) -> None:
    for form in ("json", "ndjson"):
        synced.fleet.add()
        ran = threecx("sync", "--format", form, folder=synced.project, **settings_of(synced.simulator))
        assert (ran.code, list(ran.rows)) == (0, FIELDS)
        shown = (ran.rows["pbx"], ran.rows["status"], ran.rows["devices"], ran.rows["added"])
        assert shown == ("default", "complete", len(synced.fleet.ids()), 1)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", ran.rows["taken_at"])


def test_several_pbxs_are_one_object_a_line_and_each_on_its_own(tmp_path: Path) -> None:
    with Simulator({"hq": Fleet(devices=3), "leeds": Fleet(devices=4)}) as pbx:
        pbx.pbxs["leeds"].faults.set("html", 0, None)
        ran = threecx("sync", "--format", "json", folder=tmp_path, **settings_of(pbx))
        rows = [json.loads(line) for line in ran.out.splitlines()]
        assert [(row["pbx"], row["status"], row["reason"]) for row in rows] == [
            ("hq", "complete", None),
            ("leeds", "failed", "protocol"),
        ]
        assert ran.code == 5
        assert "\nthreecx: error: PBX 'leeds': " in ran.err
        assert ran.err.count("\n") == 3
        assert ran.err.splitlines()[-1] == "threecx: error: 1 of 2 PBXs failed: leeds (protocol)"
        assert [(row["exit_code"], row["retryable"]) for row in rows] == [(0, False), (5, False)]
        only = threecx("sync", "--pbx", "hq", "--format", "csv", folder=tmp_path, **settings_of(pbx))
        assert [row["pbx"] for row in csv.DictReader(io.StringIO(only.out))] == ["hq"]


def test_a_refusal_is_exit_6_until_it_is_accepted_with_a_reason(synced: Rig) -> None:
    folder, environ = synced.project, settings_of(synced.simulator)
    for device_id in synced.fleet.ids():
        synced.fleet.remove(device_id)
    ran = threecx("sync", folder=folder, **environ)
    assert (ran.code, ran.out) == (6, "default: refused (empty), nothing was written to the history\n")
    assert "--accept empty" in ran.err
    guards = ("--accept", "empty", "--accept", "shrink")
    ran = threecx("sync", *guards, "--because", "moved out", folder=folder, **environ)
    assert ran.code == 0


def test_a_destination_without_credentials_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with Simulator(Fleet(devices=1)) as pbx:
        ran = threecx("sync", "--destination", "postgres", folder=tmp_path, **settings_of(pbx))
        assert (ran.code, ran.out, pbx.requests) == (2, "", [])
    assert list(tmp_path.iterdir()) == []


def test_warnings_are_talk(tmp_path: Path) -> None:
    folder = tmp_path / ".dlt"
    folder.mkdir()
    (folder / "secrets.toml").write_text("[sources.threecx]\n", encoding="utf-8")
    (folder / "secrets.toml").chmod(0o644)
    with Simulator(Fleet(devices=1)) as pbx:
        ran = threecx("sync", "--format", "json", folder=tmp_path, **settings_of(pbx))
    assert (ran.code, ran.rows["devices"]) == (0, 1)
    assert ran.err.startswith("threecx: warning: .dlt/secrets.toml can be read by other users")


def test_db_and_dataset_choose_the_place(tmp_path: Path) -> None:
    with Simulator(Fleet(devices=2)) as pbx:
        args = ("--db", "other.duckdb", "--dataset", "phones")
        assert threecx("sync", *args, folder=tmp_path, **settings_of(pbx)).code == 0
    ran = threecx("sql", "select count(*) as n from device_versions", *args, "--format", "json", folder=tmp_path)
    assert ran.rows == [{"n": 2}]
    assert not (tmp_path / "phones.duckdb").exists()


def test_verbose_shows_each_request_and_no_secret(synced: Rig) -> None:
    folder, pbx = synced.project, synced.simulator
    ran = threecx("sync", "-v", folder=folder, **settings_of(pbx))
    assert "GET /xapi/v1/SipDevices" in ran.err
    assert pbx.client_secret not in ran.out + ran.err
    wrong = {**settings_of(pbx), variable("client_secret"): "wrong-secret"}
    ran = threecx("sync", "--debug", folder=folder, **wrong)
    assert ran.code == 3
    assert "wrong-secret" not in ran.out + ran.err


def test_a_relative_db_belongs_to_the_project_wherever_the_command_runs(tmp_path: Path) -> None:
    project, other = tmp_path / "project", tmp_path / "scratch"
    (project / "data").mkdir(parents=True)
    other.mkdir()
    with Simulator({"hq": Fleet(devices=2), "leeds": Fleet(devices=1)}) as pbx:
        args = ("sync", "--project", str(project), "--db", "data/phones.duckdb")
        ran = threecx(*args, "--pbx", "hq", folder=other, **settings_of(pbx))
        assert (ran.code, ran.err) == (0, f"A new history begins: {project / 'data' / 'phones.duckdb'}\n")
        ran = threecx(*args, folder=other, **settings_of(pbx))
        assert (ran.code, ran.err) == (0, "New in this history: leeds\n")
        assert "hq: 2 devices, nothing new" in ran.out
        ran = threecx(*args, folder=other, **settings_of(pbx))
        assert (ran.code, ran.err) == (0, "")
    assert list(other.iterdir()) == []


def test_dlts_own_setting_names_the_file(tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text('[destination.duckdb]\ncredentials = "duckdb:///mine.duckdb"\n')
    with Simulator(Fleet(devices=1)) as pbx:
        assert threecx("sync", folder=tmp_path, **settings_of(pbx)).code == 0
    assert threecx("devices", "--format", "ndjson", folder=tmp_path).out.count("\n") == 1
    assert (tmp_path / "mine.duckdb").exists()
    assert not (tmp_path / "phones.duckdb").exists()


def _sqlite(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\x00" + bytes(4080))


def _other_duckdb(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table invoices (id int)")


@pytest.mark.parametrize(
    ("db", "make", "words"),
    [
        (":memory:", None, "a history needs a file on this machine"),
        ("https://example.com/phones.duckdb", None, "a history needs a file on this machine"),
        ("md:phones", None, "a history needs a file on this machine"),
        ("", None, "a history needs a file on this machine"),
        ("letters.db", _sqlite, "this is not a DuckDB file"),
        ("other.duckdb", _other_duckdb, "this is the DuckDB file of another program"),
        ("folder", Path.mkdir, "this is a folder"),
    ],
)
def test_a_db_that_cannot_be_ours_is_refused_before_anything_is_read(
    tmp_path: Path, db: str, make: Callable[[Path], None] | None, words: str
) -> None:
    if make:
        make(tmp_path / db)
    before = {path: path.read_bytes() if path.is_file() else b"" for path in tmp_path.iterdir()}
    with Simulator(Fleet(devices=1)) as pbx:
        ran = threecx("sync", "--db", db, folder=tmp_path, **settings_of(pbx))
        assert (ran.code, ran.out, pbx.requests) == (2, "", [])
    assert words in ran.err
    assert {path: path.read_bytes() if path.is_file() else b"" for path in tmp_path.iterdir()} == before


def test_a_history_that_became_garbage_is_exit_7_and_named(synced: Rig) -> None:
    synced.db.write_bytes(b"garbage" * 1000)
    for command in (["sync"], ["devices"], ["verify"]):
        ran = threecx(*command, folder=synced.project, **settings_of(synced.simulator))
        assert (ran.code, ran.out) == (7, "")
        assert "open phones.duckdb: it is damaged" in ran.err
