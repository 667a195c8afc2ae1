"""News that is sent to a real receiver: a web hook on this machine."""

from __future__ import annotations

import json
import logging
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dlt_threecx.cli import cli
from dlt_threecx.cli.exit_codes import exit_code_of
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.errors import DestinationError
from dlt_threecx.notify.announce import announce
from dlt_threecx.notify.receivers import apprise_receivers
from dlt_threecx.settings.config import RunConfig
from dlt_threecx.source.errors import SettingsError
from tests.literal import Devices, empty_history, write_attempt, write_days
from tests.notify.hook import Hook
from tests.rig import Rig, leaks

PASSWORD = "pw-secret-of-the-hook"


def address(hook: Hook) -> str:
    """The hook as an address of Apprise."""
    return f"json://robot:{PASSWORD}@{hook.host}/?cto=1&rto=5"


def messages(hook: Hook) -> list[dict[str, Any]]:
    """What came since the last question."""
    posts = [json.loads(post.body) for post in hook.posts]
    hook.posts.clear()
    return posts


def titles(hook: Hook) -> list[str]:
    """Titles of what came since the last question."""
    return [message["title"] for message in messages(hook)]


class Project:
    """A project with a history of literal attempts, whose news goes to the hook."""

    def __init__(self, folder: Path, hook: Hook) -> None:
        self.folder, self.location = folder, HistoryLocation(folder / "phones.duckdb", project=folder)
        self.run = RunConfig(notify=(address(hook),))
        self.minutes = 0
        self.announce()

    def attempt(self, status: str, **ledger: Any) -> list[str]:
        """Adds an attempt to the ledger, a minute after the last one, and sends the news about it."""
        self.minutes += 1
        devices: Devices | None = {} if status == "complete" else None
        with duckdb.connect(str(self.location.db)) as connection:
            connection.execute("use threecx")
            write_attempt(connection, 0.5 - self.minutes / 1440, "hq", status, devices, **ledger)
        return self.announce()

    def refused(self) -> list[str]:
        """A run that a guard refuses."""
        return self.attempt("refused", reason="shrink", detail="40 would go. Nothing was written to the history.")

    def announce(self) -> list[str]:
        """Names of the receivers that were not reached."""
        receivers = apprise_receivers(self.run.notify)
        opened = partial(open_history, self.location)
        return announce(receivers, opened, self.folder / "notify", self.folder, self.run)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a history with one snapshot."""
    file = tmp_path_factory.mktemp("begun") / "phones.duckdb"
    with empty_history(str(file)) as connection:
        write_days(connection, [(1, "hq", {7: {"dn_number": "101"}})])
    return file


@pytest.fixture
def project(begun: Path, tmp_path: Path, hook: Hook) -> Project:
    shutil.copy(begun, tmp_path)
    return Project(tmp_path, hook)


def test_many_refused_runs_a_recovery_a_quiet_day_and_a_dead_receiver(project: Project, hook: Hook) -> None:
    assert titles(hook) == []
    for _ in range(4):
        project.refused()
    (message,) = messages(hook)
    assert message["title"] == "threecx: hq refused"
    assert "--pbx hq --accept shrink --because" in message["message"]

    project.attempt("complete")
    assert titles(hook) == ["threecx: hq recovered"]

    project.attempt("complete")
    assert titles(hook) == []

    hook.is_dead = True
    assert project.refused() == ["address 1 (json)"]
    hook.is_dead = False
    assert project.refused() == []
    assert titles(hook) == ["threecx: hq refused"]
    project.refused()
    assert titles(hook) == []


def test_the_first_attempts_at_a_pbx_are_no_list_of_its_devices(project: Project, hook: Hook) -> None:
    with duckdb.connect(str(project.location.db)) as connection:
        connection.execute("use threecx")
        write_attempt(connection, 0.4, "branch", "complete", {1: {}, 2: {}})
    project.announce()
    (message,) = messages(hook)
    assert message["message"] == "branch: first reading, 2 devices"


def test_the_cursors_are_private(project: Project) -> None:
    assert (project.folder / "notify").stat().st_mode & 0o077 == 0
    assert [file.stat().st_mode & 0o077 for file in (project.folder / "notify").glob("*.json")] == [0]


def test_a_damaged_cursor_is_named(project: Project) -> None:
    (file,) = (project.folder / "notify").glob("*.json")
    file.write_text("[]")
    with pytest.raises(DestinationError, match=re.escape(file.name)):
        project.announce()


def test_a_sync_sends_its_changes_and_a_dead_receiver_does_not_change_how_it_ends(
    rig: Rig, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    rig.settings["notify"] = (address(hook),)
    rig.sync()
    rig.fleet.update(rig.fleet.ids()[0], {"DN": {"Name": "Zoë New"}})
    rig.sync()
    (message,) = messages(hook)
    assert "→ Zoë New" in message["message"]
    hook.is_dead = True
    with caplog.at_level(logging.DEBUG):
        assert rig.sync(filter="Id gt 3").exit_code == 6
    said = [record.getMessage() for record in caplog.records if record.name.startswith("dlt_threecx.notify")]
    assert said == ["address 1 (json) was not reached; its news waits for the next run. Try: threecx notify --test"]
    assert PASSWORD not in caplog.text
    assert leaks(rig, PASSWORD) == []


def test_an_address_that_means_nothing_is_named_by_its_place(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SettingsError) as raised:
        apprise_receivers(["json://127.0.0.1", f"nonsense://{PASSWORD}"])
    assert "setting notify, address 2 (nonsense): Apprise does not know such an address" in str(raised.value)
    assert PASSWORD not in str(raised.value) + caplog.text


def test_the_command_prints_news_without_an_address_and_says_nothing_when_there_is_none(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["notify", "--project", str(project.folder), "--db", str(project.location.db)]
    assert exit_code_of(cli, args) == 0
    assert capsys.readouterr() == ("", "")
    project.refused()
    assert exit_code_of(cli, [*args, "--dry-run"]) == 0
    first = capsys.readouterr()
    assert first.out.startswith("threecx: hq refused\n\nhq: refused (shrink) since ")
    assert exit_code_of(cli, args) == 0
    assert capsys.readouterr() == first
    assert exit_code_of(cli, args) == 0
    assert capsys.readouterr() == ("", "")


def test_the_command_sends_a_message_for_each_pbx_and_tests_the_addresses(
    project: Project, hook: Hook, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__THREECX__NOTIFY", address(hook))
    args = ["notify", "--project", str(project.folder), "--db", str(project.location.db), "--each"]
    assert exit_code_of(cli, [*args, "--test"]) == 0
    assert titles(hook) == ["threecx: test"]
    exit_code_of(cli, args)
    hook.is_dead = True
    project.refused()
    assert exit_code_of(cli, args) == 4
    assert capsys.readouterr() == ("", "threecx: error: address 1 (json) was not reached\n")
    hook.is_dead = False
    assert exit_code_of(cli, args) == 0
    assert titles(hook) == ["threecx: hq refused"]


def test_a_pbx_that_nobody_knows_is_exit_2(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["notify", "--project", str(project.folder), "--db", str(project.location.db)]
    assert exit_code_of(cli, [*args, "--pbx", "typo"]) == 2
    assert exit_code_of(cli, [*args, "--pbx", "h*"]) == 0
