"""Times as people type them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dlt_threecx.queries.times import duration_text, parsed_age, parsed_time

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("20261101", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T07:30", datetime(2026, 11, 1, 7, 30, tzinfo=UTC)),
        ("2026-11-01 07:30:15", datetime(2026, 11, 1, 7, 30, 15, tzinfo=UTC)),
        ("2026-11-01t07:30:15z", datetime(2026, 11, 1, 7, 30, 15, tzinfo=UTC)),
        ("2026-11-01T07:30:15.5+02:00", datetime(2026, 11, 1, 5, 30, 15, 500_000, tzinfo=UTC)),
        (" 7d ", datetime(2026, 11, 16, 12, 0, tzinfo=UTC)),
        ("24H", datetime(2026, 11, 22, 12, 0, tzinfo=UTC)),
        ("30m", datetime(2026, 11, 23, 11, 30, tzinfo=UTC)),
        ("2w", datetime(2026, 11, 9, 12, 0, tzinfo=UTC)),
        ("1.5h", datetime(2026, 11, 23, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_iso_8601_in_utc_or_an_age(text: str, expected: datetime) -> None:
    assert parsed_time(text, NOW) == expected
    assert parsed_time(text, NOW).tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "lasts"),
    [
        ("2026-11-01", timedelta(days=1)),
        ("20261101", timedelta(days=1)),
        ("2026-11-01T07", timedelta(hours=1)),
        ("2026-11-01T07+02:00", timedelta(hours=1)),
        ("2026-11-01T07:30", timedelta(minutes=1)),
        ("2026-11-01T07:30Z", timedelta(minutes=1)),
        ("2026-11-01 07:30:15", timedelta(seconds=1)),
        ("20261101T073015Z", timedelta(seconds=1)),
        ("2026-11-01T07:30:15.123456Z", timedelta(microseconds=1)),
    ],
)
def test_the_end_of_a_written_time_is_its_last_moment(text: str, lasts: timedelta) -> None:
    assert parsed_time(text, NOW) + lasts - timedelta(microseconds=1) == parsed_time(text, NOW, end=True)


def test_days_have_names_in_the_zone_of_the_user() -> None:
    assert parsed_time("yesterday", NOW) == datetime(2026, 11, 22, tzinfo=UTC)
    assert parsed_time("Today", NOW, end=True) == datetime(2026, 11, 23, 23, 59, 59, 999_999, tzinfo=UTC)
    assert parsed_time("now", NOW) == NOW
    vienna = ZoneInfo("Europe/Vienna")
    assert parsed_time("yesterday", NOW, zone=vienna) == datetime(2026, 11, 21, 23, tzinfo=UTC)
    assert parsed_time("2026-10-25", NOW, end=True, zone=vienna) - parsed_time("2026-10-25", NOW, zone=vienna) > (
        timedelta(hours=24, minutes=59)
    )
    assert parsed_time("2026-11-01T07:30Z", NOW, zone=vienna) == datetime(2026, 11, 1, 7, 30, tzinfo=UTC)


def test_an_age_has_no_end_of_its_own() -> None:
    assert parsed_time("7d", NOW, end=True) == datetime(2026, 11, 16, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "gestern", "2026-13-01", "7", "7y", "-7d", "2026-11", "999999999999d", "nand"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is no time such as 2026-11-01, 2026-11-01T07:30, yesterday or 7d"):
        parsed_time(text, NOW)


def test_an_age_is_a_number_and_a_unit() -> None:
    assert parsed_age("26h") == timedelta(hours=26)
    with pytest.raises(ValueError, match="'26' is no length of time such as 7d, 26h or 30m"):
        parsed_age("26")


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=45), "45 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=3, seconds=20), "3 min 20 s"),
        (timedelta(hours=3, seconds=20), "3 h"),
        (timedelta(hours=3, minutes=20), "3 h 20 min"),
        (timedelta(days=12, hours=4, minutes=59), "12 d 4 h"),
        (timedelta(days=400), "400 d"),
    ],
)
def test_a_length_of_time_has_its_two_largest_units(length: timedelta, expected: str) -> None:
    assert duration_text(length) == expected
