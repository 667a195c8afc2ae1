"""The guard `clock`: a wrong clock writes no time that the history would keep for years."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dlt_threecx.compare.guards import clock_objections
from dlt_threecx.run import sync_pbxs
from dlt_threecx.simulator import Fleet, Simulator
from tests.commands import threecx
from tests.rig import FirstSyncs, Rig, assert_sound, config_of, counts, rigs
from tests.source.scripted import Scripted, json_reply, with_token

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
def right(tmp_path: Path, first_syncs: FirstSyncs) -> Iterator[Rig]:
    """A PBX that was read once, when all clocks were right."""
    yield from first_syncs.rigs(tmp_path / "right", devices=12, seed=3)


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
    assert threecx("status", "--max-age", "1h", *where, folder=right.project).code == 0
    right.sync_all(clock_offset=TEN_YEARS)
    ran = threecx("status", "--max-age", "1h", *where, folder=right.project)
    assert ran.code == 5
    assert "the last complete snapshot is of the future" in ran.err


def test_a_pbx_whose_clock_is_ahead_dates_nothing_in_the_future(tmp_path: Path) -> None:
    for rig in rigs(tmp_path / "ahead", Fleet(devices=2), clock_ahead_seconds=TEN_YEARS.total_seconds()):
        result = rig.sync()
        assert (result.exit_code, result.row.reason) == (6, "clock")
        assert abs(result.row.started_at - datetime.now(UTC)) < HOUR
        rig.simulator.clock_ahead_seconds = 0
        assert rig.sync().exit_code == 0
        assert_sound(rig)


def test_a_pbx_whose_clock_was_never_set_dates_nothing_before_the_first_release(tmp_path: Path) -> None:
    for rig in rigs(tmp_path / "unset", Fleet(devices=2), clock_ahead_seconds=-datetime.now(UTC).timestamp()):
        result = rig.sync()
        assert (result.exit_code, result.row.reason) == (6, "clock")
        assert abs(result.row.started_at - datetime.now(UTC)) < HOUR


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 -1200", "Mon, 01 Jan 0001 00:00:00 GMT"])
def test_a_date_at_the_end_of_the_calendar_ends_no_run(tmp_path: Path, date: str) -> None:
    page = {"@odata.count": 0, "value": []}
    with Scripted(with_token(lambda _: json_reply(page, Date=date))) as odd, Simulator(Fleet(devices=2)) as honest:
        config = config_of(tmp_path, {"odd": odd.base_url, "honest": honest.base_url})
        results = sync_pbxs(config, db=tmp_path / "phones.duckdb", dataset="threecx")
    assert [result.row.pbx for result in results if result.row.status == "complete"][-1:] == ["honest"]
    assert all(abs(result.row.started_at - datetime.now(UTC)) < HOUR for result in results)


def test_an_attempt_without_an_answer_is_dated_by_the_other_pbxs_of_the_run(tmp_path: Path) -> None:
    """This machine's clock is ten years ahead, and one PBX is dead."""
    with Simulator(Fleet(devices=2), clock_ahead_seconds=-TEN_YEARS.total_seconds()) as simulator:
        config = config_of(tmp_path, {"alive": simulator.base_url, "dead": "http://127.0.0.1:9"})
        db = tmp_path / "phones.duckdb"
        alive, dead = sync_pbxs(config, db=db, dataset="threecx", clock_offset=TEN_YEARS)
    assert (alive.row.reason, dead.row.reason) == ("clock", "unreachable")
    assert all(abs(result.row.started_at - datetime.now(UTC)) < HOUR for result in (alive, dead))


def test_a_failed_attempt_of_the_future_holds_up_nothing_once_both_clocks_agree(right: Rig) -> None:
    where = ("--db", str(right.db), "--project", str(right.project))
    port = int(right.simulator.base_url.rpartition(":")[2])
    right.simulator.stop()
    (dead,) = right.sync_all(clock_offset=TEN_YEARS)
    assert dead.row.started_at > datetime.now(UTC) + TEN_YEARS / 2
    ran = threecx("status", "--max-age", "0s", *where, folder=right.project)
    assert ran.code == 5
    assert "the last attempt failed in 36" in ran.err

    right.fleet.remove(right.fleet.ids()[0])
    with Simulator(right.fleet, port=port):
        alive = right.sync()
        assert (alive.exit_code, alive.row.accepted, counts(alive)) == (0, None, {"removed": 1})
        assert alive.row.snapshot_id > dead.row.snapshot_id
        assert abs((alive.row.taken_at or alive.row.started_at) - datetime.now(UTC)) < HOUR
        assert "its clock was wrong" in (alive.row.detail or "")
        assert threecx("status", "--max-age", "1h", *where, folder=right.project).code == 0
        assert (right.sync().row.detail, len(right.ledger())) == (None, 4)
    for question in (["verify"], ["verify", "--at", "0h"], ["evidence", "--at", "0h", "--output", "all.zip"]):
        ran = threecx(*question, *where, folder=right.project)
        assert (ran.code, "4 attempts" in ran.out + ran.err or question[0] == "evidence") == (0, True)
    assert [row["devices"] for row in right.rows("select count(*) as devices from phones.threecx.devices")] == [11]


def test_a_run_of_the_future_does_not_hide_the_runs_after_it(tmp_path: Path) -> None:
    """Each run is bound to the one just before it, so that none can be cut off."""
    with Simulator({"alive": Fleet(devices=2)}) as simulator:

        def run(name: str, url: str, offset: timedelta = timedelta()) -> str | None:
            config = config_of(tmp_path, {name: url})
            (result,) = sync_pbxs(config, db=tmp_path / "phones.duckdb", dataset="threecx", clock_offset=offset)
            before.append(result.row.previous_root)
            return result.row.root

        before: list[str | None] = []
        roots = [run("dead", "http://127.0.0.1:9", TEN_YEARS)]
        roots += [run("alive", simulator.base_urls["alive"]) for _ in range(3)]
    assert before == [None, *roots[:-1]]
