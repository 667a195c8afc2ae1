"""The story of a device out of literal rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

from dlt_threecx.queries.device_story import Event, events
from dlt_threecx.tables import DEVICE_COLUMNS

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_BLANK: dict[str, Any] = {column.name: None for column in DEVICE_COLUMNS}


def _day(number: int) -> datetime:
    return datetime(2026, 11, number, 2, 0, tzinfo=UTC)


def _interval(
    opened_by: str, start: int, end: int | None, closed_by: str | None = None, **values: Any
) -> dict[str, Any]:
    return {
        **_BLANK,
        "valid_from": _day(start),
        "valid_to": _day(end) if end else None,
        "opened_by": opened_by,
        "closed_by": closed_by,
        **values,
    }


def _change(day: int, field: str | None, old: str | None, new: str | None) -> dict[str, Any]:
    return {"changed_at": _day(day), "field": field, "old_value": old, "new_value": new}


def test_a_device_that_never_changed_has_one_event() -> None:
    phone = _interval("added", 1, None, vendor="Snom", model="D785", ip_address="10.0.0.1", dn_number="101")
    assert events([phone], [], NOW) == [
        Event(_day(1), "added", "Snom, D785, 10.0.0.1, 101", timedelta(days=22, hours=10), True)
    ]


def test_a_change_names_its_fields_with_old_and_new() -> None:
    story = events(
        [_interval("added", 1, 3, "changed"), _interval("changed", 3, None)],
        [
            _change(3, "ip_address", "10.0.0.1", "10.0.0.2"),
            _change(3, "sbc_name", None, "sbc1"),
            _change(3, "dn_name", "Zoë", ""),
            _change(3, "prov_link_fp", "9f9a60ceefb8837f", "755ef5d81ca46735"),
        ],
        NOW,
    )
    assert [(event.kind, event.what) for event in story] == [
        ("added", ""),
        ("changed", "ip_address: 10.0.0.1 → 10.0.0.2; sbc_name: – → sbc1; dn_name: Zoë → –; another provisioning link"),
    ]
    assert [event.lasted for event in story] == [timedelta(days=2), timedelta(days=20, hours=10)]


def test_a_device_that_is_gone_and_back_was_gone_for_a_while() -> None:
    story = events(
        [
            _interval("added", 1, 3, "removed", ip_address="10.0.0.1", online=True),
            _interval("returned", 5, 6, "removed", ip_address="10.0.0.2", online=False),
        ],
        [_change(3, None, None, None), _change(5, None, None, None)],
        NOW,
    )
    assert [(event.kind, event.lasted.days, event.is_last) for event in story] == [
        ("added", 2, False),
        ("removed", 2, False),
        ("returned", 1, False),
        ("removed", 17, True),
    ]
    assert story[2].what == "ip_address: 10.0.0.1 → 10.0.0.2"


def test_recorded_anew_is_not_a_change() -> None:
    story = events(
        [_interval("added", 1, 3, "rebaselined"), _interval("rebaselined", 3, None, firmware_outdated=True)], [], NOW
    )
    assert (story[1].kind, story[1].what) == ("rebaselined", "stored again, the device did not change")


def test_no_rows_tell_no_story() -> None:
    assert events([], [], NOW) == []
