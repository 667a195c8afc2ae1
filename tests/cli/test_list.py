"""`threecx list` against the simulator."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.redaction import is_secret
from tests.commands import Ran, settings_of, threecx


@pytest.fixture(scope="module")
def pbx() -> Iterator[Simulator]:
    with Simulator(Fleet(devices=230)) as simulator:
        yield simulator


def _listed(pbx: Simulator, folder: Path, *args: str) -> Ran:
    ran = threecx("list", *args, "--format", "json", folder=folder, **settings_of(pbx))
    assert ran.code == 0, ran.err
    return ran


def _fleet(pbx: Simulator, *, expand: bool = False) -> list[dict[str, Any]]:
    return pbx.pbxs[""].fleet.served(expand)


def test_without_options_it_is_every_row_in_the_words_of_the_api(tmp_path: Path, pbx: Simulator) -> None:
    assert _listed(pbx, tmp_path, "--reveal-secrets").rows == _fleet(pbx)


def test_top_above_the_cap_pages_on(tmp_path: Path, pbx: Simulator) -> None:
    rows = _listed(pbx, tmp_path, "--top", "220", "--skip", "7", "--reveal-secrets").rows
    assert rows == _fleet(pbx)[7:227]


def test_filter_search_orderby_select_and_expand_reach_the_pbx(tmp_path: Path, pbx: Simulator) -> None:
    fleet = _fleet(pbx, expand=True)
    number = next(row["DN"]["Number"] for row in fleet if row.get("DN"))
    yealinks = [row for row in fleet if (row.get("Registrar") or {}).get("Vendor") == "Yealink"]

    ran = _listed(pbx, tmp_path, "--filter", "Registrar/Vendor eq 'Yealink'", "--expand", "DN", "--reveal-secrets")
    assert ran.rows == yealinks
    ran = _listed(pbx, tmp_path, "--filter", f"DN/Number eq '{number}'", "--select", "Id")
    assert ran.rows == [{"Id": row["Id"]} for row in fleet if (row.get("DN") or {}).get("Number") == number]
    ran = _listed(pbx, tmp_path, "--orderby", "Id desc", "--select", "Id", "--top", "3")
    assert ran.rows == [{"Id": row["Id"]} for row in fleet[:-4:-1]]
    ran = _listed(pbx, tmp_path, "--search", yealinks[0]["Registrar"]["MAC"], "--select", "Id")
    assert {"Id": yealinks[0]["Id"]} in ran.rows


def test_count_is_talk(tmp_path: Path, pbx: Simulator) -> None:
    ran = _listed(pbx, tmp_path, "--count", "--top", "2", "--select", "Id")
    assert (len(ran.rows), ran.err) == (2, "count: 230\n")


def test_the_scope_of_the_settings_does_not_apply(tmp_path: Path, pbx: Simulator) -> None:
    environ = {**settings_of(pbx), "SOURCES__THREECX__FILTER": "Id lt 0", "SOURCES__THREECX__SEARCH": "nobody"}
    assert len(threecx("list", "--format", "ndjson", folder=tmp_path, **environ).out.splitlines()) == 230


# secrets


def test_secrets_are_masked_at_every_depth_unless_revealed(tmp_path: Path, pbx: Simulator) -> None:
    ran = _listed(pbx, tmp_path, "--expand", "DN")
    assert "pw-secret" not in ran.out
    row = ran.rows[0]
    assert [name for name in row if is_secret(name)] == ["PhoneWebPassword", "ProvLink"]
    assert (row["PhoneWebPassword"], row["ProvLink"], row["Registrar"]["InterfaceLink"]) == ("***", "***", "***")
    assert "pw-secret" in _listed(pbx, tmp_path, "--reveal-secrets").out


# formats


def test_a_table_and_csv_have_a_column_per_nested_property(tmp_path: Path, pbx: Simulator) -> None:
    args = ("list", "--top", "3", "--select", "Id,Registrar", "--format")
    table = threecx(*args, "table", folder=tmp_path, **settings_of(pbx))
    assert table.out.splitlines()[0].split()[:3] == ["Id", "Registrar.MAC", "Registrar.Vendor"]
    rows = list(csv.DictReader(io.StringIO(threecx(*args, "csv", folder=tmp_path, **settings_of(pbx)).out)))
    assert [row["Registrar.Vendor"] for row in rows] == [row["Registrar"]["Vendor"] for row in _fleet(pbx)[:3]]


def test_odd_names_come_out_as_they_went_in(tmp_path: Path) -> None:
    fleet = Fleet(devices=0)
    names = ['Zoë "漢" O\'Brien', "line\nbreak", " \t", "=1+1,;", "\x1b[31mred"]
    for name in names:
        fleet.add({"DN": {"Name": name}})
    with Simulator(fleet) as pbx:
        listed = [json.loads(line) for line in _formatted(pbx, tmp_path, "ndjson").splitlines()]
        assert [row["DN"]["Name"] for row in listed] == [row["DN"]["Name"] for row in fleet.served()]
        table = _formatted(pbx, tmp_path, "table")
    assert len(table.splitlines()) == len(names) + 1
    assert "\x1b" not in table


def _formatted(pbx: Simulator, folder: Path, form: str) -> str:
    ran = threecx("list", "--expand", "DN", "--format", form, folder=folder, **settings_of(pbx))
    assert ran.code == 0, ran.err
    return ran.out


@pytest.mark.parametrize(("form", "expected"), [("json", "[]\n"), ("ndjson", ""), ("csv", "Id\n"), ("table", "Id\n")])
def test_no_rows_are_a_result(tmp_path: Path, pbx: Simulator, form: str, expected: str) -> None:
    ran = threecx("list", "--filter", "Id lt 0", "--format", form, folder=tmp_path, **settings_of(pbx))
    assert (ran.code, ran.out, ran.err) == (0, expected, "")


# what goes wrong


def test_an_unknown_property_is_exit_2_with_the_words_of_the_pbx(tmp_path: Path, pbx: Simulator) -> None:
    ran = threecx("list", "--filter", "Foo eq 1", "--format", "json", folder=tmp_path, **settings_of(pbx))
    assert (ran.code, ran.out) == (2, "")
    assert "Could not find a property named 'Foo' on type 'Pbx.SipDevice'" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("option", [["--top", "-1"], ["--skip", "-1"], ["--filter", "Name eq 'O'Brien'"]])
def test_what_no_server_can_accept_is_not_asked(tmp_path: Path, option: list[str]) -> None:
    with Simulator(Fleet(devices=1)) as pbx:
        ran = threecx("list", *option, folder=tmp_path, **settings_of(pbx))
        assert (ran.code, ran.out, pbx.requests) == (2, "", [])


def test_a_torn_list_is_no_list(tmp_path: Path) -> None:
    with Simulator(Fleet(devices=150), fault="count_changing") as pbx:
        ran = threecx("list", "--format", "json", folder=tmp_path, **settings_of(pbx))
    assert (ran.code, ran.out) == (5, "")


def test_a_property_that_is_nested_too_deeply_is_the_pbx_s_fault(tmp_path: Path) -> None:
    with Simulator(Fleet(devices=3), fault="nested_property") as pbx:
        ran = threecx("list", "--format", "json", folder=tmp_path, **settings_of(pbx))
    assert (ran.code, ran.out) == (5, "")
    assert "nested too deeply" in ran.err


@pytest.mark.parametrize("form", ["table", "csv", "json", "ndjson"])
def test_nothing_that_a_pbx_sends_steers_the_terminal(tmp_path: Path, form: str) -> None:
    fleet = Fleet(devices=1)
    odd = "a\x1b[31m\x9b1m\u202eb"
    fleet.update(fleet.ids()[0], {odd: 1, "DN": {"Name": odd}, "Registrar": {odd: {odd: odd}}})
    with Simulator(fleet) as pbx:
        ran = threecx("list", "--expand", "DN", "--format", form, folder=tmp_path, **settings_of(pbx))
    assert ran.code == 0
    out = ran.out.splitlines()[0] if form == "csv" else ran.out
    assert [char for char in out if not char.isprintable() and char != "\n"] == []
    if form == "json":
        assert json.loads(ran.out)[0]["DN"]["Name"] == odd


def test_of_several_pbxs_one_has_to_be_named(tmp_path: Path) -> None:
    with Simulator({"hq": Fleet(devices=3), "leeds": Fleet(devices=4)}) as pbx:
        ran = threecx("list", folder=tmp_path, **settings_of(pbx))
        assert (ran.code, ran.out) == (2, "")
        assert ran.err == "threecx: error: list: the settings name 2 PBXs. Add --pbx hq\n"
        ran = threecx("list", "--pbx", "leeds", "--format", "ndjson", folder=tmp_path, **settings_of(pbx))
        assert len(ran.out.splitlines()) == 4
