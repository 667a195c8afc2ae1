"""The check of an old history: by sums, and as strict as if every row were looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from dlt_threecx.destinations.duckdb_file import DuckDbFile
from dlt_threecx.loading.history_check import Checked, check_history
from dlt_threecx.loading.previous_state import pbx_states
from tests.literal import empty_history, write_attempt

NOW = datetime.now(UTC)
DAYS = 10


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A history of two PBXs: `hq` is read each day, `leeds` was read ten days ago, and has failed since."""
    path = tmp_path / "phones.duckdb"
    first = f"{NOW - timedelta(days=DAYS, hours=1):%Y%m%dT%H%M%S}"
    with empty_history(str(path)) as connection:
        for day in range(DAYS, -1, -1):
            at = NOW - timedelta(days=day, hours=1)
            roots = f"root {day}", f"root {day + 1}"
            write_attempt(connection, at, "hq", "complete", {1: {}}, root=roots[0], previous_root=roots[1])
            if day == DAYS:
                write_attempt(connection, at, "leeds", "complete", {1: {}})
            else:
                write_attempt(connection, at, "leeds", "failed", previous_snapshot_id=first)
        connection.execute("update _dlt_loads set schema_name = 'threecx'")
        # dlt's ids begin with the time.
        for table, column in (("_dlt_loads", "load_id"), ("snapshots", "_dlt_load_id")):
            turned = f"split_part({column}, '-', 2) || '-' || split_part({column}, '-', 1)"
            connection.execute(f"update {table} set {column} = {turned}")
    return path


def check(db: Path, checked: Checked | None, *slice_rows: int) -> tuple[str | None, Checked | None]:
    destination = DuckDbFile(db, "threecx", wait_seconds=1)
    try:
        return check_history(destination, None, (), checked, *slice_rows)
    finally:
        destination.close()


def write(db: Path, *statements: str) -> None:
    with duckdb.connect(str(db)) as connection:
        for statement in statements:
            connection.execute(statement)


OLD, NEW = "min", "max"
DAMAGE = {
    "the ledger has no row of the load": (
        "delete from threecx.snapshots where snapshot_id = (select {0}(snapshot_id) from threecx.snapshots)"
        " and pbx = 'hq'"
    ),
    "has status 1": (
        "update threecx._dlt_loads set status = 1 where load_id = (select {0}(load_id) from threecx._dlt_loads)"
    ),
}


@pytest.mark.parametrize("which", [OLD, NEW])
@pytest.mark.parametrize("told", DAMAGE)
def test_damage_is_told_in_the_old_part_and_in_the_new(db: Path, told: str, which: str) -> None:
    why, checked = check(db, None)
    assert why is None
    assert checked is not None
    assert [part.rows for part in checked.slices] == [2 * (DAYS - 2)]
    assert check(db, checked) == (None, checked)
    write(db, DAMAGE[told].format(which))
    why, _ = check(db, checked)
    assert why is not None
    assert told in why


def test_a_load_that_was_lost_is_told_in_the_old_part(db: Path) -> None:
    _, checked = check(db, None)
    write(db, "delete from threecx._dlt_loads where load_id = (select min(load_id) from threecx._dlt_loads)")
    assert "has lost its load" in str(check(db, checked)[0])


def test_what_was_checked_grows_with_time_to_what_one_look_at_all_gives(db: Path) -> None:
    _, at_once = check(db, None)
    assert at_once is not None
    some = f"(select _dlt_load_id from kept where started_at < '{NOW - timedelta(days=5)}')"
    write(
        db,
        "create table kept as from threecx.snapshots",
        "create table loads as from threecx._dlt_loads",
        f"delete from threecx._dlt_loads where load_id not in {some}",
        f"delete from threecx.snapshots where _dlt_load_id not in {some}",
    )
    why, earlier = check(db, None)
    assert why is None
    assert earlier is not None
    assert earlier.slices[0].rows < at_once.slices[0].rows
    write(
        db,
        f"insert into threecx.snapshots from kept where _dlt_load_id not in {some}",
        f"insert into threecx._dlt_loads from loads where load_id not in {some}",
    )
    assert check(db, earlier) == (None, at_once)


def test_slices_grow_day_by_day(db: Path) -> None:
    _, checked = check(db, None, 5)
    assert checked is not None
    assert [part.rows for part in checked.slices] == [6, 6, 4]
    assert checked.until < NOW - timedelta(days=2)
    assert [part.until for part in checked.slices] == sorted({part.until for part in checked.slices})


def test_each_slice_has_its_turn(db: Path) -> None:
    _, checked = check(db, None, 5)
    turns = []
    for _ in range(4):
        assert checked is not None
        turns.append(checked.turn)
        _, checked = check(db, checked, 5)
    assert turns == [0, 1, 2, 0]
    assert checked is not None
    # Only the turn of the second slice tells what is lost there.
    first = checked.slices[0].until
    write(
        db,
        f"delete from threecx.snapshots where pbx = 'hq' and started_at >= '{first}'"
        f" and started_at < '{first + timedelta(days=1)}'",
    )
    why, _ = check(db, checked, 5)
    assert "the ledger has no row of the load" in str(why)
    for turn in (2, 0):
        assert check(db, replace(checked, turn=turn), 5)[0] is None


def test_the_last_complete_snapshot_is_found_however_long_ago_it_was(db: Path) -> None:
    destination = DuckDbFile(db, "threecx", wait_seconds=1)
    try:
        states = pbx_states(destination, ["hq", "leeds", "unknown"])
    finally:
        destination.close()
    last, complete = states["leeds"].last, states["leeds"].complete
    assert last is not None
    assert complete is not None
    assert (NOW - complete["started_at"]).days == DAYS
    assert (NOW - last["started_at"]).days == 0
    assert states["hq"].last_id == states["hq"].snapshot_id
    assert states["unknown"].last is None
