"""Tokens: how long they live, when another is fetched, and how seldom."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest

from dlt_threecx.simulator import FAULTS, Simulator
from dlt_threecx.source.auth import MAX_RENEWALS, TOKEN_MARGIN_SECONDS, LiveTokens, Token, TokenStore, token_from
from dlt_threecx.source.client import Client
from dlt_threecx.source.errors import CredentialsError, ProtocolError, ThreecxError, UnreachableError
from dlt_threecx.source.query import Query
from dlt_threecx.source.settings import Settings
from dlt_threecx.source.walk import walk
from tests.source.reading import Items, read, rows, settings_of
from tests.source.scripted import SECRET, TOKEN, Asked, Reply, Scripted, json_reply, reply, token_reply, with_token

NOW = 1000.0
EMPTY_PAGE = {"@odata.count": 0, "value": []}


def jwt(**claims: Any) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'ES256'})}.{part(claims)}.signature"


def life_of(token: str, **fields: Any) -> float | None:
    ends_at = token_from({"access_token": token, **fields}, now=NOW).ends_at
    return None if ends_at is None else ends_at - NOW


# how long a token lives


def test_the_tokens_own_life_goes_before_what_the_answer_says() -> None:
    assert life_of(jwt(iat=5000, exp=5600), expires_in=60) == 600 - TOKEN_MARGIN_SECONDS


def test_a_token_without_iat_has_its_life_from_nbf_or_from_the_date_of_the_answer() -> None:
    answered_at = datetime.fromtimestamp(5000, UTC)

    def life(**claims: Any) -> float | None:
        body = {"access_token": jwt(**claims), "expires_in": 60}
        ends_at = token_from(body, now=NOW, answered_at=answered_at).ends_at
        return None if ends_at is None else ends_at - NOW + TOKEN_MARGIN_SECONDS

    assert life(iat=4000, nbf=4900, exp=5600) == 1600
    assert life(nbf=4900, exp=5600) == 700
    assert life(exp=5600) == 600
    assert life(exp=4000) == life() == 3600


@pytest.mark.parametrize(("expires_in", "seconds"), [(60, 3600), (3600, 3600), (1, 60), (61, 61), (120.0, 120)])
def test_both_units_of_expires_in_are_understood(expires_in: float, seconds: float) -> None:
    assert life_of("opaque", expires_in=expires_in) == seconds - min(TOKEN_MARGIN_SECONDS, seconds / 2)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"expires_in": None},
        {"expires_in": 0},
        {"expires_in": "3600"},
        {"expires_in": -5},
        {"expires_in": True},
        {"expires_in": 10**400},
        {"expires_in": float("inf")},
    ],
)
def test_a_token_of_unknown_life_is_used_until_it_is_refused(fields: dict[str, Any]) -> None:
    assert life_of("opaque", **fields) is None


@pytest.mark.parametrize(
    "token",
    [
        "a.b",
        "a.b.c.d",
        "a.!!!.c",
        f"a.{base64.urlsafe_b64encode(b'[1]').decode()}.c",
        jwt(iat=9, exp=9),
        jwt(exp=9),
        jwt(iat="1", exp="2"),
        jwt(iat=0, exp=10**400),
        jwt(iat=float("nan"), exp=float("nan")),
        jwt(iat=[], exp={}),
        "a." + "W1tb" * 40_000 + ".c",
    ],
)
def test_a_token_that_says_nothing_of_use_is_opaque(token: str) -> None:
    assert life_of(token, expires_in=3600) == 3600 - TOKEN_MARGIN_SECONDS


def test_a_short_life_is_used_for_half_of_it_at_least() -> None:
    assert life_of(jwt(iat=100, exp=120)) == 10


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "token",
        {},
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 5},
        {"access_token": "two\nlines"},
        {"access_token": "tökn"},
    ],
)
def test_an_answer_without_a_token_is_a_broken_promise(body: Any) -> None:
    with pytest.raises(ProtocolError, match="no access_token"):
        token_from(body, now=NOW)


@pytest.mark.parametrize(
    ("role", "roles"),
    [(["SystemOwner"], ("SystemOwner",)), ("User", ("User",)), (None, ()), (5, ()), (["a", 1], ("a", "1"))],
)
def test_roles_come_from_the_token(role: Any, roles: tuple[str, ...]) -> None:
    assert token_from({"access_token": jwt(role=role)}, now=NOW).roles == roles


def test_no_token_is_in_a_repr() -> None:
    assert "pw-secret" not in repr(Token("pw-secret-token", 5.0, ("SystemOwner",)))


# one at a time


class Issuer:
    """Gives tokens and counts them."""

    def __init__(self, life: float | None = None) -> None:
        self.given: list[Token] = []
        self.life = life

    def __call__(self) -> Token:
        self.given.append(Token(f"t{len(self.given)}", None if self.life is None else time.monotonic() + self.life))
        return self.given[-1]


def test_a_token_is_fetched_once_and_kept() -> None:
    issuer = Issuer(life=60)
    store = TokenStore(issuer)
    assert store.token() is store.token()
    assert len(issuer.given) == 1


def test_a_token_that_has_ended_is_renewed_without_asking_the_pbx_first() -> None:
    issuer = Issuer(life=0)
    store = TokenStore(issuer)
    assert [store.token().value for _ in range(5)] == ["t0", "t1", "t2", "t3", "t4"]


def test_threads_that_are_refused_together_fetch_one_token() -> None:
    issuer = Issuer()
    store = TokenStore(issuer)
    refused, together = store.token(), Barrier(8)

    def renew(_: int) -> Token:
        together.wait()
        return store.renewed(refused)

    with ThreadPoolExecutor(8) as pool:
        assert {token.value for token in pool.map(renew, range(8))} == {"t1"}
    assert len(issuer.given) == 2


def test_three_tokens_are_the_most_that_a_refusing_pbx_gives_out() -> None:
    issuer = Issuer()
    store = TokenStore(issuer)
    for _ in range(MAX_RENEWALS):
        store.renewed(store.token())
    with pytest.raises(CredentialsError, match="3 tokens"):
        store.renewed(store.token())
    assert len(issuer.given) == 3


def test_clients_with_one_address_and_one_key_share_their_token(pbx: Simulator) -> None:
    tokens = LiveTokens()
    upper = settings_of(pbx, filter="Id gt 100")
    together = Barrier(2)

    def rows_of(settings: Settings) -> int:
        with closing(Client(settings, tokens=tokens)) as client:
            together.wait()
            return len(walk(client, Query(), Items).rows.content)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(rows_of, [settings_of(pbx), upper])) == [240, 240]
    assert len(pbx.token_requests) == 1
    pbx.revoke_tokens()
    with closing(Client(upper, tokens=tokens)) as client:
        client.get("SipDevices")
    assert len(pbx.token_requests) == 2


def test_clients_with_another_key_have_a_token_of_their_own() -> None:
    tokens = LiveTokens()
    with Scripted(with_token(lambda _: json_reply(EMPTY_PAGE))) as pbx:
        for key in ("pw-secret-1", "pw-secret-2", "pw-secret-1"):
            with closing(Client(pbx.settings(client_secret=key), tokens=tokens)) as client:
                client.get("SipDevices")
        assert pbx.tokens_asked == 2


# against a PBX


@pytest.mark.parametrize("unit", ["seconds", "minutes"])
def test_one_token_serves_a_whole_run(unit: Any, fleet: Any) -> None:
    with Simulator(fleet, expires_in=unit) as pbx:
        assert len(rows(pbx)) == 240
        assert len(pbx.token_requests) == 1


def test_a_token_that_ends_is_renewed_before_it_is_refused(fleet: Any) -> None:
    with Simulator(fleet, token_life_seconds=3, delay_seconds=0.15) as pbx:
        assert len(rows(pbx, page_size=20, pages_in_flight=1)) == 240
        assert {request.status for request in pbx.requests} == {200}
        assert len(pbx.token_requests) > 1


def test_a_token_revoked_in_mid_walk_costs_one_more(pbx: Simulator) -> None:
    pbx.fault = "unauthorized_midwalk"
    assert len(rows(pbx)) == 240
    assert len(pbx.token_requests) == 2


@pytest.mark.parametrize("delay", [0.0, 0.03])
def test_a_stolen_token_is_given_up_after_three(fleet: Any, delay: float) -> None:
    with Simulator(fleet, fault="token_stolen", delay_seconds=delay) as pbx:
        with pytest.raises(CredentialsError) as caught:
            rows(pbx, page_size=20)
        assert caught.value.exit_code == 3
        assert "client_id" in caught.value.do
        assert len(pbx.token_requests) <= 3


def test_threads_refused_by_the_pbx_together_fetch_one_token(pbx: Simulator) -> None:
    together = Barrier(6)
    with closing(Client(settings_of(pbx, pages_in_flight=6))) as client:
        client.token()
        pbx.revoke_tokens()

        def ask(_: int) -> int:
            together.wait()
            return len(client.get("SipDevices", "$top=5")["value"])

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(ask, range(6))) == [5] * 6
    assert len(pbx.token_requests) == 2


def test_a_restart_of_the_pbx_is_waited_for(pbx: Simulator) -> None:
    pbx.fault = "restart_midwalk"
    assert len(rows(pbx)) == 240
    assert len(pbx.token_requests) <= 3


def test_a_restart_before_the_first_request_is_waited_for(pbx: Simulator) -> None:
    pbx.restart(requests=2)
    assert len(rows(pbx)) == 240


def test_a_wrong_secret_is_sent_exactly_once(pbx: Simulator) -> None:
    with pytest.raises(CredentialsError) as caught:
        rows(pbx, client_secret="pw-secret-wrong")
    assert caught.value.exit_code == 3
    assert caught.value.status == 401
    assert "pw-secret" not in str(caught.value)
    assert len(pbx.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b'{"error":"invalid_client"}', b'{"error":{"message":7}}'])
def test_a_refused_credential_is_never_sent_again(status: int, body: bytes) -> None:
    with Scripted(lambda _: reply(status, body)) as pbx:
        with closing(Client(pbx.settings())) as client, pytest.raises(CredentialsError) as caught:
            client.get("SipDevices")
        assert caught.value.status == status
        assert len(pbx.requests) == 1


def test_the_form_is_what_the_pbx_expects() -> None:
    with Scripted(with_token(lambda _: json_reply(EMPTY_PAGE))) as pbx:
        with closing(Client(pbx.settings(client_id="a b&c", client_secret="x+y=ü"))) as client:
            client.get("SipDevices")
        token, page = pbx.requests
    assert (token.method, token.headers["content-type"]) == ("POST", "application/x-www-form-urlencoded")
    assert token.body == "client_id=a+b%26c&client_secret=x%2By%3D%C3%BC&grant_type=client_credentials"
    assert "authorization" not in token.headers
    assert page.headers["authorization"] == f"Bearer {TOKEN}"


def test_a_pbx_that_refuses_the_token_it_has_just_given_is_not_asked_for_ever() -> None:
    with Scripted(with_token(lambda _: reply(401))) as pbx:
        with closing(Client(pbx.settings())) as client, pytest.raises(CredentialsError, match="just given"):
            client.get("SipDevices")
        assert pbx.tokens_asked == 2


def test_a_given_access_token_is_never_renewed(pbx: Simulator) -> None:
    with closing(Client(settings_of(pbx))) as client:
        token = client.token().value
    given: dict[str, Any] = {"access_token": token, "client_id": None, "client_secret": None}
    assert len(rows(pbx, **given)) == 240
    assert len(pbx.token_requests) == 1
    pbx.revoke_tokens()
    with pytest.raises(CredentialsError) as caught:
        rows(pbx, **given)
    assert "access_token" in str(caught.value)
    assert token not in str(caught.value)
    assert len(pbx.token_requests) == 1


@pytest.mark.parametrize(
    "fault", sorted(name for name in FAULTS if name.startswith("token_") and name != "token_stolen")
)
def test_a_token_endpoint_that_gives_no_token_is_reported(pbx: Simulator, fault: str) -> None:
    pbx.fault = fault
    with pytest.raises(ProtocolError) as caught:
        read(pbx)
    assert caught.value.exit_code == 5
    assert "connect/token" in caught.value.asked
    assert len(pbx.token_requests) == 1
    assert not pbx.stray_requests


def test_a_busy_token_endpoint_is_asked_again() -> None:
    answers = iter([reply(503), reply(429, Retry_After="0"), token_reply()])

    def answer(asked: Asked) -> Reply:
        return next(answers) if asked.target == "/connect/token" else json_reply(EMPTY_PAGE)

    with Scripted(answer) as pbx, closing(Client(pbx.settings())) as client:
        assert client.get("SipDevices") == EMPTY_PAGE
        assert pbx.tokens_asked == 3


@pytest.mark.parametrize("status", [302, 500, 418])
def test_other_answers_of_the_token_endpoint_are_reported(status: int) -> None:
    echo = json.dumps({"error": "odd", "error_description": f"your secret was {SECRET}"})
    with (
        Scripted(lambda _: reply(status, echo, Location="http://127.0.0.1:1/")) as pbx,
        closing(Client(pbx.settings())) as client,
        pytest.raises(ThreecxError) as caught,
    ):
        client.token()
    assert isinstance(caught.value, ProtocolError)
    assert SECRET not in str(caught.value)


def test_no_token_endpoint_at_all_is_unreachable() -> None:
    with Scripted(lambda _: b"") as pbx:
        settings = pbx.settings(attempts=2)
    with closing(Client(settings)) as client, pytest.raises(UnreachableError, match="refused") as caught:
        client.token()
    assert caught.value.exit_code == 4
