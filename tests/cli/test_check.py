"""`threecx check` against the simulator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Fleet, Simulator
from tests.commands import settings_of, threecx


@pytest.fixture
def pbx() -> Iterator[Simulator]:
    with Simulator(Fleet(devices=7)) as simulator:
        yield simulator


def test_every_step_is_ok_and_takes_two_requests(tmp_path: Path, pbx: Simulator) -> None:
    ran = threecx("check", folder=tmp_path, **settings_of(pbx))
    assert (ran.code, ran.err) == (0, "")
    assert [line.split()[1:3] for line in ran.out.splitlines()[2:]] == [
        ["connect", "ok"],
        ["token", "ok"],
        ["role", "ok"],
        ["list", "ok"],
        ["count", "ok"],
    ]
    assert "7 devices" in ran.out
    assert "SystemOwner" in ran.out
    assert "3CX 20.0.4" in ran.out
    assert [request.method for request in pbx.requests] == ["POST", "GET"]
    assert pbx.requests[1].target == "/xapi/v1/SipDevices?$top=1&$count=true"


def test_nothing_is_written(tmp_path: Path, pbx: Simulator) -> None:
    threecx("check", folder=tmp_path, **settings_of(pbx))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "code", "steps", "what_to_do"),
    [
        ("token_not_json", 5, ["connect ok", "token failed"], "check that base_url is the PBX itself"),
        ("token_redirect", 5, ["connect ok", "token failed"], "Set base_url to the PBX's own address"),
        ("forbidden_empty", 3, ["connect ok", "token ok", "role failed"], "the role System Owner"),
        ("html", 5, ["connect ok", "token ok", "role ok", "list failed"], "check that base_url is the PBX itself"),
        ("unavailable", 4, ["connect failed"], "Run again in some minutes"),
        (
            "count_missing",
            5,
            ["connect ok", "token ok", "role ok", "list ok", "count failed"],
            "Check that base_url is the PBX itself",
        ),
    ],
)
def test_the_step_that_fails_says_what_to_do(
    tmp_path: Path, pbx: Simulator, fault: str, code: int, steps: list[str], what_to_do: str
) -> None:
    pbx.set_fault(fault, 0, None)
    ran = threecx("check", "--format", "json", folder=tmp_path, **settings_of(pbx))
    assert ran.code == code
    assert [f"{row['step']} {row['result']}" for row in ran.rows] == steps
    assert what_to_do in ran.rows[-1]["detail"]
    assert ran.err.startswith("threecx: error: PBX 'default': ")
    assert ran.err.count("\n") == 1


def test_a_wrong_secret_is_tried_once(tmp_path: Path, pbx: Simulator) -> None:
    ran = threecx("check", folder=tmp_path, **{**settings_of(pbx), variable("client_secret"): "wrong-secret"})
    assert ran.code == 3
    assert "Check both in the 3CX console" in ran.out
    assert "wrong-secret" not in ran.out + ran.err
    assert len(pbx.requests) == 1


def test_a_lower_role_that_may_list_is_told_what_it_may_miss(tmp_path: Path) -> None:
    with Simulator(Fleet(devices=7), roles=("SystemOwner", "Manager")) as pbx:
        ran = threecx("check", folder=tmp_path, **settings_of(pbx))
    assert (ran.code, "SystemOwner, Manager" in ran.out) == (0, True)


def test_no_server_is_exit_4(tmp_path: Path) -> None:
    with Simulator(Fleet(devices=1)) as pbx:
        environ = settings_of(pbx)
    ran = threecx("check", folder=tmp_path, **environ)
    assert ran.code == 4
    assert "connect  failed" in ran.out


def test_a_given_token_needs_no_token_request(tmp_path: Path, pbx: Simulator) -> None:
    environ = {variable("base_url"): pbx.base_url, variable("access_token"): "not.a.token"}
    ran = threecx("check", folder=tmp_path, **environ)
    assert ran.code == 3
    assert "token    failed" in ran.out
    assert len(pbx.requests) == 1


def test_several_pbxs_are_each_on_their_own_and_the_highest_code_counts(tmp_path: Path) -> None:
    with Simulator({"hq": Fleet(devices=3), "leeds": Fleet(devices=4)}) as pbx:
        pbx.pbxs["leeds"].faults.set("html", 0, None)
        ran = threecx("check", "--format", "csv", folder=tmp_path, **settings_of(pbx))
        assert ran.code == 5
        assert "hq,count,ok,3 devices\n" in ran.out
        assert "leeds,list,failed," in ran.out
        assert threecx("check", "--pbx", "hq", folder=tmp_path, **settings_of(pbx)).code == 0


def test_a_missing_setting_names_file_key_and_variable(tmp_path: Path) -> None:
    ran = threecx("check", folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        'threecx: error: setting base_url: it is missing. Put base_url = "https://pbx.example.com:5001" '
        "under [sources.threecx] in .dlt/config.toml, or set SOURCES__THREECX__BASE_URL\n"
    )
