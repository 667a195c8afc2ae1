"""The views over small literal histories: the rows that went in, and the rows that each view must give."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlt_threecx.tables import DEVICE_COLUMNS, category
from dlt_threecx.views.views import MACROS, VIEWS
from tests.literal import NOW, Devices, When, days_ago, empty_history, write_attempt, write_days

Past = duckdb.DuckDBPyConnection
Phone = dict[str, Any]

DEVICE = tuple(column.name for column in DEVICE_COLUMNS)

ASKED = (*VIEWS, *(f"{macro}(timestamptz '2030-01-01')" for macro in MACROS))

RPS = datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)


def _day(number: int, hour: int = 6) -> datetime:
    return datetime(2026, 11, number, hour, tzinfo=UTC)


DAYS: list[tuple[datetime, str, Devices]] = [
    (_day(1), "hq", {1: {"model": "T46U", "ip_address": "10.0.0.1"}, 2: {"model": "X4U"}, 3: {"model": "D785"}}),
    (_day(2), "hq", {1: {"model": "T46U", "ip_address": "10.0.0.2"}, 2: {"model": "X4U", "online": True}}),
    (_day(3), "hq", {1: {"model": "T46U", "ip_address": "10.0.0.2", "online": False}, 2: {"model": "X4U"}}),
    (_day(4), "hq", {1: {"model": "T46U", "ip_address": "10.0.0.2", "is_router": False}, 3: {"model": "D735"}}),
    (_day(6), "hq", {1: {"model": "T46U", "ip_address": "10.0.0.1", "is_router": False}, 3: {"model": "D735"}}),
    (_day(3), "leeds", {1: {"model": "GXP", "extra": '{"Room":"12"}'}}),
    (_day(5), "leeds", {1: {"model": "GXP", "extra": '{"Room":"14"}'}}),
]
"""1 moves twice and is rebaselined on the 4th; 2 goes on and off line, then away; 3 goes and comes back."""

REBASELINED = (_day(4),)


@pytest.fixture(scope="module")
def connection() -> Iterator[Past]:
    with empty_history() as connection:
        yield connection


@pytest.fixture
def past(connection: Past) -> Past:
    write_days(connection, [])
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _shown(past: Past, view: str, *columns: str) -> list[tuple[Any, ...]]:
    """All rows of a view in order: its own columns, then these device columns; all others have to be null."""
    names = [row[0] for row in _rows(past, f"describe select * from {view}")]
    own = [name for name in names if name not in DEVICE]
    rest = [f"{name} is not null" for name in names if name in DEVICE and name not in columns]
    assert _rows(past, f"select * from {view} where {' or '.join(rest) or 'false'}") == []
    return _rows(past, f"select {', '.join([*own, *columns])} from {view} order by all")


def _whole(past: Past, view: str) -> list[tuple[Any, ...]]:
    return _rows(past, f"select * from {view} order by all")


def _rows(past: Past, question: str, *values: Any) -> list[tuple[Any, ...]]:
    return past.execute(question, list(values)).fetchall()


# every view


@pytest.mark.parametrize("view", ASKED)
def test_an_empty_history_gives_no_rows(past: Past, view: str) -> None:
    assert _whole(past, view) == []


@pytest.mark.parametrize("view", ASKED)
def test_rows_that_stand_there_twice_count_once(past: Past, view: str) -> None:
    write_days(past, DAYS, rebaselined=REBASELINED)
    once = _whole(past, view)
    write_days(past, DAYS, rebaselined=REBASELINED, doubled=True)
    assert once == _whole(past, view)


@pytest.mark.parametrize("view", ASKED)
def test_a_session_in_another_time_zone_gets_the_same_rows(past: Past, view: str) -> None:
    phone = {"rps_expires_at": RPS}
    days: list[tuple[When, str, Devices]] = [
        *DAYS,
        (_day(8, 1), "oslo", {1: phone}),
        (_day(8, 23), "oslo", {1: {}}),
        (_day(9, 0), "oslo", {}),
    ]
    write_days(past, days, rebaselined=REBASELINED)
    in_utc = _whole(past, view)
    past.execute("set TimeZone = 'America/Los_Angeles'")
    assert in_utc == _whole(past, view)


GHOSTS = {1: {"model": "ghost"}, 9: {"model": "ghost"}}


@pytest.mark.parametrize("view", [view for view in ASKED if view != "pbx_status"])
@pytest.mark.parametrize("when", [_day(2, 12), _day(7)], ids=["between", "after"])
def test_what_is_not_complete_and_loaded_is_in_no_view(past: Past, view: str, when: datetime) -> None:
    write_days(past, DAYS, rebaselined=REBASELINED)
    before = _whole(past, view)
    write_attempt(past, when, "hq", "complete", GHOSTS, load_status=None)
    write_attempt(past, when + timedelta(minutes=1), "hq", "complete", GHOSTS, load_status=1)
    write_attempt(past, when + timedelta(minutes=2), "hq", "refused", GHOSTS)
    write_attempt(past, when + timedelta(minutes=3), "hq", "failed", GHOSTS)
    write_attempt(past, when + timedelta(minutes=4), "hq", None, GHOSTS)
    write_attempt(past, when + timedelta(minutes=5), "new", "complete", GHOSTS, load_status=None)
    assert before == _whole(past, view)


@pytest.mark.parametrize("view", [view for view in ASKED if view not in ("pbx_status", "findings")])
def test_a_failed_attempt_that_stands_under_the_id_of_a_complete_one_of_another_pbx_changes_nothing(
    past: Past, view: str
) -> None:
    write_days(past, DAYS, rebaselined=REBASELINED)
    before = _whole(past, view)
    write_attempt(past, _day(2), "leeds", "failed", GHOSTS)
    assert before == _whole(past, view)


# complete_snapshots


def test_complete_snapshots_have_a_row_per_reading_that_was_proven(past: Past) -> None:
    write_days(past, [(_day(1), "hq", {1: {}, 2: {}}), (_day(1), "leeds", {}), (_day(2), "hq", {1: {}})])
    write_attempt(past, _day(3), "hq", "refused", reason="shrink")
    assert _whole(past, "complete_snapshots") == [
        ("hq", "20261101T060000", _day(1), 2, False),
        ("hq", "20261102T060000", _day(2), 1, False),
        ("leeds", "20261101T060000", _day(1), 0, False),
    ]


# devices


def test_devices_are_those_of_the_last_snapshot_with_the_story_of_their_past(past: Past) -> None:
    write_days(past, DAYS, rebaselined=REBASELINED)
    assert _shown(past, "devices", "model", "ip_address", "is_router", "extra") == [
        ("hq", 1, _day(1), _day(6), _day(6), 4, "T46U", "10.0.0.1", False, None),
        ("hq", 3, _day(1), _day(4), _day(6), 2, "D735", None, None, None),
        ("leeds", 1, _day(3), _day(5), _day(5), 2, "GXP", None, None, '{"Room":"14"}'),
    ]


def test_devices_show_what_was_only_refreshed_or_recorded_anew(past: Past) -> None:
    days: list[tuple[When, str, Devices]] = [
        (_day(1), "hq", {1: {"online": False}, 2: {}}),
        (_day(2), "hq", {1: {"online": True}, 2: {}}),
        (_day(3), "hq", {1: {"online": True}, 2: {"is_router": False}}),
    ]
    write_days(past, days, rebaselined=[_day(3)])
    assert _rows(past, "select device_id, online, is_router, last_changed_at, versions from devices order by all") == [
        (1, True, None, _day(1), 1),
        (2, None, False, _day(1), 2),
    ]


def test_a_pbx_without_devices_has_no_rows_in_devices(past: Past) -> None:
    write_days(past, [(_day(1), "hq", {1: {}}), (_day(1), "leeds", {1: {}}), (_day(2), "hq", {})])
    assert _rows(past, "select pbx, device_id from devices") == [("leeds", 1)]


# device_history


def test_history_has_a_row_per_interval_in_which_nothing_tracked_changed(past: Past) -> None:
    write_days(past, DAYS, rebaselined=REBASELINED)
    ip, room = '["ip_address"]', '["extra.Room"]'
    assert _shown(past, "device_history", "model", "ip_address", "is_router", "extra") == [
        ("hq", 1, _day(1), _day(2), False, "added", "changed", "[]", "T46U", "10.0.0.1", None, None),
        ("hq", 1, _day(2), _day(4), False, "changed", "rebaselined", ip, "T46U", "10.0.0.2", None, None),
        ("hq", 1, _day(4), _day(6), False, "rebaselined", "changed", "[]", "T46U", "10.0.0.2", False, None),
        ("hq", 1, _day(6), None, True, "changed", None, ip, "T46U", "10.0.0.1", False, None),
        ("hq", 2, _day(1), _day(4), False, "added", "removed", "[]", "X4U", None, None, None),
        ("hq", 3, _day(1), _day(2), False, "added", "removed", "[]", "D785", None, None, None),
        ("hq", 3, _day(4), None, True, "returned", None, "[]", "D735", None, None, None),
        ("leeds", 1, _day(3), _day(5), False, "added", "changed", "[]", "GXP", None, None, '{"Room":"12"}'),
        ("leeds", 1, _day(5), None, True, "changed", None, room, "GXP", None, None, '{"Room":"14"}'),
    ]


# device_changes


def test_changes_have_a_row_per_field_and_one_per_device_that_came_or_went(past: Past) -> None:
    write_days(past, DAYS, rebaselined=REBASELINED)
    ip, online, room = ("ip_address", "network"), ("online", "presence"), ("extra.Room", "other")
    came, one, two = (None, "lifecycle", None, None), "10.0.0.1", "10.0.0.2"
    columns = "changed_at, pbx, device_id, change, field, category, old_value, new_value, model, ip_address"
    question = f"select {columns}, online, is_router, extra from device_changes order by all"
    assert _rows(past, question) == [
        (_day(1), "hq", 1, "added", *came, "T46U", one, None, None, None),
        (_day(1), "hq", 2, "added", *came, "X4U", None, None, None, None),
        (_day(1), "hq", 3, "added", *came, "D785", None, None, None, None),
        (_day(2), "hq", 1, "changed", *ip, one, two, "T46U", two, None, None, None),
        (_day(2), "hq", 2, "refreshed", *online, None, "true", "X4U", None, True, None, None),
        (_day(2), "hq", 3, "removed", *came, "D785", None, None, None, None),
        (_day(3), "hq", 1, "refreshed", *online, None, "false", "T46U", two, False, None, None),
        (_day(3), "hq", 2, "refreshed", *online, "true", None, "X4U", None, None, None, None),
        (_day(3), "leeds", 1, "added", *came, "GXP", None, None, None, '{"Room":"12"}'),
        (_day(4), "hq", 2, "removed", *came, "X4U", None, None, None, None),
        (_day(4), "hq", 3, "returned", *came, "D735", None, None, None, None),
        (_day(5), "leeds", 1, "changed", *room, "12", "14", "GXP", None, None, None, '{"Room":"14"}'),
        (_day(6), "hq", 1, "changed", *ip, two, one, "T46U", one, None, False, None),
    ]


def test_changes_have_the_utc_day_and_an_id_of_the_update_and_tell_of_the_first_load(past: Past) -> None:
    days: list[tuple[When, str, Devices]] = [
        (_day(1, 23), "hq", {1: {}}),
        (_day(2, 23), "hq", {1: {"mac": "a", "vendor": "b"}, 2: {}}),
        (_day(3, 1), "leeds", {1: {}}),
    ]
    write_days(past, days)
    past.execute("set TimeZone = 'Pacific/Auckland'")
    question = "select changed_on, pbx, update_id, is_initial_load, category, field from device_changes order by all"
    first, second = "hq/1/20261101T230000", "hq/1/20261102T230000"
    assert _rows(past, question) == [
        (date(2026, 11, 1), "hq", first, True, "lifecycle", None),
        (date(2026, 11, 2), "hq", second, False, "identity", "mac"),
        (date(2026, 11, 2), "hq", second, False, "identity", "vendor"),
        (date(2026, 11, 2), "hq", "hq/2/20261102T230000", False, "lifecycle", None),
        (date(2026, 11, 3), "leeds", "leeds/1/20261103T010000", True, "lifecycle", None),
    ]


def test_daily_changes_count_devices_and_fields(past: Past) -> None:
    days: list[tuple[When, str, Devices]] = [
        (_day(1), "hq", {1: {}, 2: {}}),
        (_day(2, 1), "hq", {1: {"mac": "a", "dn_name": "b"}, 2: {"mac": "c"}}),
        (_day(2, 2), "hq", {1: {"mac": "b", "dn_name": "b"}}),
    ]
    write_days(past, days)
    first, second = date(2026, 11, 1), date(2026, 11, 2)
    assert _whole(past, "daily_changes") == [
        (first, "hq", "lifecycle", None, None, True, 2, 0),
        (second, "hq", "identity", None, None, False, 2, 3),
        (second, "hq", "lifecycle", None, None, False, 1, 0),
        (second, "hq", "placement", None, None, False, 1, 1),
    ]


CHANGED: list[tuple[str, str, Any, Any, str | None, str | None]] = [
    ("assigned_firmware", "firmware", "108.86", None, "108.86", None),
    ("capabilities", "other", 0, 2**40, "0", "1099511627776"),
    ("custom_firmware", "firmware", False, True, "false", "true"),
    ("dn_hidden", "placement", True, False, "true", "false"),
    ("dn_id", "placement", None, -7, None, "-7"),
    ("dn_name", "placement", "Zoë 'Z' \"Q\"", "名前", "Zoë 'Z' \"Q\"", "名前"),
    ("dn_number", "placement", "007", "7", "007", "7"),
    ("dn_tags", "placement", "[]", '["MS","WeakPass"]', "[]", '["MS","WeakPass"]'),
    ("dn_type", "placement", "Extension", "Fax", "Extension", "Fax"),
    ("firmware_available", "firmware", "true", "108.87", "true", "108.87"),
    ("firmware_category", "firmware", "a", "b", "a", "b"),
    ("firmware_latest_id", "firmware", "a", "b", "a", "b"),
    ("firmware_outdated", "firmware", None, True, None, "true"),
    ("firmware_version", "firmware", "108.86.0.45", "108.86.0.90", "108.86.0.45", "108.86.0.90"),
    ("hot_desking", "other", True, None, "true", None),
    ("interface_link_fp", "secret", "9f9a60ceefb8837f", "755ef5d81ca46735", "9f9a60ceefb8837f", "755ef5d81ca46735"),
    ("ip_address", "network", "10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2"),
    ("is_dect_device", "other", False, True, "false", "true"),
    ("is_router", "other", False, True, "false", "true"),
    ("mac", "identity", "805EC0000001", "805EC0000002", "805EC0000001", "805EC0000002"),
    ("model", "identity", "T46U", "T54W", "T46U", "T54W"),
    ("model_mismatch", "firmware", False, True, "false", "true"),
    ("online", "presence", True, False, "true", "false"),
    ("phone_web_password_fp", "secret", None, "9f9a60ceefb8837f", None, "9f9a60ceefb8837f"),
    ("prov_link_fp", "secret", "9f9a60ceefb8837f", None, "9f9a60ceefb8837f", None),
    ("prov_type", "other", "LocalLan", "SBC", "LocalLan", "SBC"),
    ("registrar_id", "other", 1, 10, "1", "10"),
    ("rps_capable", "other", None, False, None, "false"),
    ("rps_expires_at", "other", RPS, RPS.replace(year=2028), "2027-01-31T23:59:59Z", "2028-01-31T23:59:59Z"),
    ("sbc_display_name", "placement", "a", "b", "a", "b"),
    ("sbc_name", "placement", "", "sbc1", "", "sbc1"),
    ("template_model", "firmware", "a", "b", "a", "b"),
    ("user_agent", "firmware", "a", "b", "a", "b"),
    ("vendor", "identity", "Yealink", "Snom", "Yealink", "Snom"),
]
"""Column, its category, two values, and both as text."""


def test_each_device_column_has_its_category_and_its_values_as_text(past: Past) -> None:
    assert [column for column, *_ in CHANGED] == sorted(
        column.name for column in DEVICE_COLUMNS if column.name != "extra"
    )
    old, new = ({field: values[number] for field, _, *values in CHANGED} for number in (0, 1))
    write_days(past, [(_day(1), "hq", {1: old}), (_day(2), "hq", {1: new})])
    question = "select field, category, old_value, new_value from device_changes where field is not null order by field"
    assert _rows(past, question) == [(field, kind, *texts) for field, kind, _, _, *texts in CHANGED]
    assert [category(field) for field, *_ in CHANGED] == [kind for _, kind, *_ in CHANGED]


def test_each_property_within_extra_is_a_field_of_its_own(past: Past) -> None:
    old = '{"Room":"12","Gone":1.5,"Flag":true,"Deep":{"a":[1]},"a.b":"x","a/b~c":"x","$.q":"x","":"x","Same":1}'
    new = '{"Room":"14","New":null,"Flag":false,"Deep":{"a":[1,"ü"]},"a.b":"y","a/b~c":"y","$.q":"y","":"y","Same":1}'
    write_days(past, [(_day(1), "hq", {1: {"extra": old}}), (_day(2), "hq", {1: {"extra": new}})])
    question = "select field, category, old_value, new_value from device_changes where field is not null order by field"
    assert _rows(past, question) == [
        ("extra.", "other", "x", "y"),
        ("extra.$.q", "other", "x", "y"),
        ("extra.Deep", "other", '{"a":[1]}', '{"a":[1,"ü"]}'),
        ("extra.Flag", "other", "true", "false"),
        ("extra.Gone", "other", "1.5", None),
        ("extra.Room", "other", "12", "14"),
        ("extra.a.b", "other", "x", "y"),
        ("extra.a/b~c", "other", "x", "y"),
    ]


def test_a_change_of_any_volatile_column_is_presence(past: Past) -> None:
    days = [(_day(1), "hq", {1: {"ip_address": "10.0.0.1"}}), (_day(2), "hq", {1: {"ip_address": "10.0.0.2"}})]
    write_days(past, days, volatile=["online", "ip_address"])
    question = "select change, field, category, old_value, new_value from device_changes where changed_at > ?"
    assert _rows(past, question, _day(1)) == [("refreshed", "ip_address", "presence", "10.0.0.1", "10.0.0.2")]


def test_a_change_after_a_device_was_recorded_anew_starts_from_that_row(past: Past) -> None:
    days: list[tuple[When, str, Devices]] = [
        (_day(1), "hq", {1: {}}),
        (_day(2), "hq", {1: {"is_router": False}}),
        (_day(3), "hq", {1: {"is_router": True}}),
    ]
    write_days(past, days, rebaselined=[_day(2)])
    question = "select changed_at, field, old_value, new_value from device_changes order by changed_at"
    assert _rows(past, question) == [(_day(1), None, None, None), (_day(3), "is_router", "false", "true")]


# device_snapshots


def test_snapshots_are_rebuilt_as_they_were_read(past: Past) -> None:
    write_days(past, DAYS, rebaselined=REBASELINED)
    names = ("model", "ip_address", "online", "is_router", "extra")
    assert _shown(past, "device_snapshots", *names) == [
        (pbx, f"{at:%Y%m%dT%H%M%S}", at, device, *(phone.get(name) for name in names))
        for at, pbx, devices in sorted(DAYS, key=lambda day: (day[1], day[0]))
        for device, phone in devices.items()
    ]


# daily_inventory


def test_the_inventory_of_a_day_is_that_of_its_last_snapshot(past: Past) -> None:
    yealink, snom = {"vendor": "Yealink", "model": "T46U"}, {"vendor": "Snom"}
    other = {**yealink, "model": "T54W"}
    updated = {**yealink, "firmware_version": "2"}
    days: list[tuple[When, str, Devices]] = [
        (_day(1, 0), "hq", {1: yealink, 2: yealink, 3: snom}),
        (_day(1, 12), "hq", {1: yealink}),
        (_day(1, 23), "hq", {1: updated, 2: yealink, 4: {}}),
        (_day(2, 3), "hq", {1: updated, 2: yealink, 4: {}}),
        (_day(2, 4), "hq", {1: yealink, 2: updated, 4: {"ip_address": "10.0.0.1"}, 5: snom}),
        (_day(4, 1), "hq", {2: updated}),
        (_day(4, 2), "hq", {2: updated, 5: other}),
        (_day(5), "hq", {}),
        (_day(6), "hq", {1: yealink}),
        (_day(3), "leeds", {1: yealink}),
        (_day(4), "leeds", {1: yealink}),
    ]
    write_days(past, days)
    question = (
        "select * from daily_inventory where day <= '2026-11-06' order by day, pbx, vendor, model, firmware_version"
    )
    one, two, three, four, six = (date(2026, 11, number) for number in (1, 2, 3, 4, 6))
    assert _rows(past, question) == [
        (one, "hq", "Yealink", "T46U", "2", 1, False),
        (one, "hq", "Yealink", "T46U", None, 1, False),
        (one, "hq", None, None, None, 1, False),
        (two, "hq", "Snom", None, None, 1, False),
        (two, "hq", "Yealink", "T46U", "2", 1, False),
        (two, "hq", "Yealink", "T46U", None, 1, False),
        (two, "hq", None, None, None, 1, False),
        (three, "hq", "Snom", None, None, 1, True),
        (three, "hq", "Yealink", "T46U", "2", 1, True),
        (three, "hq", "Yealink", "T46U", None, 1, True),
        (three, "hq", None, None, None, 1, True),
        (three, "leeds", "Yealink", "T46U", None, 1, False),
        (four, "hq", "Yealink", "T46U", "2", 1, False),
        (four, "hq", "Yealink", "T54W", None, 1, False),
        (four, "leeds", "Yealink", "T46U", None, 1, False),
        (date(2026, 11, 5), "leeds", "Yealink", "T46U", None, 1, True),
        (six, "hq", "Yealink", "T46U", None, 1, False),
        (six, "leeds", "Yealink", "T46U", None, 1, True),
    ]


def test_the_inventory_carries_the_last_complete_snapshot_to_today(past: Past) -> None:
    write_days(past, [(9.0, "hq", {1: {}, 2: {}}), (6.0, "hq", {1: {}}), (3.0, "leeds", {1: {}})])
    write_attempt(past, 5, "hq", "refused", {}, reason="shrink")
    today = NOW.date()
    expected = [(today - timedelta(days=ago), "hq", 2 if ago > 6 else 1, ago not in (9, 6)) for ago in range(9, -1, -1)]
    expected += [(today - timedelta(days=ago), "leeds", 1, ago != 3) for ago in range(3, -1, -1)]
    for zone in ("UTC", "Pacific/Auckland", "America/Los_Angeles"):
        past.execute(f"set TimeZone = '{zone}'")
        assert _rows(past, "select day, pbx, devices, is_carried from daily_inventory order by pbx, day") == expected
        days = [today - timedelta(days=ago) for ago in range(9, -1, -1)]
        assert _rows(past, "select * from calendar order by day") == [(day, day == today) for day in days]


def test_the_inventory_counts_phones_that_are_alike_together(past: Past) -> None:
    write_days(past, [(_day(1), "hq", {number: {"vendor": "Snom", "dn_id": number} for number in range(5)})])
    (first, *_) = _whole(past, "daily_inventory")
    assert first == (date(2026, 11, 1), "hq", "Snom", None, None, 5, False)


# pbx_status


def test_the_status_of_a_pbx_has_its_last_attempt_and_its_last_complete_snapshot(past: Past) -> None:
    write_days(
        past, [(9.0, "hq", {1: {}, 2: {}}), (2.0, "hq", {1: {}}), (1.5, "leeds", {7: {}})], ledger={"chain": "c"}
    )
    write_attempt(past, 1, "hq", "refused", reason="shrink", detail="too few", base_url="https://hq", chain="d")
    write_attempt(past, 0.5, "hq", "complete", {1: {}, 2: {}}, load_status=None)
    write_attempt(past, 0.5, "new", "failed", reason="unreachable", pbx_version="20.0.7")
    question = (
        "select pbx, base_url, last_attempt_at, last_status, last_reason, last_detail, last_complete_at,"
        " last_snapshot_id, devices, changes_24h, changes_7d, pbx_version, chain from pbx_status order by pbx"
    )
    two, one_and_a_half = (f"{days_ago(ago):%Y%m%dT%H%M%S}" for ago in (2, 1.5))
    failed = ("failed", "unreachable", None, None, None, None, 0, 0, "20.0.7", None)
    assert _rows(past, question) == [
        ("hq", "https://hq", days_ago(1), "refused", "shrink", "too few", days_ago(2), two, 1, 0, 1, None, "d"),
        ("leeds", None, days_ago(1.5), "complete", None, None, days_ago(1.5), one_and_a_half, 1, 0, 1, None, "c"),
        ("new", None, days_ago(0.5), *failed),
    ]


def test_changes_of_a_day_and_a_week_are_those_of_the_devices(past: Past) -> None:
    days: list[tuple[When, str, Devices]] = [
        (8.0, "hq", {1: {}, 2: {}, 3: {}, 4: {}}),
        (6.9, "hq", {1: {}, 2: {"vendor": "Snom"}, 3: {}}),
        (1.1, "hq", {1: {"online": True}, 2: {"vendor": "Snom", "is_router": False}, 3: {}}),
        (0.9, "hq", {1: {"online": True, "vendor": "Snom", "model": "D785"}, 2: {"vendor": "Snom"}, 4: {}}),
        (0.1, "hq", {1: {"online": True}, 2: {"vendor": "Snom"}, 4: {}}),
    ]
    write_days(past, days, rebaselined=[1.1], doubled=True)
    assert _rows(past, "select changes_24h, changes_7d from pbx_status") == [(5, 7)]


# devices_as_of


def test_devices_as_of_a_time_name_the_snapshot_that_knew_them(past: Past) -> None:
    write_days(past, DAYS, rebaselined=REBASELINED)
    assert _shown(past, "devices_as_of('2026-11-05 00:00')", "model", "ip_address", "is_router", "extra") == [
        ("hq", 1, "20261104T060000", _day(4), "T46U", "10.0.0.2", False, None),
        ("hq", 3, "20261104T060000", _day(4), "D735", None, None, None),
        ("leeds", 1, "20261103T060000", _day(3), "GXP", None, None, '{"Room":"12"}'),
    ]


def test_devices_as_of_a_date_are_those_at_its_begin(past: Past) -> None:
    write_days(past, [(_day(1), "hq", {1: {}}), (_day(2, 0), "hq", {2: {}}), (_day(2, 1), "hq", {3: {}})])
    assert _rows(past, "select device_id from devices_as_of(date '2026-11-02')") == [(2,)]


# any history

PHONES = st.fixed_dictionaries(
    {},
    optional={
        "vendor": st.sampled_from(["Snom", "Yealink"]),
        "capabilities": st.integers(0, 1),
        "is_router": st.booleans(),
        "online": st.booleans(),
        "rps_expires_at": st.sampled_from([RPS, RPS.replace(year=2028)]),
        "extra": st.sampled_from(['{"a.b":"x"}', '{"a.b":"y"}']),
    },
)
FLEETS = st.dictionaries(st.integers(1, 4), PHONES, max_size=4)
READINGS = st.lists(
    st.tuples(st.sampled_from([1, 5, 23, 60, 500]), st.sampled_from(["hq", "leeds"]), FLEETS), max_size=9
)
"""Hours since the reading before, PBX, devices."""

Fleet = Mapping[int, Phone]
Told = dict[str, list[tuple[datetime, Fleet]]]
"""PBX → its readings."""


@given(READINGS, st.sets(st.integers(0, 8), max_size=2), st.booleans(), st.integers(0, 240))
@settings(max_examples=25, deadline=None)
def test_any_history_is_told_as_it_was(
    connection: Past, readings: list[tuple[int, str, Fleet]], rebaselined: set[int], doubled: bool, hour: int
) -> None:
    at = _day(1, 0)
    days: list[tuple[datetime, str, Fleet]] = []
    for gap, pbx, fleet in readings:
        at += timedelta(hours=gap)
        days.append((at, pbx, fleet))
    rebaselined_at = {days[number][0] for number in rebaselined if number < len(days)}
    write_days(connection, days, rebaselined=rebaselined_at, doubled=doubled)
    told: Told = {}
    for at, pbx, fleet in days:
        told.setdefault(pbx, []).append((at, fleet))

    assert _states(connection, "device_snapshots", "taken_at") == _some((pbx, at, fleet) for at, pbx, fleet in days)
    last = _some((pbx, *readings[-1]) for pbx, readings in told.items())
    assert _states(connection, "devices", "last_confirmed_at") == last
    then = _day(1, 0) + timedelta(hours=hour)
    earlier = {pbx: [one for one in readings if one[0] <= then] for pbx, readings in told.items()}
    latest = _some((pbx, *readings[-1]) for pbx, readings in earlier.items() if readings)
    assert latest == _states(connection, f"devices_as_of('{then:%Y-%m-%d %H:%M}')", "taken_at")
    _assert_intervals(connection, told)
    _assert_changes(connection, told, rebaselined_at)
    _assert_inventory(connection, told)


def _some(fleets: Iterable[tuple[str, datetime, Fleet]]) -> dict[tuple[str, datetime], Fleet]:
    """Without the empty ones, which no row of a view can show."""
    return {(pbx, at): fleet for pbx, at, fleet in fleets if fleet}


def _states(past: Past, view: str, time: str) -> Mapping[tuple[str, datetime], Fleet]:
    found: dict[tuple[str, datetime], dict[int, Phone]] = {}
    for pbx, at, device, *values in _rows(past, f"select pbx, {time}, device_id, {', '.join(DEVICE)} from {view}"):
        fleet = found.setdefault((pbx, at), {})
        assert device not in fleet
        fleet[device] = _phone(DEVICE, values)
    return found


def _phone(names: Sequence[str], values: Sequence[Any]) -> Phone:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def _assert_intervals(past: Past, told: Told) -> None:
    """Each device is in exactly one interval while it is there, with what it was; in none while it is not."""
    names = [name for name in DEVICE if name != "online"]
    own = "pbx, device_id, valid_from, valid_to, is_current"
    rows = _rows(past, f"select {own}, {', '.join(names)} from device_history order by pbx, device_id")
    assert [row for row in rows if row[3] is not None and row[2] >= row[3]] == []
    assert [row for row in rows if row[4] != (row[3] is None)] == []
    for pbx, readings in told.items():
        for at, fleet in readings:
            there = [
                (device, _phone(names, values))
                for name, device, begin, end, _, *values in rows
                if name == pbx and begin <= at and (end is None or at < end)
            ]
            expected = {device: {k: v for k, v in phone.items() if k != "online"} for device, phone in fleet.items()}
            assert there == sorted(expected.items())


def _assert_changes(past: Past, told: Told, rebaselined: set[datetime]) -> None:
    """Applied to the state before, the changes give the state after."""
    question = "select pbx, changed_at, device_id, change, field, old_value, new_value from device_changes"
    found: dict[tuple[str, datetime], list[list[Any]]] = {}
    for pbx, at, *change in _rows(past, question):
        found.setdefault((pbx, at), []).append(change)
    for pbx, readings in told.items():
        state: dict[int, dict[str, str]] = {}
        ever: set[int] = set()
        for at, fleet in readings:
            after = {device: _texts(phone) for device, phone in fleet.items()}
            if at in rebaselined:
                state.update((device, after[device]) for device in state.keys() & after.keys())
            for change in found.pop((pbx, at), []):
                _apply(state, change, after, ever)
            assert state == after
            ever |= fleet.keys()
    assert found == {}


def _apply(
    state: dict[int, dict[str, str]], row: Sequence[Any], after: dict[int, dict[str, str]], ever: set[int]
) -> None:
    device, change, field, old, new = row
    if change == "removed":
        del state[device]
    elif field is None:
        assert (device in state, change) == (False, "returned" if device in ever else "added")
        state[device] = after[device]
    else:
        assert change in ("changed", "refreshed")
        assert state[device].get(field) == old != new
        state[device] = {**state[device], field: new}
        if new is None:
            del state[device][field]


def _texts(phone: Phone) -> dict[str, str]:
    """A device as `device_changes` writes its fields."""
    texts: dict[str, str] = {}
    for name, value in phone.items():
        if name == "extra":
            texts["extra.a.b"] = json.loads(value)["a.b"]
        elif isinstance(value, datetime):
            texts[name] = f"{value:%Y-%m-%dT%H:%M:%SZ}"
        else:
            texts[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return texts


def _assert_inventory(past: Past, told: Told) -> None:
    expected: Counter[tuple[date, str, str | None]] = Counter()
    ends = max((at.date() for readings in told.values() for at, _ in readings), default=_day(1).date())
    for pbx, readings in told.items():
        last = {at.date(): fleet for at, fleet in readings}
        day, fleet = min(last), last[min(last)]
        while day <= ends:
            fleet = last.get(day, fleet)
            expected.update((day, pbx, phone.get("vendor")) for phone in fleet.values())
            day += timedelta(days=1)
    question = "select day, pbx, vendor, sum(devices) from daily_inventory where day <= ? group by all"
    rows = _rows(past, question, ends)
    assert sorted([(*key, number) for key, number in expected.items()], key=str) == sorted(rows, key=str)
