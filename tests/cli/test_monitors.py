"""`threecx status` for monitoring programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dlt_threecx.cli import cli
from dlt_threecx.cli.exit_codes import exit_code_of
from dlt_threecx.cli.monitors import nagios_line, prometheus_text
from tests.literal import empty_history, write_attempt, write_days

AT = datetime(2026, 11, 24, 2, 0, 0, 500_000, tzinfo=UTC)


def state(**values: Any) -> dict[str, Any]:
    return {
        "last_complete_at": AT,
        "last_attempt_at": AT,
        "last_status": "complete",
        "last_reason": None,
        "devices": 20,
        "changes_24h": 0,
        **values,
    }


def test_prometheus_gets_a_line_for_each_pbx_and_nothing_for_what_is_not_known() -> None:
    failed = state(last_complete_at=None, last_status="failed", last_reason='say "no"', devices=None)
    lines = prometheus_text({"hq": state(), "new": None, "leeds": failed}, AT).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'threecx_last_complete_timestamp_seconds{pbx="hq"} 1795485600.5',
        'threecx_last_attempt_timestamp_seconds{pbx="hq"} 1795485600.5',
        'threecx_last_attempt_timestamp_seconds{pbx="leeds"} 1795485600.5',
        'threecx_devices{pbx="hq"} 20',
        'threecx_changed_devices_24h{pbx="hq"} 0',
        'threecx_changed_devices_24h{pbx="leeds"} 0',
        'threecx_last_attempt_succeeded{pbx="hq"} 1',
        'threecx_last_attempt_succeeded{pbx="new"} 0',
        'threecx_last_attempt_succeeded{pbx="leeds"} 0',
        'threecx_last_attempt_info{pbx="hq",status="complete",reason=""} 1',
        'threecx_last_attempt_info{pbx="leeds",status="failed",reason="say \\"no\\""} 1',
    ]


def test_a_time_of_the_future_is_0_so_that_a_limit_on_its_age_fires() -> None:
    lines = prometheus_text({"hq": state()}, AT - timedelta(hours=1)).splitlines()
    assert 'threecx_last_complete_timestamp_seconds{pbx="hq"} 0' in lines
    lines = prometheus_text({"hq": state()}, AT - timedelta(minutes=1)).splitlines()
    assert 'threecx_last_complete_timestamp_seconds{pbx="hq"} 1795485600.5' in lines


def test_nagios_gets_one_line_with_numbers_after_the_bar() -> None:
    assert nagios_line({"hq": state()}, []) == "OK: 1 of 1 PBXs are fresh | fresh=1 pbxs=1 devices=20\n"
    assert nagios_line({"hq": state(), "new": None}, ["PBX 'new':\nnever | read"]) == (
        "CRITICAL: 1 of 2 PBXs are fresh; PBX 'new': never / read | fresh=1 pbxs=2 devices=20\n"
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with empty_history(str(tmp_path / "phones.duckdb")) as connection:
        write_days(connection, [(3, "hq", {7: {}}), (0.1, "leeds", {1: {}, 2: {}})])
        write_attempt(connection, 0.05, "hq", "failed", reason="unreachable", detail="no answer")
    return tmp_path


def test_the_textfile_of_the_node_exporter_is_replaced_as_a_whole(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / "threecx.prom"
    file.write_text("an older one")
    args = ["status", "--project", str(project), "--format", "prometheus"]
    assert exit_code_of(cli, [*args, "--output", str(file)]) == 0
    assert 'threecx_devices{pbx="leeds"} 2\n' in file.read_text(encoding="utf-8")
    assert [path.name for path in project.glob("*prom*")] == ["threecx.prom"]
    capsys.readouterr()
    assert exit_code_of(cli, args) == 0
    assert capsys.readouterr() == (file.read_text(encoding="utf-8"), "")


def test_nagios_gets_2_and_the_reason_for_a_pbx_that_is_too_old(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["status", "--project", str(project), "--format", "nagios"]
    assert exit_code_of(cli, [*args, "--max-age", "4d"]) == 0
    capsys.readouterr()
    assert exit_code_of(cli, args) == 2
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("CRITICAL: 1 of 2 PBXs are fresh; PBX 'hq': the last complete snapshot is 3 d old; ")
    assert "(unreachable)" in out
