"""The guard `clock`: a wrong clock writes no time that the history would keep for years."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dlt_threecx.compare.guards import clock_objections
from dlt_threecx.simulator import Fleet
from tests.commands import threecx
from tests.rig import Rig, assert_sound, counts, rigs

HOUR = timedelta(hours=1)
TEN_YEARS = timedelta(days=3652)


def objecting(skew: timedelta | None = None, behind: timedelta | None = None) -> list[str]:
    return [objection.why for objection in clock_objections(skew, behind, HOUR)]


def test_a_clock_within_the_limit_is_no_objection() -> None:
    assert objecting() == []
    for skew in (HOUR, -HOUR, timedelta()):
        assert objecting(skew, HOUR) == []
    assert objecting(None, -TEN_YEARS) == []


def test_a_clock_beyond_the_limit_is_named_with_its_direction() -> None:
    assert objecting(HOUR * 2) == ["the clock of this machine is 120 min behind that of the PBX"]
    assert objecting(-HOUR * 2, HOUR * 3) == ["the clock of this machine is 120 min ahead of that of the PBX"]
    assert objecting(HOUR, HOUR * 2) == ["the clock of this machine is 120 min before the last attempt"]


@pytest.fixture
def wrong(tmp_path: Path) -> Iterator[Rig]:
    """A PBX whose clock is ten years behind this machine's."""
    yield from rigs(tmp_path / "wrong", Fleet(devices=12, seed=3), clock_ahead_seconds=-TEN_YEARS.total_seconds())


@pytest.fixture
def right(tmp_path: Path) -> Iterator[Rig]:
    yield from rigs(tmp_path / "right", Fleet(devices=12, seed=3))


def test_a_first_reading_with_a_clock_ten_years_ahead_is_refused_and_dated_by_the_pbx(wrong: Rig) -> None:
    (result,) = wrong.sync_all(clock_offset=TEN_YEARS)
    assert (result.exit_code, result.row.status, result.row.reason) == (6, "refused", "clock")
    assert "min ahead of that of the PBX" in (result.row.detail or "")
    assert abs(result.row.started_at - datetime.now(UTC)) < HOUR
    assert wrong.versions() == []
    assert_sound(wrong)


def test_a_failed_attempt_with_a_clock_ten_years_ahead_is_dated_by_the_pbx(wrong: Rig) -> None:
    wrong.simulator.set_fault("html")
    (result,) = wrong.sync_all(clock_offset=TEN_YEARS)
    assert result.row.status == "failed"
    assert abs(result.row.started_at - datetime.now(UTC)) < HOUR


def test_the_limit_is_a_setting_and_the_guard_can_be_accepted(wrong: Rig) -> None:
    assert wrong.sync(max_clock_skew_minutes=10**7).exit_code == 0
    result = wrong.sync(["clock"], "the clock of the PBX is wrong")
    assert (result.exit_code, result.row.accepted) == (0, "clock")
    assert abs(result.row.started_at - datetime.now(UTC)) < HOUR


def test_a_small_step_back_is_bridged_and_a_large_one_refused_until_accepted(right: Rig) -> None:
    right.sync()
    (small,) = right.sync_all(clock_offset=-HOUR / 2)
    assert (small.exit_code, "The clock was set back" in (small.row.detail or "")) == (0, True)
    right.fleet.remove(right.fleet.ids()[0])
    (large,) = right.sync_all(clock_offset=-3 * HOUR)
    assert (large.exit_code, large.row.reason) == (6, "clock")
    assert "before the last attempt" in str(large.error)
    (accepted,) = right.sync_all(["clock"], "it is right now", clock_offset=-3 * HOUR)
    assert (accepted.row.accepted, counts(accepted)) == ("clock", {"removed": 1})
    assert_sound(right)


def test_a_history_of_the_future_is_never_fresh(right: Rig) -> None:
    where = ("--db", str(right.db), "--project", str(right.project))
    right.sync()
    assert threecx("status", "--max-age", "1h", *where, folder=right.project).code == 0
    right.sync_all(clock_offset=TEN_YEARS)
    ran = threecx("status", "--max-age", "1h", *where, folder=right.project)
    assert ran.code == 5
    assert "the last complete snapshot is of the future" in ran.err
