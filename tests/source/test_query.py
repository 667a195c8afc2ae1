"""The eight options: what is sent, and what is refused before anything is sent."""

from typing import Any

import pytest

from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.client import Client
from dlt_threecx.source.errors import QueryError
from dlt_threecx.source.query import Query, text_literal
from tests.source.reading import rows, settings_of


@pytest.mark.parametrize(
    ("query", "encoded"),
    [
        (Query(), ""),
        (Query(top=0), "$top=0"),
        (Query(top=7, skip=3), "$top=7&$skip=3"),
        (Query(skip=0), ""),
        (Query(search="Anna Müller"), "$search=Anna%20M%C3%BCller"),
        (Query(search="+49 30"), "$search=%2B49%2030"),
        (Query(filter="DN/Number eq '10&1'"), "$filter=DN/Number%20eq%20'10%261'"),
        (Query(filter=f"DN/Name eq {text_literal(chr(39))}"), "$filter=DN/Name%20eq%20''''"),
        (Query(filter="DN/Name eq 'a#b%c?d=e;f'"), "$filter=DN/Name%20eq%20'a%23b%25c%3Fd%3De%3Bf'"),
        (Query(filter="DN/Name eq '\U0001f4de'"), "$filter=DN/Name%20eq%20'%F0%9F%93%9E'"),
        (Query(count=True), "$count=true"),
        (Query(count=False), "$count=false"),
        (Query(orderby="DN/Number desc, Id"), "$orderby=DN/Number%20desc,Id"),
        (Query(orderby=["DN/Number desc", "Id"]), "$orderby=DN/Number%20desc,Id"),
        (Query(select=["Id", "DN"]), "$select=Id,DN"),
        (Query(select=[]), ""),
        (Query(expand="DN($select=Id,Name)"), "$expand=DN($select%3DId,Name)"),
        (Query(expand="DN($filter=Name eq ',)';$select=Id),Other"), None),
    ],
)
def test_options_are_encoded_as_odata_wants_them(query: Query, encoded: str | None) -> None:
    expected = "$expand=DN($filter%3DName%20eq%20',)'%3B$select%3DId),Other" if encoded is None else encoded
    assert query.encoded() == expected


def test_all_eight_go_together() -> None:
    query = Query(1, 2, "x", "Id gt 0", True, "Id", "Id", "DN")
    assert (
        query.encoded() == "$top=1&$skip=2&$search=x&$filter=Id%20gt%200&$count=true&$orderby=Id&$select=Id&$expand=DN"
    )


@pytest.mark.parametrize(
    "options",
    [
        {"top": -1},
        {"skip": -1},
        {"top": True},
        {"skip": False},
        {"top": "5"},
        {"top": 1.5},
        {"count": 1},
        {"count": "true"},
        {"search": ""},
        {"search": "  "},
        {"filter": ""},
        {"filter": "DN/Name eq 'O'Brien'"},
        {"filter": "DN/Name eq '\udcff'"},
        {"orderby": ""},
        {"orderby": "Id,,DN/Name"},
        {"select": ["Id", ""]},
        {"select": "Id,DN,Id"},
        {"expand": "DN,"},
    ],
)
def test_what_no_server_can_accept_is_refused_before_anything_is_sent(options: dict[str, Any]) -> None:
    with pytest.raises(QueryError) as caught:
        Query(**options)
    error = caught.value
    assert error.exit_code == 2
    assert all((error.asked, error.got, error.do))
    assert "option" in error.asked


@pytest.mark.parametrize(
    ("orderby", "expected"),
    [
        (None, ("Id",)),
        ("Id", ("Id",)),
        ("Id desc", ("Id desc",)),
        ("DN/Number", ("DN/Number", "Id")),
        ("DN/Number desc,Id desc", ("DN/Number desc", "Id desc")),
        ("length(DN/Name) desc", ("length(DN/Name) desc", "Id")),
    ],
)
def test_every_order_is_made_total_by_the_id(orderby: str | None, expected: tuple[str, ...]) -> None:
    assert Query(orderby=orderby).total_order == expected


@pytest.mark.parametrize(
    ("select", "has_key"), [(None, True), ("Id", True), ("DN,Id", True), ("*", True), ("DN", False)]
)
def test_whether_rows_carry_their_key_is_known(select: str | None, has_key: bool) -> None:
    assert Query(select=select).has_key is has_key


def test_quotes_are_doubled_in_a_text() -> None:
    assert text_literal("O'Brien") == "'O''Brien'"


NAMES = [
    "O'Brien",
    "''",
    "+49 30/123",
    "a&b=c#d?e%20f;g",
    "100 %",
    "Zoë 电话 \U0001f4de",
    "a,b)(c",
    'quote"back\\slash',
]


@pytest.mark.parametrize("name", NAMES)
def test_a_text_arrives_at_the_server_as_it_is(name: str) -> None:
    fleet = Fleet(devices=20, seed=1)
    device_id = fleet.ids()[3]
    fleet.update(device_id, {"DN": {"Name": name}})
    with Simulator(fleet) as pbx:
        found = rows(pbx, Query(filter=f"DN/Name eq {text_literal(name)}", expand="DN"))
        assert [item["Id"] for item in found] == [device_id]
        assert found[0]["DN"]["Name"] == name
        assert device_id in [item["Id"] for item in rows(pbx, Query(search=name))]


def test_each_option_alone_gives_what_the_server_gives(pbx: Simulator, fleet: Fleet) -> None:
    everything = fleet.served(expand_dn=False)
    with_dn = fleet.served()
    vendor = "Registrar/Vendor eq 'Yealink'"
    assert rows(pbx, Query(top=3)) == everything[:3]
    assert rows(pbx, Query(skip=230)) == everything[230:]
    assert rows(pbx, Query(count=True)) == everything
    assert rows(pbx, Query(count=False)) == everything
    assert rows(pbx, Query(orderby="Id desc")) == everything[::-1]
    assert rows(pbx, Query(expand="DN")) == with_dn
    assert rows(pbx, Query(select="Id")) == [{"Id": item["Id"]} for item in everything]
    chosen = [item for item in everything if (item.get("Registrar") or {}).get("Vendor") == "Yealink"]
    assert rows(pbx, Query(filter=vendor)) == chosen


def test_a_filter_on_an_unknown_property_is_answered_in_the_servers_own_words(pbx: Simulator) -> None:
    with pytest.raises(QueryError) as caught:
        rows(pbx, Query(filter="Colour eq 'red'"))
    assert caught.value.status == 400
    assert "Colour" in caught.value.got
    assert "filter" in caught.value.do


def test_the_query_string_is_sent_as_encoded(pbx: Simulator) -> None:
    client = Client(settings_of(pbx))
    client.get("SipDevices", Query(filter="DN/Name eq 'a+b'", top=1).encoded())
    assert pbx.page_requests[-1].target == "/xapi/v1/SipDevices?$top=1&$filter=DN/Name%20eq%20'a%2Bb'"
    client.close()
