"""Which device a word means: an extension before a MAC address, before an Id, before a part of a name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dlt_threecx.destinations.duckdb_file import DuckDbHistory
from dlt_threecx.queries.device_lookup import find_devices
from tests.literal import empty_history, write_days

MAC = "805EC0000007"


@pytest.fixture(scope="module")
def history() -> Iterator[DuckDbHistory]:
    """Device 7 has the extension 12, device 12 the extension 7; device 3 had 300 once."""
    with empty_history() as connection:
        first = {7: {"dn_number": "12", "mac": MAC}, 12: {"dn_number": "7"}, 3: {"dn_number": "300"}}
        then = {**first, 3: {"dn_number": "301", "dn_name": "Room 12"}}
        write_days(connection, [(3, "hq", first), (2, "hq", then), (2, "leeds", {12: {}})])
        yield DuckDbHistory(connection, "threecx")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", [("hq", 7)]),
        ("id:12", [("hq", 12), ("leeds", 12)]),
        (" ID: 12 ", [("hq", 12), ("leeds", 12)]),
        ("7", [("hq", 12)]),
        ("3", [("hq", 3)]),
        ("300", [("hq", 3)]),
        ("80:5e:c0:00:00:07", [("hq", 7)]),
        ("room", [("hq", 3)]),
        ("id:300", []),
        ("id:", []),
        ("99", []),
    ],
)
def test_an_extension_means_the_extension_before_an_id(
    history: DuckDbHistory, text: str, expected: list[tuple[str, int]]
) -> None:
    assert find_devices(history, text) == expected
    assert find_devices(history, text, ["hq"]) == [key for key in expected if key[0] == "hq"]
