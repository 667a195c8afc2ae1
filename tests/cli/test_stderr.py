"""How stderr is written for machines: as JSON, and for the journal of systemd."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlt_threecx.simulator import Fleet, Simulator
from tests.commands import ROOT, settings_of, threecx


def test_a_log_in_json_has_one_event_for_each_pbx_with_the_fields_of_its_result(tmp_path: Path) -> None:
    with Simulator({"hq": Fleet(devices=3), "leeds": Fleet(devices=4)}) as pbx:
        pbx.pbxs["leeds"].faults.set("html", 0, None)
        ran = threecx("sync", "--format", "json", "--log-format", "json", folder=tmp_path, **settings_of(pbx))
    assert ran.code == 5
    events = [event for event in map(json.loads, ran.err.splitlines()) if "pbx" in event]
    assert [(event["level"], event["pbx"], event["status"]) for event in events] == [
        ("info", "hq", "complete"),
        ("error", "leeds", "failed"),
    ]
    for event, result in zip(events, map(json.loads, ran.out.splitlines()), strict=True):
        assert event.items() >= result.items()
        assert event["time"].endswith("+00:00")
        assert event["message"].startswith(f"PBX '{event['pbx']}'")


def test_an_error_in_json_is_one_object(tmp_path: Path) -> None:
    ran = threecx("status", "--log-format", "json", folder=tmp_path)
    assert ran.code == 2
    assert json.loads(ran.err)["level"] == "error"


def test_under_systemd_an_error_begins_with_its_priority(tmp_path: Path) -> None:
    def said(stream: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code, stream],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ).stderr

    code = (
        "import os, sys; s = os.fstat(2); os.environ['JOURNAL_STREAM'] = sys.argv[1] or f'{s.st_dev}:{s.st_ino}'\n"
        "from dlt_threecx.cli import main; main(['status'])"
    )
    assert said("").startswith("<3>threecx: error: ")
    assert said("1:1").startswith("threecx: error: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_stderr_that_takes_nothing_ends_no_sync(tmp_path: Path) -> None:
    with Simulator(Fleet(devices=3)) as pbx, Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-c", "from dlt_threecx.cli import main; main()", "sync", "-v"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **settings_of(pbx)},
        )
    assert (ran.returncode, ran.stdout.split(",")[0]) == (0, "default: 3 devices")
