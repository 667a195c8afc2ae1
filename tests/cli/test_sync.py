"""`threecx sync`: what it prints, and its exit codes. What it loads has tests of its own."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Fleet, Simulator
from tests.commands import settings_of, threecx

FIELDS = [
    *("pbx", "status", "reason", "detail", "snapshot_id", "taken_at", "devices", "reported_count"),
    *("added", "changed", "removed", "returned", "refreshed", "rebaselined", "shape_changes"),
    *("pages", "requests", "walks", "duration_seconds", "chain"),
]


def test_one_line_per_pbx_says_what_happened(tmp_path: Path) -> None:
    fleet = Fleet(devices=120)
    with Simulator(fleet) as pbx:
        ran = threecx("sync", folder=tmp_path, **settings_of(pbx))
        assert (ran.code, ran.err) == (0, "")
        assert re.fullmatch(r"default: 120 devices, 120 added \(2 pages, \d+\.\d s\) · chain [0-9a-f]{12}\n", ran.out)
        fleet.remove(fleet.ids()[0])
        fleet.update(fleet.ids()[0], {"Registrar": {"IpAddress": "10.0.0.1"}})
        ran = threecx("sync", folder=tmp_path, **settings_of(pbx))
        assert ran.out.startswith("default: 119 devices, 1 changed, 1 removed (2 pages, ")
        ran = threecx("sync", folder=tmp_path, **settings_of(pbx))
        assert ran.out.startswith("default: 119 devices, nothing new (2 pages, ")


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_one_pbx_is_one_json_document(tmp_path: Path, form: str) -> None:
    with Simulator(Fleet(devices=3)) as pbx:
        ran = threecx("sync", "--format", form, folder=tmp_path, **settings_of(pbx))
    assert (ran.code, list(ran.rows)) == (0, FIELDS)
    assert (ran.rows["pbx"], ran.rows["status"], ran.rows["devices"], ran.rows["added"]) == (
        "default",
        "complete",
        3,
        3,
    )
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
        assert ran.err.startswith("threecx: error: PBX 'leeds': ")
        assert ran.err.count("\n") == 1
        only = threecx("sync", "--pbx", "hq", "--format", "csv", folder=tmp_path, **settings_of(pbx))
        assert [row["pbx"] for row in csv.DictReader(io.StringIO(only.out))] == ["hq"]


def test_a_refusal_is_exit_6_until_it_is_accepted_with_a_reason(tmp_path: Path) -> None:
    fleet = Fleet(devices=20)
    with Simulator(fleet) as pbx:
        environ = settings_of(pbx)
        assert threecx("sync", folder=tmp_path, **environ).code == 0
        for device_id in fleet.ids():
            fleet.remove(device_id)
        ran = threecx("sync", folder=tmp_path, **environ)
        assert (ran.code, ran.out) == (6, "default: refused (empty), nothing was written to the history\n")
        assert "--accept empty" in ran.err
        guards = ("--accept", "empty", "--accept", "shrink")
        ran = threecx("sync", *guards, "--because", "moved out", folder=tmp_path, **environ)
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
    assert not (tmp_path / "threecx.duckdb").exists()


def test_verbose_shows_each_request_and_no_secret(tmp_path: Path) -> None:
    with Simulator(Fleet(devices=2)) as pbx:
        ran = threecx("sync", "-v", folder=tmp_path, **settings_of(pbx))
        assert "GET /xapi/v1/SipDevices" in ran.err
        assert pbx.client_secret not in ran.out + ran.err
        wrong = {**settings_of(pbx), variable("client_secret"): "wrong-secret"}
        ran = threecx("sync", "--debug", folder=tmp_path, **wrong)
        assert ran.code == 3
        assert "wrong-secret" not in ran.out + ran.err
