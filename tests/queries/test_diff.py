"""What is different between two times, and the devices as of a time, over literal histories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dlt_threecx.queries.device_lookup import DeviceKey
from dlt_threecx.queries.diff import DiffRow, diff_rows, touched_fields
from dlt_threecx.tables import DEVICE_COLUMNS
from tests.commands import Ran, threecx
from tests.literal import Day, days_ago, empty_history, write_days

# differences, pure

KEY = DeviceKey("hq", 7)


def _row(**columns: Any) -> dict[str, Any]:
    return {column.name: None for column in DEVICE_COLUMNS} | {"mac": "805EC0000007", "dn_number": "107"} | columns


def _changed(field: str, old: str | None, new: str | None) -> DiffRow:
    return DiffRow("hq", 7, "changed", field, old, new, "107", None, "805EC0000007")


@pytest.mark.parametrize(
    ("old", "new", "fields", "expected"),
    [
        ({"model": "a"}, {"model": "b"}, {"model"}, [("model", "a", "b")]),
        ({"model": "a"}, {"model": "a"}, {"model"}, []),
        ({"model": "a", "vendor": "x"}, {"model": "b", "vendor": "y"}, {"vendor"}, [("vendor", "x", "y")]),
        (
            {"model": "a", "vendor": "x"},
            {"model": "b", "vendor": "y"},
            None,
            [("vendor", "x", "y"), ("model", "a", "b")],
        ),
        ({"dn_hidden": False}, {"dn_hidden": True}, {"dn_hidden"}, [("dn_hidden", "false", "true")]),
        ({"dn_hidden": None}, {"dn_hidden": False}, {"dn_hidden"}, []),
        ({"extra": None}, {"extra": '{"A":false}'}, {"extra.A"}, []),
        ({"extra": '{"A":true}'}, {"extra": '{"A":false}'}, {"extra.A"}, [("extra.A", "true", "false")]),
        ({"dn_id": 1}, {"dn_id": None}, {"dn_id"}, [("dn_id", "1", None)]),
        ({"online": True}, {"online": False}, {"online"}, []),
        ({"extra": '{"A":1,"B":2}'}, {"extra": '{"A":1,"B":[3]}'}, {"extra.B"}, [("extra.B", "2", "[3]")]),
        ({"extra": None}, {"extra": '{"A":"x"}'}, None, [("extra.A", None, "x")]),
    ],
)
def test_a_changed_device_has_a_row_per_field(
    old: dict[str, Any], new: dict[str, Any], fields: set[str] | None, expected: list[tuple[str, Any, Any]]
) -> None:
    found = list(diff_rows({KEY: _row(**old)}, {KEY: _row(**new)}, {KEY: fields}))
    assert [_changed(*one) for one in expected] == found


def test_presence_is_told_on_request() -> None:
    states = {KEY: _row(online=True)}, {KEY: _row(online=False)}
    assert list(diff_rows(*states, {KEY: {"online"}}, presence=True)) == [_changed("online", "true", "false")]


def test_a_device_that_is_there_at_one_time_only_has_one_row() -> None:
    there = {KEY: _row()}
    row = DiffRow("hq", 7, "added", None, None, None, "107", None, "805EC0000007")
    assert list(diff_rows({}, there, {KEY: None})) == [row]
    assert list(diff_rows(there, {}, {KEY: None})) == [row._replace(change="removed")]
    assert list(diff_rows({}, {}, {KEY: None})) == []


def test_what_was_touched_is_collected_per_device() -> None:
    versions = [("hq", 1, "changed", '["a"]'), ("hq", 1, "refreshed", '["online"]'), ("hq", 2, "changed", '["a"]')]
    versions += [("hq", 2, "removed", "[]"), ("hq", 2, "returned", "[]"), ("hq", 3, "rebaselined", "[]")]
    assert touched_fields(versions) == {("hq", 1): {"a", "online"}, ("hq", 2): None, ("hq", 3): set()}


# over a history


def _phone(number: int, **columns: Any) -> dict[str, Any]:
    return {"mac": f"805EC0{number:06X}", "dn_number": str(100 + number), "ip_address": "10.0.0.1", **columns}


DAYS: list[Day] = [
    (30, "hq", {number: _phone(number) for number in (1, 2, 3, 4)}),
    (20, "hq", {1: _phone(1, ip_address="10.0.0.2"), 2: _phone(2, online=True), 3: _phone(3), 5: _phone(5)}),
    (10, "hq", {1: _phone(1), 2: _phone(2, model="T31P"), 4: _phone(4), 5: _phone(5, dn_name="Zoë")}),
    (15, "leeds", {1: _phone(9)}),
    (5, "leeds", {1: _phone(9, vendor="Snom")}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diff")
    with empty_history(str(folder / "phones.duckdb")) as connection:
        write_days(connection, DAYS)
    return folder


def _diff(folder: Path, *args: str) -> Ran:
    return threecx("diff", *args, "--format", "json", folder=folder)


def _rows(ran: Ran) -> list[tuple[Any, ...]]:
    names = ("pbx", "device_id", "change", "field", "old_value", "new_value")
    return [tuple(row[name] for name in names) for row in ran.rows]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["25d", "18d"], [("hq", 1, "changed", "ip_address", "10.0.0.1", "10.0.0.2"), (4, "removed"), (5, "added")]),
        (["25d", "6d"], [("hq", 2, "changed", "model", None, "T31P"), (3, "removed"), (5, "added")]),
        (["25d", "18d", "--presence"], [(1, "ip_address"), ("hq", 2, "changed", "online", None, "true"), (4,), (5,)]),
        (["12d", "1d", "--pbx", "leeds"], [("leeds", 1, "changed", "vendor", None, "Snom")]),
        (
            ["12d", "1d"],
            [(1,), (2,), (3,), (4, "added"), (5, "dn_name"), ("leeds", 1, "changed", "vendor", None, "Snom")],
        ),
        (["9d", "6d"], []),
        (["9d", "9d"], []),
    ],
)
def test_diff_compares_the_states_at_both_times(folder: Path, args: list[str], expected: list[tuple[Any, ...]]) -> None:
    ran = _diff(folder, *args)
    assert ran.code == 0, ran.err
    assert len(expected) == len(_rows(ran))
    for short, row in zip(expected, _rows(ran), strict=True):
        assert [part for part in row if part in short] == list(short), row


def test_a_pbx_that_is_younger_is_left_out_and_named(folder: Path) -> None:
    ran = _diff(folder, "25d", "1d")
    assert {row["pbx"] for row in ran.rows} == {"hq"}
    assert ran.err == f"PBX 'leeds' is left out: its history begins on {days_ago(15):%d %b %H:%M} UTC.\n"


def test_without_a_snapshot_before_the_first_time_there_is_an_error(folder: Path) -> None:
    ran = _diff(folder, "2020-01-01", "1d")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        f"threecx: error: the query: the history begins on {days_ago(30):%d %b %H:%M} UTC; "
        "what was there on 01 Jan 2020 23:59 UTC is not known. Ask for a later time\n"
    )


def test_times_in_the_wrong_order_are_exit_2(folder: Path) -> None:
    ran = _diff(folder, "1d", "2d")
    assert (ran.code, "Invalid value for LATER: it is before the first one." in ran.err) == (2, True)


def test_a_table_names_the_device_and_both_values(folder: Path) -> None:
    lines = threecx("diff", "25d", "6d", folder=folder).out.splitlines()
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "hq 102 (805EC0000002) changed model – → T31P",
        "hq 103 (805EC0000003) removed",
        "hq 105 Zoë (805EC0000005) added",
    ]


# devices_as_of


@pytest.fixture
def past() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_history() as connection:
        yield connection


@pytest.mark.parametrize("doubled", [False, True])
def test_devices_as_of_a_time_are_those_of_the_snapshots_before_it(
    past: duckdb.DuckDBPyConnection, doubled: bool
) -> None:
    write_days(past, DAYS, doubled=doubled)
    for ago in (30, 20, 15, 10, 5):
        then = {pbx: devices for day, pbx, devices in sorted(DAYS, key=lambda day: -day[0]) if day >= ago}
        for at in (days_ago(ago), f"{days_ago(ago - 0.5):%Y-%m-%dT%H:%M:%SZ}"):
            rows = past.execute(
                "select pbx, device_id, mac, ip_address, online from devices_as_of(?) order by pbx, device_id", [at]
            ).fetchall()
            assert rows == [
                (pbx, device, columns["mac"], columns["ip_address"], columns.get("online"))
                for pbx, devices in sorted(then.items())
                for device, columns in sorted(devices.items())
            ]
    assert past.execute("select * from devices_as_of(timestamptz '2020-01-01')").fetchall() == []


def test_devices_as_of_now_are_the_devices(past: duckdb.DuckDBPyConnection) -> None:
    write_days(past, DAYS)
    names = "pbx, device_id, " + ", ".join(column.name for column in DEVICE_COLUMNS)
    now, then = (
        past.execute(f"select {names} from {view} order by all").fetchall()
        for view in ("devices", "devices_as_of(current_timestamp)")
    )
    assert now == then
