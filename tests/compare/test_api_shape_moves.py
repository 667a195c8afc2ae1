"""A PBX that is updated, or set back, in mid-history: the API moves, the phones do not."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlt_threecx.simulator import SHAPES, Fleet
from tests.rig import FirstSyncs, Rig, assert_sound, counts, leaks, rigs
from tests.sync.model import columns, stored

DEVICES = 180


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    yield from rigs(tmp_path / "new", Fleet(DEVICES, seed=23))


@pytest.fixture
def synced(request: pytest.FixtureRequest, tmp_path: Path, first_syncs: FirstSyncs) -> Iterator[Rig]:
    """A rig that was synced when its PBX had the shape `old` of the test; without one, that of today."""
    shape = request.getfixturevalue("old") if "old" in request.fixturenames else "20.0.4"
    yield from first_syncs.rigs(tmp_path / "synced", DEVICES, seed=23, shape=shape)


MOVES = [pair for pair in itertools.product(SHAPES, SHAPES) if pair[0] != pair[1]]


@pytest.mark.parametrize(("old", "new"), MOVES)
def test_an_update_of_the_pbx_changes_no_phone(synced: Rig, old: str, new: str) -> None:
    synced.fleet.shape = new
    result = synced.sync()
    same_columns = {old, new} == {"early", "20.0.4"}
    assert counts(result) == ({} if same_columns else {"rebaselined": 180})
    assert bool(result.shape_changes) != same_columns
    assert {item["Id"]: columns(item) for item in synced.fleet.served()} == {
        device: stored(row) for device, row in synced.devices().items()
    }
    assert counts(synced.sync()) == {}
    assert_sound(synced)
    assert leaks(synced) == []


@pytest.mark.parametrize("old", ["early"])
def test_there_and_back_and_there_again_changes_no_phone(synced: Rig, old: str) -> None:
    for shape in ("later", "20.0.4", "later", old):
        synced.fleet.shape = shape
        assert counts(synced.sync()).keys() == {"rebaselined"}
        assert json.loads(synced.ledger()[-1]["shape"])["Registrar.MAC"] == "string"
    assert_sound(synced)


def test_the_moved_paths_are_named(synced: Rig) -> None:
    synced.fleet.shape = "later"
    report = synced.sync().report()
    assert {"Online", "Category", "Registrar.FirmwareAvailable", "Registrar.Id"} <= set(report["shape_changes"])
    assert "Registrar.ProvLink" not in report["shape_changes"]
    assert (report["changed"], report["rebaselined"]) == (0, 180)
    assert synced.sync().report()["shape_changes"] == []


@pytest.mark.parametrize(("old", "new"), [("20.0.4", "later"), ("later", "20.0.4"), ("early", "later")])
def test_what_really_changed_in_the_same_step_is_told_field_by_field(synced: Rig, old: str, new: str) -> None:
    ids = synced.fleet.ids()
    synced.fleet.shape = new
    synced.fleet.update(ids[4], {"Registrar": {"IpAddress": "10.77.0.1"}})
    synced.fleet.update(ids[5], {"DN": {"Name": "Somebody Else", "Number": "999"}, "Registrar": {"Model": "T99"}})
    synced.fleet.update(ids[6], {"Online": not synced.fleet.find(ids[6])["Online"]})
    synced.fleet.remove(ids[7])
    added = synced.fleet.add()["Id"]
    result = synced.sync()
    real = [change for change in synced.changes(result.row.snapshot_id) if change[1] != "rebaselined"]
    assert real == [
        (ids[4], "changed", ["ip_address"]),
        (ids[5], "changed", ["model", "dn_number", "dn_name"]),
        (ids[7], "removed", []),
        (added, "added", []),
    ]
    assert counts(result)["rebaselined"] == 177
    assert_sound(synced)


def test_a_fleet_without_pending_firmware_can_go_back(rig: Rig) -> None:
    for device in rig.fleet.ids():
        if rig.fleet.find(device)["Registrar"]:
            rig.fleet.update(device, {"Registrar": {"FirmwareAvailable": None}})
    for shape in ("20.0.4", "later", "20.0.4"):
        rig.fleet.shape = shape
        result = rig.sync()
        assert counts(result).keys() <= {"added", "rebaselined"}
    device = rig.fleet.ids()[0]
    rig.fleet.update(device, {"Registrar": {"FirmwareAvailable": "99.1"}})
    assert rig.changes(rig.sync().row.snapshot_id) == [(device, "changed", ["firmware_available"])]


@pytest.mark.parametrize("old", ["later"])
def test_phones_that_go_on_and_off_line_are_refreshed_only(synced: Rig, old: str) -> None:
    ids = synced.fleet.ids()[:30]
    before = synced.devices()
    for device in ids:
        synced.fleet.update(device, {"Online": not synced.fleet.find(device)["Online"]})
    result = synced.sync()
    assert synced.changes(result.row.snapshot_id) == [(device, "refreshed", ["online"]) for device in ids]
    after = synced.devices()
    for device, row in ((device, after[device]) for device in ids):
        assert row["online"] is not before[device]["online"]
        assert row["tracked_version"] == before[device]["tracked_version"]
        assert row["row_version"] != before[device]["row_version"]


def test_a_key_rotated_while_phones_go_off_line_shows_in_the_history(rig: Rig) -> None:
    rig.fleet.shape = "later"
    rig.sync(fingerprint_key="key-one")
    ids = rig.fleet.ids()[:30]
    for device in ids:
        rig.fleet.update(device, {"Online": not rig.fleet.find(device)["Online"]})
    result = rig.sync(fingerprint_key="key-two")
    assert {change for _, change, _ in rig.changes(result.row.snapshot_id)} == {"rebaselined"}
    columns = "device_id, online, prov_link_fp"
    now = rig.rows(f"select {columns} from phones.threecx.devices order by device_id")
    history = f"select {columns} from phones.threecx.device_history where is_current order by device_id"
    assert rig.rows(history) == now
    assert any(row["prov_link_fp"] for row in now)


@pytest.mark.parametrize("old", ["later"])
def test_an_update_of_the_pbx_while_phones_go_off_line_shows_in_the_history(synced: Rig, old: str) -> None:
    for device in synced.fleet.ids():
        flip = {"Online": not synced.fleet.find(device)["Online"], "Brand": {"New": device}}
        synced.fleet.update(device, flip)
    assert counts(synced.sync()) == {"rebaselined": 180}
    now = synced.rows("select device_id, online, extra from phones.threecx.devices order by device_id")
    history = "select device_id, online, extra from phones.threecx.device_history where is_current order by device_id"
    assert synced.rows(history) == now


def test_other_fields_can_be_volatile(rig: Rig) -> None:
    rig.settings = {"volatile": ("ip_address",)}
    rig.sync()
    device = rig.fleet.ids()[0]
    rig.fleet.update(device, {"Registrar": {"IpAddress": "10.77.0.2"}})
    assert rig.changes(rig.sync().row.snapshot_id) == [(device, "refreshed", ["ip_address"])]


def test_an_unknown_property_moves_once_and_changes_after_that(synced: Rig) -> None:
    ids = synced.fleet.ids()
    for device in ids:
        synced.fleet.update(device, {"Brand": {"New": 1}, "SecretNote": "pw-secret-note"})
    result = synced.sync()
    assert counts(result) == {"rebaselined": 180}
    assert result.shape_changes == ("Brand", "SecretNote")
    synced.fleet.update(ids[3], {"Brand": {"New": 2}})
    synced.fleet.update(ids[4], {"SecretNote": "pw-secret-other"})
    assert synced.changes(synced.sync().row.snapshot_id) == [(ids[3], "changed", ["extra.Brand"])]
    assert leaks(synced) == []


def test_a_property_that_turns_into_text_moves_and_is_kept(synced: Rig) -> None:
    for device in synced.fleet.ids():
        if synced.fleet.find(device)["Registrar"]:
            synced.fleet.update(device, {"Registrar": {"Capabilities": "seven"}})
    result = synced.sync()
    assert (set(counts(result)), result.shape_changes) == ({"rebaselined"}, ("Registrar.Capabilities",))
    row = synced.devices()[synced.fleet.ids()[0]]
    assert (row["capabilities"], json.loads(row["extra"])) == (None, {"Registrar.Capabilities": "seven"})
    assert counts(synced.sync()) == {}


@pytest.mark.parametrize(("key", "new"), [(None, "key-one"), ("key-one", "key-two"), ("key-one", None)])
def test_another_fingerprint_key_changes_no_phone(
    tmp_path: Path, first_syncs: FirstSyncs, key: str | None, new: str | None
) -> None:
    for rig in first_syncs.rigs(tmp_path / "keys", DEVICES, seed=23, fingerprint_key=key):
        device = rig.fleet.ids()[9]
        rig.fleet.update(device, {"Registrar": {"IpAddress": "10.77.0.3"}})
        result = rig.sync(fingerprint_key=new)
        real = [change for change in rig.changes(result.row.snapshot_id) if change[1] != "rebaselined"]
        assert real == [(device, "changed", ["ip_address"])]
        assert counts(result)["rebaselined"] > 170
        assert counts(rig.sync(fingerprint_key=new)) == {}
        assert_sound(rig)


def test_a_history_in_another_row_format_is_recorded_anew(tmp_path: Path, first_syncs: FirstSyncs) -> None:
    for rig in first_syncs.rigs(tmp_path / "formats", devices=30, seed=3):
        old = hashlib.sha256(b"as another release would hash it").hexdigest()
        rig.write(f"update phones.threecx.device_versions set row_version = '{old}', tracked_version = '{old}'")
        rig.write("update phones.threecx.snapshots set row_format = 0")
        device = rig.fleet.ids()[2]
        rig.fleet.update(device, {"DN": {"Number": "4711"}})
        result = rig.sync()
        assert counts(result) == {"rebaselined": 29, "changed": 1}
        assert rig.changes(result.row.snapshot_id)[2] == (device, "changed", ["dn_number"])
        assert counts(rig.sync()) == {}


def _days(rig: Rig) -> Iterator[str]:
    for shape in ("early", "20.0.4", "later", "later"):
        rig.fleet.shape = shape
        rig.fleet.next_day()
        yield shape


def test_no_secret_shows_wherever_the_shape_puts_it(rig: Rig) -> None:
    rig.sync(fingerprint_key="pw-secret-key-of-fingerprints")
    for _ in _days(rig):
        result = rig.sync(fingerprint_key="pw-secret-key-of-fingerprints")
        assert "pw-secret" not in repr(result)
    assert leaks(rig) == []
    assert_sound(rig)
