"""A phone that goes on under another Id, or on another PBX."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dlt_threecx.queries.device_lookup import DeviceKey
from dlt_threecx.queries.device_story import Elsewhere, elsewhere, macs_of
from tests.commands import threecx
from tests.literal import days_ago, empty_history, write_days

MAC, OTHER = "805EC0000001", "805EC0000002"


def _interval(pbx: str, device_id: int, since: float, until: float | None, mac: str = MAC) -> dict[str, Any]:
    times = {"valid_from": days_ago(since), "valid_to": days_ago(until) if until else None}
    return {"pbx": pbx, "device_id": device_id, "mac": mac, "dn_number": "101", "dn_name": "Zoë", **times}


def _place(pbx: str, device_id: int, since: float, until: float | None) -> Elsewhere:
    end: datetime | None = days_ago(until) if until else None
    return Elsewhere(DeviceKey(pbx, device_id), MAC, "101", "Zoë", days_ago(since), end)


def test_intervals_of_another_device_are_one_place() -> None:
    intervals = [_interval("hq", 1, 9, 7), _interval("hq", 2, 7, 6), _interval("hq", 2, 6, None)]
    assert elsewhere(DeviceKey("hq", 1), {MAC}, intervals) == [_place("hq", 2, 7, None)]
    assert elsewhere(DeviceKey("hq", 2), {MAC}, intervals) == [_place("hq", 1, 9, 7)]


def test_the_same_id_on_another_pbx_is_elsewhere() -> None:
    intervals = [_interval("hq", 1, 9, 7), _interval("leeds", 1, 5, None)]
    assert elsewhere(DeviceKey("hq", 1), {MAC}, intervals) == [_place("leeds", 1, 5, None)]


def test_a_device_that_had_another_phone_then_is_not_it() -> None:
    assert elsewhere(DeviceKey("hq", 1), {MAC}, [_interval("hq", 2, 9, 7, mac=OTHER)]) == []


@pytest.mark.parametrize("mac", [None, "", "no mac", "000000000000", "FFFFFFFFFFFF"])
def test_an_address_that_many_may_have_is_nobodys(mac: str | None) -> None:
    assert macs_of([{"mac": mac}, {"mac": MAC}]) == {MAC}


# the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("same")
    phone = {"mac": MAC, "dn_number": "101"}
    with empty_history(str(folder / "phones.duckdb")) as connection:
        days = [
            (9.0, "hq", {1: phone, 3: {"mac": OTHER}}),
            (7.0, "hq", {2: {**phone, "dn_number": "102"}, 3: {"mac": OTHER}}),
        ]
        write_days(connection, [*days, (5.0, "hq", {3: {"mac": OTHER}}), (4.0, "leeds", {7: phone})])
    return folder


def test_a_story_names_where_the_phone_went(folder: Path) -> None:
    times = [f"{days_ago(ago):%Y-%m-%d %H:%M}" for ago in (7, 5, 4)]
    lines = threecx("history", "1", "--pbx", "hq", folder=folder).out.splitlines()
    assert [line.split()[2] for line in lines[1:3]] == ["added", "removed"]
    assert lines[3:] == [
        f"  same phone: hq device 2 · 102 ({MAC}), from {times[0]} to {times[1]}",
        f"  same phone: leeds device 7 · 101 ({MAC}), from {times[2]} on",
    ]


def test_every_story_of_a_mac_names_the_others(folder: Path) -> None:
    stories = threecx("history", MAC, folder=folder).out.split("\n\n")
    assert [story.split(" · ")[0] for story in stories] == ["hq device 1", "hq device 2", "leeds device 7"]
    assert [story.count("same phone: ") for story in stories] == [2, 2, 2]


def test_a_phone_that_stayed_has_no_other_place(folder: Path) -> None:
    assert "same phone" not in threecx("history", "3", folder=folder).out
