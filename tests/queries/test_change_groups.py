"""Changes by their cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlt_threecx.queries.change_groups import ChangeGroup, FieldChange, Values, change_groups
from tests.commands import threecx
from tests.literal import days_ago, empty_history, write_days

AT, LATER = days_ago(3), days_ago(2)


def _change(
    number: int, field: str | None, old: str | None = None, new: str | None = None, **values: Any
) -> FieldChange:
    given = {
        "changed_at": AT,
        "pbx": "hq",
        "device_id": number,
        "dn_number": str(100 + number),
        "dn_name": "Zoë",
        "mac": f"805EC0{number:06X}",
        "vendor": "Yealink",
        "model": "T54W",
        "change": "changed",
        "category": "firmware",
        "field": field,
        "old_value": old,
        "new_value": new,
    }
    return FieldChange(**{**given, **values})


def _roll_out(numbers: range, old: str = "1", **values: Any) -> list[FieldChange]:
    return [
        _change(number, field, old if field == "firmware_version" else f"T54W {old}", end, **values)
        for number in numbers
        for field, end in (("firmware_version", "2"), ("user_agent", "T54W 2"))
    ]


def _told(rows: list[FieldChange]) -> list[tuple[int, list[str]]]:
    return [(cause.devices, cause.examples) for cause in change_groups(rows)]


def test_a_roll_out_of_firmware_is_one_cause_with_all_its_fields() -> None:
    assert list(change_groups(_roll_out(range(1, 9)))) == [
        ChangeGroup(
            *(AT, "hq", "changed", "firmware", "Yealink", "T54W", 8),
            examples=["101", "102", "103", "104", "105"],
            changes=[Values("firmware_version", "1", "2"), Values("user_agent", "T54W 1", "T54W 2")],
        )
    ]


def test_a_single_device_has_its_whole_name() -> None:
    assert _told(_roll_out(range(1, 2))) == [(1, ["101 Zoë"])]
    assert _told([_change(1, "dn_id", dn_number=None, dn_name=None, mac=None)]) == [(1, ["(Id 1)"])]


@pytest.mark.parametrize(
    "other",
    [
        {"old": "0"},
        {"model": "T31P"},
        {"vendor": None},
        {"pbx": "leeds"},
        {"changed_at": LATER},
        {"change": "refreshed"},
        {"category": "network"},
    ],
)
def test_what_is_not_alike_is_apart(other: dict[str, Any]) -> None:
    rows = [*_roll_out(range(1, 3)), *_roll_out(range(3, 6), **other)]
    assert [devices for devices, _ in _told(rows)] == [2, 3]


def test_another_change_of_one_phone_does_not_take_it_out_of_the_roll_out() -> None:
    rows = [
        *_roll_out(range(1, 2)),
        _change(1, "ip_address", "10.0.0.1", "10.0.0.2", category="network"),
        *_roll_out(range(2, 3)),
    ]
    assert _told(rows) == [(2, ["101", "102"]), (1, ["101 Zoë"])]


def test_devices_that_came_together_are_one_cause_without_fields() -> None:
    rows = [_change(number, None, change="added", category=None, dn_number=None) for number in range(1, 4)]
    (cause,) = change_groups(rows)
    assert (cause.devices, cause.examples, cause.changes) == (3, [f"805EC000000{number}" for number in range(1, 4)], [])


def test_no_changes_have_no_cause() -> None:
    assert list(change_groups([])) == []


# the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("causes")
    old, new = (
        {
            number: {"dn_number": str(100 + number), "vendor": "Snom", "model": "D785", "firmware_version": firmware}
            for number in range(1, 8)
        }
        for firmware in ("1", "2")
    )
    with empty_history(str(folder / "phones.duckdb")) as connection:
        write_days(connection, [(9, "hq", old), (3, "hq", new)])
    return folder


def test_a_table_has_a_line_per_cause(folder: Path) -> None:
    lines = threecx("changes", folder=folder).out.splitlines()
    assert lines[0].split() == ["changed_at", "device", "change", "what"]
    assert len(lines) == 2
    assert lines[1].endswith("7 × Snom D785: 101, 102, 103, 104, 105 …  changed  firmware_version: 1 → 2")
    assert len(threecx("changes", "--no-group", folder=folder).out.splitlines()) == 1 + 7


def test_json_has_a_row_per_field_unless_it_is_grouped(folder: Path) -> None:
    rows = threecx("changes", "--format", "json", folder=folder).rows
    assert [(row["device_id"], row["field"]) for row in rows] == [
        (number, "firmware_version") for number in range(1, 8)
    ]
    (row,) = threecx("changes", "--format", "json", "--group", folder=folder).rows
    assert (row["devices"], row["examples"]) == (7, ["101", "102", "103", "104", "105"])
    assert row["changes"] == [{"field": "firmware_version", "old_value": "1", "new_value": "2"}]
