"""Differences between two states, and what they are: pure, rows in and rows out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dlt_threecx.compare.column_differences import column_differences
from dlt_threecx.compare.differences import Difference, Known, Rules, classified, differences
from dlt_threecx.snapshot.snapshot import Seen
from dlt_threecx.tables import DEVICE_COLUMNS

HASHES = st.sampled_from("abc")
FLEETS = st.dictionaries(st.integers(-5, 30), HASHES, max_size=25)
HISTORIES = st.dictionaries(st.integers(-5, 30), st.tuples(HASHES, st.booleans()), max_size=25)
EMPTY: dict[str, Any] = {column.name: None for column in DEVICE_COLUMNS}


def compared(history: dict[int, tuple[str, bool]], fleet: dict[int, str]) -> list[Difference]:
    known = [Known(device, *history[device]) for device in sorted(history)]
    seen = [Seen(device, fleet[device], position) for position, device in enumerate(sorted(fleet))]
    return list(differences(known, seen))


@given(HISTORIES, FLEETS)
def test_differences_are_exactly_those_of_a_slow_comparison(
    history: dict[int, tuple[str, bool]], fleet: dict[int, str]
) -> None:
    expected = {}
    for device in history.keys() | fleet.keys():
        there = device in history and not history[device][1]
        if device in fleet and device not in history:
            expected[device] = "added"
        elif device in fleet and not there:
            expected[device] = "returned"
        elif device in fleet and history[device][0] != fleet[device]:
            expected[device] = "differs"
        elif device not in fleet and there:
            expected[device] = "gone"
    found = compared(history, fleet)
    assert expected == {difference.device_id: difference.kind for difference in found}
    assert sorted(expected) == [difference.device_id for difference in found]
    for difference in found:
        place = None if difference.kind == "gone" else sorted(fleet).index(difference.device_id)
        assert place == difference.position


@given(FLEETS, FLEETS)
def test_whole_columns_differ_as_streams_do(before: dict[int, str], fleet: dict[int, str]) -> None:
    def table(devices: dict[int, str]) -> pa.Table:
        ids = sorted(devices)
        columns = {
            "device_id": pa.array(ids, pa.int64()),
            "row_version": pa.array([devices[i] for i in ids], pa.string()),
        }
        return pa.table(columns)

    found, stood = column_differences(table(before), table(fleet))
    assert found == compared({device: (version, False) for device, version in before.items()}, fleet)
    places = {device: place for place, device in enumerate(sorted(before))}
    assert stood == {d.device_id: places[d.device_id] for d in found if d.kind in ("differs", "gone")}


@given(FLEETS)
def test_the_same_fleet_again_gives_nothing(fleet: dict[int, str]) -> None:
    assert compared({device: (version, False) for device, version in fleet.items()}, fleet) == []


@given(st.lists(FLEETS, max_size=8))
def test_replaying_the_differences_rebuilds_every_fleet(fleets: list[dict[int, str]]) -> None:
    history: dict[int, tuple[str, bool]] = {}
    for fleet in fleets:
        ids = sorted(fleet)
        for difference in compared(history, fleet):
            device = difference.device_id
            if difference.position is None:
                history[device] = (history[device][0], True)
            else:
                assert ids[difference.position] == device
                history[device] = (fleet[device], False)
        assert fleet == {device: version for device, (version, removed) in history.items() if not removed}


def test_a_tracked_field_makes_a_change_and_is_the_only_one_named() -> None:
    old = EMPTY | {"mac": "A", "ip_address": "1", "online": True}
    assert classified(old, old | {"ip_address": "2"}, Rules()) == ("changed", ["ip_address"])
    assert classified(old, old | {"ip_address": None}, Rules()) == ("changed", ["ip_address"])


def test_volatile_fields_alone_refresh() -> None:
    old = EMPTY | {"online": True, "ip_address": "1"}
    assert classified(old, old | {"online": False}, Rules()) == ("refreshed", ["online"])
    assert classified(old, old | {"ip_address": "2"}, Rules(volatile=("ip_address",))) == ("refreshed", ["ip_address"])
    both = old | {"online": False, "ip_address": "2"}
    assert classified(old, both, Rules()) == ("changed", ["ip_address", "online"])


def test_what_moved_in_the_api_is_no_change() -> None:
    old = EMPTY | {"firmware_available": "1.2", "ip_address": "1"}
    new = old | {"firmware_available": "true", "online": True}
    rules = Rules(frozenset({"Registrar.FirmwareAvailable", "Online"}))
    assert classified(old, new, rules) == ("rebaselined", [])
    assert classified(old, new | {"ip_address": "2"}, rules) == ("changed", ["ip_address"])
    assert classified(old, new, Rules(frozenset({"Online"}))) == ("changed", ["firmware_available"])


def test_another_key_makes_fingerprints_say_nothing() -> None:
    old = EMPTY | {"phone_web_password_fp": "00", "mac": "A"}
    new = old | {"phone_web_password_fp": "11"}
    assert classified(old, new, Rules()) == ("changed", ["phone_web_password_fp"])
    assert classified(old, new, Rules(key_changed=True)) == ("rebaselined", [])
    assert classified(old, new | {"mac": "B"}, Rules(key_changed=True)) == ("changed", ["mac"])


def test_a_flip_beside_something_that_moved_is_stored_again_and_not_only_refreshed() -> None:
    old = EMPTY | {"online": True, "phone_web_password_fp": "00", "firmware_available": "1.2"}
    flip = {"online": False}
    rotated = old | flip | {"phone_web_password_fp": "11"}
    assert classified(old, rotated, Rules(key_changed=True)) == ("rebaselined", ["online"])
    upgraded = old | flip | {"firmware_available": "true"}
    moved = Rules(frozenset({"Registrar.FirmwareAvailable"}))
    assert classified(old, upgraded, moved) == ("rebaselined", ["online"])
    assert classified(old, old | flip, Rules(format_changed=True)) == ("rebaselined", ["online"])
    assert classified(old, old | flip, moved) == ("refreshed", ["online"])


def test_unknown_properties_change_by_name() -> None:
    old = EMPTY | {"extra": '{"A":1,"B":{"x":[1,2]},"Gone":0}'}
    new = EMPTY | {"extra": '{"A":2,"B":{"x":[1,2]}}'}
    assert classified(old, new, Rules()) == ("changed", ["extra.A", "extra.Gone"])
    assert classified(old, new, Rules(frozenset({"A", "Gone"}))) == ("rebaselined", [])
    assert classified(EMPTY, EMPTY | {"extra": '{"New":1}'}, Rules(frozenset({"New"}))) == ("rebaselined", [])


def test_one_and_true_are_not_the_same() -> None:
    old = EMPTY | {"extra": '{"Deep":{"x":1}}'}
    assert classified(old, EMPTY | {"extra": '{"Deep":{"x":true}}'}, Rules()) == ("changed", ["extra.Deep"])
    assert classified(old, EMPTY | {"extra": '{"Deep":{"x":1.0}}'}, Rules()) == ("changed", ["extra.Deep"])
    assert classified(EMPTY | {"capabilities": 1}, EMPTY | {"capabilities": True}, Rules())[0] == "changed"


def test_nothing_that_means_the_same_is_a_change() -> None:
    old = EMPTY | {"rps_expires_at": datetime(2027, 3, 1, tzinfo=UTC)}
    new = EMPTY | {"rps_expires_at": datetime(2027, 3, 1, 2, tzinfo=timezone(timedelta(hours=2)))}
    assert classified(old, new, Rules()) == ("rebaselined", [])
