"""`threecx check` against the simulator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dlt_threecx.cli.commands.check import _role
from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import SHAPES, Fleet, Simulator
from dlt_threecx.simulator.schema import PEER_TYPES
from tests.commands import settings_of, threecx


@pytest.fixture
def pbx() -> Iterator[Simulator]:
    with Simulator(Fleet(devices=7)) as simulator:
        yield simulator


def test_every_step_is_ok_and_takes_two_requests(tmp_path: Path, pbx: Simulator) -> None:
    ran = threecx("check", folder=tmp_path, **settings_of(pbx))
    assert (ran.code, ran.err) == (0, "")
    assert [line.split()[1:3] for line in ran.out.splitlines()[1:]] == [
        ["connect", "ok"],
        ["token", "ok"],
        ["role", "ok"],
        ["list", "ok"],
        ["count", "ok"],
    ]
    assert "7 devices" in ran.out
    assert "system_owners" in ran.out
    assert "may see" not in ran.out
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


@pytest.mark.parametrize("role", ["SystemOwner", "system_owners", "SystemOwners", "system_owner"])
def test_the_system_owner_is_known_in_every_spelling(role: str) -> None:
    assert _role(("App", role)) == f"App, {role}"


def test_a_lower_role_that_may_list_is_told_what_it_may_miss() -> None:
    assert _role(("Manager",)) == "Manager: not the System Owner, so it may see one department only"


def test_a_version_that_no_header_names_is_asked_for(tmp_path: Path) -> None:
    with Simulator(Fleet(devices=7), version_header=False) as pbx:
        ran = threecx("check", folder=tmp_path, **settings_of(pbx))
        assert len(pbx.requests) == 3
    assert (ran.code, "3CX 20.0.4" in ran.out) == (0, True)


def test_of_several_pbxs_a_table_shows_one_line_each(tmp_path: Path) -> None:
    with Simulator({"hq": Fleet(devices=3), "leeds": Fleet(devices=4)}) as pbx:
        pbx.pbxs["leeds"].faults.set("html", 0, None)
        ran = threecx("check", folder=tmp_path, **settings_of(pbx))
    leeds, hq = ran.out.splitlines()[1:]
    assert hq.split()[:4] == ["hq", "ok", "3", "devices,"]
    assert leeds.split()[:3] == ["leeds", "failed", "list:"]


# --probe


@pytest.mark.parametrize("shape", SHAPES)
def test_a_probe_shows_how_the_pbx_behaves_and_nothing_of_what_it_holds(tmp_path: Path, shape: str) -> None:
    fleet = Fleet(devices=130, shape=shape)
    with Simulator(fleet) as pbx:
        ran = threecx("check", "--probe", "--format", "json", folder=tmp_path, **settings_of(pbx))
        assert {request.method for request in pbx.requests[1:]} == {"GET"}
        assert 12 <= len(pbx.requests) <= 20
        port = pbx.base_url.rpartition(":")[2]
    assert ran.code == 0
    shows = {row["question"]: row["shows"] for row in ran.rows}
    assert shows["$top=101"] == "HTTP 400, the limit is 100"
    assert shows["no options"] == "HTTP 200, 100 rows, count: no"
    assert shows["$orderby=Id"] == "ascending: yes, desc descends: yes"
    assert shows["Ids"] == "each once: yes, lowest is 0 or less: no"
    assert shows["$skip=1"] == "starts at the second row: yes"
    assert shows["$filter=DN/Type eq 'Extension'"].endswith("only extensions: yes, all devices match: no")
    assert shows["Registrar.MAC"] == "string 97, empty 1"
    assert "Extension" in shows["DN.Type, kinds"]
    values = {
        str(value)
        for row in fleet.served()
        for one in (row, row.get("DN", {}), row.get("Registrar", {}))
        for value in one.values()
        if isinstance(value, str) and len(value) > 4 and value not in PEER_TYPES
    }
    assert [value for value in values if value in ran.out] == []
    assert "pw-secret" not in ran.out
    assert port not in ran.out
    assert list(tmp_path.iterdir()) == []


def test_a_probe_is_of_one_pbx(tmp_path: Path) -> None:
    with Simulator({"hq": Fleet(devices=3), "leeds": Fleet(devices=4)}) as pbx:
        ran = threecx("check", "--probe", folder=tmp_path, **settings_of(pbx))
        assert (ran.code, ran.out) == (2, "")
        assert threecx("check", "--probe", "--pbx", "leeds", folder=tmp_path, **settings_of(pbx)).code == 0


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
