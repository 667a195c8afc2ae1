"""The ledger: times that only go forwards, and a chain that holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlt_threecx.integrity.ledger import GENESIS, LedgerRow, chained, new_snapshot_id, not_before
from dlt_threecx.run import sync_pbxs
from dlt_threecx.tables import LEDGER
from tests.rig import Rig, assert_sound

AT = datetime(2026, 11, 3, 7, tzinfo=UTC)
ROW = LedgerRow(pbx="hq", snapshot_id="s1", base_url="https://a", status="complete", started_at=AT)
OTHER: dict[str, Any] = {"text": "other", "bigint": 7, "double": 0.5, "timestamp": AT + timedelta(microseconds=1)}


def test_a_row_has_every_column_of_the_ledger_in_its_order() -> None:
    assert {column.name for column in LEDGER} == set(ROW.values())


@pytest.mark.parametrize("column", [column for column in LEDGER if column.name != "chain"], ids=lambda c: c.name)
def test_the_chain_depends_on_every_column(column: Any) -> None:
    values = ROW.values()
    assert chained(None, values) != chained(None, values | {column.name: OTHER[column.type]})


def test_the_chain_depends_on_what_came_before_and_on_the_versions() -> None:
    values = ROW.values()
    assert chained(None, values) == chained(GENESIS, values)
    assert len({chained(None, values), chained("1" * 64, values), chained(None, values, 1)}) == 3
    assert chained(None, values, 5) == chained(None, values, 5 + 2**128)


@given(st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)), min_size=2))  # noqa: DTZ001 - hypothesis wants bounds without a zone
def test_snapshot_ids_sort_as_the_corrected_times_do(clock: list[datetime]) -> None:
    last: datetime | None = None
    ids = []
    for at in clock:
        corrected = not_before(at, last)
        assert last is None or corrected > last
        assert corrected >= at
        last = corrected
        ids.append(new_snapshot_id(corrected))
    assert ids == sorted(ids)


def test_a_clock_set_back_is_told_and_times_go_on(rig: Rig) -> None:
    rig.sync()
    for offset, fault in ((timedelta(minutes=-40), None), (timedelta(minutes=-40), "html"), (timedelta(0), None)):
        rig.simulator.fault = fault
        rig.fleet.update(rig.fleet.ids()[0], {"DN": {"Number": f"{offset.seconds}{fault}"}})
        (result,) = sync_pbxs(rig.config(), db=rig.db, dataset="threecx", clock_offset=offset)
        told = "The clock was set back: it said 20" in (rig.ledger()[-1]["detail"] or "")
        assert told is bool(offset)
        assert result.exit_code == (5 if fault else 0)
    times = [at for row in rig.ledger() for at in (row["started_at"], row["taken_at"]) if at]
    assert times == sorted(set(times))
    assert [row["snapshot_id"] for row in rig.ledger()] == sorted(row["snapshot_id"] for row in rig.ledger())
    assert rig.devices()[rig.fleet.ids()[0]]["dn_number"] == "0None"
    assert_sound(rig)


def test_a_ledger_row_comes_back_as_it_was_written(rig: Rig) -> None:
    for _ in range(2):
        result = rig.sync()
        assert rig.ledger()[-1] == result.row.values()
