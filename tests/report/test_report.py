"""`threecx report`: its numbers are those of SQL, it names no other PBX and no address, and every text is escaped."""

from __future__ import annotations

import html
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dlt_threecx.cli.commands.report import report
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.errors import SettingsError
from tests.commands import python
from tests.rig import Rig

MARKUP = "<script>alert('1')</script> & <b>\"Zoë\"</b>"
SHARED_MAC = "805EC0123456"
OTHER = "leeds-of-another-customer"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Four days of two PBXs that share a MAC address; one phone has markup in its name, one goes, one comes back."""
    folder = tmp_path_factory.mktemp("report")
    fleets = {"hq": Fleet(devices=40, seed=5), OTHER: Fleet(devices=25, seed=6)}
    hq = fleets["hq"]
    first, gone, back = hq.ids()[:3]
    hq.update(first, {"DN": {"Name": MARKUP}, "Registrar": {"Vendor": MARKUP, "MAC": SHARED_MAC}})
    fleets[OTHER].update(fleets[OTHER].ids()[0], {"Registrar": {"MAC": SHARED_MAC}})
    with Simulator(fleets) as pbxs:
        rig = Rig(folder, hq, pbxs)
        for day in range(4):
            if day:
                for fleet in fleets.values():
                    fleet.next_day()
            if day == 1:
                hq.remove(back)
            if day == 2 and back not in hq:
                hq.restore(back)
            if day == 3:
                hq.remove(gone)
            rig.sync_all(clock_offset=timedelta(days=day - 3))
    return rig


@pytest.fixture(scope="module")
def page(written: Rig) -> str:
    return _report(written, "fleet.html")


@pytest.fixture(scope="module")
def earlier(written: Rig) -> str:
    """The page of two days ago."""
    return _report(written, "then.html", "--at", "2d")


def _run(rig: Rig, *args: str) -> None:
    report.main(["--db", str(rig.db), "--project", str(rig.project), *args], standalone_mode=False)


def _report(rig: Rig, name: str, *args: str) -> str:
    _run(rig, "--output", str(rig.project / name), *args)
    return (rig.project / name).read_text(encoding="utf-8")


def _sql(rig: Rig, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(rig.db), read_only=True) as connection:
        connection.execute("use phones.threecx")
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(sql, list(values)).fetchall()


def _tables(page: str) -> list[list[list[str]]]:
    """The texts of all cells, table by table."""
    return [
        [
            [html.unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
            for row in re.findall(r"<tr>(<td.*?)</tr>", table, re.DOTALL)
        ]
        for table in re.findall(r"<table.*?</table>", page, re.DOTALL)
    ]


def _bars(page: str, label: str) -> Counter[tuple[str, str]]:
    """Day and kind → devices, as the wide chart has them."""
    [figure] = re.findall(rf'<figure aria-label="{label}">(.*?)<div class="narrow">', page, re.DOTALL)
    bars: Counter[tuple[str, str]] = Counter()
    for text in re.findall(r'aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="bar"', figure):
        values = dict(part.split(": ", 1) for part in html.unescape(text).split("; "))
        bars[values["day"], values["kind"]] += int(values["devices"])
    return bars


def test_the_inventory_is_that_of_the_view_devices(written: Rig, page: str) -> None:
    expected = _sql(
        written,
        "select coalesce(vendor, '–'), coalesce(model, '–'), coalesce(firmware_version, '–'), count(*)::varchar"
        " from devices group by all",
    )
    assert Counter(map(tuple, _tables(page)[1])) == Counter(expected)
    [[devices]] = _sql(written, "select count(*) from devices")
    assert f"<b>{devices}</b> devices" in page


def test_the_charts_show_the_numbers_of_the_views(written: Rig, page: str) -> None:
    inventory = _sql(written, "select day::varchar, sum(devices) from daily_inventory group by day")
    drawn: Counter[str] = Counter()
    for (day, _), devices in _bars(page, "Devices by day and vendor").items():
        drawn[day] += devices
    assert drawn == Counter(dict(inventory))
    changes = _sql(
        written,
        "select day::varchar, category, sum(devices) from daily_changes"
        " where category <> 'presence' and not is_initial_load group by all",
    )
    assert _bars(page, "Changed devices by day and category") == Counter({(day, kind): n for day, kind, n in changes})


def test_phones_that_went_and_came_back_are_told(written: Rig, page: str) -> None:
    lines = _sql(
        written,
        "select arg_max(change, changed_at), count(*) from device_changes where change in ('removed', 'returned')"
        " group by pbx, device_id",
    )
    *_, gone, back = _tables(page)
    assert len(gone) == sum(change == "removed" for change, _ in lines) > 0
    assert len(back) == sum(change == "returned" for change, _ in lines) > 0


def test_findings_say_why_and_what_to_do(written: Rig, page: str) -> None:
    for title, count, what_to_do in _sql(
        written, "select any_value(title), count(*), any_value(what_to_do) from findings group by rule"
    ):
        assert f"{html.escape(title)}: {count}</h3>" in page
        assert html.escape(what_to_do) in page


def test_the_proof_stands_at_the_top(written: Rig, page: str) -> None:
    [[attempts, versions]] = _sql(
        written, "select (select count(*) from snapshots), (select count(*) from device_versions)"
    )
    verdict = page.index(f"<b>Nothing was edited</b>: attempts {attempts}, versions {versions}.")
    assert verdict < page.index("<h2>")
    for (head,) in _sql(written, "select arg_max(chain, snapshot_id) from snapshots group by pbx"):
        assert head[:12] in page


def test_a_page_needs_no_script_and_no_network(page: str, earlier: str) -> None:
    assert not re.search(r"https?://|<script|<link|<img|@import|url\([^#]|\son\w+=", page + earlier)


def test_markup_in_a_name_is_shown_as_text(page: str) -> None:
    assert "<b>&#34;Zo" not in page
    assert "alert(" in page
    assert MARKUP in html.unescape(page)


def test_a_page_of_one_pbx_names_no_other(written: Rig) -> None:
    found = _sql(written, "select detail from findings where rule = 'mac_on_several_pbxs' and pbx = 'hq'")
    assert OTHER in found[0][0]
    _run(written, "--each", "--output", str(written.project / "pages"))
    pages = {file.stem: file.read_text(encoding="utf-8") for file in (written.project / "pages").iterdir()}
    assert set(pages) == {"hq", OTHER}
    assert OTHER not in pages["hq"]
    assert f"{SHARED_MAC} is also on another PBX" in pages["hq"]
    assert "hq" not in pages[OTHER]


def test_each_page_can_have_a_name_of_ones_own(written: Rig) -> None:
    _run(written, "--each", "--pbx", "h*", "--output", str(written.project / "phones-{pbx}.html"))
    assert [file.name for file in written.project.glob("phones-*")] == ["phones-hq.html"]


def test_a_page_of_an_earlier_time_has_the_inventory_of_then(written: Rig, earlier: str) -> None:
    [[devices]] = _sql(written, "select count(*) from devices_as_of(now() - interval 2 days)")
    assert f"<b>{devices}</b> devices" in earlier
    assert "Findings are known for the present only." in earlier


def test_an_edited_history_is_told_first(written: Rig, tmp_path: Path) -> None:
    copy = tmp_path / "phones.duckdb"
    copy.write_bytes(written.db.read_bytes())
    with duckdb.connect(str(copy)) as connection:
        connection.execute("update phones.threecx.device_versions set model = 'X' where pbx = 'hq'")
    report.main(["--db", str(copy), "--output", str(tmp_path / "page.html")], standalone_mode=False)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.index("The history was edited, or is damaged.") < page.index("<h2>")
    assert "Nothing was edited" not in page


def test_a_view_that_was_changed_is_told_first(written: Rig, tmp_path: Path) -> None:
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(written.db.read_bytes())
    with duckdb.connect(str(copy)) as connection:
        connection.execute("use copy.threecx")
        connection.execute("create or replace view calendar as select current_date as day, true as is_today")
    report.main(["--db", str(copy), "--output", str(tmp_path / "page.html")], standalone_mode=False)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.index("so this page may be wrong: calendar") < page.index("<h2>")
    assert "Nothing was edited" not in page


def test_what_was_never_read_is_unknown_and_not_zero(rig: Rig) -> None:
    rig.sync_all(client_secret="wrong")
    page = _report(rig, "never.html")
    assert "nothing is known about the phones" in page
    assert not re.search(r"0</b>|No phone|Nothing changed|No rule", page)
    assert "failing</span> credentials" in page


def test_an_unknown_pbx_is_named(written: Rig) -> None:
    with pytest.raises(SettingsError, match="PBX 'hg': the history has no such PBX"):
        _report(written, "none.html", "--pbx", "hg")


def test_without_the_charts_it_says_what_to_install(written: Rig) -> None:
    code = "import sys; sys.modules['vl_convert'] = None; from dlt_threecx.cli import main; main()"
    ran = python("-c", code, "report", "--db", str(written.db), "--output", "x.html", folder=written.project)
    assert (ran.code, ran.out) == (2, "")
    assert "pip install 'dlt-threecx[report]'" in ran.err
