"""Many PBXs on one port, the record of requests, and life and death of the server."""

import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

import dlt_threecx.simulator
from dlt_threecx.simulator import FAULTS, Fleet, Simulator
from tests.simulator.client import Client

ROOT = Path(__file__).resolve().parents[2]


def test_a_request_is_recorded_as_it_was_sent_and_answered(simulator: Simulator, client: Client) -> None:
    client.devices(top=5, filter="Id gt 3")
    token, page = simulator.requests
    assert (token.method, token.path, token.status, token.with_token) == ("POST", "/connect/token", 200, False)
    assert (page.method, page.path, page.status, page.with_token) == ("GET", "/xapi/v1/SipDevices", 200, True)
    assert page.query == {"$top": "5", "$filter": "Id gt 3"}
    assert page.target == "/xapi/v1/SipDevices?$top=5&$filter=Id%20gt%203"
    assert page.host == simulator.base_url.removeprefix("http://")
    assert token.at <= page.at
    assert page.at.utcoffset() is not None
    assert (simulator.token_requests, simulator.page_requests) == ([token], [page])
    with pytest.raises(AttributeError):
        page.status = 500  # type: ignore[misc]


def test_many_pbxs_share_a_port_and_nothing_else() -> None:
    fleets = {"pbx-0001": Fleet(10, seed=1), "pbx-0002": Fleet(20, seed=2)}
    with Simulator(fleets) as simulator:
        assert simulator.base_urls == {name: f"{simulator.base_url}/{name}" for name in fleets}
        first, second = (Client(simulator, name).authorize() for name in fleets)
        assert (first.ids(), second.ids()) == tuple(fleet.ids() for fleet in fleets.values())
        second.token, kept = first.token, second.token
        assert second.devices()[0] == 401
        second.token = kept
        simulator.pbxs["pbx-0001"].faults.set("server_error_empty")
        assert (first.devices()[0], second.devices()[0]) == (500, 200)
        assert [request.pbx for request in simulator.page_requests[-2:]] == ["pbx-0001", "pbx-0002"]
        simulator.fault = "forbidden_empty"
        assert (first.devices()[0], second.devices()[0]) == (403, 403)
        assert Client(simulator, "pbx-0001").raw("GET", "/x")[0].status == 404
        first.base = first.base._replace(path="/pbx-0003")
        assert first.devices()[0] == 404


def test_one_connection_carries_many_requests(simulator: Simulator, client: Client) -> None:
    connection = client.connect()
    connection.connect()
    port = connection.sock.getsockname()[1]
    for _ in range(5):
        connection.request("GET", "/xapi/v1/SipDevices?$top=1", headers={"Authorization": f"Bearer {client.token}"})
        assert connection.getresponse().read()
        assert connection.sock.getsockname()[1] == port
    connection.close()


def test_a_client_may_ask_for_the_end_of_the_connection(simulator: Simulator) -> None:
    for request in (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", int(simulator.base_url.rsplit(":", 1)[1])), 10) as one:
            one.sendall(request)
            answer = b"".join(iter(lambda: one.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")


@pytest.mark.parametrize(
    "noise",
    [
        b"\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
    ],
)
def test_what_is_no_http_ends_the_connection(simulator: Simulator, noise: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(simulator.base_url.rsplit(":", 1)[1])), 10) as one:
        one.sendall(noise)
        # with unread input left, the end of the connection comes as a reset
        with suppress(ConnectionResetError):
            assert one.recv(4096) == b""
    assert simulator.requests == []


def test_several_requests_may_be_in_flight_with_one_token(fleet: Fleet, client: Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(lambda skip: client.ids(top=10, skip=skip), range(0, 120, 10)))
    assert [one for page in pages for one in page] == fleet.ids()


def test_it_starts_again_after_it_was_stopped(fleet: Fleet) -> None:
    simulator = Simulator(fleet)
    for _ in range(2):
        simulator.start()
        assert Client(simulator).authorize().devices(top=1)[0] == 200
        simulator.stop()
        with pytest.raises(ConnectionRefusedError):
            Client(simulator).fetch_token()
    simulator.stop()
    simulator.wait()
    assert len(simulator.page_requests) == 2


def test_it_is_quiet_unless_asked(fleet: Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    with Simulator(fleet, log=lines.append) as simulator:
        Client(simulator).authorize().devices(top=1)
    assert lines == ["POST /connect/token 200", "GET /xapi/v1/SipDevices?$top=1 200"]
    assert capfd.readouterr() == ("", "")


def test_a_delay_is_waited_for(fleet: Fleet) -> None:
    with Simulator(fleet, delay_seconds=0.05) as simulator:
        Client(simulator).authorize().devices(top=1)
    first, second = simulator.requests
    assert (second.at - first.at).total_seconds() >= 0.05


def test_the_package_says_what_it_does_not_imitate_and_names_what_is_public() -> None:
    assert "Not imitated:" in (dlt_threecx.simulator.__doc__ or "")
    for name in dlt_threecx.simulator.__all__:
        assert hasattr(dlt_threecx.simulator, name)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) and about for name, about in FAULTS.items())


def test_importing_it_loads_neither_parser_nor_server() -> None:
    code = (
        "import sys, dlt_threecx.simulator\n"
        "print(sorted({'odata_query', 'socketserver', 'http.server', 'dlt'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
