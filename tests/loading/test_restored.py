"""A history that is not the one that the last sync from a folder left: told by sync and by verify, until accepted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.errors import RefusedError
from dlt_threecx.loading.work_folder import WorkFolder
from dlt_threecx.simulator import Fleet
from tests.commands import threecx
from tests.rig import FirstSyncs, Rig, assert_sound, counts, rigs

LOAD = "(select max(load_id) from threecx._dlt_loads)"
DAMAGE = {
    "the last load is gone": [
        (
            "delete from threecx.device_versions where snapshot_id in"
            f" (select snapshot_id from threecx.snapshots where _dlt_load_id = {LOAD})"
        ),
        f"delete from threecx.snapshots where _dlt_load_id = {LOAD}",
        f"delete from threecx._dlt_loads where load_id = {LOAD}",
    ],
    "the last load has no row among the loads": [f"delete from threecx._dlt_loads where load_id = {LOAD}"],
    "no load has a row": ["delete from threecx._dlt_loads"],
    "a load is hidden": [
        ("update threecx._dlt_loads set status = 1 where load_id = (select min(load_id) from threecx._dlt_loads)")
    ],
    "everything is gone": [
        "delete from threecx.device_versions",
        "delete from threecx.snapshots",
        "delete from threecx._dlt_loads",
    ],
    "a ledger row is gone": [
        ("delete from threecx.snapshots where snapshot_id = (select min(snapshot_id) from threecx.snapshots)")
    ],
    "a load in between is gone": [
        "delete from threecx._dlt_loads where load_id = (select min(load_id) from threecx._dlt_loads)"
    ],
}


def verify_of(rig: Rig) -> int:
    return threecx("verify", "--db", str(rig.db), "--project", str(rig.project), folder=rig.project).code


@pytest.fixture
def rig(tmp_path: Path, first_syncs: FirstSyncs) -> Iterator[Rig]:
    yield from first_syncs.rigs(tmp_path / "project", devices=12, seed=3)


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    for rig in rigs(tmp_path_factory.mktemp("days"), Fleet(devices=12, seed=3)):
        for _ in range(3):
            rig.fleet.next_day()
            rig.sync()
        yield rig


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_told_by_the_next_sync_and_by_verify(three_days: Rig, tmp_path: Path, name: str) -> None:
    rig = three_days.copied(tmp_path / "damaged")
    rig.write(*DAMAGE[name])
    requests = len(rig.simulator.requests)
    with pytest.raises(RefusedError) as raised:
        rig.sync()
    assert raised.value.exit_code == 6
    assert "Nothing was read or written. Look with: threecx verify" in str(raised.value)
    assert len(rig.simulator.requests) == requests
    assert verify_of(rig) == 5


def test_a_restored_backup_is_told_until_it_is_accepted(rig: Rig, tmp_path: Path) -> None:
    backup = Path(shutil.copy(rig.db, tmp_path / "backup.duckdb"))
    gone = rig.fleet.ids()[0]
    rig.fleet.remove(gone)
    rig.sync()
    shutil.copy(backup, rig.db)
    assert verify_of(rig) == 5
    with pytest.raises(RefusedError, match=r"it no longer has snapshot .* which this folder loaded last"):
        rig.sync()
    result = rig.sync(["restored"], "the disk died")
    assert (result.row.accepted, result.row.because, counts(result)) == (
        "restored",
        "the disk died",
        {"removed": 1},
    )
    assert (rig.sync().row.accepted, verify_of(rig)) == (None, 0)
    assert_sound(rig)


def test_a_history_that_is_gone_is_not_begun_again_without_a_word(rig: Rig) -> None:
    rig.db.unlink()
    with pytest.raises(RefusedError, match="or this is a new history on purpose, run: threecx sync --accept restored"):
        rig.sync()
    assert not rig.db.exists()
    assert rig.sync(["restored"], "begun again").row.added == 12


def test_a_folder_that_knows_nothing_believes_what_it_finds(rig: Rig) -> None:
    (head,) = rig.work.glob("*/last_head.json")
    folder = WorkFolder(HistoryLocation(rig.db, project=rig.project))
    assert folder.last_head is not None
    for text in ("", '{"pbx": 1}', "[]", "{"):
        head.write_text(text)
        assert folder.last_head is None
    assert rig.sync().exit_code == 0
    assert verify_of(rig) == 0


def test_a_broken_announcement_is_cleaned_up(rig: Rig) -> None:
    rig.fleet.remove(rig.fleet.ids()[0])
    folder = WorkFolder(HistoryLocation(rig.db, project=rig.project))
    file = folder.path / "announced.json"
    for text in ("", "[]", '{"heads": 1}', "null", "{"):
        file.write_text(text)
        assert folder.announcement.read() is None
    assert verify_of(rig) == 0
    assert counts(rig.sync()) == {"removed": 1}
    assert not file.exists()
    assert_sound(rig)
