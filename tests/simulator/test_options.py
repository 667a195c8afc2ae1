"""Each of the eight options is really answered."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from dlt_threecx.simulator import Fleet, Simulator
from tests.simulator.client import Client


def matching(fleet: Fleet, test: Any) -> list[int]:
    return [row["Id"] for row in fleet.served() if test(row.get("Registrar", {}), row.get("DN", {}), row)]


def test_a_page_without_top_is_as_long_as_the_cap(fleet: Fleet, client: Client) -> None:
    assert [row["Id"] for row in client.rows()] == fleet.ids()[:100]


def test_top_and_skip_cut_out_a_page(fleet: Fleet, client: Client) -> None:
    assert client.ids(top=5) == fleet.ids()[:5]
    assert client.ids(top=5, skip=3) == fleet.ids()[3:8]
    assert client.ids(top=100, skip=117) == fleet.ids()[117:]
    assert client.ids(top=0) == []
    assert client.ids(skip=9_223_372_036_854_775_807) == []


def test_count_comes_only_when_asked_for_and_counts_all_that_match(client: Client, fleet: Fleet) -> None:
    assert "@odata.count" not in client.devices(top=1)[1]
    assert "@odata.count" not in client.devices(top=1, count="false")[1]
    assert client.devices(top=1, skip=50, count="true")[1]["@odata.count"] == 120
    yealinks = matching(fleet, lambda phone, line, row: phone.get("Vendor") == "Yealink")
    page = client.devices(top=1, skip=2, count="true", filter="Registrar/Vendor eq 'Yealink'")[1]
    assert page["@odata.count"] == len(yealinks)


def test_the_plain_page_is_what_the_fleet_serves(fleet: Fleet, client: Client) -> None:
    assert client.rows(top=100, expand="DN") == fleet.served()[:100]
    assert client.rows(top=100) == fleet.served(expand_dn=False)[:100]


FILTERS: dict[str, Any] = {
    "Id eq 20": lambda phone, line, row: row["Id"] == 20,
    "Id gt 20 and Id le 40": lambda phone, line, row: 20 < row["Id"] <= 40,
    "Id lt 20 or Id ge 100": lambda phone, line, row: row["Id"] < 20 or row["Id"] >= 100,
    "Id mod 2 eq 1": lambda phone, line, row: row["Id"] % 2 == 1,
    "Id in (14, 15)": lambda phone, line, row: row["Id"] in (14, 15),
    "not (Registrar/Vendor eq 'Yealink')": lambda phone, line, row: phone.get("Vendor") != "Yealink",
    "Registrar/Vendor ne 'Snom'": lambda phone, line, row: phone.get("Vendor") != "Snom",
    "DN/Number in ('101', '102', '103')": lambda phone, line, row: line.get("Number") in ("101", "102", "103"),
    "DN/Number in ('103')": lambda phone, line, row: line.get("Number") == "103",
    "contains(Registrar/UserAgent, 'SIP-')": lambda phone, line, row: "SIP-" in phone.get("UserAgent", ""),
    "startswith(Registrar/IpAddress,'10.1')": lambda phone, line, row: phone.get("IpAddress", "").startswith("10.1"),
    "endswith(DN/Number,'7')": lambda phone, line, row: line.get("Number", "").endswith("7"),
    "tolower(Registrar/Vendor) eq 'fanvil'": lambda phone, line, row: phone.get("Vendor") == "Fanvil",
    "toupper(Registrar/Vendor) eq 'FANVIL'": lambda phone, line, row: phone.get("Vendor") == "Fanvil",
    "length(DN/Name) gt 12": lambda phone, line, row: len(line.get("Name", "")) > 12,
    "substring(Registrar/MAC,0,6) eq '0C383E'": lambda phone, line, row: phone.get("MAC", "")[:6] == "0C383E",
    "indexof(DN/Number,'9') eq 2": lambda phone, line, row: line.get("Number", "").find("9") == 2,
    "concat(Registrar/Vendor,Registrar/Model) eq 'SnomD785'": lambda phone, line, row: phone.get("Model") == "D785",
    "trim(Registrar/Model) eq 'X4U'": lambda phone, line, row: phone.get("Model") == "X4U",
    "Registrar eq null": lambda phone, line, row: "Registrar" not in row,
    "DN ne null": lambda phone, line, row: "DN" in row,
    "Registrar/FirmwareAvailable eq null": lambda phone, line, row: "FirmwareAvailable" not in phone,
    "Registrar/IpAddress ne null and DN/Number ne null": lambda phone, line, row: (
        "IpAddress" in phone and "Number" in line
    ),
    "Registrar/Capabilities lt 7": lambda phone, line, row: phone.get("Capabilities", 7) < 7,
    "DN/Hidden eq true": lambda phone, line, row: line.get("Hidden") is True,
    "DN/Hidden": lambda phone, line, row: line.get("Hidden") is True,
    "not DN/Hidden": lambda phone, line, row: line.get("Hidden") is False,
    "DN/Type eq 'Extension'": lambda phone, line, row: line.get("Type") == "Extension",
    "DN/Type ne 'Extension'": lambda phone, line, row: line.get("Type") != "Extension",
    "DN/Type eq Pbx.PeerType'Fax'": lambda phone, line, row: line.get("Type") == "Fax",
    "DN/Type in ('Fax', 'ExternalLine')": lambda phone, line, row: line.get("Type") in ("Fax", "ExternalLine"),
    "DN/Tags/any(tag: tag eq 'Teams')": lambda phone, line, row: "Teams" in line.get("Tags", ()),
    "DN/Tags/any()": lambda phone, line, row: bool(line.get("Tags")),
    "DN/Tags/all(tag: tag ne 'Teams')": lambda phone, line, row: "Teams" not in line.get("Tags", ()),
    "contains(DN/Name, 'ü') or contains(DN/Name, 'Ł')": lambda phone, line, row: any(
        letter in line.get("Name", "") for letter in "üŁ"
    ),
    "endswith(DN/Name, 'O''Brien')": lambda phone, line, row: line.get("Name", "").endswith("O'Brien"),
    "DN/Name eq 'x in (y)'": lambda phone, line, row: False,
    "PhoneWebPassword eq 'pw-secret-shared'": lambda phone, line, row: (
        row.get("PhoneWebPassword") == "pw-secret-shared"
    ),
}


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_gives_the_rows_that_match_and_their_number(fleet: Fleet, client: Client, text: str) -> None:
    expected = matching(fleet, FILTERS[text])
    status, page = client.devices(filter=text, select="Id", count="true", top=100)
    assert status == 200, page
    assert [row["Id"] for row in page["value"]] == expected[:100]
    assert page["@odata.count"] == len(expected)


def test_most_filters_match_some_rows_and_not_all(fleet: Fleet) -> None:
    matched = [len(matching(fleet, test)) for test in FILTERS.values()]
    assert sum(0 < count < 120 for count in matched) >= len(FILTERS) - 3


def test_groups_can_be_filtered_and_come_with_an_expand_of_their_own(client: Client) -> None:
    rows = client.rows(filter="DN/MemberOf/any(group: group/Name eq 'Sales')", expand="DN($expand=MemberOf)", top=100)
    assert rows
    assert {group["Name"] for row in rows for group in row["DN"]["MemberOf"]} == {"Sales"}
    assert all(type(group["GroupID"]) is int for row in rows for group in row["DN"]["MemberOf"])


def test_dates_are_compared_as_dates(fleet: Fleet, client: Client) -> None:
    fleet.shape = "later"
    with_date = matching(fleet, lambda phone, line, row: "RpsExpirationUTC" in phone)
    assert with_date
    assert client.ids(filter="Registrar/RpsExpirationUTC gt 2027-02-28T23:00:00Z") == with_date
    assert client.ids(filter="year(Registrar/RpsExpirationUTC) eq 2027") == with_date
    assert client.ids(filter="Registrar/RpsExpirationUTC lt 2027-02-28T23:00:00Z") == []


@pytest.mark.parametrize("text", ["yealink", "YEALINK", "T54W", '"T54W"', "805E", "10.1", "137", "ü", "o'brien"])
def test_search_finds_text_in_what_is_visible(fleet: Fleet, client: Client, text: str) -> None:
    wanted = text.strip('"').casefold()

    def shows(phone: Any, line: Any, row: Any) -> bool:
        shown = [phone.get(name, "") for name in ("MAC", "Vendor", "Model", "IpAddress")]
        shown += [line.get("Number", ""), line.get("Name", "")]
        return any(wanted in value.casefold() for value in shown)

    expected = matching(fleet, shows)
    assert expected
    page = client.devices(search=text, select="Id", count="true")[1]
    assert [row["Id"] for row in page["value"]] == expected
    assert page["@odata.count"] == len(expected)


def test_search_looks_at_no_secret(client: Client) -> None:
    assert client.ids(search="pw-secret") == []


def test_search_and_filter_both_hold(client: Client) -> None:
    rows = client.rows(search="Yealink", filter="Registrar/Model eq 'T31P'")
    assert {(row["Registrar"]["Vendor"], row["Registrar"]["Model"]) for row in rows} == {("Yealink", "T31P")}


def test_orderby_sorts_nulls_first_and_ties_by_id(fleet: Fleet, client: Client) -> None:
    def vendor(row: dict[str, Any]) -> tuple[bool, str]:
        name = row.get("Registrar", {}).get("Vendor")
        return (name is not None, name or "")

    served = fleet.served()
    by_vendor = [row["Id"] for row in sorted(served, key=vendor)]
    assert client.ids(orderby="Registrar/Vendor", top=100) == by_vendor[:100]
    by_vendor_then_down = sorted(sorted(served, key=lambda row: -row["Id"]), key=vendor)
    expected = [row["Id"] for row in by_vendor_then_down]
    assert client.ids(orderby="Registrar/Vendor asc,Id desc", top=100) == expected[:100]


def test_orderby_goes_down_and_takes_expressions(fleet: Fleet, client: Client) -> None:
    assert client.ids(orderby="Id desc", top=3) == fleet.ids()[:-4:-1]
    lengths = [len(row["DN"]["Name"]) for row in client.rows(orderby="length(DN/Name) desc", expand="DN")]
    assert lengths == sorted(lengths, reverse=True)


def test_select_gives_the_named_properties(client: Client) -> None:
    (row,) = client.rows(select="Id,PhoneWebPassword", top=1)
    assert set(row) == {"Id", "PhoneWebPassword"}
    (row,) = client.rows(select="Id,Registrar/MAC,Registrar/Vendor", top=1)
    assert set(row) == {"Id", "Registrar"}
    assert set(row["Registrar"]) == {"MAC", "Vendor"}
    assert client.rows(select="*", top=2) == client.rows(top=2)


def test_dn_comes_only_with_expand(client: Client) -> None:
    assert "DN" not in client.rows(top=1)[0]
    assert "DN" not in client.rows(top=1, select="Id,DN")[0]
    assert "DN" in client.rows(top=1, expand="DN")[0]
    assert "DN" in client.rows(top=1, expand="*")[0]
    assert "MemberOf" not in client.rows(top=1, expand="DN")[0]["DN"]


def test_expand_takes_options_of_its_own(client: Client) -> None:
    (row,) = client.rows(top=1, select="Id", expand="DN($select=Number,Name)")
    assert set(row) == {"Id", "DN"}
    assert set(row["DN"]) == {"Number", "Name"}
    (row,) = client.rows(top=1, select="Id", expand="DN($select=Number;$expand=MemberOf($select=Name))")
    assert set(row["DN"]) == {"Number", "MemberOf"}
    assert [set(group) for group in row["DN"]["MemberOf"]] == [{"Name"}]


def test_all_eight_options_work_together(fleet: Fleet, client: Client) -> None:
    status, page = client.devices(
        top=2,
        skip=1,
        search="yealink",
        filter="DN/Type eq 'Extension'",
        count="true",
        orderby="DN/Number desc",
        select="Id",
        expand="DN($select=Number)",
    )
    numbers = sorted(
        (
            row["DN"]["Number"]
            for row in fleet.served()
            if row.get("Registrar", {}).get("Vendor") == "Yealink" and row.get("DN", {}).get("Type") == "Extension"
        ),
        reverse=True,
    )
    assert status == 200
    assert page["@odata.count"] == len(numbers)
    assert [row["DN"]["Number"] for row in page["value"]] == numbers[1:3]


def test_blanks_come_as_percent_or_plus_and_dollars_may_be_escaped(client: Client) -> None:
    expected = client.ids(filter="Registrar/Vendor eq 'Fanvil'")
    for query in (
        "$filter=Registrar/Vendor+eq+'Fanvil'&$select=Id",
        "%24filter=Registrar%2FVendor%20eq%20%27Fanvil%27&%24select=Id",
    ):
        body = json.loads(client.raw("GET", f"/xapi/v1/SipDevices?{query}")[1])
        assert [row["Id"] for row in body["value"]] == expected


def test_a_literal_plus_is_escaped(fleet: Fleet, client: Client) -> None:
    fleet.update(fleet.ids()[4], {"DN": {"Number": "+49 89"}})
    assert client.ids(filter="DN/Number eq '+49 89'") == [fleet.ids()[4]]
    path = f"/xapi/v1/SipDevices?$filter={quote('DN/Number eq ')}'+49'"
    assert json.loads(client.raw("GET", path)[1])["value"] == []


def test_the_context_names_the_collection(simulator: Simulator, client: Client) -> None:
    metadata = f"{simulator.base_url}/xapi/v1/$metadata#SipDevices"
    assert client.devices(top=1)[1]["@odata.context"] == metadata
    assert client.devices(top=1, expand="DN")[1]["@odata.context"] == f"{metadata}(DN())"
    asked = client.devices(top=1, select="Id,Registrar/MAC")[1]
    assert asked["@odata.context"] == f"{metadata}(Id,Registrar/MAC)"


def test_defs_answer_cheaply(client: Client) -> None:
    response, body = client.raw("GET", "/xapi/v1/Defs?$select=Id")
    assert (response.status, json.loads(body)["Id"]) == (200, 0)
    assert response.headers["X-3CX-Version"] == "20.0.4.725"


def test_a_smaller_cap_is_the_page_and_the_limit(fleet: Fleet) -> None:
    with Simulator(fleet, page_cap=30) as simulator:
        client = Client(simulator).authorize()
        assert len(client.rows()) == 30
        assert "The limit of '30' for Top query" in client.refusal(top=31)
