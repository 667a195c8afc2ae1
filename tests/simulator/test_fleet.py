"""A fleet is the same for the same seed, takes edits, and lives through days as a real one does."""

from collections.abc import Callable
from typing import Any

import pytest

from dlt_threecx.simulator import SHAPES, Day, Fleet, Simulator
from tests.simulator.client import Client


@pytest.mark.parametrize("shape", SHAPES)
def test_a_seed_gives_one_fleet_in_any_shape_through_all_its_days(shape: str) -> None:
    one, same, other = Fleet(300, seed=5), Fleet(300, seed=5, shape=shape), Fleet(300, seed=6)
    days = [(one.next_day(), same.next_day()) for _ in range(12)]
    assert all(first == second for first, second in days)
    assert one.rows() == same.rows()
    assert one.rows() != other.rows()


def test_ids_have_gaps_and_extensions_fit_the_size() -> None:
    fleet = Fleet(1000)
    assert fleet.ids()[-1] - fleet.ids()[0] > 1000
    assert {len(row["DN"]["Number"]) for row in fleet.rows() if row["DN"]} == {4}
    assert {len(row["DN"]["Number"]) for row in Fleet(500).rows() if row["DN"]} == {3}


def test_some_extensions_have_two_phones() -> None:
    numbers = [row["DN"]["Number"] for row in Fleet(500).rows() if row["DN"]]
    assert 5 < len(numbers) - len(set(numbers)) < 50


@pytest.mark.parametrize("devices", [0, 1, 2, 7])
def test_a_fleet_may_be_tiny(devices: int) -> None:
    fleet = Fleet(devices)
    for _ in range(20):
        fleet.next_day()
    assert len(fleet) == len(set(fleet.ids()))


def test_an_update_changes_what_it_names_and_nothing_else(fleet: Fleet, client: Client) -> None:
    chosen = fleet.ids()[3]
    before = fleet.served()[3]
    client.rows(expand="DN")
    fleet.update(chosen, {"PhoneWebPassword": None, "Registrar": {"FirmwareVersion": "1.2.3"}, "DN": {"Name": "Zoë"}})
    expected = before | {
        "Registrar": before["Registrar"] | {"FirmwareVersion": "1.2.3"},
        "DN": before["DN"] | {"Name": "Zoë"},
    }
    del expected["PhoneWebPassword"]
    assert client.rows(expand="DN")[3] == expected


def test_rows_that_were_handed_out_stay_as_they_were(fleet: Fleet) -> None:
    chosen = fleet.ids()[3]
    row = fleet.find(chosen)
    firmware = row["Registrar"]["FirmwareVersion"]
    fleet.update(chosen, {"Registrar": {"FirmwareVersion": "1.2.3"}})
    assert row["Registrar"]["FirmwareVersion"] == firmware
    assert fleet.find(chosen)["Registrar"]["FirmwareVersion"] == "1.2.3"


def test_a_registrar_can_go_and_come(fleet: Fleet) -> None:
    chosen = fleet.ids()[3]
    assert fleet.update(chosen, {"Registrar": None, "DN": None})["Registrar"] is None
    row = fleet.update(chosen, {"Registrar": {"MAC": "805EC0000001"}, "DN": {"Id": 1, "Number": "999"}})
    assert row["Registrar"]["MAC"] == "805EC0000001"
    assert fleet.served()[3]["Registrar"] == {"MAC": "805EC0000001"}
    assert fleet.served()[3]["DN"] == {"Id": 1, "Number": "999"}


def test_devices_are_added_removed_and_restored(fleet: Fleet, client: Client) -> None:
    last = fleet.ids()[-1]
    assert fleet.add()["Id"] == last + 1
    assert fleet.add({"Registrar": {"Model": "T99"}}, device_id=3)["Registrar"]["Model"] == "T99"
    assert fleet.ids()[0] == 3
    removed = fleet.remove(last)
    assert last not in fleet
    assert client.devices(filter=f"Id eq {last}", count="true")[1]["@odata.count"] == 0
    assert fleet.restore(last) == removed == fleet.find(last)
    assert client.ids(orderby="Id desc", top=2) == [last + 1, last]


def test_impossible_edits_are_refused(fleet: Fleet) -> None:
    there = fleet.ids()[0]
    with pytest.raises(ValueError, match=f"there is a device {there} already"):
        fleet.add(device_id=there)
    for edit in (fleet.find, fleet.remove, fleet.restore, lambda gone: fleet.update(gone, {})):
        with pytest.raises(KeyError):
            edit(999_999)


def test_items_may_be_edited_in_place_at_any_time(fleet: Fleet, client: Client) -> None:
    client.rows(expand="DN")
    items = fleet.items
    items[0]["Registrar"]["Model"] = "first"
    assert client.rows()[0]["Registrar"]["Model"] == "first"
    items[0]["Registrar"]["Model"] = "second"
    assert client.rows()[0]["Registrar"]["Model"] == "second"
    assert len(client.ids(filter="Registrar/Model eq 'second'")) == 1
    del items[0]
    assert client.ids(top=1) == [items[0]["Id"]]
    assert client.ids(filter="Registrar/Model eq 'second'") == []


# days


def days_of(fleet: Fleet, number: int) -> list[tuple[Day, dict[int, Any], dict[int, Any]]]:
    """Each day with the rows by Id before and after it."""
    out = []
    for _ in range(number):
        before = {row["Id"]: row for row in fleet.rows()}
        day = fleet.next_day()
        out.append((day, before, {row["Id"]: row for row in fleet.rows()}))
    return out


def test_phones_come_go_and_come_back_under_the_same_id() -> None:
    gone: dict[int, Any] = {}
    returned = 0
    for day, before, after in days_of(Fleet(600), 30):
        assert set(day.removed) == before.keys() - after.keys()
        assert {*day.added, *day.returned} == after.keys() - before.keys()
        assert all(after[one] == gone[one] for one in day.returned)
        assert not gone.keys() & set(day.added)
        gone |= {one: before[one] for one in day.removed}
        returned += len(day.returned)
    assert returned > 10


def test_no_day_takes_more_than_a_percent_away() -> None:
    for day, before, after in days_of(Fleet(600), 30):
        assert len(day.removed) <= 0.01 * len(before)
        assert abs(len(after) - len(before)) < 0.01 * len(before)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "upgraded": lambda row: (row["Registrar"]["FirmwareVersion"], row["Registrar"]["UserAgent"]),
    "outdated": lambda row: row["Registrar"]["FirmwareAvailable"],
    "readdressed": lambda row: (row["Registrar"]["IpAddress"], row["Registrar"]["InterfaceLink"]),
    "moved": lambda row: row["DN"]["Number"],
    "rotated": lambda row: row["PhoneWebPassword"],
    "flipped": lambda row: row["Online"],
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_day_changes_what_it_says(what: str) -> None:
    happened = 0
    for day, before, after in days_of(Fleet(600, seed=3), 40):
        for device_id in getattr(day, what):
            if before[device_id].get("DN") or what != "moved":
                assert CHANGES[what](before[device_id]) != CHANGES[what](after[device_id])
            happened += 1
    assert happened > 20


def test_renaming_changes_the_name_only() -> None:
    happened = 0
    for day, before, after in days_of(Fleet(600), 20):
        for device_id in set(day.renamed) - set(day.moved):
            old, new = before[device_id]["DN"], after[device_id]["DN"]
            assert old["Name"] != new["Name"]
            assert old == new | {"Name": old["Name"]}
            happened += 1
    assert happened > 10


def test_what_a_day_does_not_name_it_does_not_touch() -> None:
    for day, before, after in days_of(Fleet(600), 20):
        named = {one for what in CHANGES for one in getattr(day, what)} | set(day.renamed)
        assert all(after[one] is before[one] for one in before.keys() & after.keys() - named)


def test_a_roll_out_upgrades_some_phones_of_one_model() -> None:
    roll_outs = 0
    for day, _, after in days_of(Fleet(600), 40):
        if day.upgraded:
            roll_outs += 1
            phones = [after[one]["Registrar"] for one in day.upgraded]
            assert len({(phone["Model"], phone["FirmwareVersion"]) for phone in phones}) == 1
            assert all(phone["FirmwareVersion"] in phone["UserAgent"] for phone in phones)
            assert all(phone["FirmwareAvailable"] is None for phone in phones)
    assert roll_outs > 8


def test_only_later_releases_show_who_is_on_line() -> None:
    fleet = Fleet(200)
    before = fleet.served()
    online = next(row["Id"] for row in fleet.rows() if row["Online"])
    fleet.update(online, {"Online": False})
    assert fleet.served() == before
    fleet.shape = "later"
    assert [row["Online"] for row in fleet.served() if row["Id"] == online] == [False]


def test_a_hundred_thousand_devices_are_served_page_by_page() -> None:
    fleet = Fleet(100_000)
    with Simulator(fleet) as simulator:
        client = Client(simulator).authorize()
        status, page = client.devices(orderby="Id", count="true", expand="DN", top=100, skip=99_950)
    assert (status, page["@odata.count"], len(page["value"])) == (200, 100_000, 50)
    assert page["value"] == fleet.served()[99_950:]
