"""Others who use the database or the disk, and those that fail: a run waits or says so, and the next one is right."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest

from dlt_threecx.errors import DestinationError
from dlt_threecx.run import sync_pbxs
from dlt_threecx.simulator import Fleet
from dlt_threecx.source.errors import SettingsError
from tests.loading.processes import Ended, Processes
from tests.rig import FirstSyncs, Rig, assert_sound, counts, leaks, rigs

PATIENT_SECONDS = 60.0
"""Longer than any wait in these tests."""


@pytest.fixture
def rig(tmp_path: Path, first_syncs: FirstSyncs) -> Iterator[Rig]:
    for rig in first_syncs.rigs(tmp_path / "contended", devices=30, seed=3):
        rig.fleet.remove(rig.fleet.ids()[0])
        yield rig


@contextmanager
def held(db: Path, *, read_only: bool) -> Iterator[subprocess.Popen[str]]:
    """Another program that keeps the database open."""
    code = f"import duckdb, sys; c = duckdb.connect({str(db)!r}, read_only={read_only}); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        try:
            yield holder
        finally:
            holder.kill()


def assert_next_is_right(rig: Rig) -> None:
    """The one device that went is removed, once."""
    assert rig.sync().exit_code == 0
    assert [row["change"] for row in rig.versions()].count("removed") == 1
    assert set(rig.devices()) == set(rig.fleet.ids())
    assert_sound(rig)
    assert leaks(rig) == []


_HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[-1]); print('open', flush=True); sys.stdin.read()"


def test_a_holder_is_named_as_its_user_calls_it_without_its_other_arguments(rig: Rig) -> None:
    program = rig.project / "threecx"
    program.write_text(_HOLD)
    command = [sys.executable, str(program), "devices", "--search", "private", str(rig.db)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "open\n"
            with pytest.raises(DestinationError) as raised:
                rig.sync()
        finally:
            holder.kill()
    assert f"`threecx devices` (process {holder.pid}) holds it open" in str(raised.value)
    assert "private" not in str(raised.value)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_database_that_somebody_keeps_open_is_told_with_its_holder(rig: Rig, read_only: bool) -> None:
    before = rig.versions()
    with held(rig.db, read_only=read_only) as holder, pytest.raises(DestinationError) as raised:
        rig.sync()
    assert raised.value.exit_code == 7
    assert re.search(rf"python\S* \(process {holder.pid}\) holds it open, and did so for 0\.3 s", str(raised.value))
    assert "Nothing was written. Close that program, or raise busy_timeout_seconds, and run again" in str(raised.value)
    assert before == rig.versions()
    assert_next_is_right(rig)


def test_a_run_waits_for_a_database_that_is_given_back(rig: Rig) -> None:
    with held(rig.db, read_only=True) as holder:
        timer = Timer(0.5, holder.kill)
        timer.start()
        assert counts(rig.sync(busy_timeout_seconds=PATIENT_SECONDS)) == {"removed": 1}
        timer.join()
    assert_sound(rig)


def test_of_two_syncs_at_once_the_second_waits(tmp_path: Path, processes: Processes, others: Processes) -> None:
    for rig in rigs(tmp_path / "twice", Fleet(devices=30), delay_seconds=0.2):
        with ThreadPoolExecutor(2) as pool:
            both = [
                pool.submit(started.sync, rig, busy_timeout_seconds=PATIENT_SECONDS) for started in (processes, others)
            ]
            ended = [one.result() for one in both]
        assert [one.code for one in ended] == [0, 0]
        assert sorted(one.report["added"] for one in ended if one.report) == [0, 30]
        assert_sound(rig)


def test_of_two_syncs_at_once_the_second_says_so(tmp_path: Path, processes: Processes, others: Processes) -> None:
    for rig in rigs(tmp_path / "twice", Fleet(devices=30), delay_seconds=1.5):
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(processes.sync, rig)
            while not rig.simulator.requests:
                time.sleep(0.02)
            second: Ended = others.sync(rig, busy_timeout_seconds=0.1)
            assert first.result().code == 0
        assert second.code == 7
        assert second.error == (
            "start of the sync: another sync loads into the same place, and did so for 0.1 s. "
            "Nothing was read. Run again when it has ended, or raise busy_timeout_seconds"
        )
        assert_sound(rig)


def test_a_lock_file_that_nobody_holds_stops_nobody(rig: Rig) -> None:
    (lock,) = rig.work.glob("*/lock")
    lock.write_text("12345")
    assert_next_is_right(rig)


@pytest.mark.parametrize("bytes_left", [0, 1_000, 5_000, 10_000, 20_000, 50_000])
def test_a_disk_that_fills_up_at_any_point_is_told(rig: Rig, processes: Processes, bytes_left: int) -> None:
    before = rig.versions()
    ended = processes.sync(rig, largest_file=bytes_left)
    assert (ended.code, len(rig.versions()) - len(before)) in [(7, 0), (0, 1)], ended.error
    assert ended.code == 7 or bytes_left > 5_000
    assert_next_is_right(rig)


def test_a_database_that_cannot_grow_is_told(rig: Rig, processes: Processes) -> None:
    rig.fleet.remove(rig.fleet.ids()[0])
    for _ in range(200):
        rig.fleet.add()
    before = rig.versions()
    ended = processes.sync(rig, largest_file=rig.db.stat().st_size)
    assert (ended.code, before) == (7, rig.versions()) if ended.code else (0, len(before) + 202)
    assert rig.sync().exit_code == 0
    assert set(rig.devices()) == set(rig.fleet.ids())
    assert_sound(rig)


def test_a_real_full_disk_is_told(tmp_path: Path, first_syncs: FirstSyncs, processes: Processes) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        for rig in first_syncs.rigs(disk / "project", devices=30, seed=3):
            rig.fleet.remove(rig.fleet.ids()[0])
            before = rig.versions()
            filler = disk / "filler"
            subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True)
            assert shutil.disk_usage(disk).free == 0
            ended = processes.sync(rig)
            assert (ended.code, before) == (7, rig.versions()), ended.error
            filler.unlink()
            assert_next_is_right(rig)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_project_that_cannot_be_written_is_told(rig: Rig) -> None:
    lost = Rig(rig.project / "lost", rig.fleet, rig.simulator)
    lost.project.mkdir()
    lost.work.write_text("no folder")
    with pytest.raises(DestinationError, match=r"^write below .*lost.*: Not a directory\. Correct that, and run"):
        lost.sync()
    lost.work.unlink()
    lost.db = lost.project / "file" / "phones.duckdb"
    lost.db.parent.write_text("no folder")
    with pytest.raises(DestinationError, match=r"^open .*Check the path, its permissions and the disk$"):
        lost.sync()
    assert_next_is_right(rig)


def test_a_read_only_disk_is_told(tmp_path: Path, first_syncs: FirstSyncs, processes: Processes) -> None:
    for rig in first_syncs.rigs(tmp_path / "sealed", devices=30, seed=3):
        rig.fleet.remove(rig.fleet.ids()[0])
        bound = ["mount", "--bind", str(rig.project), str(rig.project)]
        if subprocess.run(bound, capture_output=True).returncode:
            pytest.skip("mounting is not permitted here")
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", str(rig.project)], check=True)
            ended = processes.sync(rig)
            assert ended.code == 7
            assert "Read-only file system" in (ended.error or "")
        finally:
            subprocess.run(["umount", "-l", str(rig.project)], check=True)
        assert_next_is_right(rig)


def test_a_file_that_is_no_database_is_told_and_left_alone(rig: Rig) -> None:
    other = Rig(rig.project, rig.fleet, rig.simulator)
    other.db = rig.project / "unlocked.duckdb"
    other.db.write_text("somebody's letter " * 500)
    with pytest.raises(SettingsError, match="this is not a DuckDB file"):
        other.sync()
    assert other.db.read_text() == "somebody's letter " * 500


@pytest.mark.parametrize("dataset", ["My-Data", "a__b", "1st", "x_", "", "drop table"])
def test_a_dataset_that_dlt_would_rename_is_refused(rig: Rig, dataset: str) -> None:
    with pytest.raises(SettingsError, match="this is no usable name"):
        sync_pbxs(rig.config(), db=rig.db, dataset=dataset)


def test_a_destination_that_fails_in_mid_load_is_told_until_it_is_mended(rig: Rig) -> None:
    new = rig.fleet.add({"Registrar": None})["Id"]
    before, ledger = rig.versions(), rig.ledger()
    rig.write("alter table phones.threecx.device_versions alter mac set not null")
    for what in ("the package of this run", "a package that an earlier run left"):
        with pytest.raises(DestinationError, match=f"^load of {what}: the destination failed") as raised:
            rig.sync()
        assert "NOT NULL constraint failed: device_versions.mac" in str(raised.value)
        assert "Repair the destination and run again: that finishes this load first" in str(raised.value)
        assert rig.ledger() == ledger
    rig.write("alter table phones.threecx.device_versions alter mac drop not null")
    assert counts(rig.sync()) == {}
    assert rig.versions()[: len(before)] == before
    assert [row["change"] for row in rig.versions()[len(before) :]] == ["removed", "added"]
    assert rig.devices()[new]["mac"] is None
    assert_sound(rig)


def test_an_old_database_keeps_its_mode_and_a_new_one_is_private(tmp_path: Path) -> None:
    for rig in rigs(tmp_path / "modes", Fleet(devices=3)):
        rig.sync()
        assert stat.S_IMODE(rig.db.stat().st_mode) == 0o600
        rig.db.chmod(0o640)
        rig.sync()
        assert stat.S_IMODE(rig.db.stat().st_mode) == 0o640
        assert os.umask(0o022) == 0o022
