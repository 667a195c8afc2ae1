"""Every fault that the simulator knows: what the user is told, how soon, and that nothing was written."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from dlt_threecx.compare.decide import SyncResult
from dlt_threecx.simulator import CLIENT_SECRET, FAULTS, Fleet, Simulator
from dlt_threecx.simulator.messages import Request
from dlt_threecx.snapshot.read_all import read_all
from dlt_threecx.snapshot.snapshot import Snapshot
from dlt_threecx.source.errors import ThreecxError
from tests.rig import Rig, Row, assert_sound, counts, leaks, rigs

LIMIT_SECONDS = 30.0
"""Not even all faults together may keep a run longer, on however slow a machine."""


class Told(NamedTuple):
    """What a run under a fault ends with; `settings` differ from those of the rig."""

    exit_code: int
    reason: str | None
    words: str
    settings: Mapping[str, Any] = MappingProxyType({})


_SOON = {"timeout_seconds": 0.5, "attempts": 2}
_DRIFT = "3 walks over all pages: none could be proven complete: "

TOLD = {
    "unauthorized_midwalk": Told(0, None, ""),
    "token_stolen": Told(3, "credentials", "use a client_id that no other program uses", {"page_size": 20}),
    "restart_midwalk": Told(0, None, ""),
    "forbidden_empty": Told(3, "credentials", "access is forbidden (HTTP 403): the answer is empty"),
    "too_many_requests": Told(4, "unreachable", "(HTTP 429, tried 2 times, it asks for 1 s)", {"attempts": 2}),
    "too_many_requests_bare": Told(4, "unreachable", "(HTTP 429, tried 4 times)"),
    "server_error_empty": Told(5, "protocol", "HTTP 500: the answer is empty"),
    "bad_gateway": Told(4, "unreachable", "the PBX is busy or starting (HTTP 502, tried 4 times)"),
    "unavailable": Told(4, "unreachable", "the PBX is busy or starting (HTTP 503, tried 4 times)"),
    "gateway_timeout": Told(4, "unreachable", "the PBX is busy or starting (HTTP 504, tried 4 times)"),
    "page_cap": Told(0, None, ""),
    "page_cap_400": Told(0, None, ""),
    "token_missing": Told(5, "protocol", "POST /connect/token: the answer holds no access_token (HTTP 200)"),
    "token_not_json": Told(5, "protocol", "POST /connect/token: the answer is no valid JSON (HTTP 200, text/plain"),
    "token_html": Told(5, "protocol", "POST /connect/token: the answer is no valid JSON (HTTP 200, text/html"),
    "token_redirect": Told(5, "protocol", "a redirect to another address (HTTP 307). It was not followed"),
    "html": Told(5, "protocol", "the answer is no valid JSON (HTTP 200, text/html"),
    "redirect": Told(5, "protocol", "a redirect to another address (HTTP 302). It was not followed"),
    "next_link": Told(5, "protocol", "points to another host for its next page (HTTP 200). It was not followed"),
    "value_missing": Told(5, "drifted", _DRIFT + "a page came without the list 'value'"),
    "value_null": Told(5, "drifted", _DRIFT + "a page came without the list 'value'"),
    "value_not_list": Told(5, "drifted", _DRIFT + "a page came without the list 'value'"),
    "count_missing": Told(5, "drifted", _DRIFT + "a page came without '@odata.count'"),
    "count_wrong": Told(5, "drifted", _DRIFT + "the rows ended at 130 of 131"),
    "count_changing": Told(5, "drifted", _DRIFT + "the count went from "),
    "count_negative": Told(5, "protocol", "'@odata.count' is -7, which counts nothing (HTTP 200)"),
    "count_fraction": Told(5, "protocol", "'@odata.count' is 130.5, which counts nothing (HTTP 200)"),
    "nested_property": Told(5, "protocol", "nested too deeply"),
    "repeated_row": Told(5, "protocol", "Id 12 came twice in each, always the second time at row 2"),
    "row_out_of_order": Told(5, "drifted", " came after Id "),
    "id_missing": Told(5, "protocol", "row 51 has no Id"),
    "id_text": Told(5, "protocol", "row 51 has the unusable Id '"),
    "id_too_large": Told(5, "protocol", "row 100 has the unusable Id 9007199254740993"),
    "duplicate_keys": Told(5, "protocol", "a property stands twice in one object"),
    "json_cut": Told(5, "protocol", "cut off or malformed"),
    "body_cut": Told(4, "unreachable", "the connection broke with http://127.0.0.1:"),
    "reset": Told(4, "unreachable", "the connection broke with http://127.0.0.1:"),
    "stall": Told(4, "unreachable", "no complete answer from http://127.0.0.1:", _SOON),
    "drip": Told(4, "unreachable", "within 0.5 s (tried 2 times)", _SOON),
    "huge_body": Told(5, "protocol", "the answer is larger than 32 MB"),
    "deep_nesting": Told(5, "protocol", "nested too deeply"),
    "not_utf8": Told(5, "protocol", "not UTF-8"),
}


class Aftermath(NamedTuple):
    """A PBX for each fault, read three times: well, under its fault, and well again with one device changed."""

    rig: Rig
    under: dict[str, SyncResult]
    after: dict[str, SyncResult]
    changed: dict[str, int]
    """Fault → the device that changed when it was over."""
    requests: list[Request]
    """Those of the second sync."""
    seconds: float
    """How long the second sync took."""
    shown: str
    """What the second sync logged and printed."""
    ledger: list[Row]
    versions: list[Row]


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    fleets = {fault: Fleet(devices=130, seed=number) for number, fault in enumerate(FAULTS)}
    own = {fault: TOLD[fault].settings for fault in FAULTS}
    with Simulator(fleets) as simulator:
        rig = Rig(tmp_path_factory.mktemp("faults"), Fleet(devices=0), simulator)
        rig.sync_all(own=own)
        asked = len(simulator.requests)
        for fault, pbx in simulator.pbxs.items():
            pbx.faults.set(fault)
        began = time.monotonic()
        with listened() as heard:
            under = {result.row.pbx: result for result in rig.sync_all(own=own)}
        seconds, requests = time.monotonic() - began, simulator.requests[asked:]
        changed = {fault: fleet.ids()[number] for number, (fault, fleet) in enumerate(fleets.items())}
        for fault, device in changed.items():
            simulator.pbxs[fault].faults.set(None)
            fleets[fault].update(device, {"Registrar": {"IpAddress": "10.8.0.1"}})
        after = {result.row.pbx: result for result in rig.sync_all(own=own)}
        shown, ledger, versions = heard.getvalue(), rig.ledger(), rig.versions()
        yield Aftermath(rig, under, after, changed, requests, seconds, shown, ledger, versions)


@contextmanager
def listened() -> Iterator[io.StringIO]:
    """Everything that is logged, at any level, or printed."""
    heard, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(heard), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(heard), redirect_stderr(heard):
            yield heard
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def test_every_fault_is_told() -> None:
    assert sorted(FAULTS) == sorted(TOLD)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_and_leaves_the_history_alone(aftermath: Aftermath, fault: str) -> None:
    told, result = TOLD[fault], aftermath.under[fault]
    assert (result.exit_code, result.row.reason) == (told.exit_code, told.reason)
    first, second, third = (row for row in aftermath.ledger if row["pbx"] == fault)
    assert second == result.row.values()
    versions = [row for row in aftermath.versions if row["pbx"] == fault]
    assert {row["snapshot_id"] for row in versions} == {first["snapshot_id"], third["snapshot_id"]}
    if result.error:
        words = str(result.error)
        assert told.words in words
        assert words.startswith(f"{result.error.asked}: ")
        assert "\n" not in words
        assert words[0] != words[-1]
        assert result.error.do
        assert result.row.status == "failed"
        assert words in (result.row.detail or "")
    tokens = [request for request in aftermath.requests if request.path == f"/{fault}/connect/token"]
    assert len(tokens) <= 3
    changes = [(row["device_id"], row["change"], row["changed_fields"]) for row in versions[130:]]
    assert changes == [(aftermath.changed[fault], "changed", '["ip_address"]')]
    assert third["previous_snapshot_id"] == (first if result.error else second)["snapshot_id"]


def test_faults_are_told_soon(aftermath: Aftermath) -> None:
    assert aftermath.seconds < LIMIT_SECONDS


def test_faults_lead_nobody_elsewhere_and_show_no_secret(aftermath: Aftermath) -> None:
    assert aftermath.rig.simulator.stray_requests == []
    reports = [json.dumps(result.report(), default=str) + repr(result) for result in aftermath.under.values()]
    assert aftermath.shown
    assert [text for text in (aftermath.shown, *reports) if "pw-secret" in text or "eyJ" in text] == []
    assert leaks(aftermath.rig) == []
    assert_sound(aftermath.rig)


def _nested(depth: int) -> Any:
    return json.loads("[" * depth + "]" * depth)


TERRIBLE: dict[str, tuple[dict[str, Any], str | None]] = {
    "deep-60": ({"Odd": _nested(60)}, None),
    "deep-100": ({"Odd": _nested(100)}, "protocol"),
    "deep-245": ({"Odd": _nested(245)}, "protocol"),
    "deep-300": ({"Registrar": {"Odd": _nested(300)}}, "protocol"),
    "deep-490": ({"Odd": {"a": _nested(490)}}, "protocol"),
    "deep-700": ({"DN": {"Odd": _nested(700)}}, "protocol"),
    "long-name": ({"N" * 70_000: 1}, None),
    "long-text": ({"DN": {"Name": "x" * 5_000_000}, "Odd": "y" * 5_000_000}, None),
    "odd-names": ({"": 1, " ": 2, "a\x1b[31m": 3, "a\x00b": 4, "a\ud800": 5, "a.b": 6, "\u202e": 7, "'\"\\": 8}, None),
    "odd-texts": ({"DN": {"Name": "\x00\ud800\x1b[31m\u202e", "Tags": ["\x00"]}, "Odd": {"\x00": "\udfff"}}, None),
    "huge-numbers": ({"DN": {"Id": 10**4000}, "Odd": [10**4000, -1e308, 5e-324]}, None),
    "too-huge-number": ({"Odd": 10**400, "Wide": list(range(50_000))}, None),
    "many-properties": ({f"P{number}": number for number in range(100_000)}, "protocol"),
    "far-time": ({"Registrar": {"RpsExpirationUTC": "9999-12-31T23:59:59.9999999Z"}}, None),
    "first-time": ({"Registrar": {"RpsExpirationUTC": "0001-01-01T00:00:00Z"}}, None),
}
"""PBX → properties of one of its devices, and the reason if it fails."""


def test_whatever_one_pbx_sends_the_others_load(tmp_path: Path) -> None:
    fleets = {name: Fleet(devices=3, seed=5) for name in (*TERRIBLE, "honest")}
    for name, (properties, _) in TERRIBLE.items():
        fleets[name].update(fleets[name].ids()[1], properties)
    with Simulator(fleets) as simulator:
        rig = Rig(tmp_path, fleets["honest"], simulator)
        results = {result.row.pbx: result for result in rig.sync_all()}
        assert {name: result.row.reason for name, result in results.items()} == {
            "honest": None,
            **{name: reason for name, (_, reason) in TERRIBLE.items()},
        }
        assert {result.exit_code for result in results.values()} == {0, 5}
        assert results["honest"].row.added == 3
        assert len(rig.ledger()) == len(fleets)
        assert all(len(row["detail"] or "") < 800 for row in rig.ledger())
        again = rig.sync_all()
        assert [counts(result) for result in again] == [{}] * len(fleets)
    assert_sound(rig)


def test_an_error_that_nobody_foresaw_is_its_pbx_s_own(tmp_path: Path) -> None:
    """A progress bar that fails stands for any bug of ours."""

    def progress(pbx: str, rows: int, total: int) -> None:
        if pbx == "odd" and total:
            raise KeyError("pw-secret-in-a-bug")

    with Simulator({"odd": Fleet(devices=3), "honest": Fleet(devices=3)}) as simulator:
        config = Rig(tmp_path, Fleet(devices=0), simulator).config()
        by_name = {reading.pbx.name: reading.outcome for reading in read_all(config, tmp_path, progress)}
    assert isinstance(by_name["honest"], Snapshot)
    error = by_name["odd"]
    assert isinstance(error, ThreecxError)
    assert (error.exit_code, error.reason) == (1, "bug")
    assert "KeyError in test_faults.py" in str(error)
    assert "pw-secret" not in str(error)


@pytest.mark.parametrize(
    "damage", ["update threecx.snapshots set shape = '{'", "update threecx.device_versions set extra = '{'"]
)
def test_a_history_that_cannot_be_compared_with_fails_its_own_pbx(tmp_path: Path, damage: str) -> None:
    fleets = {name: Fleet(devices=3, seed=5) for name in ("honest", "odd", "zealous")}
    with Simulator(fleets) as simulator:
        rig = Rig(tmp_path, fleets["odd"], simulator)
        rig.sync_all()
        rig.write(f"{damage} where pbx = 'odd'")
        # Without the kept state the old rows come from the database.
        for kept in rig.work.glob("*/state"):
            shutil.rmtree(kept)
        for fleet in fleets.values():
            fleet.remove(fleet.ids()[0])
            for device in fleet.ids():
                fleet.update(device, {"Registrar": {"IpAddress": "10.9.9.9"}})
        before = len(rig.versions())
        results = {result.row.pbx: result for result in rig.sync_all()}
    assert {name: (result.exit_code, result.row.status) for name, result in results.items()} == {
        "honest": (0, "complete"),
        "odd": (1, "failed"),
        "zealous": (0, "complete"),
    }
    assert "JSONDecodeError in " in str(results["odd"].error)
    assert len(rig.ledger()) == 6
    assert len(rig.versions()) == before + 6
    assert rig.rows("select count(*) as rows from phones.threecx.device_versions") == [{"rows": before + 6}]


def test_a_token_revoked_between_two_pages_is_replaced_once(synced: Rig) -> None:
    for after in (0, 1, 2):
        asked = len(synced.simulator.requests)
        synced.simulator.set_fault("unauthorized_midwalk", after=after)
        assert counts(synced.sync(page_size=60)) == {}
        made = synced.simulator.requests[asked:]
        assert [request.path for request in made].count("/connect/token") == 2


def test_a_refused_secret_is_sent_once(tmp_path: Path) -> None:
    for rig in rigs(tmp_path / "refused", Fleet(devices=10)):
        result = rig.sync(client_secret="pw-secret-not-this-one")
        assert (result.exit_code, result.row.reason) == (3, "credentials")
        assert [request.path for request in rig.simulator.requests] == ["/connect/token"]
        assert "It was tried once only" in str(result.error)
        assert "pw-secret" not in str(result.error) + str(result.row)
        assert (rig.versions(), len(rig.ledger())) == ([], 1)
        assert counts(rig.sync()) == {"added": 10}
        assert_sound(rig)


def test_nobody_listening_is_told(tmp_path: Path) -> None:
    for rig in rigs(tmp_path / "nobody", Fleet(devices=10)):
        rig.sync()
        before = rig.versions()
        rig.simulator.stop()
        result = rig.sync()
        assert (result.exit_code, result.row.reason) == (4, "unreachable")
        assert re.search(r"connection refused by http://127\.0\.0\.1:\d+ \(tried 4 times\)", str(result.error))
        assert before == rig.versions()


def test_the_client_secret_is_no_part_of_a_repr(rig: Rig) -> None:
    assert CLIENT_SECRET not in repr(rig.config())
