"""One page: what it must hold before its rows count."""

from __future__ import annotations

from typing import Any

import pytest

from dlt_threecx.source.errors import ProtocolError
from dlt_threecx.source.page import Drifted, Page, device_id_of, page_of

HOME = "https://pbx.example.com:5001"


def page(value: Any, base_url: str = HOME, asked: int = 2, **annotations: Any) -> Page:
    body = {"value": value, **{f"@odata.{name}": given for name, given in annotations.items()}}
    return page_of(body, asked, base_url, str.upper)


@pytest.mark.parametrize(("rows", "is_full"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_page_with_fewer_rows_than_asked_for_is_not_full(rows: int, is_full: bool) -> None:
    items = [{"Id": number} for number in range(rows)]
    assert page(items, count=7) == Page(items, 7, is_full)


@pytest.mark.parametrize("value", [None, "x", {}, 5])
def test_a_page_without_a_list_may_be_better_next_time(value: Any) -> None:
    with pytest.raises(Drifted, match="without the list 'value'"):
        page(value, count=1)


def test_a_page_without_a_count_may_be_better_next_time() -> None:
    with pytest.raises(Drifted, match=r"without '@odata\.count'"):
        page([])


@pytest.mark.parametrize("count", [0, 2**63 - 1])
def test_a_count_goes_from_nothing_to_what_a_destination_can_hold(count: int) -> None:
    assert page([], count=count).count == count


@pytest.mark.parametrize("count", ["two", 2.0, -1, 2**63, True])
def test_a_count_that_counts_nothing_ends_the_reading(count: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        page([], count=count)
    # in words that are fit to print
    assert f"'@odata.count' is {repr(count).upper()}, which counts nothing (HTTP 200)" in caught.value.got


@pytest.mark.parametrize(
    ("base_url", "link", "is_home"),
    [
        (HOME, None, True),
        (HOME, 5, True),
        (HOME, {"href": "https://elsewhere"}, True),
        (HOME, "", True),
        (HOME, "?$skip=2", True),
        (HOME, "/xapi/v1/SipDevices", True),
        (HOME, f"{HOME}/xapi/v1/SipDevices", True),
        (HOME, "HTTPS://PBX.Example.com:5001/", True),
        (HOME, "https://pbx.example.com/", False),
        (HOME, "https://pbx.example.com:5002/", False),
        (HOME, "http://pbx.example.com:5001/", False),
        (HOME, "https://example.com:5001/", False),
        (HOME, "//elsewhere:5001/", False),
        (HOME, "//pbx.example.com:5001/", False),
        (HOME, "mailto:somebody", False),
        (HOME, "https://pbx.example.com:port/", False),
        (HOME, "https://[::1", False),
        ("https://pbx", "https://pbx:443/", True),
        ("https://pbx:443", "https://pbx/", True),
        ("https://pbx", "https://pbx:444/", False),
        ("https://pbx", "https://pbx:80/", False),
        ("http://pbx", "http://pbx:80/", True),
        ("http://pbx:80", "http://pbx/", True),
        ("http://pbx", "http://pbx:81/", False),
        ("http://pbx", "ftp://pbx/", False),
    ],
)
def test_the_token_goes_to_no_other_origin(base_url: str, link: Any, is_home: bool) -> None:
    if is_home:
        assert page([], base_url, count=0, nextLink=link).items == []
        return
    with pytest.raises(ProtocolError, match="another host") as caught:
        page([], base_url, count=0, nextLink=link)
    assert "keep the token safe" in caught.value.do


@pytest.mark.parametrize("device_id", [0, 1, -1, 2**31 - 1, -(2**31)])
def test_an_id_is_any_number_of_32_bits(device_id: int) -> None:
    assert device_id_of({"Id": device_id}, 1, str.upper) == device_id


@pytest.mark.parametrize("device_id", ["one", 1.0, True, 2**31, -(2**31) - 1, [1], {}])
def test_another_id_is_named_with_its_row(device_id: Any) -> None:
    with pytest.raises(ProtocolError, match="row 7 has the unusable Id") as caught:
        device_id_of({"Id": device_id}, 7, str.upper)
    assert f"the unusable Id {repr(device_id).upper()} (HTTP 200)" in caught.value.got


@pytest.mark.parametrize("row", [{}, {"Id": None}, {"id": 1}, None, 5, "Id", ["Id"]])
def test_a_row_without_an_id_is_named(row: Any) -> None:
    with pytest.raises(ProtocolError, match="row 1 has no Id"):
        device_id_of(row, 1, str.upper)
