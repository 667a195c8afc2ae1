"""Every rule fires when it should, since when it should, and else keeps quiet."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlt_threecx.findings import Rule, filled, parsed_rule, rules
from dlt_threecx.tables import DEVICE_COLUMNS
from dlt_threecx.views import views
from dlt_threecx.views.log_sql import with_log
from tests.literal import NOW, Day, Devices, days_ago, empty_history, write_days

PHONE = {
    "mac": "805EC0000001",
    "vendor": "Yealink",
    "model": "T54W",
    "firmware_version": "96.86.0.100",
    "user_agent": "Yealink SIP-T54W 96.86.0.100",
    "ip_address": "192.168.1.20",
    "dn_id": 1,
    "dn_number": "101",
    "dn_tags": "[]",
}


def _phone(number: int = 1, **columns: Any) -> dict[str, Any]:
    own = {"mac": f"805EC0{number:06X}", "dn_id": number, "dn_number": str(100 + number)}
    return {**PHONE, **own, **columns}


def _phones(count: int, **columns: Any) -> dict[int, dict[str, Any]]:
    return {number: _phone(number, **columns) for number in range(1, count + 1)}


def _some(*others: Mapping[str, Any]) -> Devices:
    """Phones with these differences, Ids from 1."""
    return {number: _phone(number, **columns) for number, columns in enumerate(others, 1)}


def _days(*states: tuple[float, Devices]) -> list[Day]:
    return [(ago, "hq", devices) for ago, devices in states]


@dataclass(frozen=True)
class Case:
    """`found`: device and days ago of each finding among `fires`; `quiet` has none."""

    rule: str
    found: Mapping[Any, float]
    fires: Sequence[Day]
    quiet: Sequence[Sequence[Day]]
    ledger: Mapping[str, Any] = field(default_factory=lambda: {"fingerprint_key_id": "k"})

    def __str__(self) -> str:
        return self.rule


BEHIND = {"firmware_version": "96.86.0.70", "firmware_available": "96.86.0.100", "user_agent": None}
OLD = {"firmware_version": "96.86.0.70", "user_agent": "Yealink SIP-T54W 96.86.0.70"}
SAME: dict[str, Any] = {"mac": "805EC00000AA"}
SHARED = {"phone_web_password_fp": "f" * 16}
SOON, LATER = NOW + timedelta(days=20), NOW + timedelta(days=300)


def _with(rule: str, quiet: Mapping[str, Any], *wrong: Mapping[str, Any]) -> Case:
    """Phones that are well for some days, and each wrong in its way since 5 days ago."""
    well = _days((9, _some(*(quiet for _ in wrong))))
    return Case(rule, dict.fromkeys(range(1, len(wrong) + 1), 5), [*well, *_days((5, _some(*wrong)))], [well])


CASES = [
    _with("firmware_behind", {}, BEHIND, {"firmware_available": "true"}, {"firmware_outdated": True}),
    Case(
        "firmware_behind",
        {1: 8},
        _days(
            (9, _phones(1)), (8, _some(BEHIND)), (5, _some(BEHIND | {"firmware_available": "97.0"})), (2, _some(BEHIND))
        ),
        [
            _days((2, _some({"firmware_available": "false"}, {"firmware_available": "96.86.0.100"}))),
            _days((2, _some({"firmware_available": "true", "firmware_outdated": False}, {"firmware_available": ""}))),
            _days((9, _some(BEHIND)), (2, _phones(1))),
            _days((9, _some(BEHIND)), (2, {})),
        ],
    ),
    Case(
        "mixed_firmware",
        {4: 5},
        _days((9, _phones(4)), (5, {**_phones(3), 4: _phone(4, **OLD)})),
        [_days((9, _phones(4))), _days((9, _some({}, {"model": "T31P", "firmware_version": "1.0"})))],
    ),
    Case(
        "mixed_firmware",
        {4: 5},
        _days((9, _phones(4, **OLD)), (5, {**_phones(3), 4: _phone(4, **OLD)})),
        [[(9, "hq", _phones(2)), (9, "leeds", _phones(2, **OLD))]],
    ),
    Case(
        "rare_model",
        {60: 5},
        _days((9, _phones(59)), (5, {**_phones(59), 60: _phone(60, model="T99")})),
        [
            _days((9, {**_phones(40), 60: _phone(60, model="T99")})),
            _days((9, {**_phones(60), 61: _phone(61, model="")})),
        ],
    ),
    Case(
        "duplicate_mac",
        {1: 5, 2: 5, 3: 2},
        _days((9, _some(SAME)), (5, _some(SAME, SAME)), (2, _some(SAME, SAME, SAME))),
        [
            _days((9, _some(*[{"mac": mac} for mac in ("", None, "000000000000") for _ in range(2)]))),
            _days((9, _some(SAME | {"is_dect_device": True}, SAME | {"is_dect_device": True}))),
            [(9, "hq", _some(SAME)), (9, "leeds", _some(SAME))],
            _days((9, _some(SAME)), (5, {2: _phone(2, **SAME)})),
        ],
    ),
    Case(
        "mac_on_several_pbxs",
        {1: 5, 7: 5},
        [(9, "hq", _some(SAME)), (5, "leeds", {7: _phone(7, **SAME)})],
        [_days((9, _some(SAME, SAME))), [(9, "hq", _some(SAME)), (8, "hq", {}), (9, "leeds", _phones(1))]],
    ),
    _with("mac_of_other_vendor", {}, {"mac": "000413000001"}, {"vendor": "Polycom"}),
    Case(
        "mac_of_other_vendor", {}, [], [_days((9, _some({"vendor": "Acme"}, {"mac": "0011220000FF"}, {"mac": None})))]
    ),
    _with("no_dn", {}, {"dn_id": None, "dn_number": None}),
    Case(
        "web_password_shared",
        {1: 5, 2: 5},
        _days((9, _some(SHARED, {})), (5, _some(SHARED, SHARED))),
        [_days((9, _phones(2))), _days((9, _some(SHARED, {"phone_web_password_fp": "e" * 16})))],
    ),
    Case("web_password_shared", {1: 4, 7: 4}, [(9, "hq", _some(SHARED)), (4, "leeds", {7: _phone(7, **SHARED)})], []),
    Case(
        "web_password_old",
        {1: 35, 2: 1},
        _days(
            (400, _some({"phone_web_password_fp": "a"}, {"phone_web_password_fp": "a"})),
            (366, _some({"phone_web_password_fp": "a"}, {"phone_web_password_fp": "b"})),
        ),
        [
            _days((400, _some({"phone_web_password_fp": "a"})), (300, _some({"phone_web_password_fp": "b"}))),
            _days((400, _phones(1)), (300, _some({"phone_web_password_fp": "b"}))),
            _days((400, _phones(1))),
        ],
    ),
    Case("fingerprint_off", {None: 9}, _days((9, _phones(1)), (5, _phones(1))), [], {}),
    _with("weak_password", {}, {"dn_tags": '["MS","WeakPass"]'}),
    _with("weak_id", {}, {"dn_tags": '["WeakID"]'}),
    Case("weak_id", {}, [], [_days((9, _some({"dn_tags": None}, {"dn_tags": '["WeakIDEA"]'})))]),
    _with(
        "public_address",
        {},
        {"ip_address": "8.8.8.8"},
        {"ip_address": "203.0.113.9:5060"},
        {"ip_address": "2a01:4f8::1"},
    ),
    Case(
        "public_address",
        {},
        [],
        [
            _days((9, _some({"ip_address": address})))
            for address in (
                "10.1.2.3",
                "172.31.0.1:5060",
                "192.168.0.1",
                "100.64.0.1",
                "fd00::1",
                "fe80::1",
                "SBC 8.8.8.8",
                "",
                None,
                "x",
            )
        ]
        + [_days((9, _some({"ip_address": "8.8.8.8", "prov_type": "RemoteExt"})))],
    ),
    Case(
        "unusual_subnet",
        {25: 5},
        _days((9, _phones(25)), (5, {**_phones(24), 25: _phone(25, ip_address="10.7.7.7")})),
        [
            _days((9, {**_phones(24), 25: _phone(25, ip_address="10.7.7.7", sbc_name="branch")})),
            _days((9, {**_phones(24), 25: _phone(25, ip_address="SBC branch.1")})),
            _days((9, {number: _phone(number, ip_address=f"10.7.{number}.7") for number in range(25)})),
            _days((9, {**_phones(5), 6: _phone(6, ip_address="10.7.7.7")})),
        ],
    ),
    _with("user_agent_differs", {}, {"user_agent": "Zoiper 5"}, {"firmware_version": "96.86.0.99"}, {"model": "T31P"}),
    Case(
        "user_agent_differs",
        {},
        [],
        [
            _days(
                (
                    9,
                    _some(
                        {"user_agent": "N870IP-PRO/2.39", "model": "N870 IP PRO", "firmware_version": "2.39"},
                        {"user_agent": ""},
                    ),
                )
            )
        ],
    ),
    Case(
        "offline",
        {1: 10},
        _days(
            (12, _some({"online": True})), (10, _some({"online": False})), (5, _some({"online": False, "model": "T54"}))
        ),
        [
            _days((12, _some({"online": True})), (6, _some({"online": False}))),
            _days((12, _some({"online": False})), (10, _some({"online": True})), (6, _some({"online": False}))),
            _days((12, _some({}, {"online": True}))),
        ],
    ),
    # unknown where the API does not say
    Case("offline", {None: 12}, _days((12, _phones(2)), (3, _phones(2))), [_days((12, {}))]),
    Case(
        "duplicate_mac",
        {1: 5, 2: 5},
        _days((9, _some(SAME)), (5, _some(SAME, SAME | {"model": "M18"}))),
        [
            _days((9, _some(*[SAME | {"model": model, "is_dect_device": None} for _ in range(2)])))
            for model in ("W70B", "M700", "N870 IP PRO", "DP750", "SIP-W60B")
        ],
    ),
    Case(
        "gone",
        {1: 10},
        _days((12, _phones(2)), (10, {2: _phone(2)})),
        [
            _days((12, _phones(2)), (6, {2: _phone(2)})),
            _days((112, _phones(2)), (91, {2: _phone(2)})),
            _days((12, _phones(2)), (10, {2: _phone(2), 3: _phone(1)})),
            _days((12, _phones(1)), (10, {}), (3, _phones(1))),
        ],
    ),
    Case(
        "back",
        {1: 2},
        _days((40, _phones(1)), (20, {}), (2, _phones(1))),
        [
            _days((40, _phones(1)), (8, {}), (2, _phones(1))),
            _days((90, _phones(1)), (60, {}), (31, _phones(1))),
            _days((40, _phones(1)), (20, {}), (3, _phones(1)), (2, {})),
            _days((40, _phones(1)), (20, {}), (10, _phones(1)), (9, {}), (8, _phones(1))),
        ],
    ),
    _with("model_mismatch", {"model_mismatch": False}, {"model_mismatch": True, "template_model": "T46U"}),
    Case(
        "dn_with_several_phones",
        {1: 5, 2: 5},
        _days((9, _phones(2)), (5, _some({}, {"dn_number": "101"}))),
        [
            _days((9, _phones(2))),
            [(9, "hq", _phones(1)), (9, "leeds", _phones(1))],
            _days((9, _phones(2, dn_number=""))),
        ],
    ),
    _with("rps_expiry", {"rps_expires_at": LATER}, {"rps_expires_at": SOON}),
    Case(
        "rps_expiry",
        {1: 10, 2: 40},
        _days((50, _some({"rps_expires_at": SOON}, {"rps_expires_at": days_ago(10)}))),
        [_days((50, _some({"rps_expires_at": LATER}, {"rps_expires_at": None})))],
    ),
]


@pytest.fixture(scope="module")
def past() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_history() as connection:
        a_lasting_one = next(rule for rule in rules() if rule.condition)
        for rule in rules():
            chosen = dict.fromkeys((rule, a_lasting_one))
            connection.execute(f"create view only_{rule.id} as {_view_of(list(chosen))}")
        of_one_phone = [rule for rule in rules() if rule.id in OF_ONE_PHONE]
        connection.execute(f"create view of_one_phone as {_view_of(of_one_phone)}")
        yield connection


def _view_of(chosen: Sequence[Rule]) -> str:
    """The view with some rules: planning all of them for every case would take minutes."""
    text = filled((Path(views.__file__).parent / "sql" / "findings.sql").read_text(encoding="utf-8"), chosen)
    columns = re.compile(r"\{columns:(\w+)\}")
    text = with_log(text, "duckdb")
    text = columns.sub(lambda found: ", ".join(f"{found[1]}.{column.name}" for column in DEVICE_COLUMNS), text)
    return text.replace("{schema}", "")


def _found(
    past: duckdb.DuckDBPyConnection, case: Case, days: Sequence[Day], *, doubled: bool = False
) -> list[tuple[Any, datetime]]:
    write_days(past, days, doubled=doubled, ledger=case.ledger)
    question = f"select device_id, since, detail, mac from only_{case.rule} where rule = ? order by pbx, device_id"
    rows = past.execute(question, [case.rule]).fetchall()
    assert all(detail for _, _, detail, _ in rows)
    return [(device, since) for device, since, _, _ in rows]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rule_fires_once_per_device_since_it_began(past: duckdb.DuckDBPyConnection, case: Case) -> None:
    expected = [(device, days_ago(ago)) for device, ago in case.found.items()]
    assert expected == _found(past, case, case.fires)
    assert expected == _found(past, case, case.fires, doubled=True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rule_is_quiet_when_all_is_well(past: duckdb.DuckDBPyConnection, case: Case) -> None:
    for days in case.quiet:
        assert _found(past, case, days, doubled=True) == []


def test_what_changed_in_an_archive_is_found_in_the_last_version(past: duckdb.DuckDBPyConnection) -> None:
    zoiper = {"user_agent": "Zoiper 5"}
    days = _days((9, _phones(1)), (7, _some(zoiper)), (5, _some({**zoiper, "online": True})))
    write_days(past, days, volatile=["online", "user_agent"])
    past.execute("delete from device_versions where observed_at = ?", [days_ago(7)])
    assert past.execute("select since from findings where rule = 'user_agent_differs'").fetchall() == [(days_ago(5),)]


def test_a_key_for_fingerprints_ends_that_finding(past: duckdb.DuckDBPyConnection) -> None:
    case = next(case for case in CASES if case.rule == "fingerprint_off")
    assert _found(past, dataclasses.replace(case, ledger={"fingerprint_key_id": "k"}), case.fires) == []


def test_every_rule_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    ids = {rule.id for rule in rules()}
    assert ids == {case.rule for case in CASES if case.found}
    assert ids - {"fingerprint_off"} == {case.rule for case in CASES if case.quiet}


def test_phones_of_which_the_api_says_little_have_no_findings_but_what_is_unknown(
    past: duckdb.DuckDBPyConnection,
) -> None:
    bare = {"dn_id": 1, "dn_number": "101", "dn_type": "Extension"}
    queue = {"dn_id": 2, "dn_number": "800", "dn_type": "Queue"}
    write_days(past, _days((9, {1: bare, 2: queue, 3: queue})), ledger={"fingerprint_key_id": "k"})
    assert past.execute("select rule, device_id, detail from findings").fetchall() == [
        ("offline", None, "unknown: this release of 3CX does not say whether phones are on line")
    ]


def test_findings_have_the_words_of_their_rule(past: duckdb.DuckDBPyConnection) -> None:
    write_days(past, _days((9, _some({"dn_tags": '["WeakPass"]', "online": True}))), ledger={"fingerprint_key_id": "k"})
    rule = next(rule for rule in rules() if rule.id == "weak_password")
    question = "select rule, title, severity, severity_rank, why, what_to_do from findings"
    assert past.execute(question).fetchall() == [
        (rule.id, rule.title, "high", 1, rule.reason, rule.action),
    ]


def test_the_view_has_all_rules_and_the_columns_of_the_device(past: duckdb.DuckDBPyConnection) -> None:
    assert past.execute("truncate _dlt_loads; select * from findings").fetchall() == []
    write_days(past, _days((9, _some({**SAME, **BEHIND, "dn_tags": '["WeakPass"]'}, SAME))))
    question = "select rule, severity, pbx, device_id, dn_number, mac from findings order by rule, device_id"
    assert past.execute(question).fetchall() == [
        ("duplicate_mac", "medium", "hq", 1, "101", SAME["mac"]),
        ("duplicate_mac", "medium", "hq", 2, "102", SAME["mac"]),
        ("fingerprint_off", "info", "hq", None, None, None),
        ("firmware_behind", "medium", "hq", 1, "101", SAME["mac"]),
        ("mixed_firmware", "low", "hq", 1, "101", SAME["mac"]),
        ("offline", "low", "hq", None, None, None),
        ("weak_password", "high", "hq", 1, "101", SAME["mac"]),
    ]


# any history

OF_ONE_PHONE: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "offline": lambda phone: phone.get("online") is False,
    "model_mismatch": lambda phone: phone.get("model_mismatch"),
    "no_dn": lambda phone: "dn_id" not in phone,
    "mac_of_other_vendor": lambda phone: (phone.get("mac"), phone.get("vendor")) == ("000413000001", "Yealink"),
}
"""Rule → whether it is true of a phone as it was."""

STATES = st.fixed_dictionaries(
    {},
    optional={
        "online": st.booleans(),
        "model_mismatch": st.booleans(),
        "dn_id": st.just(1),
        "mac": st.sampled_from(["000413000001", "001122000001"]),
        "vendor": st.sampled_from(["Snom", "Yealink"]),
    },
)
FLEETS = st.dictionaries(st.integers(1, 3), STATES, max_size=3)
READINGS = st.lists(st.tuples(st.sampled_from(["hq", "leeds"]), FLEETS), min_size=1, max_size=9)


@given(READINGS, st.sets(st.integers(0, 8), max_size=2), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_finding_lasts_since_the_first_reading_from_which_on_it_was_so(
    past: duckdb.DuckDBPyConnection, readings: list[tuple[str, Devices]], rebaselined: set[int], doubled: bool
) -> None:
    days = [(40.0 - number, pbx, fleet) for number, (pbx, fleet) in enumerate(readings)]
    write_days(past, days, rebaselined=[40.0 - number for number in rebaselined], doubled=doubled)
    expected = [
        (rule, pbx, device, since)
        for pbx in dict(readings)
        for device in (1, 2, 3)
        for rule in OF_ONE_PHONE
        if (since := _since(rule, device, [day for day in days if day[1] == pbx])) is not None
    ]
    rows = past.execute("select rule, pbx, device_id, since from of_one_phone where device_id is not null").fetchall()
    assert sorted(rows) == sorted(expected)


def _since(rule: str, device: int, days: Sequence[Day]) -> datetime | None:
    """The first reading from which on it was so until the last one."""
    since = None
    for ago, _, fleet in days:
        is_so = device in fleet and OF_ONE_PHONE[rule](fleet[device])
        since = (since or days_ago(ago)) if is_so else None
    return since


# the files


TEXT = """-- title: Odd
-- severity: low
-- reason: It is odd,
-- and that is odd.
-- action: Look.
select 1 from {while v.mac = p.mac
    where p.mac <> ''
} p
"""


def test_a_rule_is_read_from_its_file() -> None:
    rule = parsed_rule("odd", TEXT)
    assert (rule.id, rule.title, rule.severity, rule.action) == ("odd", "Odd", "low", "Look.")
    assert rule.reason == "It is odd, and that is odd."
    assert rule.query == "select 1 from {while v.mac = p.mac\n    where p.mac <> ''\n} p"
    assert (rule.condition, rule.phones) == ("v.mac = p.mac", "p.mac <> ''")


def test_a_condition_without_where_is_asked_of_all_phones() -> None:
    rule = parsed_rule("odd", TEXT.replace("where p.mac <> ''", ""))
    assert (rule.condition, rule.phones) == ("v.mac = p.mac", "true")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("-- title: Odd\n", "", "rule odd has no title"),
        ("low", "awful", "rule odd: severity is one of info, low, medium, high"),
        (" p\n", " p, {while true} q\n", "rule odd has more than one {while …}"),
    ],
)
def test_a_rule_that_says_too_little_is_refused(old: str, new: str, expected: str) -> None:
    with pytest.raises(ValueError, match="rule odd") as caught:
        parsed_rule("odd", TEXT.replace(old, new))
    assert str(caught.value) == expected


def test_rules_tell_an_admin_what_and_why() -> None:
    for rule in rules():
        assert rule.title[0].isupper()
        assert not rule.title.endswith(".")
        assert rule.reason.endswith(".")
        assert rule.action.endswith(".")
