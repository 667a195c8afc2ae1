"""Tokens are given, live and die by 3CX's rules."""

import base64
import json
import time
from typing import Any, Literal

import pytest

from dlt_threecx.simulator import CLIENT_SECRET, Fleet, Simulator
from dlt_threecx.simulator.server import LIVE_ROLES
from tests.simulator.client import FORM, Client


def part(token: str, index: int) -> Any:
    text = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


@pytest.mark.parametrize(("unit", "expires_in"), [("seconds", 3600), ("minutes", 60)])
def test_a_token_lives_an_hour_in_either_unit(
    fleet: Fleet, unit: Literal["seconds", "minutes"], expires_in: int
) -> None:
    with Simulator(fleet, expires_in=unit) as simulator:
        status, answer = Client(simulator).fetch_token()
    token = answer.pop("access_token")
    assert (status, answer) == (
        200,
        {"token_type": "Bearer", "expires_in": expires_in, "refresh_token": None},
    )
    claims = part(token, 1)
    assert claims["exp"] - claims["iat"] == 3600
    assert abs(claims["iat"] - time.time()) < 60


def test_a_token_is_shaped_like_a_jwt_and_marked_as_made_up(simulator: Simulator) -> None:
    token = Client(simulator).authorize().token
    assert token is not None
    assert part(token, 0) == {"alg": "ES256", "typ": "JWT"}
    assert (part(token, 1)["sub"], part(token, 1)["role"]) == ("threecx-demo", list(LIVE_ROLES))
    assert token.split(".")[2].startswith("pw-secret-sig")
    assert len(base64.urlsafe_b64decode(token.split(".")[2] + "==")) == 64
    assert simulator.client_secret == CLIENT_SECRET
    assert CLIENT_SECRET.startswith("pw-secret-client-")


@pytest.mark.parametrize("wrong", [{"client_secret": "guess"}, {"client_id": "guess"}, {"client_secret": ""}])
def test_refused_credentials_are_told_so_and_recorded(simulator: Simulator, wrong: dict[str, str]) -> None:
    status, answer = Client(simulator).fetch_token(**wrong)
    assert (status, answer["error"]) == (401, "invalid_client")
    assert [request.status for request in simulator.token_requests] == [401]


def test_a_refused_request_leaves_the_live_token_alone(client: Client) -> None:
    client.fetch_token(client_secret="guess")
    assert client.devices(top=1)[0] == 200


def test_only_client_credentials_are_granted(simulator: Simulator) -> None:
    client = Client(simulator)
    assert client.fetch_token(grant_type="password")[1]["error"] == "unsupported_grant_type"
    response, _ = client.raw("POST", "/connect/token", "{}", {"Content-Type": "application/json"})
    assert response.status == 400
    assert client.raw("POST", "/connect/token", "", {"Content-Type": FORM})[0].status == 400


def test_without_a_live_token_nothing_is_shown(simulator: Simulator) -> None:
    client = Client(simulator)
    for header in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": "Bearer"}, {"Authorization": ""}):
        response, body = client.raw("GET", "/xapi/v1/SipDevices", headers=header)
        assert (response.status, body) == (401, b"")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.raw("GET", "/xapi/v1/Defs?$select=Id")[0].status == 401


def test_a_new_token_kills_the_one_before(simulator: Simulator) -> None:
    first = Client(simulator).authorize()
    second = Client(simulator).authorize()
    assert first.token != second.token
    assert first.devices(top=1)[0] == 401
    assert second.devices(top=1)[0] == 200


def test_a_token_ends(fleet: Fleet) -> None:
    with Simulator(fleet, token_life_seconds=0) as simulator:
        assert Client(simulator).authorize().devices(top=1)[0] == 401


def test_tokens_can_be_revoked(simulator: Simulator, client: Client) -> None:
    simulator.revoke_tokens()
    assert client.devices(top=1)[0] == 401
    assert client.authorize().devices(top=1)[0] == 200


def test_a_restart_answers_503_for_a_while_and_kills_tokens(simulator: Simulator, client: Client) -> None:
    simulator.restart(requests=2)
    response, body = client.raw("GET", "/xapi/v1/SipDevices")
    assert (response.status, response.headers["Content-Type"]) == (503, "text/html")
    assert body.startswith(b"<html>")
    assert client.raw("POST", "/connect/token", "", {"Content-Type": FORM})[0].status == 503
    assert client.devices(top=1)[0] == 401
    assert client.authorize().devices(top=1)[0] == 200


def test_a_lower_role_gets_an_empty_403(fleet: Fleet) -> None:
    with Simulator(fleet, roles=("Users",)) as simulator:
        client = Client(simulator).authorize()
        assert client.devices(top=1) == (403, None)
        assert client.raw("GET", "/xapi/v1/Defs?$select=Id")[0].status == 200


def test_an_unknown_unit_is_refused(fleet: Fleet) -> None:
    with pytest.raises(ValueError, match="'seconds' or 'minutes'"):
        Simulator(fleet, expires_in="hours")  # type: ignore[arg-type]
