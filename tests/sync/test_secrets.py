"""Secrets of the phones and of the operator are in no file, no output and no log; their rotation shows all the same."""

from __future__ import annotations

import json
import logging
import os
import stat
from collections import Counter
from pathlib import Path

import pytest

from dlt_threecx.simulator import CLIENT_SECRET, Fleet
from tests.commands import threecx, threecx_process
from tests.rig import Rig, assert_sound, counts, leaks, rigs

KEY = "a-key-that-is-nowhere-3f9c"


def test_a_run_at_debug_level_shows_and_keeps_no_secret(
    rig: Rig, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    rig.fleet.update(rig.fleet.ids()[0], {"Deep": {"List": [{"AdminPin": "pw-secret-1", "ApiKey": "pw-secret-2"}]}})
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            result = rig.sync(fingerprint_key=KEY)
            rig.fleet.next_day()
    shown = [caplog.text, *capfd.readouterr(), json.dumps(result.report(), default=str), repr(result)]
    assert [text for text in shown if "pw-secret" in text or "eyJ" in text or KEY in text] == []
    assert leaks(rig, KEY, CLIENT_SECRET) == []


def test_the_search_for_leaks_would_find_one(rig: Rig) -> None:
    rig.fleet.update(rig.fleet.ids()[0], {"DN": {"Name": "pw-secret-in-a-name"}})
    rig.sync()
    assert set(leaks(rig)) >= {"threecx.device_versions"}


def test_without_a_key_nothing_is_known_of_secrets(synced: Rig) -> None:
    assert {(r["phone_web_password_fp"], r["prov_link_fp"], r["interface_link_fp"]) for r in synced.versions()} == {
        (None, None, None)
    }
    synced.fleet.update(synced.fleet.ids()[0], {"PhoneWebPassword": "pw-secret-new"})
    assert counts(synced.sync()) == {}


def test_with_a_key_a_rotation_and_a_shared_password_show(rig: Rig) -> None:
    rig.settings = {"fingerprint_key": KEY}
    ids = rig.fleet.ids()
    rig.sync()
    shared = Counter(row["phone_web_password_fp"] for row in rig.versions()).most_common(1)
    really = Counter(row["PhoneWebPassword"] for row in rig.fleet.rows()).most_common(1)
    assert shared[0][1] == really[0][1] > 2
    rig.fleet.update(ids[0], {"PhoneWebPassword": "pw-secret-new"})
    rig.fleet.update(ids[1], {"PhoneWebPassword": None, "ProvLink": "https://pbx.example.com/pw-secret-x"})
    result = rig.sync()
    assert rig.changes(result.row.snapshot_id) == [
        (ids[0], "changed", ["phone_web_password_fp"]),
        (ids[1], "changed", ["phone_web_password_fp", "prov_link_fp"]),
    ]
    row = rig.ledger()[-1]
    assert len(row["fingerprint_key_id"]) == 8
    assert leaks(rig, KEY) == []


def test_an_api_key_that_comes_back_as_a_name_fails_the_reading(rig: Rig) -> None:
    rig.fleet.update(rig.fleet.ids()[0], {f"Odd{CLIENT_SECRET[-12:]}": 1})
    result = rig.sync()
    assert (result.exit_code, result.row.reason) == (5, "protocol")
    assert leaks(rig, CLIENT_SECRET[-12:]) == []


def test_files_are_for_their_owner_only(rig: Rig) -> None:
    before = os.umask(0)
    try:
        rig.sync()
        rig.simulator.fault = "html"
        rig.sync()
    finally:
        os.umask(before)
    modes = {
        str(path.relative_to(rig.project)): stat.S_IMODE(path.stat().st_mode)
        for path in [rig.db, rig.work, *rig.work.rglob("*")]
    }
    folders = {str(path.relative_to(rig.project)) for path in [rig.work, *rig.work.rglob("*")] if path.is_dir()}
    assert {name: 0o700 if name in folders else 0o600 for name in modes} == modes


def test_the_command_shows_no_secret_either(tmp_path: Path) -> None:
    for rig in rigs(tmp_path / "shown", Fleet(devices=20)):
        (rig.project / ".dlt").mkdir()
        (rig.project / ".dlt" / "config.toml").write_text(f'[sources.threecx]\nbase_url = "{rig.simulator.base_url}"\n')
        secrets = rig.project / ".dlt" / "secrets.toml"
        secrets.write_text(
            '[sources.threecx]\nclient_id = "threecx-demo"\n'
            f'client_secret = "{CLIENT_SECRET}"\nfingerprint_key = "{KEY}"\n'
        )
        secrets.chmod(0o600)
        # What dlt and its libraries write beside the log, only a process of its own shows.
        for run, options in (
            (threecx_process, ["--debug", "-v"]),
            (threecx, ["--format", "json", "--debug"]),
            (threecx, ["--format", "csv"]),
        ):
            ran = run("sync", *options, folder=rig.project)
            assert ran.code == 0, ran.err
            shown = ran.out + ran.err
            assert "pw-secret" not in shown
            assert "eyJ" not in shown
            assert KEY not in shown
        secrets.unlink()
        assert_sound(rig)
        assert leaks(rig, KEY) == []
