"""The ledger: times that only go forwards, and a chain that holds."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlt_threecx.integrity.ledger import (
    GENESIS,
    LedgerRow,
    chained,
    key_id,
    ledger_text,
    new_snapshot_id,
    not_before,
    version_part,
)
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
    assert len({chained(None, values, seal) for seal in (0, 256, 2**127)}) == 3


def test_the_chain_is_what_the_contract_says_for_ever() -> None:
    text = (
        '{"base_url":"https://a","pbx":"hq","snapshot_id":"s1",'
        '"started_at":"2026-11-03T07:00:00.000000+00:00","status":"complete"}'
    )
    assert ledger_text(ROW.values()).decode() == text
    assert chained(None, ROW.values()) == hashlib.sha256(("0" * 64 + "0" * 32 + text).encode()).hexdigest()
    assert GENESIS == "0" * 64


def test_what_a_version_adds_to_the_seal_is_what_the_contract_says_for_ever() -> None:
    expected = hashlib.sha256(b'7:changed:aa:bb:["mac"]').hexdigest()[:32]
    assert version_part(7, "changed", "aa", "bb", '["mac"]') == int(expected, 16)


def test_a_row_counts_each_kind_of_version_and_those_without_any_as_zero() -> None:
    row = ROW.with_counts({"added": 3, "returned": 1})
    counts = (row.added, row.changed, row.removed, row.returned, row.refreshed, row.rebaselined)
    assert counts == (3, 0, 0, 1, 0, 0)


def test_a_fingerprint_key_is_named_by_8_hex_digits_that_are_always_the_same() -> None:
    assert key_id("not a secret") == "7da9e45d"
    assert (key_id(None), key_id("")) == (None, None)


def test_a_snapshot_id_is_its_time_in_utc_with_six_random_digits() -> None:
    found = new_snapshot_id(datetime(2026, 11, 3, 9, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2))))
    assert re.fullmatch(r"20261103T070000\.123456Z-[0-9a-f]{6}", found)


def test_a_time_that_does_not_go_on_comes_one_microsecond_after_the_last() -> None:
    assert not_before(AT, AT) == AT + timedelta(microseconds=1)


def test_a_snapshot_id_comes_after_the_last_one_even_when_the_clock_was_set_back() -> None:
    at = datetime(2026, 11, 3, 7, tzinfo=UTC)
    last = "20261103T080000.000009Z-3f9a1c"
    assert new_snapshot_id(at, last).startswith("20261103T080000.000010Z-")
    assert new_snapshot_id(at, "edited-3f9a1c").startswith("20261103T070000.000000Z-")


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


def test_a_clock_set_back_is_told_and_times_go_on(synced: Rig) -> None:
    for offset, fault in ((timedelta(minutes=-40), None), (timedelta(minutes=-40), "html"), (timedelta(0), None)):
        synced.simulator.fault = fault
        synced.fleet.update(synced.fleet.ids()[0], {"DN": {"Number": f"{offset.seconds}{fault}"}})
        (result,) = sync_pbxs(synced.config(), db=synced.db, dataset="threecx", clock_offset=offset)
        told = "The clock was set back: it said 20" in (synced.ledger()[-1]["detail"] or "")
        assert told is bool(offset)
        assert result.exit_code == (5 if fault else 0)
    times = [at for row in synced.ledger() for at in (row["started_at"], row["taken_at"]) if at]
    assert times == sorted(set(times))
    assert [row["snapshot_id"] for row in synced.ledger()] == sorted(row["snapshot_id"] for row in synced.ledger())
    assert synced.devices()[synced.fleet.ids()[0]]["dn_number"] == "0None"
    assert_sound(synced)


def test_a_ledger_row_comes_back_as_it_was_written(rig: Rig) -> None:
    for _ in range(2):
        result = rig.sync()
        assert rig.ledger()[-1] == result.row.values()
