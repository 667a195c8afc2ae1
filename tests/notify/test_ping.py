"""Runs that a dead man's switch hears of."""

import logging
import signal

import pytest

from dlt_threecx.errors import DestinationError
from dlt_threecx.notify.ping import Ping
from dlt_threecx.source.errors import SettingsError
from tests.notify.hook import Hook
from tests.rig import Rig

SECRET = "pw-secret-of-the-switch"


def test_a_run_calls_start_and_then_its_exit_code_with_its_last_lines(synced: Rig, hook: Hook) -> None:
    url = f"http://{hook.host}/{SECRET}/hq?create=1"
    assert synced.sync(ping_url=url).exit_code == 0
    assert synced.sync(ping_url=url, filter="Id gt 3").exit_code == 6
    start, done, _, refused = hook.posts
    assert start == (f"/{SECRET}/hq/start?create=1", "")
    assert done == (f"/{SECRET}/hq/0?create=1", "default: complete, 130 devices")
    assert refused.path == f"/{SECRET}/hq/6?create=1"
    assert "--accept scope --because" in refused.body


def test_a_run_that_writes_nothing_calls_with_its_exit_code(synced: Rig, hook: Hook) -> None:
    synced.write("alter table threecx.snapshots drop column chain")
    with pytest.raises(DestinationError) as raised:
        synced.sync(ping_url=f"http://{hook.host}/x")
    assert hook.posts == [("/x/start", ""), ("/x/7", str(raised.value))]


def test_a_switch_that_is_not_there_changes_nothing_and_its_address_is_in_no_log(
    synced: Rig, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.is_dead = True
    with caplog.at_level(logging.DEBUG):
        assert synced.sync(ping_url=f"http://{hook.host}/{SECRET}").exit_code == 0
    said = [record.getMessage() for record in caplog.records if record.name.startswith("dlt_threecx.notify")]
    assert said == 2 * ["the address in ping_url was not reached (HTTP 500)"]
    assert SECRET not in caplog.text


def test_a_run_that_is_stopped_calls_with_the_code_of_its_signal(hook: Hook) -> None:
    class Terminated(KeyboardInterrupt):
        signal_code = signal.SIGTERM

    for stopped in (KeyboardInterrupt, Terminated):
        with pytest.raises(stopped), Ping(f"http://{hook.host}"):
            raise stopped
    assert [post.path for post in hook.posts] == ["/start", "/130", "/start", "/143"]


def test_a_ping_url_of_another_kind_is_refused_without_being_quoted() -> None:
    with pytest.raises(SettingsError) as raised:
        Ping(f"file:///{SECRET}")
    assert SECRET not in str(raised.value)
