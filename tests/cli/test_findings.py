"""`threecx findings`, and waivers, over a history of two PBXs."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from dlt_threecx.findings.waivers import Waiver, load_waivers
from dlt_threecx.source.errors import SettingsError
from tests.commands import Ran, threecx
from tests.literal import NOW, days_ago, empty_history, write_days

WEAK, LONE, MANY = 1, 2, range(10, 25)
TODAY = NOW.date()


def _phone(number: int, **columns: Any) -> dict[str, Any]:
    return {"mac": f"805EC0{number:06X}", "dn_id": number, "dn_number": str(100 + number), **columns}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("findings")
    well = {number: _phone(number) for number in (WEAK, LONE, *MANY)}
    behind = {number: _phone(number, firmware_available="2") for number in MANY}
    weak = _phone(WEAK, dn_name="Zoë", dn_tags='["WeakPass"]')
    with empty_history(str(folder / "phones.duckdb")) as connection:
        days = [(9.0, "hq", well), (3.0, "hq", {**behind, WEAK: weak, LONE: {"mac": "805EC0000002", "online": True}})]
        write_days(connection, [*days, (5.0, "leeds", {LONE: {"online": True}})], ledger={"fingerprint_key_id": "k"})
    (folder / ".dlt").mkdir()
    return folder


def _ask(folder: Path, *args: str, waivers: str = "") -> Ran:
    (folder / ".dlt" / "waivers.toml").write_text(waivers, encoding="utf-8")
    return threecx("findings", *args, folder=folder)


def _keys(ran: Ran) -> set[tuple[str, str, int]]:
    return {(row["rule"], row["pbx"], row["device_id"]) for row in ran.rows}


WEAK_KEY = ("weak_password", "hq", WEAK)
LONE_KEYS = {("no_dn", "hq", LONE), ("no_dn", "leeds", LONE)}
MANY_KEYS = {("firmware_behind", "hq", number) for number in MANY}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], {WEAK_KEY} | LONE_KEYS | MANY_KEYS),
        (["--pbx", "leeds"], {("no_dn", "leeds", LONE)}),
        (["--severity", "medium"], {WEAK_KEY} | MANY_KEYS),
        (["--severity", "high"], {WEAK_KEY}),
        (["--rule", "no_dn", "--rule", "weak_id"], LONE_KEYS),
        (["--since", "4d", "--severity", "low", "--rule", "no_dn"], {("no_dn", "hq", LONE)}),
        (["--since", "1d"], set()),
    ],
)
def test_findings_can_be_narrowed(folder: Path, args: list[str], expected: set[Any]) -> None:
    ran = _ask(folder, *args, "--format", "json")
    assert (ran.code, _keys(ran)) == (0, expected)
    assert ran.err == ("" if expected else "No device has a finding.\n")


def test_json_tells_what_why_and_what_to_do_in_every_format(folder: Path) -> None:
    row = _ask(folder, "--severity", "high", "--format", "json").rows[0]
    assert row | {"title": "", "reason": "", "action": ""} == {
        "rule": "weak_password",
        "severity": "high",
        "pbx": "hq",
        "device_id": WEAK,
        "dn_number": "101",
        "dn_name": "Zoë",
        "mac": "805EC0000001",
        "detail": "extension 101 is tagged WeakPass",
        "since": f"{days_ago(3):%Y-%m-%dT%H:%M:%SZ}",
        "title": "",
        "reason": "",
        "action": "",
        "waived": None,
        "waived_until": None,
    }
    assert all(row[name] for name in ("title", "reason", "action"))
    lines = _ask(folder, "--severity", "high", "--format", "ndjson").out.splitlines()
    assert [json.loads(line) for line in lines] == [row]
    table = list(csv.reader(io.StringIO(_ask(folder, "--severity", "high", "--format", "csv").out)))
    assert table[0] == list(row)


def test_a_table_has_a_block_per_rule_the_severest_first(folder: Path) -> None:
    blocks = _ask(folder).out.split("\n\n")
    heads = [block.splitlines()[0] for block in blocks]
    assert heads == [
        "high  weak_password  Extension with a weak password: 1",
        "medium  firmware_behind  Firmware is behind: 15",
        "low  no_dn  Phone without an extension: 2",
    ]
    lines = blocks[0].splitlines()
    assert lines[1].startswith("  Why: ")
    assert lines[2].startswith("  To do: ")
    assert lines[3] == "  - hq · 101 Zoë (805EC0000001) · extension 101 is tagged WeakPass · for 3 d"
    assert blocks[1].splitlines()[-1] == "  … and 5 more: threecx findings --rule firmware_behind"
    assert _ask(folder, "--rule", "firmware_behind").out.count("\n  - ") == len(MANY)


# a gate


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["high"], 6),
        (["info"], 6),
        (["high", "--rule", "no_dn"], 0),
        (["low", "--rule", "no_dn"], 6),
        (["high", "--pbx", "leeds"], 0),
    ],
)
def test_fail_on_is_exit_6(folder: Path, args: list[str], code: int) -> None:
    ran = _ask(folder, "--fail-on", *args, "--format", "json")
    assert ran.code == code
    assert ran.rows != []
    assert ran.err.startswith("threecx: error: --fail-on ") == (code == 6)


def test_a_waived_finding_is_hidden_counted_and_does_not_fail(folder: Path) -> None:
    waivers = '[[waiver]]\nrule = "weak_password"\nreason = "a lift"\n'
    ran = _ask(folder, "--severity", "high", "--fail-on", "high", "--format", "json", waivers=waivers)
    assert (ran.code, ran.rows) == (0, [])
    assert ran.err == "1 waived and not shown; --waived shows them.\n"
    ran = _ask(folder, "--severity", "high", "--fail-on", "high", "--waived", waivers=waivers)
    assert ran.code == 0
    assert re.fullmatch(r"As of .* UTC, the oldest of 2 PBXs\.\n", ran.err)
    assert ran.out.endswith(" · for 3 d · waived: a lift\n")


def test_a_waiver_that_ended_no_longer_counts_and_is_told(folder: Path) -> None:
    waivers = f'[[waiver]]\nrule = "no_dn"\nreason = "spare"\nexpires = {TODAY - timedelta(days=1)}\n'
    ran = _ask(folder, "--rule", "no_dn", "--format", "json", waivers=waivers)
    assert (ran.code, _keys(ran)) == (0, LONE_KEYS)
    assert ran.err == (f"threecx: warning: .dlt/waivers.toml: waiver 1 of no_dn ended on {TODAY - timedelta(days=1)}\n")


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        ("", set()),
        ('pbx = "leeds"', {("no_dn", "hq", LONE)}),
        ('device = "2"', set()),
        ("device = 2", set()),
        ('device = "80:5e:c0:00:00:02"', {("no_dn", "leeds", LONE)}),
        ('device = "3"', LONE_KEYS),
        (f"expires = {TODAY + timedelta(days=1)}", set()),
        (f'expires = "{TODAY + timedelta(days=1)}"', set()),
    ],
)
def test_a_waiver_covers_what_it_names(folder: Path, scope: str, left: set[Any]) -> None:
    waivers = f'[[waiver]]\nrule = "no_dn"\nreason = "spare"\n{scope}\n'
    assert _keys(_ask(folder, "--rule", "no_dn", "--format", "json", waivers=waivers)) == left


# the file


def _read(tmp_path: Path, text: str) -> list[Waiver]:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "waivers.toml").write_text(text, encoding="utf-8")
    return load_waivers(tmp_path)


def test_without_a_file_nothing_is_waived(tmp_path: Path) -> None:
    assert load_waivers(tmp_path) == []


def test_a_waiver_lasts_its_last_day(tmp_path: Path) -> None:
    (waiver,) = _read(tmp_path, '[[waiver]]\nrule = "no_dn"\nreason = " spare "\nexpires = 2027-03-31\n')
    assert waiver == Waiver(1, "no_dn", "spare", expires=date(2027, 3, 31))
    assert not waiver.has_ended(date(2027, 3, 31))
    assert waiver.has_ended(date(2027, 4, 1))


GOOD = '[[waiver]]\nrule = "no_dn"\nreason = "spare"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[waivers]]\nrule = "x"', "'waivers' is not known here. Begin every waiver with [[waiver]]"),
        ('[waiver]\nrule = "no_dn"\nreason = "x"', "'waiver' is no list of tables"),
        ("waiver = [1]", "'waiver' is no list of tables"),
        (GOOD + '[[waiver]]\nreason = "x"', "waiver 2: 'rule' is missing, empty or no text"),
        ('[[waiver]]\nrule = "no_dn"', "waiver 1: 'reason' is missing, empty or no text"),
        ('[[waiver]]\nrule = "no_dn"\nreason = " "', "waiver 1: 'reason' is missing, empty or no text"),
        ('[[waiver]]\nrule = "no_dm"\nreason = "x"', "waiver 1: there is no rule 'no_dm'. Did you mean 'no_dn'?"),
        (GOOD + 'expire = "2027-01-01"', "waiver 1: 'expire' is not known. Did you mean 'expires'?"),
        (GOOD + "expires = 7", "waiver 1: 'expires' is no day. Write a day such as expires = 2027-03-31"),
        (GOOD + 'expires = "soon"', "waiver 1: 'expires' is 'soon', no day"),
        (GOOD + "expires = 2027-01-01T10:00:00Z", "waiver 1: 'expires' is no day"),
        (GOOD + "device = true", "waiver 1: 'device' is missing, empty or no text"),
        (GOOD + "pbx = ''", "waiver 1: 'pbx' is missing, empty or no text"),
        ("[[waiver]", "it is no valid TOML"),
    ],
)
def test_a_malformed_file_is_named_with_its_entry(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _read(tmp_path, text)
    assert "waivers.toml" in str(caught.value)
    assert expected in str(caught.value)


def test_a_malformed_file_is_exit_2(folder: Path) -> None:
    ran = _ask(folder, waivers="[[waiver]]\nrule = 'no_dn'")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("threecx: error: .dlt/waivers.toml, waiver 1: 'reason' is missing")


def test_an_unknown_rule_is_exit_2(folder: Path) -> None:
    ran = _ask(folder, "--rule", "nodn")
    assert (ran.code, "there is no rule 'nodn'. Did you mean 'no_dn'?" in ran.err) == (2, True)
