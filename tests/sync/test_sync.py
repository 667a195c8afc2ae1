"""Days of a living fleet, read over HTTP and loaded into DuckDB."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from dlt_threecx.run import sync_pbxs
from dlt_threecx.simulator import Fleet, Simulator
from tests.rig import Rig, assert_sound, config_of, counts, fingerprint, replayed
from tests.sync.model import Model, stored


def test_days_leave_exactly_the_versions_that_a_slow_model_expects_and_replaying_them_rebuilds_each(rig: Rig) -> None:
    rig.fleet.shape = "later"
    model, read = Model(), {}
    for _ in range(12):
        expected = model.day(rig.fleet.served())
        result = rig.sync()
        assert expected == rig.changes(result.row.snapshot_id)
        assert {id_: stored(row) for id_, row in rig.devices().items()} == model.there
        read[result.row.snapshot_id] = model.there
        rig.fleet.next_day()
    versions = rig.versions()
    assert {row["change"] for row in versions} == {"added", "changed", "removed", "returned", "refreshed"}
    rebuilt = replayed(versions)
    assert list(read) == list(rebuilt)
    for snapshot_id, devices in rebuilt.items():
        assert read[snapshot_id] == {id_: stored(row) for id_, row in devices.items()}
    assert [row["fingerprint"] for row in rig.ledger()] == [fingerprint(devices) for devices in rebuilt.values()]
    assert_sound(rig)


def test_a_second_run_without_a_change_writes_no_version(synced: Rig) -> None:
    (first,), before = synced.ledger(), synced.versions()
    second = synced.sync()
    assert (first["added"], first["changed"], first["removed"], len(before)) == (130, 0, 0, 130)
    assert counts(second) == {}
    assert before == synced.versions()
    assert first["fingerprint"] == second.row.fingerprint
    assert second.row.previous_snapshot_id == first["snapshot_id"]
    assert_sound(synced)


def test_a_firmware_two_removals_and_an_addition_come_out_as_exactly_that(synced: Rig) -> None:
    ids = synced.fleet.ids()
    synced.fleet.update(ids[3], {"Registrar": {"FirmwareVersion": "99.1"}})
    synced.fleet.remove(ids[0])
    synced.fleet.remove(ids[-1])
    new = synced.fleet.add()["Id"]
    result = synced.sync()
    assert counts(result) == {"added": 1, "changed": 1, "removed": 2}
    assert synced.changes(result.row.snapshot_id) == [
        (ids[0], "removed", []),
        (ids[3], "changed", ["firmware_version"]),
        (ids[-1], "removed", []),
        (new, "added", []),
    ]
    assert synced.devices()[ids[3]]["firmware_version"] == "99.1"


def test_a_removed_row_keeps_the_last_known_values(synced: Rig) -> None:
    device = synced.fleet.ids()[5]
    last = synced.devices()[device]
    synced.fleet.remove(device)
    result = synced.sync()
    (row,) = [row for row in synced.versions() if row["snapshot_id"] == result.row.snapshot_id]
    assert stored(row) == stored(last)
    assert (row["row_version"], row["tracked_version"]) == (last["row_version"], last["tracked_version"])


def test_a_device_that_comes_back_has_returned(synced: Rig) -> None:
    device = synced.fleet.ids()[7]
    synced.fleet.remove(device)
    synced.sync()
    synced.fleet.restore(device)
    synced.fleet.update(device, {"Registrar": {"IpAddress": "10.9.9.9"}})
    result = synced.sync()
    assert synced.changes(result.row.snapshot_id) == [(device, "returned", [])]
    assert synced.devices()[device]["ip_address"] == "10.9.9.9"
    synced.fleet.remove(device)
    assert counts(synced.sync()) == {"removed": 1}
    synced.fleet.restore(device)
    assert counts(synced.sync()) == {"returned": 1}
    assert_sound(synced)


ODD: list[dict[str, Any]] = [
    {"Registrar": None, "DN": None},
    {"Registrar": {}, "DN": {}},
    {"DN": {"Name": "O'Brien; drop table x; --", "Number": "  100 "}},
    {"DN": {"Name": 'Quote " back\\slash', "Number": ""}},
    {"DN": {"Name": "line\nbreak\r\n\ttab", "Tags": ["b", "a", "ü\n"]}},
    {"DN": {"Name": "Ünïcödé 日本語 🙂‍↔️ \u202eright", "Hidden": True}},
    {"DN": {"Name": "null", "Number": "NULL", "Type": "\\N"}},
    {"DN": {"Id": 2**31 - 1, "Tags": []}, "Registrar": {"MAC": "00-1a:2B.3c4D5e", "Capabilities": -(2**31)}},
    {"Registrar": {"MAC": "no mac", "FirmwareVersion": "1" * 5000, "UserAgent": " "}},
    {"Registrar": {"RpsExpirationUTC": "2027-03-01T00:00:00.123456+02:00", "IpAddress": "0"}},
    {"Unknown": {"Deep": [1, 2.5, None, True, {"a": "ü"}]}, "Empty": {}, "Big": 2**70, "Tiny": -1e-300},
]


def test_odd_values_are_kept_value_for_value(rig: Rig) -> None:
    rig.fleet.shape = "later"
    ids = rig.fleet.ids()
    for device, properties in zip(ids, ODD, strict=False):
        rig.fleet.update(device, properties)
    model = Model()
    model.day(rig.fleet.served())
    rig.sync()
    model.there[ids[7]]["mac"] = "001A2B3C4D5E"
    assert {id_: stored(row) for id_, row in rig.devices().items()} == model.there
    extra = rig.devices()[ids[10]]["extra"]
    assert json.loads(extra) == {key: value for key, value in ODD[10].items() if key != "Id"}
    assert counts(rig.sync()) == {}
    rig.fleet.next_day()
    rig.sync()
    assert_sound(rig)


def test_an_empty_pbx_is_a_result(tmp_path: Path) -> None:
    with Simulator(Fleet(devices=0)) as simulator:
        rig = Rig(tmp_path, Fleet(devices=0), simulator)
        first, second = rig.sync(), rig.sync()
    assert [(first.exit_code, first.row.devices), (second.exit_code, second.row.devices)] == [(0, 0), (0, 0)]
    assert_sound(rig)


def test_several_pbxs_are_each_on_their_own(tmp_path: Path) -> None:
    fleets = {"hq": Fleet(devices=60, seed=1), "plant": Fleet(devices=30, seed=2), "Leeds-2.x": Fleet(devices=5)}
    with Simulator(fleets) as simulator:
        rig = Rig(tmp_path, fleets["hq"], simulator)
        results = rig.sync_all()
        assert [(r.row.pbx, r.row.added) for r in results] == [("hq", 60), ("plant", 30), ("Leeds-2.x", 5)]
        fleets["plant"].remove(fleets["plant"].ids()[4])
        simulator.pbxs["hq"].faults.set("html")
        results = rig.sync_all()
        assert [result.exit_code for result in results] == [5, 0, 0]
        assert [counts(result) for result in results] == [{}, {"removed": 1}, {}]
        simulator.set_fault(None)
        assert [counts(result) for result in rig.sync_all()] == [{}, {}, {}]
    assert_sound(rig)
    versions = Counter(row["pbx"] for row in rig.versions())
    assert versions == {"hq": 60, "plant": 31, "Leeds-2.x": 5}


def test_a_version_that_no_header_names_is_asked_for_once(tmp_path: Path) -> None:
    fleet = Fleet(devices=5)
    with Simulator(fleet, version_header=False) as simulator:
        row = Rig(tmp_path, fleet, simulator).sync().row
        asked = [request.path for request in simulator.requests]
    assert (row.pbx_version, row.requests) == ("20.0.4.725", 1)
    assert asked[1:] == ["/xapi/v1/SipDevices", "/xapi/v1/Defs/Pbx.GetSystemParameters()"]


def test_two_pbxs_that_are_one_machine_share_its_token(tmp_path: Path) -> None:
    fleet = Fleet(devices=5)
    with Simulator(fleet) as simulator:
        rig = Rig(tmp_path, fleet, simulator)
        config = config_of(tmp_path, {"all": simulator.base_url, "again": simulator.base_url + "/"})
        results = sync_pbxs(config, db=rig.db, dataset="threecx")
        assert [result.row.added for result in results] == [5, 5]
        assert len(simulator.token_requests) == 1


def test_two_walks_that_agree_count_as_one_snapshot(rig: Rig) -> None:
    result = rig.sync(consistency="twice")
    assert (result.row.walks, result.row.consistency, result.row.devices) == (2, "twice", 130)
    assert result.row.requests == 2 * (result.row.pages or 0)
    assert_sound(rig)


def test_the_ledger_keeps_odd_text_as_it_is(synced: Rig) -> None:
    filter_ = "contains(DN/Name,'O''Brien \\ \"x\" ü 100% {a}') or DN/Number ne '␀'"
    because = "  line\nbreak 'quoted' \"double\" \\ back\\slash ünï 🙂 {} %s  "
    result = synced.sync(["scope", "empty", "shrink"], because, filter=filter_)
    assert (result.exit_code, result.row.because, result.row.filter) == (0, because, filter_)
    row = synced.ledger()[-1]
    assert (row["because"], row["filter"]) == (because, filter_)
    assert_sound(synced)
