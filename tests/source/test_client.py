"""One PBX over HTTP: whatever comes back, an error of the right kind in bounded time, and no secret anywhere."""

import base64
import gzip
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from itertools import chain, repeat
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from dlt_threecx.simulator import FAULTS, Fleet, Simulator
from dlt_threecx.source.client import Client
from dlt_threecx.source.errors import (
    CredentialsError,
    DriftError,
    ProtocolError,
    QueryError,
    SettingsError,
    ThreecxError,
    UnreachableError,
    quoted,
)
from dlt_threecx.source.settings import Settings
from dlt_threecx.source.walk import walk
from tests.source.reading import ALL, Items, read, rows, settings_of
from tests.source.scripted import SECRET, TOKEN, Asked, Reply, Scripted, json_reply, reply, token_reply, with_token

PAGE: dict[str, Any] = {"@odata.count": 1, "value": [{"Id": 1}]}
PATIENCE_SECONDS = 15.0
"""No fault may take longer than this with the settings of these tests."""


def get(server: Scripted, **settings: Any) -> dict[str, Any]:
    with closing(Client(server.settings(**settings))) as client:
        return client.get("SipDevices", "$top=100")


def failure(server: Scripted, **settings: Any) -> ThreecxError:
    began = time.monotonic()
    with pytest.raises(ThreecxError) as caught:
        get(server, **settings)
    assert time.monotonic() - began < PATIENCE_SECONDS
    return checked(caught.value)


def checked(error: ThreecxError) -> ThreecxError:
    """Three parts, on one line, and nothing in it that nobody may see."""
    assert all((error.asked, error.got, error.do))
    assert error.asked.startswith(("GET /xapi/v1/SipDevices", "POST /connect/token", "a new token"))
    assert "\n" not in str(error)
    assert len(str(error)) < 800
    assert "pw-secret" not in str(error)
    return error


def always(answer: Reply) -> Scripted:
    return Scripted(with_token(lambda _: answer))


# every named fault of the simulator

EXPECTED: dict[str, type[ThreecxError] | None] = {
    "unauthorized_midwalk": None,
    "restart_midwalk": None,
    "page_cap": None,
    "page_cap_400": None,
    "token_stolen": CredentialsError,
    "forbidden_empty": CredentialsError,
    "too_many_requests": UnreachableError,
    "too_many_requests_bare": UnreachableError,
    "server_error_empty": ProtocolError,
    "bad_gateway": UnreachableError,
    "unavailable": UnreachableError,
    "gateway_timeout": UnreachableError,
    "html": ProtocolError,
    "redirect": ProtocolError,
    "next_link": ProtocolError,
    "token_html": ProtocolError,
    "token_redirect": ProtocolError,
    "token_missing": ProtocolError,
    "token_not_json": ProtocolError,
    "json_cut": ProtocolError,
    "body_cut": UnreachableError,
    "reset": UnreachableError,
    "stall": UnreachableError,
    "drip": UnreachableError,
    "huge_body": ProtocolError,
    "deep_nesting": ProtocolError,
    "not_utf8": ProtocolError,
    "duplicate_keys": ProtocolError,
    "value_missing": DriftError,
    "value_null": DriftError,
    "value_not_list": DriftError,
    "count_missing": DriftError,
    "count_wrong": DriftError,
    "count_changing": DriftError,
    "count_negative": ProtocolError,
    "count_fraction": ProtocolError,
    "nested_property": ProtocolError,
    "repeated_row": ProtocolError,
    "row_out_of_order": DriftError,
    "id_missing": ProtocolError,
    "id_text": ProtocolError,
    "id_too_large": ProtocolError,
}
"""None: the fault is survived."""

EXIT_CODES = {QueryError: 2, CredentialsError: 3, UnreachableError: 4, ProtocolError: 5, DriftError: 5}


def test_every_fault_of_the_simulator_has_its_expectation() -> None:
    assert EXPECTED.keys() == FAULTS.keys()


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize(("fault", "expected"), sorted(EXPECTED.items(), key=str))
def test_every_fault_gives_all_rows_or_its_own_error(
    fault: str, expected: type[ThreecxError] | None, in_flight: int
) -> None:
    fleet = Fleet(devices=130, seed=3)
    with Simulator(fleet, fault=fault, delay_seconds=0.01 if in_flight > 1 else 0.0) as pbx:
        settings: dict[str, Any] = {
            "page_size": 20,
            "pages_in_flight": in_flight,
            "timeout_seconds": 0.2 if expected is UnreachableError else 5,
            "attempts": 2,
        }
        began = time.monotonic()
        if expected is None:
            assert rows(pbx, **{**settings, "attempts": 4, "timeout_seconds": 5}) == fleet.served()
        else:
            with pytest.raises(ThreecxError) as caught:
                read(pbx, **settings)
            assert type(checked(caught.value)) is expected
            assert caught.value.exit_code == EXIT_CODES[expected]
        assert time.monotonic() - began < PATIENCE_SECONDS
        assert not pbx.stray_requests
        assert len(pbx.token_requests) <= 3


@pytest.mark.parametrize(
    "fault", ["unavailable", "bad_gateway", "gateway_timeout", "too_many_requests_bare", "reset", "body_cut"]
)
@pytest.mark.parametrize("after", [0, 2])
def test_a_fault_that_passes_is_waited_out(pbx: Simulator, fleet: Fleet, fault: str, after: int) -> None:
    pbx.set_fault(fault, after=after, times=3)
    assert rows(pbx) == fleet.served()


@pytest.mark.parametrize("fault", sorted(name for name, error in EXPECTED.items() if error is DriftError))
def test_a_walk_spoilt_once_is_begun_again(pbx: Simulator, fleet: Fleet, fault: str) -> None:
    pbx.set_fault(fault, after=1, times=1)
    walked = read(pbx)
    assert walked.rows.content == fleet.served()
    assert walked.walks == 2


# time


def test_a_stalled_server_costs_the_time_out_for_each_attempt_and_no_more() -> None:
    def stalling(_: Asked) -> Iterator[bytes]:
        server.ended.wait()
        yield b""

    with Scripted(with_token(stalling)) as server:
        error = failure(server, timeout_seconds=0.1, attempts=3)
        assert isinstance(error, UnreachableError)
        assert "0.1 s (tried 3 times)" in error.got
        assert len(server.requests) == 4


@pytest.mark.parametrize("slow_part", ["status", "headers", "body", "chunks", "continue", "gzip"])
def test_a_server_that_drips_is_cut_off_wherever_it_drips(slow_part: str) -> None:
    forever = {
        "status": repeat(b"H"),
        "headers": chain([b"HTTP/1.1 200 OK\r\nX-Slow: "], repeat(b"a")),
        "body": chain([b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"], repeat(b" ")),
        "chunks": chain([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], repeat(b"1\r\n \r\n")),
        "continue": repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
        "gzip": chain(
            [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n", gzip.compress(b"")[:10]],
            repeat(b"\x00"),
        ),
    }[slow_part]

    def dripping(_: Asked) -> Iterator[bytes]:
        for piece in forever:
            yield piece
            if server.ended.wait(0.02):
                return

    with Scripted(with_token(dripping)) as server:
        error = failure(server, timeout_seconds=0.3, attempts=2)
        assert error.exit_code == (4 if slow_part != "gzip" else error.exit_code)


def test_a_retry_after_is_honoured() -> None:
    answers = iter([reply(429, Retry_After="1"), json_reply(PAGE)])
    with Scripted(with_token(lambda _: next(answers))) as server:
        began = time.monotonic()
        assert get(server) == PAGE
        assert time.monotonic() - began >= 1


@pytest.mark.parametrize("retry_after", ["0", "-5", "soon", "nan", "inf", "Wed, 21 Oct 2015 07:28:00 GMT", "\xff"])
def test_a_retry_after_without_sense_is_not_waited_for(retry_after: str) -> None:
    answers = iter([reply(503, Retry_After=retry_after), json_reply(PAGE)])
    with Scripted(with_token(lambda _: next(answers))) as server:
        assert get(server) == PAGE


@pytest.mark.parametrize("retry_after", ["3600", "1e9", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_retry_after_beyond_all_patience_ends_the_run_at_once(retry_after: str) -> None:
    with always(reply(429, Retry_After=retry_after)) as server:
        error = failure(server)
        assert (error.exit_code, error.status) == (4, 429)
        assert "asks for" in error.got
        assert len(server.requests) == 2


def test_the_pauses_between_attempts_double() -> None:
    with always(reply(503)) as server:
        began = time.monotonic()
        failure(server, backoff_seconds=0.05, attempts=4)
        assert 0.35 <= time.monotonic() - began < 20


# bodies


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "malformed"),
        (b"[1, 2]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"<html>Sign in</html>", "malformed"),
        (b'{"value": [', "malformed"),
        (b'{"value": []} trailing', "malformed"),
        (b'{"value": NaN}', "malformed"),
        (b'{"value": -Infinity}', "malformed"),
        (b'{"value": 1e999}', "malformed"),
        (b'{"value": ' + b"9" * 5000 + b"}", "malformed"),
        (b'{"value": "a\x00b"}', "malformed"),
        (b'{"value": "\xff"}', "not UTF-8"),
        (b'{"value": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"value": 1, "value": 2}', "twice"),
        (b'{"value": [{"Id": 1, "DN": {"Id": 1, "Id": 1}}]}', "twice"),
        (b'{"\\ud800": 1, "\\ud801": 2}', "twice"),
        (b'{"value": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "deeply"),
        (b'{"value": ' + b'{"a":' * 50_000, "deeply"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_json_object_is_never_data(body: bytes, word: str) -> None:
    with always(reply(200, body, Content_Type="text/html")) as server:
        error = failure(server)
        assert type(error) is ProtocolError
        assert word in error.got
        assert len(server.requests) == 2


def test_a_body_of_any_size_is_cut_off_at_the_limit() -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    with always(chain([head], repeat(b" " * 2**20, 40))) as server:
        assert "larger than 32 MB" in failure(server).got


def test_a_body_that_unpacks_to_any_size_is_cut_off_at_the_limit() -> None:
    bomb = gzip.compress(b" " * (64 * 2**20))
    with always(reply(200, bomb, Content_Encoding="gzip")) as server:
        assert "larger than 32 MB" in failure(server).got


def test_a_packed_body_is_unpacked() -> None:
    body = gzip.compress(json.dumps(PAGE).encode())
    with always(reply(200, body, Content_Encoding="gzip")) as server:
        assert get(server) == PAGE


def test_a_byte_order_mark_is_no_fault() -> None:
    with always(reply(200, b"\xef\xbb\xbf" + json.dumps(PAGE).encode())) as server:
        assert get(server) == PAGE


def test_what_no_destination_can_store_is_replaced() -> None:
    body = (
        rb'{"lone": "a\ud800b", "low": "\udc00", "nul": "a\u0000b", "pair": "\ud83d\ude00", "plain": "\\ud800 \\u0000",'
        rb' "deep": [{"k\u0000": ["\uDFFF"]}], "e": "\u00e9"}'
    )
    with always(reply(200, body)) as server:
        assert get(server) == {
            "lone": "a\ufffdb",
            "low": "\ufffd",
            "nul": "a\ufffdb",
            "pair": "\U0001f600",
            "plain": "\\ud800 \\u0000",
            "deep": [{"k\ufffd": ["\ufffd"]}],
            "e": "é",
        }


# statuses


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, ProtocolError),
        (301, ProtocolError),
        (307, ProtocolError),
        (400, QueryError),
        (401, CredentialsError),
        (403, CredentialsError),
        (404, CredentialsError),
        (405, ProtocolError),
        (418, ProtocolError),
        (429, UnreachableError),
        (500, ProtocolError),
        (501, ProtocolError),
        (502, UnreachableError),
        (503, UnreachableError),
        (504, UnreachableError),
    ],
)
@pytest.mark.parametrize("has_body", [False, True])
def test_every_status_has_its_kind_of_error_and_echoes_no_secret(
    status: int, kind: type[ThreecxError], has_body: bool
) -> None:
    message = f"You are\n'{SECRET}' with Bearer {TOKEN} and pw%2Dsecret " + "x" * 1000
    body = json.dumps({"error": {"code": "", "message": message}}) if has_body and status != 204 else ""
    with always(reply(status, body, Location="http://127.0.0.1:1/")) as server:
        error = failure(server)
        assert type(error) is kind
        assert error.status == status
        assert error.exit_code == EXIT_CODES[kind]


def test_a_secret_that_comes_back_as_it_is_is_covered() -> None:
    answer = json_reply({"error": "bad", "error_description": "no pw secret/+ü!"}, status=401)
    with Scripted(lambda _: answer) as server:
        assert "no ***!" in failure(server, client_secret="pw secret/+ü").got
    page = reply(200, "no", Content_Type=f"text/{TOKEN}")
    with always(page) as server:
        assert "text/***" in failure(server).got


API_KEY = "Zk3vQ9xT7bLm2RwYp8Hd+/=ü"


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "hidden",
    [
        API_KEY,
        quote(API_KEY),
        quote_plus(API_KEY),
        "".join(f"%{byte:02x}" for byte in API_KEY.encode()),
        quote(quote(API_KEY)),
        base64_of(API_KEY),
        base64.urlsafe_b64encode(API_KEY.encode()).decode().rstrip("="),
        base64_of(f"id:{API_KEY}"),
        base64_of(f"a:{API_KEY}"),
        base64_of(base64_of(API_KEY)),
        quote(base64_of(API_KEY)),
        base64_of(API_KEY)[3:25],
        API_KEY.encode().hex(),
        API_KEY.encode().hex(":"),
        "".join(f"\\u{ord(c):04x}" for c in API_KEY),
        "".join(f"\\x{ord(c):02X}" for c in API_KEY),
        "".join(f"&#{ord(c)};" for c in API_KEY),
        "".join(f"&#x{ord(c):x};" for c in API_KEY),
        API_KEY[::-1],
        base64_of(API_KEY)[::-1],
        API_KEY.upper(),
        API_KEY.swapcase(),
        API_KEY[:6],
        API_KEY[-9:],
        API_KEY[5:12],
        " ".join(API_KEY),
    ],
)
def test_a_secret_comes_back_in_no_disguise(hidden: str) -> None:
    shown = quoted(f"the key ({hidden}) is wrong", (API_KEY,))
    assert shown == ("the key (***) is wrong" if hidden == API_KEY else "(left out, as it holds a secret)")
    answer = json_reply({"error": "bad", "error_description": f"the key <{hidden}> is wrong"}, status=401)
    with Scripted(lambda _: answer) as server:
        got = failure(server, client_secret=API_KEY).got
    assert got.endswith(("(left out, as it holds a secret)", "the key <***> is wrong"))


@pytest.mark.parametrize(
    "words",
    [
        "The client id or the client secret is wrong.",
        "Could not find a property named 'Foo' on type 'Pbx.SipDevice'.",
        "The limit of '100' for Top query has been exceeded. The value from the incoming request is '500'.",
        "100 % of 0x1234 &amp; c29tZXRoaW5nIGVsc2U=",
    ],
)
def test_harmless_words_are_quoted_in_full(words: str) -> None:
    secrets = (API_KEY, "pw-secret-client-3f9c2a7d51e8b604", base64_of("x" * 400))
    assert quoted(words, secrets) == words


@pytest.mark.parametrize("header", ["X-3CX-Version", "Date", "Retry-After", "X: y\r\nno header at all"])
def test_a_secret_in_a_header_goes_nowhere(header: str, caplog: pytest.LogCaptureFixture) -> None:
    def page(asked: Asked) -> Reply:
        return reply(200, json.dumps(PAGE), **{header: asked.headers["authorization"].partition(" ")[2]})

    caplog.set_level(logging.DEBUG)
    with Scripted(with_token(page)) as server, closing(Client(server.settings())) as client:
        client.get("SipDevices")
        assert client.version is None
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(("count", "device_id"), [(TOKEN, 1), (1, base64_of(TOKEN))])
def test_a_secret_in_a_page_is_not_quoted(count: Any, device_id: Any) -> None:
    page = json_reply({"@odata.count": count, "value": [{"Id": device_id}]})
    with always(page) as server, closing(Client(server.settings())) as client, pytest.raises(ProtocolError) as caught:
        walk(client, ALL, Items)
    assert TOKEN not in str(checked(caught.value))
    assert base64_of(TOKEN) not in str(caught.value)


def test_a_piece_of_a_token_in_the_pbxs_own_words_is_masked() -> None:
    assert quoted("refused: Bearer eyJhbGciOiJFUzI1NiIsInR5 and so on") == "refused: Bearer *** and so on"


def test_the_pbxs_own_words_are_quoted_on_one_line_and_cut() -> None:
    with always(
        json_reply({"error": {"message": "Could not find\n a property" + " named" * 100}}, status=400)
    ) as server:
        error = failure(server)
        assert "Could not find a property named named" in error.got
        assert error.got.endswith("…")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"x"', b'{"error":null}', b'{"error":{"message":[[[1]]]}}', b"\xff\xfe", b"[" * 9000]
)
def test_an_error_without_words_is_still_an_error(body: bytes) -> None:
    with always(reply(400, body)) as server:
        assert isinstance(failure(server), QueryError)


def test_the_version_of_the_pbx_is_noted(pbx: Simulator) -> None:
    with closing(Client(settings_of(pbx))) as client:
        client.get("Defs", "$select=Id")
        assert str(client.version).startswith("20.")
        assert client.requests == 1


def test_a_version_is_noted_when_it_changes_and_never_a_token_instead() -> None:
    headers = iter(["20.0.4.725", "20.0.4.725", TOKEN, "20.0.5.1"])

    def page(_: Asked) -> Reply:
        return reply(200, json.dumps(PAGE), X_3CX_Version=next(headers))

    with Scripted(with_token(page)) as server, closing(Client(server.settings())) as client:
        noted = []
        for _ in range(4):
            client.get("SipDevices")
            noted.append(client.version)
    assert noted == ["20.0.4.725", "20.0.4.725", "20.0.4.725", "20.0.5.1"]


# connections


def test_nobody_listening_is_unreachable() -> None:
    with always(b"") as server:
        settings = server.settings(attempts=2)
    with closing(Client(settings)) as client, pytest.raises(UnreachableError, match=r"refused.*tried 2 times"):
        client.get("SipDevices")


def test_an_unknown_host_is_unreachable() -> None:
    with always(b"") as server:
        settings = server.settings()
    unknown = type(settings)("https://pbx.invalid", "me", SECRET, attempts=1, timeout_seconds=2)
    with closing(Client(unknown)) as client, pytest.raises(UnreachableError, match=r"pbx\.invalid"):
        client.get("SipDevices")


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nA" * 300]
)
def test_what_speaks_no_http_is_unreachable(answer: bytes) -> None:
    with always(answer) as server:
        assert isinstance(failure(server, attempts=2), UnreachableError)


def test_the_bearer_goes_nowhere_else() -> None:
    with Scripted(lambda _: json_reply(PAGE)) as thief:
        link = {**PAGE, "@odata.nextLink": f"{thief.base_url}/xapi/v1/SipDevices?$skip=1"}
        for answer in (reply(302, Location=thief.base_url), json_reply(link)):
            with (
                Scripted(with_token(lambda _, answer=answer: answer)) as server,  # type: ignore[misc]
                closing(Client(server.settings())) as client,
                pytest.raises(ProtocolError, match="not followed"),
            ):
                walk(client, ALL, Items)
        moved = reply(307, Location=f"{thief.base_url}/connect/token")
        with Scripted(lambda _: moved) as server:
            assert isinstance(failure(server), ProtocolError)
        assert thief.requests == []


def test_a_netrc_file_does_not_replace_the_bearer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("default login other password pw-secret-netrc\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with always(json_reply(PAGE)) as server:
        get(server)
        assert [asked.headers.get("authorization") for asked in server.requests] == [None, f"Bearer {TOKEN}"]


def test_this_machine_is_not_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted(lambda _: reply(502)) as proxy, always(json_reply(PAGE)) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base_url)
        assert get(server) == PAGE
        assert proxy.requests == []


def test_another_machine_is_asked_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted(with_token(lambda _: json_reply(PAGE))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        other = proxy.settings(allow_http=True)
        settings = type(other)("http://pbx.invalid", "me", SECRET, allow_http=True, attempts=1)
        with closing(Client(settings)) as client:
            assert client.get("SipDevices") == PAGE
        assert proxy.requests[1].target == "http://pbx.invalid/xapi/v1/SipDevices"
        monkeypatch.setenv("NO_PROXY", "pbx.invalid")
        with closing(Client(settings)) as client, pytest.raises(UnreachableError):
            client.get("SipDevices")
        assert len(proxy.requests) == 2


def test_a_proxy_that_cannot_be_reached_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted(lambda _: b"") as gone:
        settings = type(gone.settings())("https://pbx.invalid", "me", SECRET, attempts=1)
        monkeypatch.setenv("HTTPS_PROXY", gone.base_url.replace("//", "//user:pw-secret-proxy@"))
    with closing(Client(settings)) as client, pytest.raises(UnreachableError, match="proxy") as caught:
        client.get("SipDevices")
    assert "pw-secret" not in str(caught.value)


# TLS


@pytest.fixture
def secure(certificate: Path) -> Iterator[Scripted]:
    with Scripted(with_token(lambda _: json_reply(PAGE)), certificate) as server:
        yield server


def test_a_self_signed_certificate_is_refused_and_the_way_out_is_named(secure: Scripted) -> None:
    error = failure(secure)
    assert isinstance(error, UnreachableError)
    assert "ca_file" in error.do
    assert "self-signed" in error.got
    assert secure.requests == []


def test_a_ca_file_makes_it_trusted(secure: Scripted, certificate: Path) -> None:
    assert get(secure, ca_file=str(certificate)) == PAGE


@pytest.mark.filterwarnings("error::urllib3.exceptions.HTTPWarning")
def test_verification_can_be_turned_off_and_urllib3_says_nothing_of_it(secure: Scripted) -> None:
    assert get(secure, verify_tls=False) == PAGE


def test_the_settings_go_before_the_environment(
    secure: Scripted, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert get(secure) == PAGE
    import certifi

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    assert get(secure, ca_file=str(certificate)) == PAGE
    assert get(secure, verify_tls=False) == PAGE


def test_a_certificate_for_another_name_is_refused(secure: Scripted, certificate: Path) -> None:
    secure.base_url = secure.base_url.replace("127.0.0.1", "localhost")
    error = failure(secure, ca_file=str(certificate))
    assert error.got.endswith("localhost:" + secure.base_url.rpartition(":")[2] + " is for another name")
    assert "FQDN" in error.do


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_is_none_is_a_wrong_setting(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with always(json_reply(PAGE)) as server, pytest.raises(SettingsError, match="ca_file") as caught:
        get(server, ca_file=str(path))
    assert str(path) in caught.value.got


def test_https_to_a_port_without_tls_says_so() -> None:
    with always(reply(400)) as server:
        server.base_url = server.base_url.replace("http:", "https:")
        error = failure(server)
    assert error.got.endswith("does not speak https on this port")
    assert error.do == "Use the https port, often 5001 or 443"


def test_a_host_that_nobody_knows_is_named_as_such() -> None:
    settings = Settings("https://pbx.invalid", "me", SECRET, attempts=1)
    with closing(Client(settings)) as client, pytest.raises(UnreachableError) as caught:
        client.get("SipDevices")
    assert caught.value.got == "no host of the name in https://pbx.invalid is known (tried once)"
    assert "DNS" in caught.value.do


def test_a_client_that_was_closed_asks_no_more() -> None:
    closers: list[Callable[[], None]] = []

    def busy(_: Asked) -> Reply:
        closers[0]()
        return reply(503)

    with Scripted(lambda asked: token_reply() if asked.target == "/connect/token" else busy(asked)) as server:
        client = Client(server.settings(backoff_seconds=60))
        closers.append(client.close)
        with pytest.raises(ThreecxError, match="closed"):
            client.get("SipDevices")
        assert len(server.requests) == 2


# the clock of the PBX


def skew_of(settings: Settings) -> timedelta | None:
    with closing(Client(settings)) as client:
        client.get("SipDevices", "$top=100")
        return client.clock_skew


@pytest.mark.parametrize("seconds", [-7200, 0, 3600, 10 * 365 * 86400])
def test_the_pbx_says_how_far_its_clock_is_ahead(fleet: Fleet, seconds: int) -> None:
    with Simulator(fleet, clock_ahead_seconds=seconds) as pbx:
        skew = skew_of(settings_of(pbx))
    assert skew is not None
    assert abs(skew.total_seconds() - seconds) < 5


@pytest.mark.parametrize("date", [None, "", "noon", "Wed, 99 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 99999 07:28:00 GMT"])
def test_a_date_header_that_says_nothing_is_no_witness(date: str | None) -> None:
    with always(reply(200, json.dumps(PAGE), **({} if date is None else {"Date": date}))) as server:
        assert skew_of(server.settings()) is None


# what the PBX says of itself


def test_version_and_name_are_asked_for_where_no_header_has_them(fleet: Fleet) -> None:
    with Simulator(fleet, version_header=False) as pbx, closing(Client(settings_of(pbx))) as client:
        client.get("SipDevices", "$top=1")
        assert (client.version, client.fqdn) == (None, None)
        client.ask_system()
        assert (client.version, client.fqdn) == ("20.0.4.725", f"pbx-{fleet.seed}.3cx.example")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        reply(404),
        reply(403),
        reply(503, Retry_After="1"),
        reply(200, "no"),
        json_reply([1]),
        json_reply({"Version": 5, "FQDN": {"a": 1}}),
        json_reply({"Version": "\x1b[31m", "FQDN": f"{TOKEN}.example"}),
    ],
)
def test_a_pbx_that_does_not_say_them_is_none_the_worse_for_it(answer: bytes) -> None:
    with always(answer) as server, closing(Client(server.settings(backoff_seconds=60))) as client:
        client.ask_system()
        assert (client.version, client.fqdn) == (None, None)
        assert len(server.requests) == 2
