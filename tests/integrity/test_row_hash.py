"""The hashes: equal for what means the same, different for all else, and the same in ten years."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlt_threecx.integrity.row_hash import FINGERPRINT_MODULUS, ROW_FORMAT, DeviceHash, canonical_json, fingerprint_part
from dlt_threecx.tables import DEVICE_COLUMNS

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=8
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "timestamp": st.datetimes(timezones=st.just(UTC)),
}


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


ROWS = st.fixed_dictionaries(
    {column.name: st.none() | VALUES[column.type] for column in DEVICE_COLUMNS}
    | {
        "dn_tags": st.none() | st.lists(TEXT, max_size=5).map(json_text),
        "extra": st.none() | st.dictionaries(TEXT, JSON, max_size=4).map(json_text),
    }
)


def hashes(*rows: Mapping[str, Any], volatile: tuple[str, ...] = ("online",)) -> list[tuple[str, str]]:
    """`row_version` and `tracked_version` of each row, hashed as one page."""
    columns = [[row.get(column.name) for row in rows] for column in DEVICE_COLUMNS]
    return list(zip(*DeviceHash(volatile).of(columns), strict=True))


def row_version(row: Mapping[str, Any]) -> str:
    return hashes(row)[0][0]


def test_the_hash_is_what_the_contract_says_for_ever() -> None:
    at = datetime(2027, 3, 1, tzinfo=UTC)
    row = {
        "mac": "805EC0",
        "dn_tags": '["a","b"]',
        "dn_hidden": False,
        "dn_name": "Zoë",
        "rps_expires_at": at,
    }
    text = (
        '{"dn_hidden":false,"dn_name":"Zoë","dn_tags":"[\\"a\\",\\"b\\"]",'
        '"mac":"805EC0","rps_expires_at":"2027-03-01T00:00:00+00:00"}'
    )
    assert hashlib.sha256(text.encode()).hexdigest() == row_version(row)
    assert hashlib.sha256(b"{}").hexdigest() == row_version({})


def test_the_fingerprint_part_is_what_the_contract_says_for_ever() -> None:
    assert int(hashlib.sha256(b"12:abc").hexdigest()[:32], 16) == fingerprint_part(12, "abc")
    assert int(hashlib.sha256(b"-1:abc").hexdigest()[:32], 16) == fingerprint_part(-1, "abc")


def test_the_constants_of_the_contract_stay_as_they_are() -> None:
    # Another number here makes every history that was written before disagree.
    assert ROW_FORMAT == 1
    assert f"{FINGERPRINT_MODULUS:x}" == "1" + "0" * 32
    assert canonical_json({"b": [1, None], "a": "Zoë"}) == '{"a":"Zoë","b":[1,null]}'.encode()


def test_columns_of_different_lengths_are_never_hashed() -> None:
    columns: list[list[Any]] = [[1, 2] for _ in DEVICE_COLUMNS]
    columns[0] = [1]
    with pytest.raises(ValueError, match="is shorter than argument"):
        DeviceHash(()).of(columns)


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_a_hash_does_not_depend_on_its_neighbours(rows: list[dict[str, Any]]) -> None:
    assert [hashes(row)[0] for row in rows] == hashes(*rows)


@given(ROWS)
def test_what_means_the_same_has_the_same_hash(row: dict[str, Any]) -> None:
    same = dict(row)
    if row["rps_expires_at"]:
        same["rps_expires_at"] = row["rps_expires_at"].astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert row_version(row) == row_version(same)


@given(ROWS, st.sampled_from(DEVICE_COLUMNS), st.data())
def test_another_value_has_another_hash(row: dict[str, Any], column: Any, data: st.DataObject) -> None:
    if column.name in ("dn_tags", "extra"):
        other = row | {column.name: '{"other":"value of its own"}'}
    else:
        value = data.draw(VALUES[column.type].filter(lambda value: value != row[column.name]))
        other = row | {column.name: value}
    assert row_version(row) != row_version(other)


@given(ROWS, ROWS)
def test_the_tracked_version_ignores_volatile_columns_only(row: dict[str, Any], other: dict[str, Any]) -> None:
    volatile = ("online", "ip_address")
    flipped = row | {name: other[name] for name in volatile}
    (version, tracked), (version_2, tracked_2) = hashes(row, flipped, volatile=volatile)
    assert tracked == tracked_2
    assert (version == version_2) == all(row[name] == flipped[name] for name in volatile)
    assert tracked == row_version({name: None if name in volatile else value for name, value in row.items()})


def test_numbers_beyond_64_bits_are_told_apart() -> None:
    big = [{"extra": f'{{"X":{2**70 + n}}}'} for n in range(3)]
    assert len({version for version, _ in hashes(*big)}) == 3
