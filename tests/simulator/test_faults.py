"""Each named fault does on the wire what its name says, when it should, and as often."""

import json
import socket
from http.client import HTTPConnection, IncompleteRead
from itertools import islice
from typing import Any

import pytest

from dlt_threecx.simulator import FAULTS, Fleet, Simulator
from tests.simulator.client import FORM, Client, devices_path

NAMES = [
    "unauthorized_midwalk",
    "token_stolen",
    "forbidden_empty",
    "too_many_requests",
    "too_many_requests_bare",
    "server_error_empty",
    "bad_gateway",
    "unavailable",
    "gateway_timeout",
    "html",
    "redirect",
    "json_cut",
    "body_cut",
    "reset",
    "stall",
    "drip",
    "value_missing",
    "value_null",
    "value_not_list",
    "count_missing",
    "count_wrong",
    "count_changing",
    "count_negative",
    "count_fraction",
    "nested_property",
    "repeated_row",
    "row_out_of_order",
    "page_cap",
    "page_cap_400",
    "next_link",
    "huge_body",
    "deep_nesting",
    "not_utf8",
    "duplicate_keys",
    "id_missing",
    "id_text",
    "id_too_large",
    "restart_midwalk",
    "token_html",
    "token_redirect",
    "token_not_json",
    "token_missing",
]

PAGE = devices_path(orderby="Id", count="true", expand="DN", top=10)


def test_there_are_these_faults_and_no_others() -> None:
    assert sorted(FAULTS) == sorted(NAMES)


def test_an_unknown_fault_is_refused(simulator: Simulator) -> None:
    with pytest.raises(ValueError, match=r"no fault 'flood'; there are: .*drip"):
        simulator.fault = "flood"
    with pytest.raises(ValueError, match="no fault"):
        Simulator(Fleet(1), fault="flood")


def test_a_fault_can_be_there_from_the_start_and_be_cleared(fleet: Fleet) -> None:
    with Simulator(fleet, fault="server_error_empty") as simulator:
        client = Client(simulator).authorize()
        assert simulator.fault == "server_error_empty"
        assert [client.devices(top=1)[0] for _ in range(3)] == [500, 500, 500]
        simulator.fault = None
        assert client.devices(top=1)[0] == 200
        assert simulator.fault is None


def test_a_fault_begins_after_and_lasts_for_so_many_pages(simulator: Simulator, client: Client) -> None:
    simulator.set_fault("bad_gateway", after=2, times=3)
    assert [client.devices_status() for _ in range(8)] == [200, 200, 502, 502, 502, 200, 200, 200]
    simulator.set_fault("bad_gateway", after=1, times=None)
    assert [client.devices_status() for _ in range(5)] == [200, 502, 502, 502, 502]


def test_token_requests_do_not_count_as_pages(simulator: Simulator, client: Client) -> None:
    simulator.set_fault("bad_gateway", after=1)
    client.authorize()
    client.raw("GET", "/xapi/v1/Defs")
    assert [client.devices_status() for _ in range(2)] == [200, 502]


STATUSES: dict[str, tuple[int, dict[str, str], bytes | None]] = {
    "forbidden_empty": (403, {}, b""),
    "too_many_requests": (429, {"Retry-After": "1"}, None),
    "too_many_requests_bare": (429, {}, b""),
    "server_error_empty": (500, {}, b""),
    "bad_gateway": (502, {"Content-Type": "text/html"}, None),
    "unavailable": (503, {"Content-Type": "text/html"}, None),
    "gateway_timeout": (504, {"Content-Type": "text/html"}, None),
    "html": (200, {"Content-Type": "text/html"}, None),
    "redirect": (302, {}, b""),
}


@pytest.mark.parametrize("name", STATUSES)
def test_a_refusal_has_its_status_headers_and_body(simulator: Simulator, client: Client, name: str) -> None:
    simulator.fault = name
    status, headers, expected = STATUSES[name]
    response, body = client.raw("GET", PAGE)
    assert response.status == status
    assert {key: response.headers[key] for key in headers} == headers
    assert expected is None or body == expected
    assert (response.headers["Retry-After"] is not None) is (name == "too_many_requests")
    assert ("<html>" in body.decode()) is ("text/html" in headers.values())


def test_a_401_in_mid_walk_comes_once_and_wants_a_new_token(simulator: Simulator, client: Client) -> None:
    simulator.fault = "unauthorized_midwalk"
    assert [client.devices_status() for _ in range(4)] == [200, 401, 401, 401]
    client.authorize()
    assert [client.devices_status() for _ in range(4)] == [200, 200, 200, 200]


def test_a_stolen_token_lasts_for_two_pages_each(simulator: Simulator, client: Client) -> None:
    simulator.fault = "token_stolen"
    for _ in range(3):
        client.authorize()
        assert [client.devices_status() for _ in range(4)] == [200, 200, 401, 401]


def test_a_restart_in_mid_walk_is_over_after_three_answers(simulator: Simulator, client: Client) -> None:
    simulator.fault = "restart_midwalk"
    assert [client.devices_status() for _ in range(6)] == [200, 503, 503, 503, 401, 401]
    client.authorize()
    assert [client.devices_status() for _ in range(2)] == [200, 200]


def test_redirects_and_next_links_lead_to_a_host_that_tells(simulator: Simulator, client: Client) -> None:
    simulator.fault = "redirect"
    location = client.raw("GET", PAGE)[0].headers["Location"]
    simulator.fault = "next_link"
    page = client.devices(top=10)[1]
    assert page["value"] == client.rows(top=10)
    simulator.fault = "token_redirect"
    response, _ = client.raw("POST", "/connect/token", "", {"Content-Type": FORM})
    assert response.status == 307
    assert simulator.stray_requests == []
    for url in (location, page["@odata.nextLink"], response.headers["Location"]):
        host, _, path = url.removeprefix("http://").partition("/")
        assert host != simulator.base_url.removeprefix("http://")
        stranger = HTTPConnection("127.0.0.1", int(host.rpartition(":")[2]))
        stranger.request("GET", f"/{path}", headers={"Host": host, "Authorization": "Bearer x"})
        assert stranger.getresponse().status == 404
        stranger.close()
        assert (simulator.stray_requests[-1].host, simulator.stray_requests[-1].with_token) == (host, True)


# pages that look well and are wrong


def struck(simulator: Simulator, client: Client, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The honest page and what the fault makes of it."""
    honest = json.loads(client.raw("GET", PAGE)[1])
    simulator.fault = name
    response, body = client.raw("GET", PAGE)
    assert response.status == 200
    assert int(response.headers["Content-Length"]) == len(body)
    return honest, json.loads(body)


def test_value_is_missing_null_or_no_list(simulator: Simulator, client: Client) -> None:
    for name, expected in (("value_null", {"value": None}), ("value_not_list", {"value": {"Id": 1}})):
        simulator.fault = None
        honest, page = struck(simulator, client, name)
        assert page == honest | expected
    simulator.fault = None
    honest, page = struck(simulator, client, "value_missing")
    del honest["value"]
    assert page == honest


def test_the_count_is_missing_wrong_or_changing(simulator: Simulator, client: Client) -> None:
    honest, page = struck(simulator, client, "count_missing")
    assert page == {name: value for name, value in honest.items() if name != "@odata.count"}
    simulator.fault = "count_wrong"
    assert [client.devices(count="true")[1]["@odata.count"] for _ in range(3)] == [121, 121, 121]
    simulator.fault = "count_changing"
    assert [client.devices(count="true")[1]["@odata.count"] for _ in range(3)] == [121, 122, 123]


def test_a_row_is_repeated_or_out_of_order(simulator: Simulator, client: Client) -> None:
    honest, page = struck(simulator, client, "repeated_row")
    ids, rows = [row["Id"] for row in honest["value"]], page["value"]
    assert [row["Id"] for row in rows] == ids[:1] + ids[:-1]
    simulator.fault = "row_out_of_order"
    rows = json.loads(client.raw("GET", PAGE)[1])["value"]
    assert [row["Id"] for row in rows] == [*ids[:4], ids[5], ids[4], *ids[6:]]


@pytest.mark.parametrize("name", ["repeated_row", "row_out_of_order", "id_missing", "id_text", "id_too_large"])
def test_pages_of_no_row_survive_faults_of_rows(simulator: Simulator, client: Client, name: str) -> None:
    simulator.fault = name
    assert client.rows(top=10, skip=500) == []


def test_an_id_is_missing_text_or_too_large(simulator: Simulator, client: Client) -> None:
    honest, page = struck(simulator, client, "id_missing")
    ids = [row["Id"] for row in honest["value"]]
    assert [row.get("Id") for row in page["value"]] == [*ids[:5], None, *ids[6:]]
    simulator.fault = "id_text"
    assert [row["Id"] for row in client.rows(top=10)] == [*ids[:5], str(ids[5]), *ids[6:]]
    simulator.fault = "id_too_large"
    assert [row["Id"] for row in client.rows(top=10)] == [*ids[:9], 9007199254740993]


def test_a_page_is_capped_silently_or_with_a_word(simulator: Simulator, client: Client) -> None:
    honest, page = struck(simulator, client, "page_cap")
    assert page == honest | {"value": honest["value"][:5]}
    assert [len(client.rows(top=top)) for top in (1, 2, 3, 100)] == [1, 2, 2, 50]
    assert len(client.rows()) == 50
    simulator.fault = "page_cap_400"
    assert client.refusal(top=100) == (
        "The limit of '50' for Top query has been exceeded. The value from the incoming request is '100'."
    )
    assert len(client.rows(top=50)) == 50


def test_a_key_comes_twice(simulator: Simulator, client: Client) -> None:
    honest, page = struck(simulator, client, "duplicate_keys")
    assert page["value"][-1] == honest["value"][-1] | {"Registrar": {"MAC": "000000000000"}}
    assert client.raw("GET", PAGE)[1].count(b'"Registrar":') == 11


@pytest.mark.parametrize(
    "name", sorted(set(NAMES) & {"value_missing", "count_wrong", "duplicate_keys", "page_cap", "next_link"})
)
def test_an_honest_refusal_stays_one(simulator: Simulator, client: Client, name: str) -> None:
    simulator.fault = name
    assert "Top query has been exceeded" in client.refusal(top=500)


# bytes


def test_json_is_cut_off_behind_a_fitting_length(simulator: Simulator, client: Client) -> None:
    whole = client.raw("GET", PAGE)[1]
    simulator.fault = "json_cut"
    response, body = client.raw("GET", PAGE)
    assert int(response.headers["Content-Length"]) == len(body) == len(whole) // 2
    assert whole.startswith(body)


def test_a_body_is_cut_or_reset(simulator: Simulator, client: Client) -> None:
    simulator.fault = "body_cut"
    with pytest.raises(IncompleteRead):
        client.raw("GET", PAGE)
    simulator.fault = "reset"
    with pytest.raises((ConnectionResetError, IncompleteRead)):
        client.raw("GET", PAGE)


def opened(client: Client) -> tuple[socket.socket, bytes]:
    """The open connection, and what has come up to the end of the headers."""
    connection = socket.create_connection((client.base.hostname, client.base.port), 10)
    connection.sendall(f"GET {PAGE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(1)
    return connection, head


def test_a_stalled_body_never_begins_and_ends_with_the_simulator(fleet: Fleet) -> None:
    with Simulator(fleet, fault="stall") as simulator:
        connection, head = opened(Client(simulator).authorize())
        assert b"200 OK" in head
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
    with connection:
        assert connection.recv(1) == b""


def test_a_dripping_body_comes_byte_by_byte_and_ends_with_the_simulator(fleet: Fleet) -> None:
    with Simulator(fleet, fault="drip") as simulator:
        connection, _ = opened(Client(simulator).authorize())
        assert [connection.recv(100) for _ in range(4)] == [b"{", b'"', b"@", b"o"]
    with connection:
        assert len(b"".join(iter(lambda: connection.recv(100), b""))) < 10


def test_a_huge_body_flows_without_a_length(simulator: Simulator, client: Client) -> None:
    simulator.fault = "huge_body"
    connection, head = opened(client)
    with connection:
        assert b"Transfer-Encoding: chunked" in head
        assert b"Content-Length" not in head
        assert sum(map(len, islice(iter(lambda: connection.recv(1 << 20), b""), 200))) > 1 << 22


def test_arrays_nest_deeply(simulator: Simulator, client: Client) -> None:
    simulator.fault = "deep_nesting"
    body = client.raw("GET", PAGE)[1]
    assert body == b'{"value":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def test_a_byte_is_no_utf8(simulator: Simulator, client: Client) -> None:
    simulator.fault = "not_utf8"
    body = client.raw("GET", PAGE)[1]
    with pytest.raises(UnicodeDecodeError):
        body.decode()
    assert len(json.loads(body.decode("latin-1"))["value"]) == 10


# tokens


@pytest.mark.parametrize(
    ("name", "kind", "start"),
    [
        ("token_html", "text/html", b"<html>"),
        ("token_not_json", "text/plain", b"OK"),
        ("token_missing", "application/json", b'{"token_type"'),
    ],
)
def test_a_token_answer_holds_no_token(simulator: Simulator, name: str, kind: str, start: bytes) -> None:
    simulator.fault = name
    response, body = Client(simulator).raw("POST", "/connect/token", "", {"Content-Type": FORM})
    assert (response.status, response.headers["Content-Type"]) == (200, kind)
    assert body.startswith(start)
    assert b"access_token" not in body


def test_token_faults_count_token_requests(simulator: Simulator) -> None:
    simulator.set_fault("token_missing", after=1, times=1)
    client = Client(simulator).authorize()
    assert client.devices_status() == 200
    assert "access_token" not in client.fetch_token()[1]
    assert client.authorize().devices_status() == 200
